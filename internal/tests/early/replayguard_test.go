package early_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

func forEachFleet(t *testing.T, f func(t *testing.T, g *ssltest.SpyGuard, cctx, a, b *ssl.Ctx)) {
	for name, build := range ssltest.Fleets {
		t.Run(name, func(t *testing.T) {
			leakcheck.Test(t)
			srv, cli := ssltest.EarlyConfigs(t)
			g := ssltest.NewSpyGuard(t)
			srv.ReplayGuard = g
			a, b := build(t, srv)
			f(t, g, ssltest.NewClientCtx(t, cli), a, b)
		})
	}
}

// storedSession is EarlySession, once a store behind the server has what it needs for it.
func storedSession(t testing.TB, cctx, a, b *ssl.Ctx) *ssl.Session {
	t.Helper()
	s := ssltest.EarlySession(t, cctx, a)
	for deadline := time.Now().Add(ssltest.Timeout); ; {
		if a, err := a.Stats(); err != nil || a.Store == nil || a.Store.Pending == 0 {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatal("the store was not written")
		}
	}
}

// The same recorded first flight, sent to two servers that resume each other's sessions: one
// accepts it, once.
func TestEarlyDataReplayedToAFleet(t *testing.T) {
	forEachFleet(t, func(t *testing.T, g *ssltest.SpyGuard, cctx, a, b *ssl.Ctx) {
		f := ssltest.EarlyFlight(t, cctx, storedSession(t, cctx, a, b), "pay")
		if got, s := replay(t, b, f); got != "pay" || s != ssl.EarlyDataAccepted {
			t.Fatalf("first: %q, %v", got, s)
		}
		for i, sctx := range []*ssl.Ctx{a, b, b} {
			if got, s := replay(t, sctx, f); got != "" || s != ssl.EarlyDataRejected {
				t.Errorf("again, %d: %q, %v", i, got, s)
			}
		}
		sa, sb := a.EarlyDataStats(), b.EarlyDataStats()
		if sa != (ssl.EarlyDataStats{Rejected: 1, Replayed: 1}) ||
			sb != (ssl.EarlyDataStats{Accepted: 1, Rejected: 2, Replayed: 2}) {
			t.Errorf("counters: %+v, %+v", sa, sb)
		}
		if g.Count() != 4 {
			t.Errorf("the guard was asked %d times", g.Count())
		}
	})
}

// A client's own second use of a ticket loses its early data, and resumes all the same.
func TestReplayGuardKeepsResumption(t *testing.T) {
	forEachFleet(t, func(t *testing.T, g *ssltest.SpyGuard, cctx, a, b *ssl.Ctx) {
		s := storedSession(t, cctx, a, b)
		ssltest.EarlyPair(t, cctx, b, s).WantEarly(t, ssl.EarlyDataAccepted)
		p := ssltest.EarlyPair(t, cctx, a, s)
		p.WantEarly(t, ssl.EarlyDataRejected)
		if !p.Client.SessionReused() {
			t.Error("not resumed")
		}
	})
}

