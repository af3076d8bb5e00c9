package early_test

import (
	"context"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A guard holds a flight for a minute, in which libssl would take it again. When the guard forgets it,
// the ticket's age is wrong, and libssl refuses it by itself.
func TestReplayGuardWindow(t *testing.T) {
	forEachFleet(t, func(t *testing.T, g *ssltest.SpyGuard, cctx, a, b *ssl.Ctx) {
		clock := ssltest.NewClock(t)
		memory := g.ReplayGuard.(*ssl.MemoryReplayGuard)
		s := storedSession(t, cctx, a, b)
		f := ssltest.EarlyFlight(t, cctx, s, "pay")
		if got, st := replay(t, b, f); got != "pay" || st != ssl.EarlyDataAccepted {
			t.Fatalf("first: %q, %v", got, st)
		}
		clock.Pass(5 * time.Second) // in time for libssl
		if got, st := replay(t, b, f); got != "" || st != ssl.EarlyDataRejected ||
			b.EarlyDataStats().Replayed != 1 {
			t.Errorf("after 5 s: %q, %v, %+v", got, st, b.EarlyDataStats())
		}
		clock.Pass(time.Minute)
		until := clock.Now().Add(time.Minute)
		if first, err := memory.Claim(context.Background(), make([]byte, 32), until); !first || err != nil ||
			memory.Len() != 1 {
			t.Errorf("%d claims are held after a minute; %t, %v", memory.Len(), first, err)
		}
		if got, st := replay(t, b, f); got != "" || st != ssl.EarlyDataRejected {
			t.Errorf("after 65 s: %q, %v", got, st)
		}
		if st := b.EarlyDataStats(); st.Replayed != 1 || st.GuardFailures.Sum() != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// A server whose clock was set back takes no early data until a minute after its earlier time: by the
// clock of libssl old flights are in time again.
func TestReplayGuardAfterAStepBack(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.EarlyConfigs(t)
	g := ssltest.NewSpyGuard(t)
	srv.ReplayGuard, srv.ReplayGuardTimeout = g, ssltest.Timeout
	cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.TicketServer(t, srv,
		ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)}))
	clock := ssltest.NewClock(t)
	try := func(want ssl.EarlyDataStatus, failures ssl.GuardFailures) {
		t.Helper()
		ssltest.EarlyPair(t, cctx, sctx, ssltest.EarlySession(t, cctx, sctx)).WantEarly(t, want)
		if st := sctx.EarlyDataStats(); st.GuardFailures != failures {
			t.Errorf("%+v, want %+v", st.GuardFailures, failures)
		}
	}
	try(ssl.EarlyDataAccepted, ssl.GuardFailures{})
	clock.Pass(-10 * time.Second)
	try(ssl.EarlyDataAccepted, ssl.GuardFailures{})
	clock.Pass(-20 * time.Second)
	try(ssl.EarlyDataRejected, ssl.GuardFailures{Clock: 1})
	clock.Pass(80 * time.Second)
	try(ssl.EarlyDataRejected, ssl.GuardFailures{Clock: 2})
	clock.Pass(15 * time.Second)
	try(ssl.EarlyDataAccepted, ssl.GuardFailures{Clock: 2})
}
