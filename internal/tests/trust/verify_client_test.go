package trust_test

import (
	"crypto/x509"
	"testing"

	"sessl/internal/ssltest"
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
	missing := verdict{alert12: ssltest.AlertHandshakeFailure, alert: ssltest.AlertCertificateRequired}
	refused := verdict{code: ssltest.NoIssuer, alert12: ssltest.AlertUnknownCA, alert: ssltest.AlertUnknownCA}
	for _, c := range []struct {
		name string
		auth ssl.ClientAuthType
		want map[string]verdict
	}{
		{"NoClientCert", ssl.NoClientCert, map[string]verdict{none: in, good: in, chain: in, other: in}},
		{"RequestClientCert", ssl.RequestClientCert, map[string]verdict{none: in, good: in, chain: in, other: in}},
		{"RequireAnyClientCert", ssl.RequireAnyClientCert, map[string]verdict{none: missing, good: in, chain: in,
			other: in}},
		{"VerifyClientCertIfGiven", ssl.VerifyClientCertIfGiven, map[string]verdict{none: in, good: known,
			chain: known, other: refused}},
		{"RequireAndVerifyClientCert", ssl.RequireAndVerifyClientCert, map[string]verdict{none: missing,
			good: known, chain: known, other: refused}},
	} {
		for who, want := range c.want {
			t.Run(c.name+"/"+who, func(t *testing.T) {
				ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
					if srv.ClientAuth = c.auth; c.auth != ssl.NoClientCert {
						srv.ClientCAs = ssltest.Roots(t, "ca")
					}
					switch who {
					case good:
						cli.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client")}
					case chain:
						cli.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client-chain")}
					case other:
						cli.Certificates = []ssl.Certificate{ssltest.Issued(t, "other-ca", x509.ExtKeyUsageClientAuth, "other",
							nil, ssltest.FarFuture)}
					}
					p := ssltest.NewTCPPair(t, cli, srv)
					cerr, serr := p.Shake()
					if want.ok {
						if cerr != nil || serr != nil {
							t.Fatalf("client %v, server %v", cerr, serr)
						}
						if v := p.Server.ConnectionState().Verified; v != want.verified {
							t.Errorf("verified is %t, want %t", v, want.verified)
						}
						checkPeer(t, p.Server, c.auth != ssl.NoClientCert && who != none)
						return
					}
					if serr == nil || ssltest.VerifyCode(serr) != want.code {
						t.Errorf("server: code %d, want %d: %v", ssltest.VerifyCode(serr), want.code, serr)
					}
					alert := want.alert12
					if cli.MaxVersion == ssl.VersionTLS13 {
						// In TLS 1.3 the client is done before it is judged.
						if cerr != nil {
							t.Fatalf("client's handshake: %v", cerr)
						}
						alert = want.alert
						_, cerr = p.Client.Read(make([]byte, 1))
					}
					if ssltest.AlertOf(cerr) != alert {
						t.Errorf("client: alert %d, want %d: %v", ssltest.AlertOf(cerr), alert, cerr)
					}
					if p.Server.ConnectionState().Verified {
						t.Error("the refused client counts as verified")
					}
				})
			})
		}
	}
}

func checkPeer(t *testing.T, c *ssl.Conn, want bool) {
	t.Helper()
	der, err := ssltest.SessionOf(t, c).PeerCertificateDER()
	if err != nil || (der != nil) != want {
		t.Errorf("the session has %d bytes of certificate, wanted any: %t; %v", len(der), want, err)
	}
}

// A certificate for servers does not make a client.
func TestClientAuthPurpose(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
		cli.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-ecdsa")}
		p := ssltest.NewTCPPair(t, cli, srv)
		if _, serr := p.Shake(); ssltest.VerifyCode(serr) != ssltest.BadPurpose {
			t.Errorf("server: %v", serr)
		}
	})
}

// A resumed connection knows its client as the first one did, and does not know one that
// it had not verified.
func TestClientAuthResumed(t *testing.T) {
	for _, auth := range []ssl.ClientAuthType{ssl.RequestClientCert, ssl.VerifyClientCertIfGiven,
		ssl.RequireAndVerifyClientCert} {
		ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
			srv.ClientAuth, srv.ClientCAs = auth, ssltest.Roots(t, "ca")
			cli.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client")}
			cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
			var offer *ssl.Session
			for i := range 3 {
				p := ssltest.Meet(t, cctx, sctx, offer)
				if p.Server.SessionReused() != (i > 0) {
					t.Errorf("connection %d: reused is %t", i, p.Server.SessionReused())
				}
				if want := auth != ssl.RequestClientCert; p.Server.ConnectionState().Verified != want {
					t.Errorf("connection %d: verified is %t", i, !want)
				}
				checkPeer(t, p.Server, true)
				offer = ssltest.SessionOf(t, p.Client)
				p.Client.Close()
				p.Server.Close()
			}
		})
	}
}
