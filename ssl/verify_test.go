package ssl_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"sessl/ssl"
)

// Codes of X509_verify_cert and alerts of TLS that the tests expect.
const (
	certExpired      = 10
	selfSigned       = 18
	noIssuerOfIssuer = 2
	noIssuer         = 20
	badPurpose       = 26
	hostnameMismatch = 62
	ipMismatch       = 64

	alertHandshakeFailure    = 40
	alertBadCertificate      = 42
	alertUnsupportedCert     = 43
	alertCertificateExpired  = 45
	alertUnknownCA           = 48
	alertCertificateRequired = 116
)

// issued makes a certificate that testdata's CA ca has signed.
func issued(t testing.TB, ca string, usage x509.ExtKeyUsage, cn string, names []string, notAfter time.Time) ssl.Certificate {
	t.Helper()
	return issuedAs(t, ca, &x509.Certificate{
		Subject:     pkix.Name{CommonName: cn},
		NotAfter:    notAfter,
		DNSNames:    names,
		ExtKeyUsage: []x509.ExtKeyUsage{usage},
	})
}

// issuedAs is issued for whatever leaf says.
func issuedAs(t testing.TB, ca string, leaf *x509.Certificate) ssl.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, _ := issuedWith(t, ca, leaf, key)
	return cert
}

