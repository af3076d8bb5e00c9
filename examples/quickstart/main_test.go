package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/ssl"
)

const certs = "../../testdata/certs/"

func TestMain(m *testing.M) { leakcheck.Main(m) }

// wantReuse fails unless the second of two lines reports a resumption, and both end with
// answer.
func wantReuse(t *testing.T, out, answer string) {
	t.Helper()
	want := "TLS 1.3, not offered: no session, answer " + answer + "\n" +
		"TLS 1.3, resumed by ticket, answer " + answer + "\n"
	if out != want {
		t.Errorf("the output is\n%s\nwant\n%s", out, want)
	}
}

func TestBoth(t *testing.T) {
	leakcheck.Test(t)
	var out strings.Builder
	if err := (&options{}).run(&out); err != nil {
		t.Fatal(err)
	}
	wantReuse(t, out.String(), `"GET / HTTP/1.0\r\n"`)
}

// start starts a server with some flags on a socket of the test, and returns its address.
func start(t *testing.T, o *options) string {
	t.Helper()
	cert, err := o.certificate()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		serve(l, cert)
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

// A server and a client in separate processes, which share the root's file.
func TestApart(t *testing.T) {
	for name, server := range map[string]options{
		"made":   {caOut: filepath.Join(t.TempDir(), "root.pem")},
		"loaded": {cert: certs + "server-ecdsa.pem", key: certs + "server-ecdsa.key"},
	} {
		t.Run(name, func(t *testing.T) {
			leakcheck.Test(t)
			client := options{connect: start(t, &server), ca: server.caOut}
			if client.ca == "" {
				client.ca = certs + "ca.pem"
			}
			var out strings.Builder
			if err := client.run(&out); err != nil {
				t.Fatal(err)
			}
			wantReuse(t, out.String(), `"GET / HTTP/1.0\r\n"`)
		})
	}
}

// A web server, which answers only when it has the whole request.
func TestWebServer(t *testing.T) {
	leakcheck.Test(t)
	cert, err := ssl.LoadX509KeyPair(certs+"server-ecdsa.pem", certs+"server-ecdsa.key")
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	defer ctx.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.NotFoundHandler()}
	done := make(chan error, 1)
	go func() { done <- httpssl.Serve(srv, l, ctx) }()
	var out strings.Builder
	err = (&options{connect: l.Addr().String(), ca: certs + "ca.pem"}).run(&out)
	srv.Close()
	<-done
	if err != nil {
		t.Fatal(err)
	}
	wantReuse(t, out.String(), `"HTTP/1.0 404 Not Found\r\n"`)
}

// A command that cannot work says why, and prints nothing else.
func TestFlagsThatCannotWork(t *testing.T) {
	leakcheck.Test(t)
	for want, o := range map[string]options{
		"contradict":  {serve: "127.0.0.1:0", connect: "localhost:1"},
		"no-such.pem": {connect: "localhost:1", ca: "no-such.pem"},
		"no-such.key": {serve: "127.0.0.1:0", cert: certs + "server-ecdsa.pem", key: "no-such.key"},
		"address":     {serve: "127.0.0.1"},
	} {
		var out bytes.Buffer
		if err := o.run(io.Writer(&out)); err == nil || !strings.Contains(err.Error(), want) || out.Len() > 0 {
			t.Errorf("%+v: error %v, output %q; want an error with %q", o, err, &out, want)
		}
	}
}
