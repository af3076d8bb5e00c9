package ssl_test

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
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
			forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
				both := copyOf(srv, func(cfg *ssl.Config) {
					cfg.ClientAuth, cfg.ClientCAs, cfg.VerifyDepth = ssl.RequireAndVerifyClientCert, roots(t, "ca"), c.depth
				})
				p := newTCPPair(t, copyOf(cli, func(cfg *ssl.Config) { cfg.Certificates = []ssl.Certificate{keyPair(t, "client"+c.cert)} }), both)
				if _, serr := p.shake(); verifyCode(serr) != c.code || c.code == 0 && serr != nil {
					t.Errorf("server: %v", serr)
				}
				if c.cert != "" {
					srv.Certificates = []ssl.Certificate{keyPair(t, "server-chain")}
				}
				cli.VerifyDepth = c.depth
				q := newTCPPair(t, cli, srv)
				if cerr, _ := q.shake(); verifyCode(cerr) != c.code || c.code == 0 && cerr != nil {
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
				"server": x509.ExtKeyUsageServerAuth, "client": x509.ExtKeyUsageClientAuth, "mail": x509.ExtKeyUsageEmailProtection,
			}[cert]
			forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
				srv.Certificates = []ssl.Certificate{issued(t, "ca", usage, "x", []string{"localhost"}, farFuture)}
				cli.VerifyPurpose = purpose
				cerr, _ := newTCPPair(t, cli, srv).shake()
				if want := map[bool]int{false: badPurpose}[ok]; verifyCode(cerr) != want || ok && cerr != nil {
					t.Errorf("purpose %d, certificate for %s: %v", purpose, cert, cerr)
				}
			})
		}
	}
}

// A server can take its clients' certificates for servers.
func TestVerifyPurposeOfServer(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, roots(t, "ca")
		srv.VerifyPurpose = ssl.PurposeServer
		cli.Certificates = []ssl.Certificate{keyPair(t, "server-ecdsa")}
		newTCPPair(t, cli, srv).mustShake(t)
		cli.Certificates = []ssl.Certificate{keyPair(t, "client")}
		if _, serr := newTCPPair(t, cli, srv).shake(); verifyCode(serr) != badPurpose {
			t.Errorf("server: %v", serr)
		}
	})
}

// Demands that nobody would enforce are refused, on the side where that is so.
func TestDemandsWithoutEffect(t *testing.T) {
	leakcheck.Test(t)
	for what, demand := range map[string]func(*ssl.Config){
		"CRLs":          func(c *ssl.Config) { c.CRLs = [][]byte{current(t, "ca")} },
		"VerifyDepth":   func(c *ssl.Config) { c.VerifyDepth = 2 },
		"VerifyPurpose": func(c *ssl.Config) { c.VerifyPurpose = ssl.PurposeServer },
	} {
		srv, cli := serverConfig(t), clientConfig(t)
		demand(srv)
		demand(cli)
		if err := cli.CheckClient(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		insecure(cli)
		for _, err := range []error{cli.CheckClient(), srv.CheckServer()} {
			refuses(t, what, err, ssl.ErrConfig)
			if err != nil && !strings.Contains(err.Error(), what+" ha") {
				t.Errorf("%s: %q", what, err)
			}
		}
		srv.ClientAuth, srv.ClientCAs = ssl.VerifyClientCertIfGiven, roots(t, "ca")
		if err := srv.CheckServer(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// The names of ClientCAs arrive at the client.
func TestClientCANamesAreSent(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		pool := roots(t, "ca")
		pool.AddCert(parsedCert(t, "other-ca"))
		srv.ClientAuth, srv.ClientCAs = ssl.VerifyClientCertIfGiven, pool
		a, b := tcpPipe(t)
		server, err := ssl.Server(b, newServerCtx(t, srv))
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
		if serr, cerr := both(server.Handshake, client.Handshake, a); serr != nil || cerr != nil {
			t.Fatalf("server %v, client %v", serr, cerr)
		}
		want := map[string]bool{string(parsedCert(t, "ca").RawSubject): true, string(parsedCert(t, "other-ca").RawSubject): true}
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
