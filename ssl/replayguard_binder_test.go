package ssl_test

import (
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// steal has somebody who has seen the ticket of s, and has no more of it, send a first flight
// with it to sctx, which ends the handshake: its binder is made with the key of other.
func steal(t testing.TB, sctx *ssl.Ctx, s, other *ssl.Session) {
	t.Helper()
	_, cli := earlyConfigs(t)
	cli.InsecureSkipVerify = true
	f := flight(t, newClientCtx(t, cli), withEarlyTicket(t, other, ticketOf(t, s)), "theft")
	if got, status := replay(t, sctx, f); got != "" || status == ssl.EarlyDataAccepted {
		t.Fatalf("a thief's early data: %q, %v", got, status)
	}
}

// Whoever has seen a ticket cannot use up its early data: the guard is asked about those alone
// who have the session. A hash of SHA-384 counts as one of SHA-256, and a chosen host as any.
func TestStolenTicketClaimsNothing(t *testing.T) {
	for name, build := range fleets {
		for _, suite := range []uint16{0x1301, 0x1302} {
			for _, host := range []bool{false, true} {
				t.Run(name, func(t *testing.T) {
					leakcheck.Test(t)
					srv, cli := earlyConfigs(t)
					g := newSpyGuard(t)
					srv.ReplayGuard, srv.CipherSuites = g, []uint16{suite}
					a, b := build(t, srv)
					front := b
					if host {
						listening := serverConfig(t)
						listening.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return b, nil }
						front = newServerCtx(t, listening)
					}
					cctx := newClientCtx(t, cli)
					s, other := storedSession(t, cctx, a, b), storedSession(t, cctx, a, b)
					steal(t, front, s, other)
					if n := g.count(); n != 0 {
						t.Errorf("the guard was asked %d times", n)
					}
					earlyPair(t, cctx, front, s).wantEarly(t, ssl.EarlyDataAccepted)
					earlyPair(t, cctx, front, s).wantEarly(t, ssl.EarlyDataRejected)
					if n := g.count(); n != 2 {
						t.Errorf("the guard was asked %d times for the owner", n)
					}
				})
			}
		}
	}
}