// issuedWith is issuedAs with that key, for crypto/tls too.
func issuedWith(t testing.TB, ca string, leaf *x509.Certificate, key crypto.Signer) (ssl.Certificate, tls.Certificate) {
	t.Helper()
	parent, err := tls.LoadX509KeyPair(certFile(ca+".pem"), certFile(ca+".key"))
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := x509.ParseCertificate(parent.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	leaf.SerialNumber, leaf.NotBefore = big.NewInt(1), time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, leaf, issuer, key.Public(), parent.PrivateKey.(crypto.Signer))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ssl.X509KeyPair(
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
	if err != nil {
		t.Fatal(err)
	}
	return cert, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

var farFuture = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

// serverNames are issued for what testdata has no certificate for.
func namedCert(t testing.TB, cn string, names ...string) ssl.Certificate {
	return issued(t, "ca", x509.ExtKeyUsageServerAuth, cn, names, farFuture)
}

// What a client accepts of a server, what it says when it does not, and what the server
// hears of it.
func TestServerVerification(t *testing.T) {
	for _, c := range []struct {
		what  string
		name  string
		cert  string // of testdata, "" for made
		made  func() ssl.Certificate
		roots string // of testdata; "": none at all
		code  int    // 0: accepted
		alert int
	}{
		{what: "good", name: "localhost", cert: "server-ecdsa", roots: "ca"},
		{what: "RSA", name: "localhost", cert: "server-rsa", roots: "ca"},
		{what: "chain", name: "localhost", cert: "server-chain", roots: "ca"},
		{what: "intermediate is no anchor", name: "localhost", cert: "server-chain", roots: "intermediate", code: 2, alert: alertUnknownCA},
		{what: "other root", name: "localhost", cert: "server-ecdsa", roots: "other-ca", code: noIssuer, alert: alertUnknownCA},
		{what: "no roots", name: "localhost", cert: "server-ecdsa", code: noIssuer, alert: alertUnknownCA},
		{what: "self-signed", name: "localhost", cert: "selfsigned", roots: "ca", code: selfSigned, alert: alertUnknownCA},
		{what: "self-signed and trusted", name: "localhost", cert: "selfsigned", roots: "selfsigned"},
		{what: "expired", name: "localhost", cert: "expired", roots: "ca", code: certExpired, alert: alertCertificateExpired},
		{what: "client's certificate", name: "localhost", cert: "client", roots: "ca", code: badPurpose, alert: alertUnsupportedCert},
		{what: "second name", name: "server.test", cert: "server-ecdsa", roots: "ca"},
		{what: "upper case", name: "LOCALHOST", cert: "server-ecdsa", roots: "ca"},
		{what: "trailing dot", name: "localhost.", cert: "server-ecdsa", roots: "ca"},
		{what: "wrong name", name: "other.test", cert: "server-ecdsa", roots: "ca", code: hostnameMismatch, alert: alertBadCertificate},
		{what: "name as suffix", name: "x.localhost", cert: "server-ecdsa", roots: "ca", code: hostnameMismatch, alert: alertBadCertificate},
		{what: "wildcard", name: "a.wild.test", cert: "server-ecdsa", roots: "ca"},
		{what: "wildcard for two labels", name: "a.b.wild.test", cert: "server-ecdsa", roots: "ca", code: hostnameMismatch, alert: alertBadCertificate},
		{what: "wildcard for none", name: "wild.test", cert: "server-ecdsa", roots: "ca", code: hostnameMismatch, alert: alertBadCertificate},
		{what: "partial wildcard", name: "foo.part.test", roots: "ca", code: hostnameMismatch, alert: alertBadCertificate,
			made: func() ssl.Certificate { return namedCert(t, "x", "f*.part.test") }},
		{what: "name in the subject only", name: "cn.test", roots: "ca", code: hostnameMismatch, alert: alertBadCertificate,
			made: func() ssl.Certificate { return namedCert(t, "cn.test") }},
		{what: "IPv4", name: "127.0.0.1", cert: "server-ecdsa", roots: "ca"},
		{what: "IPv6", name: "::1", cert: "server-ecdsa", roots: "ca"},
		{what: "IPv6 in brackets", name: "[::1]", cert: "server-ecdsa", roots: "ca"},
		{what: "other IP", name: "127.0.0.2", cert: "server-ecdsa", roots: "ca", code: ipMismatch, alert: alertBadCertificate},
		{what: "IP as a name", name: "127.0.0.1", roots: "ca", code: ipMismatch, alert: alertBadCertificate,
			made: func() ssl.Certificate { return namedCert(t, "127.0.0.1", "127.0.0.1") }},
	} {
		t.Run(c.what, func(t *testing.T) {
			forEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
				if c.made != nil {
					srv.Certificates = []ssl.Certificate{c.made()}
				} else {
					srv.Certificates = []ssl.Certificate{keyPair(t, c.cert)}
				}
				cli.ServerName, cli.RootCAs = c.name, ssl.NewCertPool()
				if c.roots != "" {
					cli.RootCAs = roots(t, c.roots)
				}
				p := newTCPPair(t, cli, srv)
				cerr, serr := p.shake()
				if c.code == 0 {
					if cerr != nil || serr != nil || !p.client.ConnectionState().Verified {
						t.Errorf("client %v, server %v, verified %t", cerr, serr, p.client.ConnectionState().Verified)
					}
					return
				}
				if verifyCode(cerr) != c.code {
					t.Fatalf("client: code %d, want %d: %v", verifyCode(cerr), c.code, cerr)
				}
				if alertOf(serr) != c.alert {
					t.Errorf("server: alert %d, want %d: %v", alertOf(serr), c.alert, serr)
				}
				if st := p.client.ConnectionState(); st.Version != 0 {
					t.Errorf("state after the failure: %+v", st)
				}
				if _, err := p.client.Write([]byte("x")); verifyCode(err) != c.code {
					t.Errorf("Write after the failure: %v", err)
				}
				if _, err := p.client.Read(make([]byte, 1)); verifyCode(err) != c.code {
					t.Errorf("Read after the failure: %v", err)
				}
			})
		})
	}
}

// InsecureSkipVerify takes any certificate for any name, and says that it has not looked.
func TestInsecureSkipVerify(t *testing.T) {
	for _, cert := range []string{"server-ecdsa", "selfsigned", "expired", "other-server", "client"} {
		t.Run(cert, func(t *testing.T) {
			forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
				srv.Certificates = []ssl.Certificate{keyPair(t, cert)}
				cli.InsecureSkipVerify, cli.ServerName = true, "other.test"
				p := newTCPPair(t, cli, srv)
				p.mustShake(t)
				p.echo(t)
				if p.client.ConnectionState().Verified {
					t.Error("verified")
				}
			})
		})
	}
}
