package conns_test

import (
	"crypto/tls"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Each end names the scheme that the other has signed with, which its keys and the configured schemes
// settle, and none on a connection that resumes.
func TestPeerSignatureScheme(t *testing.T) {
	for _, c := range []struct {
		cert    string
		version uint16
		schemes []tls.SignatureScheme // the client's
		want    tls.SignatureScheme
	}{
		{"server-ecdsa", ssl.VersionTLS13, nil, tls.ECDSAWithP256AndSHA256},
		{"server-rsa", ssl.VersionTLS13, nil, tls.PSSWithSHA256},
		{"server-rsa", ssl.VersionTLS12, []tls.SignatureScheme{tls.PKCS1WithSHA384}, tls.PKCS1WithSHA384},
		{"server-ecdsa", ssl.VersionTLS12, []tls.SignatureScheme{tls.ECDSAWithP521AndSHA512},
			tls.ECDSAWithP521AndSHA512},
	} {
		t.Run(c.cert+" "+ssl.VersionName(c.version), func(t *testing.T) {
			leakcheck.Test(t)
			srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
			srv.Certificates = []ssl.Certificate{ssltest.KeyPair(t, c.cert)}
			srv.ClientAuth, srv.ClientCAs = ssl.VerifyClientCertIfGiven, ssltest.Roots(t, "ca")
			cli.MaxVersion, cli.SignatureSchemes = c.version, c.schemes
			if len(c.schemes) == 0 { // otherwise the client's key could not sign
				cli.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client")}
			}
			sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
			p := ssltest.Meet(t, cctx, sctx, nil)
			if got := p.Client.ConnectionState().PeerSignatureScheme; got != c.want {
				t.Errorf("the server has signed with %v, want %v", got, c.want)
			}
			var want tls.SignatureScheme
			if len(cli.Certificates) > 0 {
				want = tls.ECDSAWithP256AndSHA256
			}
			if got := p.Server.ConnectionState().PeerSignatureScheme; got != want {
				t.Errorf("the client has signed with %v, want %v", got, want)
			}
			offer := ssltest.SessionOf(t, p.Client)
			p.CloseBoth()
			p = ssltest.Meet(t, cctx, sctx, offer)
			defer p.CloseBoth()
			if !p.Client.SessionReused() {
				t.Fatal("not resumed")
			}
			for _, end := range []*ssl.Conn{p.Client, p.Server} {
				if got := end.ConnectionState().PeerSignatureScheme; got != 0 {
					t.Errorf("%v on a connection without signatures", got)
				}
			}
		})
	}
}

// TLS 1.1 has no schemes, although libssl knows one for an ECDSA key.
func TestPeerSignatureSchemeOfOldVersions(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	for _, c := range []*ssl.Config{srv, cli} {
		c.MinVersion, c.MaxVersion, c.SecurityLevel = ssl.VersionTLS11, ssl.VersionTLS11, ssl.InsecureSecurityLevel0
		c.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
	}
	p := ssltest.Meet(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), nil)
	defer p.CloseBoth()
	if s := p.Client.ConnectionState(); s.Version != ssl.VersionTLS11 || s.PeerSignatureScheme != 0 {
		t.Errorf("%v in %s", s.PeerSignatureScheme, ssl.VersionName(s.Version))
	}
}

// crypto/tls, which sends a share for its first group only, says on both sides what we say.
func TestHelloRetryRequestAsCryptoTLSHasIt(t *testing.T) {
	leakcheck.Test(t)
	for _, c := range []struct {
		groups []tls.CurveID
		want   bool
	}{
		{[]tls.CurveID{tls.CurveP256, tls.CurveP384}, true},
		{[]tls.CurveID{tls.CurveP384, tls.CurveP256}, false},
	} {
		srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
		srv.CurvePreferences = []tls.CurveID{tls.CurveP384}
		peer, ours := ssltest.StdClient(t, srv, &tls.Config{ServerName: "localhost", CurvePreferences: c.groups})
		if got := ours.ConnectionState(); got.HelloRetryRequest != peer.HelloRetryRequest ||
			got.TLS().HelloRetryRequest != got.HelloRetryRequest {
			t.Errorf("%v: our server says %t, crypto/tls's client %t", c.groups, got.HelloRetryRequest,
				peer.HelloRetryRequest)
		}
		cli.CurvePreferences = c.groups
		std := &tls.Config{CurvePreferences: srv.CurvePreferences}
		client, _, server, cerr, serr := ssltest.StdServer(t, cli, std)
		if cerr != nil || serr != nil {
			t.Fatalf("client %v, server %v", cerr, serr)
		}
		got, want := client.ConnectionState().HelloRetryRequest, server.ConnectionState().HelloRetryRequest
		if got != want || want != c.want {
			t.Errorf("%v: our client says %t, crypto/tls's server %t, want %t", c.groups, got, want, c.want)
		}
		client.Close()
	}
}