// A guard that errs, panics, is late or says no costs early data, and no connection.
func TestReplayGuardFaults(t *testing.T) {
	stuck := make(chan struct{})
	defer close(stuck)
	for name, claim := range map[string]func(context.Context, []byte) (bool, error){
		"error": func(context.Context, []byte) (bool, error) { return true, errors.New("NOAUTH") },
		"seen":  func(context.Context, []byte) (bool, error) { return false, nil },
		"panic": func(context.Context, []byte) (bool, error) { panic("of the guard") },
		"ended": func(context.Context, []byte) (bool, error) { runtime.Goexit(); return true, nil },
		"late":  func(ctx context.Context, _ []byte) (bool, error) { <-ctx.Done(); return true, nil },
		"tired": func(ctx context.Context, _ []byte) (bool, error) { <-ctx.Done(); return true, ctx.Err() },
		"stuck": func(context.Context, []byte) (bool, error) { <-stuck; return true, nil },
	} {
		t.Run(name, func(t *testing.T) {
			leakcheck.Test(t)
			srv, cli := ssltest.EarlyConfigs(t)
			g := ssltest.NewSpyGuard(t)
			g.OnClaim, srv.ReplayGuard = claim, g
			late := slices.Contains([]string{"late", "tired", "stuck"}, name)
			srv.ReplayGuardTimeout = ssltest.If(late, time.Millisecond, ssltest.Timeout)
			cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.TicketServer(t, srv,
				ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)}))
			p := ssltest.EarlyPair(t, cctx, sctx, ssltest.EarlySession(t, cctx, sctx))
			p.WantEarly(t, ssl.EarlyDataRejected)
			if !p.Client.SessionReused() {
				t.Error("not resumed")
			}
			want, reason := ssl.EarlyDataStats{Rejected: 1}, map[string]string{"error": "NOAUTH",
				"panic": "panicked: of the guard", "ended": "panicked: runtime.Goexit"}[name]
			switch {
			case late:
				want.GuardFailures.Late = 1
			case reason != "":
				want.GuardFailures.Errors = 1
			default:
				want.Replayed = 1
			}
			if st := sctx.EarlyDataStats(); st != want || st.GuardFailures.Sum()+st.Replayed != 1 {
				t.Errorf("counters: %+v, want %+v", st, want)
			}
			if all := sctx.GuardErrors(); reason != "" && (len(all) != 1 || all[0].Op != "Claim" ||
				!strings.Contains(all[0].Err.Error(), reason) || sctx.GuardError() != all[0].Err) {
				t.Errorf("errors: %v, and %v", all, sctx.GuardError())
			}
			if st := ssltest.Get(t, sctx.Stats); !late && st.Claims.Count != 1 {
				t.Errorf("times: %+v", st.Claims)
			}
		})
	}
}

