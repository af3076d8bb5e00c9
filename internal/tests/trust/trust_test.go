package trust_test

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

const chainTooLong = 22

// VerifyDepth counts the intermediates, on both sides.
func TestVerifyDepth(t *testing.T) {
	for _, c := range []struct {
		what  string
		depth int
		cert  string
		code  int
	}{
		{"none allowed, none there", -1, "", 0},
		{"none allowed, one there", -1, "-chain", chainTooLong},
		{"one allowed, one there", 1, "-chain", 0},
		{"default", 0, "-chain", 0},
	} {
		t.Run(c.what, func(t *testing.T) {
			ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
				both := ssltest.CopyOf(srv, func(cfg *ssl.Config) {
					cfg.ClientAuth, cfg.ClientCAs, cfg.VerifyDepth = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca"),
						c.depth
				})
				p := ssltest.NewTCPPair(t,
					ssltest.CopyOf(cli, func(cfg *ssl.Config) {
						cfg.Certificates = []ssl.Certificate{ssltest.KeyPair(t,
							"client"+c.cert)}
					}), both)
				if _, serr := p.Shake(); ssltest.VerifyCode(serr) != c.code || c.code == 0 && serr != nil {
					t.Errorf("server: %v", serr)
				}
				if c.cert != "" {
					srv.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-chain")}
				}
				cli.VerifyDepth = c.depth
				q := ssltest.NewTCPPair(t, cli, srv)
				if cerr, _ := q.Shake(); ssltest.VerifyCode(cerr) != c.code || c.code == 0 && cerr != nil {
					t.Errorf("client: %v", cerr)
				}
			})
		})
	}
}

// VerifyPurpose is what decides whether a certificate for one side, or for neither, passes.
func TestVerifyPurpose(t *testing.T) {
	type fit struct{ server, client, mail bool }
	for purpose, fits := range map[ssl.Purpose]fit{
		ssl.PurposeDefault:     {server: true},
		ssl.PurposeServer:      {server: true},
		ssl.PurposeClient:      {client: true},
		ssl.PurposeInsecureAny: {server: true, client: true, mail: true},
	} {
		for cert, ok := range map[string]bool{"server": fits.server, "client": fits.client, "mail": fits.mail} {
			usage := map[string]x509.ExtKeyUsage{
				"server": x509.ExtKeyUsageServerAuth, "client": x509.ExtKeyUsageClientAuth,
				"mail": x509.ExtKeyUsageEmailProtection,
			}[cert]
			ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
				srv.Certificates = []ssl.Certificate{ssltest.Issued(t, "ca", usage, "x", []string{"localhost"},
					ssltest.FarFuture)}
				cli.VerifyPurpose = purpose
				cerr, _ := ssltest.NewTCPPair(t, cli, srv).Shake()
				if want := map[bool]int{false: ssltest.BadPurpose}[ok]; ssltest.VerifyCode(cerr) != want || ok &&
					cerr != nil {
					t.Errorf("purpose %d, certificate for %s: %v", purpose, cert, cerr)
				}
			})
		}
	}
}

// A server can take its clients' certificates for servers.
func TestVerifyPurposeOfServer(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
		srv.VerifyPurpose = ssl.PurposeServer
		cli.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-ecdsa")}
		ssltest.NewTCPPair(t, cli, srv).MustShake(t)
		cli.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client")}
		if _, serr := ssltest.NewTCPPair(t, cli, srv).Shake(); ssltest.VerifyCode(serr) != ssltest.BadPurpose {
			t.Errorf("server: %v", serr)
		}
	})
}

// Demands that would not be enforced are refused, on the side where that is so.
func TestDemandsWithoutEffect(t *testing.T) {
	leakcheck.Test(t)
	for what, demand := range map[string]func(*ssl.Config){
		"CRLs":          func(c *ssl.Config) { c.CRLs = [][]byte{ssltest.Current(t, "ca")} },
		"VerifyDepth":   func(c *ssl.Config) { c.VerifyDepth = 2 },
		"VerifyPurpose": func(c *ssl.Config) { c.VerifyPurpose = ssl.PurposeServer },
	} {
		srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
		demand(srv)
		demand(cli)
		if err := cli.CheckClient(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		ssltest.Insecure(cli)
		for _, err := range []error{cli.CheckClient(), srv.CheckServer()} {
			ssltest.Refuses(t, what, err, ssl.ErrConfig)
			if err != nil && !strings.Contains(err.Error(), what+" ha") {
				t.Errorf("%s: %q", what, err)
			}
		}
		srv.ClientAuth, srv.ClientCAs = ssl.VerifyClientCertIfGiven, ssltest.Roots(t, "ca")
		if err := srv.CheckServer(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// The names of ClientCAs arrive at the client.
func TestClientCANamesAreSent(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		pool := ssltest.Roots(t, "ca")
		pool.AddCert(ssltest.ParsedCert(t, "other-ca"))
		srv.ClientAuth, srv.ClientCAs = ssl.VerifyClientCertIfGiven, pool
		a, b := ssltest.TCPPipe(t)
		server, err := ssl.Server(b, ssltest.NewServerCtx(t, srv))
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		var names [][]byte
		client := tls.Client(a, &tls.Config{InsecureSkipVerify: true, MaxVersion: cli.MaxVersion,
			GetClientCertificate: func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
				names = r.AcceptableCAs
				return &tls.Certificate{}, nil
			}})
		if serr, cerr := ssltest.Both(server.Handshake, client.Handshake, a); serr != nil || cerr != nil {
			t.Fatalf("server %v, client %v", serr, cerr)
		}
		want := map[string]bool{string(ssltest.ParsedCert(t, "ca").RawSubject): true,
			string(ssltest.ParsedCert(t, "other-ca").RawSubject): true}
		for _, name := range names {
			if !want[string(name)] {
				t.Errorf("an unknown or repeated name: %q", name)
			}
			delete(want, string(name))
		}
		if len(want) > 0 {
			t.Errorf("%d names are missing", len(want))
		}
	})
}
