package certs_test

import (
	"crypto/tls"
	"errors"
	"os"
	"reflect"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A function for crypto/tls chooses by what the client said, and what it returns is converted once, although
// it makes a new tls.Certificate for each call, as autocert does.
func TestGetCertificateFromTLS(t *testing.T) {
	leakcheck.Test(t)
	std := ssltest.StdKeyPair(t, "server-ecdsa")
	var hello *tls.ClientHelloInfo
	supported := errors.New("not asked")
	get := ssl.GetCertificateFromTLS(func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		hello, supported = h, h.SupportsCertificate(&std)
		fresh := std
		return &fresh, nil
	})
	var shown []*ssl.Certificate
	srv := ssltest.NewServerCtx(t, &ssl.Config{NextProtos: []string{"acme-tls/1"},
		GetCertificate: func(h *ssl.ClientHelloInfo) (*ssl.Certificate, error) {
			cert, err := get(h)
			shown = append(shown, cert)
			return cert, err
		}})
	cli := &ssl.Config{RootCAs: ssltest.Roots(t, "ca"), ServerName: "localhost",
		NextProtos: []string{"acme-tls/1"}}
	for range 2 {
		ssltest.Meet(t, ssltest.NewClientCtx(t, cli), srv, nil).CloseBoth()
	}
	if supported != nil {
		t.Errorf("crypto/tls says that the client does not support the certificate: %v", supported)
	}
	if hello.ServerName != "localhost" || !reflect.DeepEqual(hello.SupportedProtos, cli.NextProtos) ||
		len(hello.CipherSuites) == 0 || len(hello.Extensions) == 0 || hello.Conn == nil {
		t.Errorf("crypto/tls was told %+v", hello)
	}
	if len(shown) != 2 || shown[0] != shown[1] {
		t.Errorf("%d certificates, want the same one twice", len(shown))
	}
	// Another staple is another certificate.
	staple, err := os.ReadFile(ssltest.CertFile("server-ecdsa.ocsp"))
	if err != nil {
		t.Fatal(err)
	}
	std.OCSPStaple = staple
	if cert, err := get(&ssl.ClientHelloInfo{}); err != nil || cert == shown[0] {
		t.Errorf("%v, and the old staple: %v", err, cert == shown[0])
	}
}

// What get does not find, or cannot be converted, is no certificate.
func TestGetCertificateFromTLSFails(t *testing.T) {
	leakcheck.Test(t)
	missing := errors.New("no such name")
	for name, c := range map[string]struct {
		cert *tls.Certificate
		err  error
		want error
	}{
		"error":   {nil, missing, missing},
		"none":    {nil, nil, nil},
		"useless": {&tls.Certificate{}, nil, ssl.ErrMalformed},
	} {
		get := ssl.GetCertificateFromTLS(func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.cert, c.err
		})
		if cert, err := get(&ssl.ClientHelloInfo{}); cert != nil || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v, want %v", name, cert, err, c.want)
		}
	}
}

// What remembering saves: compare with CertificateFromTLS.
func BenchmarkGetCertificateFromTLS(b *testing.B) {
	std := ssltest.StdKeyPair(b, "server-ecdsa")
	get := ssl.GetCertificateFromTLS(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &std, nil })
	for b.Loop() {
		if _, err := get(&ssl.ClientHelloInfo{}); err != nil {
			b.Fatal(err)
		}
	}
}
