package caches_test

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// idLog is what OnNewSession and OnRemoveSession of a server were called with.
type idLog struct {
	mu             sync.Mutex
	added, removed []string
}

func (l *idLog) note(list *[]string, id []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*list = append(*list, hex.EncodeToString(id))
}

func (l *idLog) watch(cfg *ssl.Config) {
	cfg.OnNewSession = func(_ *ssl.Conn, s *ssl.Session) {
		defer s.Close()
		id, _ := s.ID()
		l.note(&l.added, id)
	}
	cfg.OnRemoveSession = func(_ *ssl.Ctx, id []byte) { l.note(&l.removed, id) }
}

// take is what was noted since the last time.
func (l *idLog) take() (added, removed []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	added, removed = l.added, l.removed
	l.added, l.removed = nil, nil
	return added, removed
}

// A server's callbacks are called once for each session that comes and goes, whether
// libssl keeps sessions or not; a connection that fails removes its session.
func TestCacheCallbacks(t *testing.T) {
	leakcheck.Test(t)
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		for _, mode := range []ssl.SessionCacheMode{ssl.SessionCacheInternal, ssl.SessionCacheNoAutoClear,
			ssl.SessionCacheNoInternal} {
			var log idLog
			srv.SessionTicketsDisabled = true
			srv.SessionCacheMode = mode
			log.watch(srv)
			sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
			p := ssltest.Meet(t, cctx, sctx, nil)
			s := ssltest.SessionOf(t, p.Client)
			p.CloseBoth()
			n := ssltest.SessionsOf(cli)
			added, removed := log.take()
			if len(added) != n || len(removed) != 0 {
				t.Errorf("mode %d: %d came and %d went, want %d and none", mode, len(added), len(removed), n)
			}
			keeps := mode != ssl.SessionCacheNoInternal
			p = ssltest.Meet(t, cctx, sctx, s)
			if p.Client.SessionReused() != keeps {
				t.Errorf("mode %d: reused is %t", mode, !keeps)
			}
			again, _ := log.take()
			if want := ssltest.If(keeps, n-1, n); len(again) != want {
				t.Errorf("mode %d: %d came with the second connection, want %d", mode, len(again), want)
			}
			ssltest.BrokenByClient(t, p)
			p.CloseBoth()
			if _, removed := log.take(); len(removed) == 0 {
				t.Errorf("mode %d: a failed connection removed nothing", mode)
			}
			st, err := sctx.SessionStats()
			if err != nil {
				t.Fatal(err)
			}
			sctx.FlushSessions(time.Time{})
			if _, removed := log.take(); len(removed) != int(st.Number) || keeps != (st.Number > 0) &&
				cli.MaxVersion != ssl.VersionTLS12 {
				t.Errorf("mode %d: %d went with the flush, %d were there", mode, len(removed), st.Number)
			}
		}
	})
}

// Removing what was never cached finds nothing, and the callback is called.
func TestCacheCallbackOfUncached(t *testing.T) {
	leakcheck.Test(t)
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		s := ssltest.Dup(t, ssltest.Session(t, cli, srv))
		var log idLog
		log.watch(srv)
		found, err := ssltest.NewServerCtx(t, srv).RemoveSession(s)
		id, _ := s.ID()
		if _, removed := log.take(); found || err != nil || !slices.Equal(removed,
			[]string{hex.EncodeToString(id)}) {
			t.Errorf("found is %t, %v; removed %q, want %x", found, err, removed, id)
		}
	})
}

