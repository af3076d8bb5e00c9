package ssl_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"slices"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// Our state against what crypto/tls at the other end says of the same connection.
func TestStateAsCryptoTLSHasIt(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.NextProtos = []string{"h2", "http/1.1"}
		srv.Certificates = []ssl.Certificate{keyPair(t, "server-rsa")} // TLS 1.2 ties ECDSA to the group
		peer, ours := stdClient(t, srv, &tls.Config{NextProtos: []string{"http/1.1"}, ServerName: "localhost", CurvePreferences: []tls.CurveID{tls.CurveP384}})
		got, want := ours.ConnectionState().TLS(), peer
		if got.Version != want.Version || got.CipherSuite != want.CipherSuite || got.NegotiatedProtocol != "http/1.1" ||
			got.NegotiatedProtocol != want.NegotiatedProtocol || got.ServerName != "localhost" || !got.HandshakeComplete ||
			got.DidResume || len(got.PeerCertificates)+len(got.VerifiedChains) != 0 {
			t.Errorf("got %+v, crypto/tls says %+v", got, want)
		}
		if ours.ConnectionState().Group != "" && got.CurveID != tls.CurveP384 {
			t.Errorf("group %q gave CurveID %v, crypto/tls says %v", ours.ConnectionState().Group, got.CurveID, want.CurveID)
		}
		if _, err := got.ExportKeyingMaterial("label", nil, 16); err == nil {
			t.Error("keying material without a connection")
		}
	})
}

// stdClient does a handshake of crypto/tls's client with a server of ours, and returns the
// client's state and our end.
func stdClient(t *testing.T, srv *ssl.Config, cfg *tls.Config) (tls.ConnectionState, *ssl.Conn) {
	t.Helper()
	pem, err := os.ReadFile(certFile("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.RootCAs = x509.NewCertPool()
	cfg.RootCAs.AppendCertsFromPEM(pem)
	a, b := tcpPipe(t)
	s, err := ssl.Server(b, newServerCtx(t, srv))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	done := make(chan error, 1)
	go func() { done <- s.Handshake() }()
	c := tls.Client(a, cfg)
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return c.ConnectionState(), s
}

// With client certificates, on the first connection and on one that resumes it.
func TestStateTLSCertificates(t *testing.T) {
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, roots(t, "ca")
		cli.Certificates = []ssl.Certificate{keyPair(t, "client-chain")}
		cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
		var offer *ssl.Session
		for _, resumed := range []bool{false, true} {
			p := meet(t, cctx, sctx, offer)
			for _, c := range []*ssl.Conn{p.client, p.server} {
				own, std := c.ConnectionState(), c.ConnectionState().TLS()
				if std.DidResume != resumed {
					t.Fatalf("resumed %t, want %t", std.DidResume, resumed)
				}
				if len(std.PeerCertificates) == 0 || std.PeerCertificates[0] != own.PeerCertificates[0] {
					t.Errorf("peer certificates %v, want %v", std.PeerCertificates, own.PeerCertificates)
				}
				var want [][]*x509.Certificate
				if len(own.VerifiedChain) > 0 {
					want = append(want, own.VerifiedChain)
				}
				if !slices.EqualFunc(std.VerifiedChains, want, slices.Equal) || !resumed && len(want) == 0 {
					t.Errorf("verified chains %v, want %v", std.VerifiedChains, want)
				}
			}
			offer = sessionOf(t, p.client)
			p.closeBoth()
		}
	})
}

func TestStateTLSBeforeTheHandshake(t *testing.T) {
	leakcheck.Test(t)
	a, b := net.Pipe()
	p := newPair(t, newClientCtx(t, clientConfig(t)), newServerCtx(t, serverConfig(t)), a, b)
	s := p.client.ConnectionState().TLS()
	if s.HandshakeComplete || s.Version != 0 {
		t.Errorf("%+v, want an incomplete state", s)
	}
	if _, err := s.ExportKeyingMaterial("label", nil, 16); err == nil {
		t.Error("keying material before the handshake")
	}
}