// The guard is asked only for a client with a session of ours whose early data is read: else any
// client could fill it.
func TestReplayGuardIsNotAskedInVain(t *testing.T) {
	forEachFleet(t, func(t *testing.T, g *ssltest.SpyGuard, cctx, a, b *ssl.Ctx) {
		s := storedSession(t, cctx, a, b)
		ticket := ssltest.TicketOf(t, s)
		_, cli := ssltest.EarlyConfigs(t)
		cli.InsecureSkipVerify, cli.ServerName = true, "" // what has been through DER has no name
		careless := ssltest.NewClientCtx(t, cli)
		for _, at := range []int{0, 20, len(ticket) - 1} { // name or id, ciphertext, MAC
			forged := append([]byte(nil), ticket...)
			forged[at] ^= 1
			ssltest.EarlyPair(t, careless, b, withEarlyTicket(t, s, forged)).WantEarly(t, ssl.EarlyDataRejected)
		}
		ssltest.EarlyPair(t, careless, b, withEarlyTicket(t, s, ticket[:10])).WantEarly(t, ssl.EarlyDataRejected)

		p := ssltest.EarlyPair(t, cctx, b, s) // the server does not read
		done := make(chan error, 1)
		go func() { done <- ssltest.WriteEarly(p.Client, "x") }()
		if err := p.Server.Handshake(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		p.Echo(t)

		p = ssltest.EarlyPair(t, cctx, b, s) // the client does not write
		go func() { done <- p.Client.Handshake() }()
		if rest, err := io.ReadAll(ssltest.EarlyReader{C: p.Server}); len(rest) != 0 || err != nil {
			t.Errorf("%q, %v", rest, err)
		}
		p.Echo(t)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if n := g.Count(); n != 0 {
			t.Errorf("the guard was asked %d times", n)
		}
	})
}

// withEarlyTicket is s with another ticket, for a client that does not verify and sends no name:
// what has been through DER has no stamp, and names no host.
func withEarlyTicket(t testing.TB, s *ssl.Session, ticket []byte) *ssl.Session {
	t.Helper()
	der, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	forged, err := ssl.ParseSession(ssltest.ReplaceTicket(t, der, ticket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { forged.Close() })
	return forged
}

// The guard in memory: claims expire, and none is forgotten before.
func TestMemoryReplayGuard(t *testing.T) {
	leakcheck.Test(t)
	g, err := ssl.NewReplayGuard(2)
	if err != nil {
		t.Fatal(err)
	}
	id := func(b byte) []byte { return append(make([]byte, 31), b) }
	later := time.Now().Add(time.Hour)
	for i, tt := range []struct {
		id    byte
		until time.Time
		first bool
		fails bool
	}{
		{1, later, true, false},
		{1, later, false, false},
		{2, later, true, false},
		{3, later, false, true}, // full
		{1, later, false, false},
	} {
		first, err := g.Claim(context.Background(), id(tt.id), tt.until)
		if first != tt.first || (err != nil) != tt.fails {
			t.Errorf("claim %d: %t, %v", i, first, err)
		}
	}
	if g.Len() != 2 {
		t.Errorf("%d claims", g.Len())
	}
	g, _ = ssl.NewReplayGuard(1)
	for b := range byte(3) { // each has expired at once, and makes room
		if first, err := g.Claim(context.Background(), id(b), time.Now()); !first || err != nil {
			t.Errorf("%d: %t, %v", b, first, err)
		}
	}
	if first, err := g.Claim(context.Background(), id(2), later); !first || err != nil {
		t.Errorf("an expired claim: %t, %v", first, err)
	}
	var none *ssl.MemoryReplayGuard
	ssltest.Refuses(t, "nil", errOf(none.Claim(context.Background(), id(1), later)), ssl.ErrNil)
	ssltest.Refuses(t, "zero", errOf(new(ssl.MemoryReplayGuard).Claim(context.Background(), id(1), later)),
		ssl.ErrClosed)
	ssltest.Refuses(t, "short", errOf(g.Claim(context.Background(), nil, later)), ssl.ErrRange)
	for _, n := range []int{-1, 1 << 30} {
		_, err := ssl.NewReplayGuard(n)
		ssltest.Refuses(t, "size", err, ssl.ErrConfig)
	}
	if none.Len() != 0 {
		t.Error("a nil guard has claims")
	}
}

func errOf(_ bool, err error) error { return err }

// Many ask for one id at once: one is the first.
func TestMemoryReplayGuardAtOnce(t *testing.T) {
	leakcheck.Test(t)
	g, err := ssl.NewReplayGuard(0)
	if err != nil {
		t.Fatal(err)
	}
	firsts := make(chan bool)
	for range 20 {
		go func() {
			first, _ := g.Claim(context.Background(), make([]byte, 32), time.Now().Add(time.Hour))
			firsts <- first
		}()
	}
	n := 0
	for range 20 {
		if <-firsts {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d were the first", n)
	}
}

// A guard that would decide nothing is refused.
func TestReplayGuardConfig(t *testing.T) {
	leakcheck.Test(t)
	g := ssltest.NewSpyGuard(t)
	for what, change := range map[string]func(*ssl.Config){
		"MaxEarlyData is 0":       func(c *ssl.Config) { c.MaxEarlyData = 0 },
		"TicketKeys or a Session": func(*ssl.Config) {},
		"it is negative":          func(c *ssl.Config) { c.ReplayGuardTimeout = -1 },
		"there is no ReplayGuard": func(c *ssl.Config) { c.ReplayGuard, c.ReplayGuardTimeout = nil, 1 },
	} {
		srv, _ := ssltest.EarlyConfigs(t)
		srv.ReplayGuard = g
		change(srv)
		err := srv.CheckServer()
		if !errors.Is(err, ssl.ErrConfig) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	cli := ssltest.ClientConfig(t)
	cli.ReplayGuard = g
	ssltest.Refuses(t, "a client's", cli.CheckClient(), ssl.ErrConfig)
	cli.ReplayGuard, cli.ReplayGuardTimeout = nil, time.Second
	ssltest.Refuses(t, "a client's timeout", cli.CheckClient(), ssl.ErrConfig)
}