// What is not found, or is something else, costs a full handshake and leaves no error.
func TestLookupOrder(t *testing.T) {
	leakcheck.Test(t)
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		store := ssltest.NewMemStore()
		asked := 0
		keys := ssltest.NewSealKeys(t, 1)
		sctx, cache := ssltest.Machine(t, srv, store, keys)
		cctx := ssltest.NewClientCtx(t, cli)
		p := ssltest.Meet(t, cctx, sctx, nil)
		s := ssltest.SessionOf(t, p.Client)
		p.CloseBoth()
		store.Await(t, ssltest.SessionsOf(cli))
		store.Answers(func(context.Context, string, []byte) ([]byte, error) {
			asked++
			return []byte("garbage that is no session"), nil
		})
		p = ssltest.Meet(t, cctx, sctx, s)
		if !p.Client.SessionReused() || asked != 0 {
			t.Errorf("reused is %t, and the store was asked %d times for what is here", p.Client.SessionReused(),
				asked)
		}
		p.CloseBoth()
		cache.Flush(time.Time{})
		p = ssltest.Meet(t, cctx, sctx, s)
		if p.Client.SessionReused() || asked != 1 {
			t.Errorf("reused is %t, and the store was asked %d times", p.Client.SessionReused(), asked)
		}
		p.CloseBoth()
		if st := cache.StoreStats(); st.Refused != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// A panic in OnRemoveSession surfaces from the call that ran it.
func TestPanicInOnRemoveSession(t *testing.T) {
	leakcheck.Test(t)
	srv := ssltest.ServerConfig(t)
	srv.SessionTicketsDisabled = true
	srv.OnRemoveSession = func(*ssl.Ctx, []byte) { panic("boo") }
	sctx := ssltest.NewServerCtx(t, srv)
	p := ssltest.Meet(t, ssltest.NewClientCtx(t, ssltest.ClientConfig(t)), sctx, nil)
	defer p.CloseBoth()
	mustPanic(t, "FlushSessions", func() { sctx.FlushSessions(time.Time{}) })
	if _, err := p.Client.NetConn().Write([]byte{23, 3, 3, 0, 4, 1, 2, 3, 4}); err != nil {
		t.Fatal(err)
	}
	mustPanic(t, "Read", func() { p.Server.Read(make([]byte, 1)) })
	if _, err := p.Server.Write([]byte{1}); !errors.Is(err, ssl.ErrClosed) {
		t.Errorf("after the panic: %v", err)
	}
}

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s did not panic", what)
		}
	}()
	f()
}

// An answer of the store that comes after the connection was closed does no harm.
func TestLateAnswerOfTheStore(t *testing.T) {
	leakcheck.Test(t)
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		store := ssltest.NewMemStore()
		sctx, cache := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 1))
		cctx := ssltest.NewClientCtx(t, cli)
		p := ssltest.Meet(t, cctx, sctx, nil)
		s := ssltest.SessionOf(t, p.Client)
		p.CloseBoth()
		store.Await(t, ssltest.SessionsOf(cli))
		cache.Flush(time.Time{})
		asked, answer, answered := make(chan struct{}), make(chan struct{}), make(chan struct{})
		store.Answers(func(_ context.Context, _ string, sealed []byte) ([]byte, error) {
			close(asked)
			<-answer
			defer close(answered)
			return sealed, nil
		})
		a, b := ssltest.TCPPipe(t)
		p = ssltest.NewPair(t, cctx, sctx, a, b)
		if err := p.Client.SetSession(s); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error)
		go func() { ended <- p.Server.Handshake() }()
		go p.Client.Handshake()
		<-asked
		p.Server.Close()
		if err := <-ended; !errors.Is(err, ssl.ErrClosed) {
			t.Error(err)
		}
		close(answer)
		<-answered
		p.Client.Close()
	})
}

// After GetConfigForClient has chosen, the callbacks are the chosen Ctx's.
func TestCallbacksOfTheChosenCtx(t *testing.T) {
	leakcheck.Test(t)
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		var front, host idLog
		chosen := ssltest.CopyOf(srv, func(c *ssl.Config) { c.SessionTicketsDisabled = true })
		host.watch(chosen)
		hctx := ssltest.NewServerCtx(t, chosen)
		srv.SessionTicketsDisabled = true
		srv.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return hctx, nil }
		front.watch(srv)
		p := ssltest.Meet(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), nil)
		ssltest.BrokenByClient(t, p)
		p.CloseBoth()
		added, removed := host.take()
		if len(added) != ssltest.SessionsOf(cli) || len(removed) == 0 {
			t.Errorf("host: %d came, %d went", len(added), len(removed))
		}
		if added, removed := front.take(); len(added)+len(removed) != 0 {
			t.Errorf("front: %d came, %d went", len(added), len(removed))
		}
	})
}

// OnRemoveSession may call any method of the Ctx, and take a lock under which another
// goroutine waits for the Ctx: libssl itself calls back under its own lock.
func TestRemoveCallbackUsesCtx(t *testing.T) {
	leakcheck.Test(t)
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		var users sync.Mutex
		spare := ssltest.Dup(t, ssltest.Session(t, cli, ssltest.ServerConfig(t)))
		calls := 0
		srv.SessionTicketsDisabled = true
		srv.SessionCacheSize = 1
		srv.OnRemoveSession = func(ctx *ssl.Ctx, _ []byte) {
			users.Lock()
			defer users.Unlock()
			calls++
			_, addErr := ctx.AddSession(spare) // evicts another one
			_, statsErr := ctx.Stats()
			if err := errors.Join(addErr, statsErr, ctx.FlushSessions(time.Now())); err != nil && !errors.Is(err,
				ssl.ErrNotResumable) {
				t.Error(err)
			}
		}
		sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				default:
					users.Lock()
					sctx.SessionStats()
					users.Unlock()
				}
			}
		}()
		for range 3 { // each evicts the one before
			p := ssltest.Meet(t, cctx, sctx, nil)
			p.CloseBoth()
		}
		close(stop)
		<-stopped
		if calls < 3 {
			t.Errorf("%d calls", calls)
		}
	})
}

