package faultmem_test

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"testing"
	"time"

	"sessl/internal/cshim"
	"sessl/internal/faultmem"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

var (
	suites  = []uint16{0x1303, 0x1301, 0xC02B, 0xCCA9}
	curves  = []tls.CurveID{tls.X25519, tls.CurveP256}
	schemes = []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.PSSWithSHA256}
)

func TestCtxOutOfMemory(t *testing.T) {
	leakcheck.Test(t)
	cert, client, ca := ssltest.KeyPair(t, "server-ecdsa"), ssltest.KeyPair(t, "client-chain"),
		ssltest.Roots(t, "ca")
	crls := [][]byte{emptyCRL(t)}
	for _, c := range []struct {
		name string
		make func() (client, server *ssl.Ctx, err error)
	}{
		{"NewClientCtx", func() (cli, srv *ssl.Ctx, err error) {
			cli, err = ssl.NewClientCtx(&ssl.Config{
				RootCAs: ca, ServerName: "localhost", CipherSuites: suites, Certificates: []ssl.Certificate{client},
				CurvePreferences: curves, SignatureSchemes: schemes, CRLs: crls, VerifyPurpose: ssl.PurposeServer,
			})
			return cli, nil, err
		}},
		{"NewServerCtx", func() (cli, srv *ssl.Ctx, err error) {
			srv, err = ssl.NewServerCtx(&ssl.Config{
				Certificates: []ssl.Certificate{cert}, ClientAuth: ssl.VerifyClientCertIfGiven, ClientCAs: ca,
				CipherSuites: suites, NumTickets: 1, CurvePreferences: curves, SignatureSchemes: schemes,
				CRLs: crls, CRLCheckChain: true, VerifyDepth: 5,
			})
			return nil, srv, err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			leakcheck.Test(t)
			full := newLink(t, ssl.VersionTLS13, setup{})
			less := 0
			defer func() { t.Logf("%d times the Ctx could not do what others can", less) }()
			perSite(t, func(op func(string)) (err, wrong error) {
				op(c.name)
				cli, srv, err := c.make()
				if err != nil {
					return err, nil
				}
				defer cli.Close()
				defer srv.Close()
				// OpenSSL 3 treats an algorithm that it could not fetch as one that does not
				// exist, and a root without a key as one that signs nothing. Such a Ctx may
				// agree on fewer algorithms, or on none, but still verifies.
				l := &link{client: full.client, server: full.server}
				if cli != nil {
					l.client = cli
				} else {
					l.server = srv
				}
				wrong = faultmem.Aside(func() error {
					err, wrong := drive(l.clientEnd(nil).run, l.serverEnd().run)
					full.take().Close()
					if err != nil && faultmem.Failed() {
						less++
						err = nil
					}
					return errors.Join(err, wrong)
				})
				return nil, wrong
			})
		})
	}
}

// emptyCRL is a revocation list of testdata's CA that revokes nothing.
func emptyCRL(t *testing.T) []byte {
	t.Helper()
	parent, err := tls.LoadX509KeyPair(ssltest.CertFile("ca.pem"), ssltest.CertFile("ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := x509.ParseCertificate(parent.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Unix(0, 0),
		NextUpdate: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateRevocationList(rand.Reader, list, issuer, parent.PrivateKey.(crypto.Signer))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestParseCRLsOutOfMemory(t *testing.T) {
	leakcheck.Test(t)
	crl := emptyCRL(t)
	every(t, func(op func(string)) (err, wrong error) {
		op("ParseCRLs")
		got, err := ssl.ParseCRLs(crl)
		if err == nil && len(got) != 1 {
			wrong = errors.New("a list is missing")
		}
		return err, wrong
	})
}

// danglingNode reports the versions in which an SSL_CTX_add_session that cannot insert leaves a
// session in its list that is freed afterwards: openssl#28632. The behaviour is then undefined,
// so no allocation may fail there.
func danglingNode(version string) bool {
	var minor, patch int
	if n, _ := fmt.Sscanf(version, "OpenSSL 3.%d.%d", &minor, &patch); n != 2 {
		return false
	}
	return minor < 5 || minor == 5 && patch < 7 || minor == 6 && patch < 3
}

func TestAddSessionOutOfMemory(t *testing.T) {
	leakcheck.Test(t)
	l := newLink(t, ssl.VersionTLS12, setup{})
	s := l.session(t)
	defer s.Close()
	f := func(op func(string)) (err, wrong error) {
		op("Ctx.AddSession")
		var d *ssl.Session
		if wrong := faultmem.Aside(func() (err error) { d, err = s.Dup(); return err }); wrong != nil {
			return nil, wrong
		}
		defer d.Close()
		added, err := l.server.AddSession(d)
		found, removed := false, error(nil)
		faultmem.Aside(func() error { found, removed = l.server.RemoveSession(d); return nil })
		if removed != nil || found != added {
			wrong = errors.Join(removed, errors.New("what was said to be added is not what was found"))
		}
		return err, wrong
	}
	if danglingNode(cshim.Version()) {
		sweep(t, f, func(*report) {
			t.Log("openssl#28632: no allocation fails in SSL_CTX_add_session of", cshim.Version())
		})
		return
	}
	every(t, f)
}
