package trust_test

import (
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

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
		{what: "intermediate is no anchor", name: "localhost", cert: "server-chain", roots: "intermediate", code: 2,
			alert: ssltest.AlertUnknownCA},
		{what: "other root", name: "localhost", cert: "server-ecdsa", roots: "other-ca", code: ssltest.NoIssuer,
			alert: ssltest.AlertUnknownCA},
		{what: "no roots", name: "localhost", cert: "server-ecdsa", code: ssltest.NoIssuer,
			alert: ssltest.AlertUnknownCA},
		{what: "self-signed", name: "localhost", cert: "selfsigned", roots: "ca", code: ssltest.SelfSigned,
			alert: ssltest.AlertUnknownCA},
		{what: "self-signed and trusted", name: "localhost", cert: "selfsigned", roots: "selfsigned"},
		{what: "expired", name: "localhost", cert: "expired", roots: "ca", code: ssltest.CertExpired,
			alert: ssltest.AlertCertificateExpired},
		{what: "client's certificate", name: "localhost", cert: "client", roots: "ca", code: ssltest.BadPurpose,
			alert: ssltest.AlertUnsupportedCert},
		{what: "second name", name: "server.test", cert: "server-ecdsa", roots: "ca"},
		{what: "upper case", name: "LOCALHOST", cert: "server-ecdsa", roots: "ca"},
		{what: "trailing dot", name: "localhost.", cert: "server-ecdsa", roots: "ca"},
		{what: "wrong name", name: "other.test", cert: "server-ecdsa", roots: "ca", code: ssltest.HostnameMismatch,
			alert: ssltest.AlertBadCertificate},
		{what: "name as suffix", name: "x.localhost", cert: "server-ecdsa", roots: "ca",
			code: ssltest.HostnameMismatch, alert: ssltest.AlertBadCertificate},
		{what: "wildcard", name: "a.wild.test", cert: "server-ecdsa", roots: "ca"},
		{what: "wildcard for two labels", name: "a.b.wild.test", cert: "server-ecdsa", roots: "ca",
			code: ssltest.HostnameMismatch, alert: ssltest.AlertBadCertificate},
		{what: "wildcard for none", name: "wild.test", cert: "server-ecdsa", roots: "ca",
			code: ssltest.HostnameMismatch, alert: ssltest.AlertBadCertificate},
		{what: "partial wildcard", name: "foo.part.test", roots: "ca", code: ssltest.HostnameMismatch,
			alert: ssltest.AlertBadCertificate,
			made:  func() ssl.Certificate { return ssltest.NamedCert(t, "x", "f*.part.test") }},
		{what: "name in the subject only", name: "cn.test", roots: "ca", code: ssltest.HostnameMismatch,
			alert: ssltest.AlertBadCertificate,
			made:  func() ssl.Certificate { return ssltest.NamedCert(t, "cn.test") }},
		{what: "IPv4", name: "127.0.0.1", cert: "server-ecdsa", roots: "ca"},
		{what: "IPv6", name: "::1", cert: "server-ecdsa", roots: "ca"},
		{what: "IPv6 in brackets", name: "[::1]", cert: "server-ecdsa", roots: "ca"},
		{what: "other IP", name: "127.0.0.2", cert: "server-ecdsa", roots: "ca", code: ssltest.IPMismatch,
			alert: ssltest.AlertBadCertificate},
		{what: "IP as a name", name: "127.0.0.1", roots: "ca", code: ssltest.IPMismatch,
			alert: ssltest.AlertBadCertificate,
			made:  func() ssl.Certificate { return ssltest.NamedCert(t, "127.0.0.1", "127.0.0.1") }},
	} {
		t.Run(c.what, func(t *testing.T) {
			ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
				if c.made != nil {
					srv.Certificates = []ssl.Certificate{c.made()}
				} else {
					srv.Certificates = []ssl.Certificate{ssltest.KeyPair(t, c.cert)}
				}
				cli.ServerName, cli.RootCAs = c.name, ssl.NewCertPool()
				if c.roots != "" {
					cli.RootCAs = ssltest.Roots(t, c.roots)
				}
				p := ssltest.NewTCPPair(t, cli, srv)
				cerr, serr := p.Shake()
				if c.code == 0 {
					if cerr != nil || serr != nil || !p.Client.ConnectionState().Verified {
						t.Errorf("client %v, server %v, verified %t", cerr, serr, p.Client.ConnectionState().Verified)
					}
					return
				}
				if ssltest.VerifyCode(cerr) != c.code {
					t.Fatalf("client: code %d, want %d: %v", ssltest.VerifyCode(cerr), c.code, cerr)
				}
				if ssltest.AlertOf(serr) != c.alert {
					t.Errorf("server: alert %d, want %d: %v", ssltest.AlertOf(serr), c.alert, serr)
				}
				if st := p.Client.ConnectionState(); st.Version != 0 {
					t.Errorf("state after the failure: %+v", st)
				}
				if _, err := p.Client.Write([]byte("x")); ssltest.VerifyCode(err) != c.code {
					t.Errorf("Write after the failure: %v", err)
				}
				if _, err := p.Client.Read(make([]byte, 1)); ssltest.VerifyCode(err) != c.code {
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
			ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
				srv.Certificates = []ssl.Certificate{ssltest.KeyPair(t, cert)}
				cli.InsecureSkipVerify, cli.ServerName = true, "other.test"
				p := ssltest.NewTCPPair(t, cli, srv)
				p.MustShake(t)
				p.Echo(t)
				if p.Client.ConnectionState().Verified {
					t.Error("verified")
				}
			})
		})
	}
}
