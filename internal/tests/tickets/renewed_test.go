package tickets_test

import (
	"crypto/tls"
	"io"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A server of TLS 1.2 may send a new ticket with a resumption, as crypto/tls does with
// each. libssl does not report it to the new-session callback; OnNewSession gets it all
// the same, once, verified, and it resumes in turn.
func TestRenewedTicketIsDelivered(t *testing.T) {
	for _, shared := range []bool{false, true} {
		leakcheck.Test(t)
		key := ssltest.StdKeyPair(t, "server-chain")
		srv := &tls.Config{Certificates: []tls.Certificate{key}, MaxVersion: tls.VersionTLS12}
		cli := ssltest.ClientConfig(t)
		got := ssltest.NewInbox(t, cli)
		ctx := ssltest.NewClientCtx(t, cli)
		var offer *ssl.Session
		for round := range 4 {
			a, b := ssltest.TCPPipe(t)
			go func() { // its certificate has an intermediate, so only a stamp has it resumed
				s := tls.Server(b, srv)
				defer s.Close()
				io.Copy(s, s)
			}()
			c, err := ssl.Client(a, ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if offer != nil {
				set := c.SetSession
				if shared {
					set = c.SetSharedSession
				}
				if err := set(offer); err != nil {
					t.Fatal(err)
				}
			}
			ssltest.RoundTrip(t, c)
			if c.SessionReused() != (round > 0) {
				t.Errorf("shared %t, round %d: reused is %t", shared, round, c.SessionReused())
			}
			if n := len(got.All()); n != round+1 {
				t.Fatalf("shared %t, round %d: %d sessions delivered so far", shared, round, n)
			}
			if offer != nil && got.Last(t).Same(offer) {
				t.Errorf("shared %t, round %d: delivered what was offered", shared, round)
			}
			if now := ssltest.SessionOf(t, c); !now.Same(got.Last(t)) {
				t.Errorf("shared %t, round %d: delivered another than the connection's", shared, round)
			}
			offer = got.Last(t)
			c.Close()
		}
	}
}
