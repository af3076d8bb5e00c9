package certs_test

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// checkSent wants each end to have sent what the other one got.
func checkSent(t *testing.T, what string, p ssltest.Pair, client, server int) {
	t.Helper()
	c, s := p.Client.ConnectionState(), p.Server.ConnectionState()
	if len(c.LocalCertificates) != client || len(s.LocalCertificates) != server {
		t.Errorf("%s: sent %d and %d, want %d and %d", what, len(c.LocalCertificates), len(s.LocalCertificates),
			client, server)
	}
	if c.DidResume {
		return
	}
	if !slices.EqualFunc(c.LocalCertificates, s.PeerCertificates, (*x509.Certificate).Equal) {
		t.Errorf("%s: the client says it sent %d, the server got %d", what, len(c.LocalCertificates),
			len(s.PeerCertificates))
	}
	if !slices.EqualFunc(s.LocalCertificates, c.PeerCertificates, (*x509.Certificate).Equal) {
		t.Errorf("%s: the server says it sent %d, the client got %d", what, len(s.LocalCertificates),
			len(c.PeerCertificates))
	}
}

func TestLocalCertificates(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		srv.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-chain")}
		srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
		cli.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client-chain")}
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		cli.Certificates, srv.Certificates = nil, nil // a Ctx does not need them any more
		leakcheck.Collect()
		var offer *ssl.Session
		for _, sent := range []int{2, 0} { // then a resumption
			p := ssltest.Meet(t, cctx, sctx, offer)
			if got := p.Client.SessionReused(); got != (sent == 0) {
				t.Fatalf("resumed: %t", got)
			}
			checkSent(t, "mutual", p, sent, sent)
			offer = ssltest.SessionOf(t, p.Client)
			p.CloseBoth()
			if st := p.Server.ConnectionState(); len(st.LocalCertificates) != sent {
				t.Errorf("after Close it has sent %d, want %d", len(st.LocalCertificates), sent)
			}
		}
	})
}

// A client has sent one only if it was asked and has one that fits.
func TestLocalCertificatesOfAClient(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		cert := ssltest.KeyPair(t, "client")
		shake := func(what string, sent int) {
			t.Helper()
			p := ssltest.NewTCPPair(t, cli, srv)
			p.MustShake(t)
			checkSent(t, what, p, sent, 1)
		}
		cli.Certificates = []ssl.Certificate{cert}
		shake("not asked", 0)
		srv.ClientAuth = ssl.RequestClientCert
		shake("asked", 1)
		cli.Certificates = nil
		shake("asked, has none", 0)
		cli.GetClientCertificate = func(*ssl.CertificateRequestInfo) (*ssl.Certificate, error) { return &cert, nil }
		shake("chosen", 1)
		cli.GetClientCertificate = func(*ssl.CertificateRequestInfo) (*ssl.Certificate, error) { return nil, nil }
		shake("chosen: none", 0)
		cli.Certificates, cli.GetClientCertificate = []ssl.Certificate{cert}, nil
		srv.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-rsa")}
		srv.SignatureSchemes = []tls.SignatureScheme{tls.PSSWithSHA256}
		shake("asked for another kind", 0)
	})
}

func TestLocalCertificatesOfAServer(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		var judged []*x509.Certificate
		srv.VerifyConnection = func(st ssl.ConnectionState) error { judged = st.LocalCertificates; return nil }
		shake := func(what string, want ssl.Certificate) {
			t.Helper()
			judged = nil
			p := ssltest.NewTCPPair(t, cli, srv)
			p.MustShake(t)
			if got := p.Server.ConnectionState().LocalCertificates; len(got) == 0 || !got[0].Equal(want.Leaf()) {
				t.Errorf("%s: sent %d certificates, want %v", what, len(got), want)
			}
			if len(judged) == 0 || !judged[0].Equal(want.Leaf()) {
				t.Errorf("%s: VerifyConnection saw %d", what, len(judged))
			}
			p.CloseBoth()
		}
		ec, rsa, other := ssltest.KeyPair(t, "server-ecdsa"), ssltest.KeyPair(t, "server-rsa"),
			ssltest.KeyPair(t, "server-chain")
		srv.Certificates = []ssl.Certificate{ec, rsa}
		cli.SignatureSchemes = []tls.SignatureScheme{tls.PSSWithSHA256}
		shake("RSA", rsa)
		cli.SignatureSchemes = []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.PSSWithSHA256}
		srv.Certificates = []ssl.Certificate{rsa, ec}
		srv.SignatureSchemes = cli.SignatureSchemes
		shake("ECDSA", ec)
		srv.GetCertificate = func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) { return &other, nil }
		shake("GetCertificate", other)
		srv.GetCertificate = func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) { return nil, nil }
		shake("GetCertificate: nil", ec)
		host := ssltest.NewServerCtx(t, srv)
		srv.Certificates = []ssl.Certificate{other}
		srv.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return host, nil }
		shake("GetConfigForClient", ec)
	})
}

// With RSA key exchange the server signs nothing, but it has sent its certificate.
func TestLocalCertificatesWithoutASignature(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-rsa")}
	srv.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
	cli.CipherSuites, cli.MaxVersion = srv.CipherSuites, ssl.VersionTLS12
	p := ssltest.NewTCPPair(t, cli, srv)
	p.MustShake(t)
	checkSent(t, "RSA key exchange", p, 0, 1)
}

// A client that is asked after the handshake has sent what it has answered last, also on a connection that
// resumed.
func TestLocalCertificatesOfAnAnswer(t *testing.T) {
	ssltest.ForEachLater(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.ClientAuth = ssl.VerifyClientCertIfGiven
		chain, one := ssltest.KeyPair(t, "client-chain"), ssltest.KeyPair(t, "client")
		var answer *ssl.Certificate
		cli.GetClientCertificate = func(*ssl.CertificateRequestInfo) (*ssl.Certificate, error) {
			return answer, nil
		}
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		var offer *ssl.Session
		for _, resumed := range []bool{false, true} {
			p := ssltest.Meet(t, cctx, sctx, offer)
			checkAnswered(t, "not asked", p, 0)
			if resumed && ssltest.LibraryRelease() == "1.1.1" {
				break // its client answers without a certificate: see RequestClientCertificate
			}
			for _, a := range []struct {
				cert *ssl.Certificate
				sent int
			}{{&chain, 2}, {&one, 1}, {nil, 0}, {&chain, 2}} {
				answer = a.cert
				if err := p.Request(t); err != nil {
					t.Fatal(err)
				}
				checkAnswered(t, "asked", p, a.sent)
			}
			offer = ssltest.SessionOf(t, p.Client)
			p.CloseBoth()
			checkAnswered(t, "after Close", p, 2)
		}
	})
}

func checkAnswered(t *testing.T, what string, p ssltest.Pair, sent int) {
	t.Helper()
	c, s := p.Client.ConnectionState(), p.Server.ConnectionState()
	if len(c.LocalCertificates) != sent || !c.DidResume && !slices.EqualFunc(c.LocalCertificates,
		s.PeerCertificates, (*x509.Certificate).Equal) {
		t.Errorf("%s: sent %d, resumed %t, the server got %d, want %d", what, len(c.LocalCertificates),
			c.DidResume, len(s.PeerCertificates), sent)
	}
	if sent > 0 && c.LocalCertificateCompressed != s.PeerCertificateCompressed {
		t.Errorf("%s: compressed %t, the server says %t", what, c.LocalCertificateCompressed,
			s.PeerCertificateCompressed)
	}
}
