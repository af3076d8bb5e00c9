package conns_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"slices"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Our state against what crypto/tls at the other end says of the same connection.
func TestStateAsCryptoTLSHasIt(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.NextProtos = []string{"h2", "http/1.1"}
		srv.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-rsa")} // TLS 1.2 ties ECDSA to the group
		peer, ours := ssltest.StdClient(t, srv, &tls.Config{NextProtos: []string{"http/1.1"},
			ServerName: "localhost", CurvePreferences: []tls.CurveID{tls.CurveP384}})
		got, want := ours.ConnectionState().TLS(), peer
		if got.Version != want.Version || got.CipherSuite != want.CipherSuite ||
			got.NegotiatedProtocol != "http/1.1" ||
			got.NegotiatedProtocol != want.NegotiatedProtocol || got.ServerName != "localhost" ||
			!got.HandshakeComplete ||
			got.DidResume || len(got.PeerCertificates)+len(got.VerifiedChains) != 0 {
			t.Errorf("got %+v, crypto/tls says %+v", got, want)
		}
		if ours.ConnectionState().Group != "" && got.CurveID != tls.CurveP384 {
			t.Errorf("group %q gave CurveID %v, crypto/tls says %v", ours.ConnectionState().Group, got.CurveID,
				want.CurveID)
		}
		if _, err := got.ExportKeyingMaterial("label", nil, 16); err == nil {
			t.Error("keying material without a connection")
		}
	})
}

// With client certificates, on the first connection and on one that resumes it.
func TestStateTLSCertificates(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
		cli.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client-chain")}
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		var offer *ssl.Session
		for _, resumed := range []bool{false, true} {
			p := ssltest.Meet(t, cctx, sctx, offer)
			for _, c := range []*ssl.Conn{p.Client, p.Server} {
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
			offer = ssltest.SessionOf(t, p.Client)
			p.CloseBoth()
		}
	})
}

func TestStateTLSBeforeTheHandshake(t *testing.T) {
	leakcheck.Test(t)
	a, b := net.Pipe()
	p := ssltest.NewPair(t, ssltest.NewClientCtx(t, ssltest.ClientConfig(t)),
		ssltest.NewServerCtx(t, ssltest.ServerConfig(t)), a, b)
	s := p.Client.ConnectionState().TLS()
	if s.HandshakeComplete || s.Version != 0 {
		t.Errorf("%+v, want an incomplete state", s)
	}
	if _, err := s.ExportKeyingMaterial("label", nil, 16); err == nil {
		t.Error("keying material before the handshake")
	}
}
