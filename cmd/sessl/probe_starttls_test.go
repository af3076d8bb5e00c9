package main

import (
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
	"sessl/starttls"
)

// scripts are what servers say that are called localhost.
var scripts = ssltest.StartTLS("localhost")

// startScripted starts a server that speaks TLS behind a script.
func startScripted(t *testing.T, s ssltest.Turns) (addr string) {
	t.Helper()
	cert := ssltest.KeyPair(t, "server-ecdsa")
	ctx := ssltest.NewServerCtx(t, &ssl.Config{Certificates: []ssl.Certificate{cert}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			if s.Play(raw) != "" {
				raw.Close()
				continue
			}
			c, err := ssl.Server(raw, ctx)
			if err != nil {
				raw.Close()
				return
			}
			io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return "localhost:" + port
}

func TestProbeStartTLS(t *testing.T) {
	leakcheck.Test(t)
	for _, name := range starttls.Names() {
		t.Run(name, func(t *testing.T) {
			leakcheck.Test(t)
			r := probeJSON(t, exitOK, startScripted(t, scripts[name]), "-n", "1", "--starttls", name)
			if !r.Reuse || r.Resumed != 1 || !r.Verified {
				t.Errorf("%+v", r)
			}
		})
	}
}

// Plain text behind the answer is an error for each protocol, and so are refusals and talk without end;
// package starttls has these for each.
func TestProbeStartTLSHostile(t *testing.T) {
	leakcheck.Test(t)
	check := func(name, answer, says string) {
		t.Helper()
		bad := slices.Clone(scripts[name])
		bad[len(bad)-1] = answer
		r := sessl(t, "probe", startScripted(t, bad), "--ca", ssltest.CertFile("ca.pem"), "--starttls", name)
		r.want(t, exitError)
		if !strings.Contains(r.errOut, says) || len(r.errOut) > 600 {
			t.Errorf("%s: %.700q, want a line with %q", name, r.errOut, says)
		}
	}
	for _, name := range starttls.Names() {
		last := scripts[name][len(scripts[name])-1]
		check(name, last+"250 more\r\n", "starttls: "+name+": the server, or someone on the way")
	}
	check("smtp", "454 not now\r\n", `STARTTLS: 454 "not now"`)
	check("imap", strings.Repeat("* a\r\n", 1<<16), "the server says too much in the clear")
}
