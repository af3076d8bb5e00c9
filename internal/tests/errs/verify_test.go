package errs_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// A refused certificate is the same error as in crypto/tls, on both sides.
func TestRefusalsAreThoseOfCryptoTLS(t *testing.T) {
	leakcheck.Test(t)
	root := issue(t, nil, "root", authority)
	other := issue(t, nil, "another root", authority)
	middle := issue(t, root, "middle", authority)
	is := func(changes ...func(*x509.Certificate)) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			for _, change := range changes {
				change(c)
			}
		}
	}
	for _, c := range []struct {
		name  string
		asked string
		peer  *identity
		sides string
		want  string
	}{
		{"wrong name", "other.test", issue(t, root, "x", leaf), "c", "name verify "},
		{"address that is not there", "127.0.0.2", issue(t, root, "x", leaf), "c", "name verify "},
		{"unknown authority", "localhost", issue(t, other, "x", leaf), "cs", "authority verify "},
		{"unknown authority of an issuer", "localhost", issue(t, issue(t, other, "m", authority), "x", leaf), "cs",
			"authority verify "},
		{"self-signed", "localhost", issue(t, nil, "x", leaf), "cs", "authority verify "},
		{"expired", "localhost", issue(t, root, "x", is(leaf, func(c *x509.Certificate) {
			c.NotAfter = time.Now().Add(-time.Minute)
		})), "cs", "invalid verify "},
		{"not yet valid", "localhost", issue(t, root, "x", is(leaf, func(c *x509.Certificate) {
			c.NotBefore = time.Now().Add(time.Minute)
		})), "cs", "invalid verify "},
		{"another usage", "localhost", issue(t, root, "x", is(leaf, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
		})), "cs", "invalid verify "},
		{"name constraints", "localhost", issue(t, issue(t, root, "m", is(authority,
			func(c *x509.Certificate) {
				c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"other.test"}, true
			})), "x", leaf), "cs", "invalid verify "},
		{"excluded name", "localhost", issue(t, issue(t, root, "m", is(authority,
			func(c *x509.Certificate) {
				c.ExcludedDNSDomains, c.PermittedDNSDomainsCritical = []string{"localhost"}, true
			})), "x", leaf), "cs", "invalid verify "},
		{"path too long", "localhost", issue(t, issue(t, issue(t, root, "m1", is(authority,
			func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true })), "m2", authority), "x", leaf),
			"cs", "invalid verify "},
		{"expired issuer", "localhost", issue(t, issue(t, root, "m", is(authority, func(c *x509.Certificate) {
			c.NotAfter = time.Now().Add(-time.Minute)
		})), "x", leaf), "cs", "invalid verify "},
		{"issuer that is none", "localhost", issue(t, issue(t, root, "m", leaf), "x", leaf), "cs",
			"authority verify "},
	} {
		for _, version := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
			for _, s := range c.sides {
				t.Run(c.name+" "+ssl.VersionName(version)+" "+string(s), func(t *testing.T) {
					a := attempt{version: version, name: c.asked, roots: root, server: s == 's'}
					if a.server {
						a.own = issue(t, middle, "server", leaf)
					}
					std, ours := a.each(t, side.Handshake, func(conn net.Conn) {
						shakeStd(conn, !a.server, version, c.peer)
					})
					if got := found(std); got != c.want {
						t.Errorf("crypto/tls has %qin %v", got, std)
					}
					compare(t, std, ours)
				})
			}
		}
	}
}

// shakeStd is crypto/tls with a certificate that accepts everything, until its peer ends.
func shakeStd(conn net.Conn, server bool, version uint16, own *identity) {
	cfg := &tls.Config{MinVersion: version, MaxVersion: version, InsecureSkipVerify: true}
	cert := own.std()
	c := tls.Server(conn, cfg)
	if server {
		cfg.Certificates = []tls.Certificate{cert}
	} else {
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
		c = tls.Client(conn, cfg)
	}
	defer conn.Close()
	if c.Handshake() == nil {
		c.Read(make([]byte, 1))
	}
}
