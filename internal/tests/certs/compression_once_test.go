package certs_test

import (
	"bytes"
	"testing"

	"sessl/internal/cshim"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A certificate is compressed once by each algorithm, and once more with each staple, for all connections of
// all servers that have it.
func TestCertificatesAreCompressedOnce(t *testing.T) {
	leakcheck.Test(t)
	list := compressing(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.CertificateCompression = list
	made := cshim.Compressions()
	wantMade := func(what string, n int) {
		t.Helper()
		if got := cshim.Compressions() - made; got != uint64(n*len(list)) {
			t.Errorf("%s: compressed %d times, want %d by each of %v", what, got, n, list)
		}
		made = cshim.Compressions()
	}
	visit := func(what string, sctx *ssl.Ctx, asks bool) {
		t.Helper()
		for range 2 {
			own := ssltest.CopyOf(cli, func(c *ssl.Config) { c.RequestOCSPStaple = asks })
			o, number, _ := shake(t, own, sctx, true)
			if want := ssltest.If(len(list) > 0, byte(packed), plain); number != want {
				t.Errorf("%s: message %d, want %d", what, number, want)
			}
			o.CloseBoth()
		}
	}
	cert := ssltest.Stapled(t, "server-ecdsa")
	srv.Certificates = []ssl.Certificate{cert}
	sctx := ssltest.NewServerCtx(t, srv)
	wantMade("ahead of time", 1)
	visit("no staple", sctx, false)
	wantMade("no staple", 0)
	visit("with a staple", sctx, true)
	wantMade("with a staple", 1)
	other := bytes.Clone(ssltest.Staple(t, "server-ecdsa"))
	other[len(other)-1] ^= 1 // in a signature
	if err := cert.SetOCSPStaple(other); err != nil {
		t.Fatal(err)
	}
	visit("with another staple", sctx, true)
	visit("no staple", sctx, false)
	wantMade("with another staple", 1)

	srv.Certificates = nil
	srv.GetCertificate = func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) { return &cert, nil }
	for _, asks := range []bool{false, true} {
		visit("the same of GetCertificate", ssltest.NewServerCtx(t, srv), asks)
	}
	wantMade("the same of GetCertificate", 0)
	cert = ssltest.Stapled(t, "server-rsa")
	for _, asks := range []bool{false, true} {
		visit("another of GetCertificate", ssltest.NewServerCtx(t, srv), asks)
		wantMade("another of GetCertificate", 1)
	}
}
