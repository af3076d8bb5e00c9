package early_test

import (
	"crypto/tls"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// steal has a stranger who has seen the ticket of s, and has no more of it, send a first flight
// with it to sctx, which ends the handshake: its binder is made with the key of other.
func steal(t testing.TB, sctx *ssl.Ctx, s, other *ssl.Session) {
	t.Helper()
	_, cli := ssltest.EarlyConfigs(t)
	cli.InsecureSkipVerify, cli.ServerName = true, "" // what has been through DER has no name
	other = withEarlyTicket(t, other, ssltest.TicketOf(t, s))
	f := ssltest.EarlyFlight(t, ssltest.NewClientCtx(t, cli), other, "theft")
	if got, status := replay(t, sctx, f); got != "" || status == ssl.EarlyDataAccepted {
		t.Fatalf("a thief's early data: %q, %v", got, status)
	}
}

// Whoever has seen a ticket cannot use up its early data: the guard is asked about those alone
// who have the session. A hash of SHA-384 counts as one of SHA-256, and a chosen host as any.
func TestStolenTicketClaimsNothing(t *testing.T) {
	for name, build := range ssltest.Fleets {
		for _, suite := range []uint16{0x1301, 0x1302} {
			for _, host := range []bool{false, true} {
				t.Run(name, func(t *testing.T) {
					leakcheck.Test(t)
					srv, cli := ssltest.EarlyConfigs(t)
					g := ssltest.NewSpyGuard(t)
					srv.ReplayGuard, srv.CipherSuites = g, []uint16{suite}
					a, b := build(t, srv)
					front := b
					if host {
						listening := ssltest.ServerConfig(t)
						listening.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return b, nil }
						front = ssltest.NewServerCtx(t, listening)
					}
					cctx := ssltest.NewClientCtx(t, cli)
					s, other := storedSession(t, cctx, a, b), storedSession(t, cctx, a, b)
					steal(t, front, s, other)
					if n := g.Count(); n != 0 {
						t.Errorf("the guard was asked %d times", n)
					}
					ssltest.EarlyPair(t, cctx, front, s).WantEarly(t, ssl.EarlyDataAccepted)
					ssltest.EarlyPair(t, cctx, front, s).WantEarly(t, ssl.EarlyDataRejected)
					if n := g.Count(); n != 2 {
						t.Errorf("the guard was asked %d times for the owner", n)
					}
				})
			}
		}
	}
}

// The same of a server that has neither TicketKeys nor a SessionCache: of whoever has seen its
// tickets neither early data nor a resumption is any the worse, and a recorded flight counts once.
func TestStolenTicketOfOneServer(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.EarlyConfigs(t)
	cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
	s, other := ssltest.EarlySession(t, cctx, sctx), ssltest.EarlySession(t, cctx, sctx)
	steal(t, sctx, s, other)
	f := ssltest.EarlyFlight(t, cctx, s, "pay")
	if got, status := replay(t, sctx, f); got != "pay" || status != ssl.EarlyDataAccepted {
		t.Fatalf("first: %q, %v", got, status)
	}
	if got, status := replay(t, sctx, f); got != "" || status != ssl.EarlyDataRejected {
		t.Errorf("again: %q, %v", got, status)
	}
	p := ssltest.EarlyPair(t, cctx, sctx, s)
	p.WantEarly(t, ssl.EarlyDataRejected)
	if !p.Client.SessionReused() {
		t.Error("the owner does not resume")
	}
	if st := sctx.EarlyDataStats(); st.Accepted != 1 || st.Replayed != 2 {
		t.Errorf("counters: %+v", st)
	}
}

// A server that allows early data and asks its client for a second ClientHello resumes all the same.
func TestEarlyDataServerResumesAfterHelloRetryRequest(t *testing.T) {
	for _, disabled := range []bool{false, true} {
		leakcheck.Test(t)
		srv, cli := ssltest.EarlyConfigs(t)
		srv.CurvePreferences = []tls.CurveID{tls.CurveP256}
		srv.SessionTicketsDisabled = disabled
		cli.CurvePreferences = []tls.CurveID{tls.CurveP521, tls.CurveP256}
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		for range 2 {
			p := ssltest.EarlyPair(t, cctx, sctx, ssltest.EarlySession(t, cctx, sctx))
			p.WantEarly(t, ssl.EarlyDataRejected)
			if got := p.Client.SessionReused(); got == disabled {
				t.Errorf("tickets disabled %v: resumed %v", disabled, got) // libssl's own way: see MaxEarlyData
			}
			p.CloseBoth()
		}
	}
}
