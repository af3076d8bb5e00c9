package ssl_test

import (
	"runtime"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Connections to one peer share its parsed certificates, as long as one of them is in use.
func TestCertificatesAreParsedOnce(t *testing.T) {
	leakcheck.Test(t)
	leakcheck.Collect()
	before := ssl.ParsedCerts()
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-chain")}
	cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
	t.Run("two connections", func(t *testing.T) { // which its end lets go
		var states [2]ssl.ConnectionState
		for i := range states {
			a, b := ssltest.TCPPipe(t)
			p := ssltest.NewPair(t, cctx, sctx, a, b)
			p.MustShake(t)
			p.CloseBoth()
			states[i] = p.Client.ConnectionState()
		}
		for i, c := range states[0].PeerCertificates {
			if c != states[1].PeerCertificates[i] || c != states[0].VerifiedChain[i] {
				t.Errorf("certificate %d was parsed again", i)
			}
		}
	})
	for end := time.Now().Add(ssltest.Timeout); ssl.ParsedCerts() > before; leakcheck.Collect() {
		if time.Now().After(end) {
			t.Fatalf("%d certificates are known, %d before", ssl.ParsedCerts(), before)
		}
	}
}

// Connections that resume sessions of one peer share its decoded chain, as long as one of them is in use.
func TestChainsAreDecodedOnce(t *testing.T) {
	leakcheck.Test(t)
	leakcheck.Collect()
	before := ssl.KnownChains()
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-chain")}
	cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
	t.Run("resumptions", func(t *testing.T) { // which its end lets go
		var states []ssl.ConnectionState
		var session *ssl.Session
		defer func() { session.Close() }()
		for i := range 4 {
			a, b := ssltest.TCPPipe(t)
			p := ssltest.NewPair(t, cctx, sctx, a, b)
			if i > 0 {
				p.Client.SetSession(session)
			}
			p.MustShake(t)
			p.Echo(t)
			session.Close()
			var err error
			if session, err = p.Client.Session(); err != nil {
				t.Fatal(err)
			}
			p.CloseBoth()
			states = append(states, p.Client.ConnectionState())
		}
		for i, st := range states {
			if st.DidResume != (i > 0) || len(st.PeerCertificates) != 2 || len(st.VerifiedChain) != 3 {
				t.Errorf("connection %d: resumed %v, %d certificates, a chain of %d", i, st.DidResume,
					len(st.PeerCertificates), len(st.VerifiedChain))
			}
		}
		if n := ssl.KnownChains() - before; n != 1 {
			t.Errorf("%d chains are known for one peer", n)
		}
		runtime.KeepAlive(states)
	})
	for end := time.Now().Add(ssltest.Timeout); ssl.KnownChains() > before; leakcheck.Collect() {
		if time.Now().After(end) {
			t.Fatalf("%d chains are known, %d before", ssl.KnownChains(), before)
		}
	}
}
