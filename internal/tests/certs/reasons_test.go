package certs_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"testing"
	"time"

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

// What OpenSSL says of a path that leads nowhere, while another is good, is no reason of a failure
// that follows in the same record. libssl forgets it on a client, and not on a server.
func TestReasonBehindAnotherPath(t *testing.T) {
	soon := time.Now().Add(time.Hour)
	root, namesake := ssltest.Sign(t, "root", nil, soon), ssltest.Sign(t, "root", nil, soon)
	leaf := ssltest.Sign(t, "localhost", root.Nameless(), soon)
	stranger := ssltest.Sign(t, "stranger", root, soon)
	ssltest.ForEachVersion(t, func(t *testing.T, srv, _ *ssl.Config) {
		srv.ClientAuth, srv.CipherSuites = ssl.RequireAndVerifyClientCert, ssltest.RawSuites
		reasonWith := func(roots ...*ssltest.Signed) string {
			srv.ClientCAs = ssl.NewCertPool()
			for _, r := range roots {
				srv.ClientCAs.AddCert(r.Cert)
			}
			std := ssltest.StdConfig(t, srv.MaxVersion)
			std.Certificates[0] = tls.Certificate{Certificate: [][]byte{leaf.Cert.Raw}, PrivateKey: stranger.Key}
			c, p := ssltest.RawFor(t, ssltest.NewServerCtx(t, srv), std)
			p.JoinMessages(t, srv.MaxVersion)
			go p.Handshake()
			err := c.Handshake()
			var e *ssl.Error
			if !errors.As(err, &e) || ssltest.VerifyCode(err) != 0 || len(e.Entries) == 0 {
				t.Fatalf("%v", err)
			}
			return fmt.Sprintf("%+v", e.Entries)
		}
		want := reasonWith(root)
		for _, got := range []string{reasonWith(root, namesake), reasonWith(namesake, root)} {
			if got != want {
				t.Errorf("%s\nwithout its namesake: %s", got, want)
			}
		}
	})
}
