package recipes

import (
	"crypto/tls"
	"io"
	"net/http"
	"testing"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// serve serves with ctx, which it closes at the end of the test, and returns a URL.
func serve(t *testing.T, ctx *ssl.Ctx, handler http.HandlerFunc) (url string) {
	t.Helper()
	l, done := listen(t), make(chan struct{})
	srv := &http.Server{Handler: handler}
	go func() {
		defer close(done)
		httpssl.Serve(srv, l, ctx)
	}()
	t.Cleanup(func() {
		srv.Close()
		<-done
		ctx.Close()
	})
	return "https://" + l.Addr().String()
}

// get makes a request on a connection of its own.
func get(t *testing.T, client *ssl.Ctx, url string) string {
	t.Helper()
	tr, err := httpssl.NewTransport(&ssl.Dialer{Ctx: client}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	resp, err := (&http.Client{Transport: tr}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// The handler sees the client's certificate, in a resumption as well, and no client without one gets in.
func TestMutual(t *testing.T) {
	leakcheck.Test(t)
	server, err := mutual(ssltest.KeyPair(t, "server-ecdsa"), ssltest.Roots(t, "ca"))
	if err != nil {
		t.Fatal(err)
	}
	url := serve(t, server, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	})
	cfg := ssl.Config{RootCAs: ssltest.Roots(t, "ca"), NextProtos: []string{"h2", "http/1.1"}}
	without := ssltest.NewClientCtx(t, &cfg)
	cfg.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client")}
	client := ssltest.NewClientCtx(t, &cfg)
	want := cfg.Certificates[0].Leaf().Subject.CommonName
	for range 2 {
		if who := get(t, client, url); who != want {
			t.Errorf("the handler sees %q, want %q", who, want)
		}
	}
	if s, err := server.Stats(); err != nil || s.Resumed.Count != 1 {
		t.Errorf("%d connections resumed, %v, want 1", s.Resumed.Count, err)
	}
	tr, err := httpssl.NewTransport(&ssl.Dialer{Ctx: without}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if resp, err := (&http.Client{Transport: tr}).Get(url); err == nil {
		resp.Body.Close()
		t.Error("a client without a certificate gets an answer")
	}
}

// manager has the form of autocert's.
type manager struct{ cert tls.Certificate }

func (m manager) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &m.cert, nil }

func TestACME(t *testing.T) {
	leakcheck.Test(t)
	server, err := acme(manager{ssltest.StdKeyPair(t, "server-ecdsa")})
	if err != nil {
		t.Fatal(err)
	}
	url := serve(t, server, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) })
	client := ssltest.NewClientCtx(t, &ssl.Config{RootCAs: ssltest.Roots(t, "ca"), NextProtos: []string{"h2"}})
	if got := get(t, client, url); got != "HTTP/2.0" {
		t.Errorf("the server speaks %s", got)
	}
}