// A cache of n sessions holds no more: the oldest make room. From 3.0 on libssl counts
// the newcomer before it makes room, and so keeps n-1 of n.
func TestInternalCacheSize(t *testing.T) {
	leakcheck.Test(t)
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		var log idLog
		srv.SessionTicketsDisabled = true
		srv.NumTickets = 1
		srv.SessionCacheSize = 3
		log.watch(srv)
		sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
		var held []*ssl.Session
		for range 5 {
			p := ssltest.Meet(t, cctx, sctx, nil)
			held = append(held, ssltest.SessionOf(t, p.Client))
			p.CloseBoth()
		}
		st, err := sctx.SessionStats()
		if err != nil || st.Number < 2 || st.Number > 3 || st.CacheFull != 5-st.Number {
			t.Fatalf("%d sessions, full %d times, %v", st.Number, st.CacheFull, err)
		}
		if added, removed := log.take(); !slices.Equal(removed, added[:st.CacheFull]) {
			t.Errorf("removed %q of %q", removed, added)
		}
		for _, c := range []struct {
			s    *ssl.Session
			kept bool
		}{{held[4], true}, {held[0], false}} {
			p := ssltest.Meet(t, cctx, sctx, c.s)
			if p.Client.SessionReused() != c.kept {
				t.Errorf("reused is %t, want %t", !c.kept, c.kept)
			}
			p.CloseBoth()
		}
	})
}

// A session is gone when its time is over: flushing takes what had expired by then.
func TestFlushBoundary(t *testing.T) {
	leakcheck.Test(t)
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.SessionTicketsDisabled = true
		srv.SessionTimeout = time.Hour
		sctx := ssltest.NewServerCtx(t, srv)
		p := ssltest.Meet(t, ssltest.NewClientCtx(t, cli), sctx, nil)
		s := ssltest.SessionOf(t, p.Server)
		p.CloseBoth()
		at, err := s.Time()
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			after time.Duration
			kept  bool
		}{{59 * time.Minute, true}, {61 * time.Minute, false}} {
			if err := sctx.FlushSessions(at.Add(step.after)); err != nil {
				t.Fatal(err)
			}
			if st, err := sctx.SessionStats(); err != nil || (st.Number > 0) != step.kept {
				t.Errorf("after %v: %d sessions, %v", step.after, st.Number, err)
			}
		}
		for _, bad := range []time.Time{time.Unix(-5, 0), time.Unix(1<<62, 0)} {
			if err := sctx.FlushSessions(bad); !errors.Is(err, ssl.ErrRange) {
				t.Errorf("flush at %v: %v", bad, err)
			}
		}
		if _, err := ssl.NewServerCtx(ssltest.CopyOf(srv,
			func(c *ssl.Config) { c.SessionTimeout = -time.Second })); !errors.Is(err, ssl.ErrConfig) {
			t.Error(err)
		}
	})
}

// All counters begin at nought, and each case adds what it should.
func TestSessionStats(t *testing.T) {
	leakcheck.Test(t)
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.SessionTicketsDisabled = true
		sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
		for _, c := range []*ssl.Ctx{sctx, cctx} {
			if st, err := c.SessionStats(); err != nil || st != (ssl.SessionStats{}) {
				t.Errorf("at the start: %+v, %v", st, err)
			}
		}
		p := ssltest.Meet(t, cctx, sctx, nil)
		s := ssltest.SessionOf(t, p.Client)
		p.CloseBoth()
		p = ssltest.Meet(t, cctx, sctx, s)
		p.CloseBoth()
		if err := sctx.FlushSessions(time.Time{}); err != nil {
			t.Fatal(err)
		}
		p = ssltest.Meet(t, cctx, sctx, s)
		p.CloseBoth()
		st, err := sctx.SessionStats()
		if err != nil || st.Accept != 3 || st.AcceptGood != 3 || st.Hits != 1 || st.Misses != 1 || st.Connect != 0 {
			t.Errorf("server: %+v, %v", st, err)
		}
		if st, err := cctx.SessionStats(); err != nil || st.Connect != 3 || st.ConnectGood != 3 || st.Hits != 1 ||
			st.Accept != 0 {
			t.Errorf("client: %+v, %v", st, err)
		}
	})
}
