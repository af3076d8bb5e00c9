package certs_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// impostor has the certificate of testdata's RSA server, and another key.
func impostor(t testing.TB, key *rsa.PrivateKey) tls.Certificate {
	t.Helper()
	cert := ssltest.StdKeyPair(t, "server-rsa")
	cert.PrivateKey = key
	return cert
}

// Whoever signs with another key than its certificate's has a certificate that is good: that is
// no VerificationError. What RSA says of the signature is a matter of chance, and one of its
// reasons has the number of libssl's "certificate verify failed".
func TestBadSignatureIsNoRefusal(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		std := ssltest.StdConfig(t, cli.MaxVersion)
		std.Certificates[0] = impostor(t, key)
		srv.ClientAuth = ssl.RequireAnyClientCert
		lax := *cli
		lax.InsecureSkipVerify = true
		for _, ctx := range []*ssl.Ctx{ssltest.NewClientCtx(t, cli), ssltest.NewClientCtx(t, &lax),
			ssltest.NewServerCtx(t, srv)} {
			for range 16 {
				c, p := ssltest.RawFor(t, ctx, std)
				go p.Handshake()
				err := c.Handshake()
				var v *ssl.VerificationError
				var e *ssl.Error
				if errors.As(err, &v) || !errors.As(err, &e) || len(e.Entries) == 0 {
					t.Fatalf("%v: %v", ctx, err)
				}
				c.Close()
				p.Close()
			}
		}
	})
}
