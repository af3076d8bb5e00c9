package ssl_test

import (
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
