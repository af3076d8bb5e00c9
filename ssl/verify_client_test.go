package ssl_test

import (
	"crypto/x509"
	"testing"

	"sessl/ssl"
)

// Every level of ClientAuth against a client with no certificate, a good one, and one of
// another CA: who gets in, as whom, and what a refused client hears.
func TestClientAuth(t *testing.T) {
	const none, good, chain, other = "none", "good", "chain", "other"
	type verdict struct {
		ok, verified   bool
		code           int // of the server's VerificationError
		alert12, alert int // what the client hears in TLS 1.2 and 1.3
	}
	in, known := verdict{ok: true}, verdict{ok: true, verified: true}
	missing := verdict{alert12: alertHandshakeFailure, alert: alertCertificateRequired}
	refused := verdict{code: noIssuer, alert12: alertUnknownCA, alert: alertUnknownCA}
	for _, c := range []struct {
		name string
		auth ssl.ClientAuthType
		want map[string]verdict
	}{
		{"NoClientCert", ssl.NoClientCert, map[string]verdict{none: in, good: in, chain: in, other: in}},
		{"RequestClientCert", ssl.RequestClientCert, map[string]verdict{none: in, good: in, chain: in, other: in}},
		{"RequireAnyClientCert", ssl.RequireAnyClientCert, map[string]verdict{none: missing, good: in, chain: in, other: in}},
		{"VerifyClientCertIfGiven", ssl.VerifyClientCertIfGiven, map[string]verdict{none: in, good: known, chain: known, other: refused}},
		{"RequireAndVerifyClientCert", ssl.RequireAndVerifyClientCert, map[string]verdict{none: missing, good: known, chain: known, other: refused}},
	} {
		for who, want := range c.want {
			t.Run(c.name+"/"+who, func(t *testing.T) {
				forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
					if srv.ClientAuth = c.auth; c.auth != ssl.NoClientCert {
						srv.ClientCAs = roots(t, "ca")
					}
					switch who {
					case good:
						cli.Certificates = []ssl.Certificate{keyPair(t, "client")}
					case chain:
						cli.Certificates = []ssl.Certificate{keyPair(t, "client-chain")}
					case other:
						cli.Certificates = []ssl.Certificate{issued(t, "other-ca", x509.ExtKeyUsageClientAuth, "other", nil, farFuture)}
					}
					p := newTCPPair(t, cli, srv)
					cerr, serr := p.shake()
					if want.ok {
						if cerr != nil || serr != nil {
							t.Fatalf("client %v, server %v", cerr, serr)
						}
						if v := p.server.ConnectionState().Verified; v != want.verified {
							t.Errorf("verified is %t, want %t", v, want.verified)
						}
						checkPeer(t, p.server, c.auth != ssl.NoClientCert && who != none)
						return
					}
					if serr == nil || verifyCode(serr) != want.code {
						t.Errorf("server: code %d, want %d: %v", verifyCode(serr), want.code, serr)
					}
					alert := want.alert12
					if cli.MaxVersion == ssl.VersionTLS13 {
						// In TLS 1.3 the client is done before it is judged.
						if cerr != nil {
							t.Fatalf("client's handshake: %v", cerr)
						}
						alert = want.alert
						_, cerr = p.client.Read(make([]byte, 1))
					}
					if alertOf(cerr) != alert {
						t.Errorf("client: alert %d, want %d: %v", alertOf(cerr), alert, cerr)
					}
					if p.server.ConnectionState().Verified {
						t.Error("the refused client counts as verified")
					}
				})
			})
		}
	}
}

func checkPeer(t *testing.T, c *ssl.Conn, want bool) {
	t.Helper()
	der, err := sessionOf(t, c).PeerCertificateDER()
	if err != nil || (der != nil) != want {
		t.Errorf("the session has %d bytes of certificate, wanted any: %t; %v", len(der), want, err)
	}
}

// A certificate for servers does not make a client.
func TestClientAuthPurpose(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, roots(t, "ca")
		cli.Certificates = []ssl.Certificate{keyPair(t, "server-ecdsa")}
		p := newTCPPair(t, cli, srv)
		if _, serr := p.shake(); verifyCode(serr) != badPurpose {
			t.Errorf("server: %v", serr)
		}
	})
}

// A resumed connection knows its client as the first one did, and does not know one that
// it had not verified.
func TestClientAuthResumed(t *testing.T) {
	for _, auth := range []ssl.ClientAuthType{ssl.RequestClientCert, ssl.VerifyClientCertIfGiven, ssl.RequireAndVerifyClientCert} {
		forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
			srv.ClientAuth, srv.ClientCAs = auth, roots(t, "ca")
			cli.Certificates = []ssl.Certificate{keyPair(t, "client")}
			cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
			var offer *ssl.Session
			for i := range 3 {
				p := meet(t, cctx, sctx, offer)
				if p.server.SessionReused() != (i > 0) {
					t.Errorf("connection %d: reused is %t", i, p.server.SessionReused())
				}
				if want := auth != ssl.RequestClientCert; p.server.ConnectionState().Verified != want {
					t.Errorf("connection %d: verified is %t", i, !want)
				}
				checkPeer(t, p.server, true)
				offer = sessionOf(t, p.client)
				p.client.Close()
				p.server.Close()
			}
		})
	}
}
