package caches_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// slowStore is a store whose Puts wait until a test lets them go on.
type slowStore struct {
	*ssltest.MemStore
	entered, let chan struct{}
}

func newSlowStore() *slowStore {
	return &slowStore{ssltest.NewMemStore(), make(chan struct{}, 10000), make(chan struct{})}
}

func (s *slowStore) Put(ctx context.Context, id, sealed []byte, expires time.Time) error {
	s.entered <- struct{}{}
	<-s.let
	return s.MemStore.Put(ctx, id, sealed, expires)
}

// await returns when n Puts wait.
func (s *slowStore) await(t testing.TB, n int) {
	t.Helper()
	deadline := time.After(ssltest.Timeout)
	for range n {
		select {
		case <-s.entered:
		case <-deadline:
			t.Fatal("the store got too little")
		}
	}
}

// goOn lets n Puts go on.
func (s *slowStore) goOn(n int) {
	for range n {
		s.let <- struct{}{}
	}
}

// through has flights wait for as long as it takes.
func through(o *ssl.ServerCacheOptions) { o.WriteThrough = time.Hour }

// unread reports whether conn, which nothing reads, has something to read.
func unread(t testing.TB, conn net.Conn) (is bool) {
	t.Helper()
	rc, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	rc.Control(func(fd uintptr) {
		n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		is = err == nil && n > 0
	})
	return is
}

// visiting is a connection whose server is in its handshake.
type visiting struct {
	ssltest.Pair
	server, client chan error
}

// visit begins a connection. In TLS 1.3 client is through when its handshake is, before the tickets.
func visit(t testing.TB, cctx, sctx *ssl.Ctx, offer *ssl.Session) visiting {
	t.Helper()
	a, b := ssltest.TCPPipe(t)
	v := visiting{ssltest.NewPair(t, cctx, sctx, a, b), make(chan error, 1), make(chan error, 1)}
	if offer != nil {
		if err := v.Client.SetSession(offer); err != nil {
			t.Fatal(err)
		}
	}
	go func() { v.server <- v.Server.Handshake() }()
	go func() { v.client <- v.Client.Handshake() }()
	return v
}

// end completes the connection and returns the newest session of the client.
func (v visiting) end(t testing.TB, cli *ssl.Config) *ssl.Session {
	t.Helper()
	if err := <-v.server; err != nil {
		t.Fatal(err)
	}
	if cli.MaxVersion == ssl.VersionTLS12 {
		if err := <-v.client; err != nil {
			t.Fatal(err)
		}
	}
	v.Echo(t)
	s := ssltest.SessionOf(t, v.Client)
	v.CloseBoth()
	return s
}

// A client that comes back at once to another machine resumes there: no flight with a session goes
// out before the store has it.
func TestWriteThrough(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		store, keys := newSlowStore(), ssltest.NewSealKeys(t, 1)
		one, cache := ssltest.Machine(t, srv, store, keys, through)
		two, _ := ssltest.Machine(t, srv, store.MemStore, keys)
		cctx, n := ssltest.NewClientCtx(t, cli), ssltest.SessionsOf(cli)
		for range 50 {
			v := visit(t, cctx, one, nil)
			store.await(t, 1) // its other ticket may be behind it
			if cli.MaxVersion == ssl.VersionTLS13 {
				if err := <-v.client; err != nil {
					t.Fatal(err)
				}
				if unread(t, v.Client.NetConn()) {
					t.Fatal("the client has its tickets, the store does not")
				}
			}
			select {
			case <-v.client:
				t.Fatal("the client has its session, the store does not")
			case <-v.server:
				t.Fatal("the server's handshake is over")
			default:
			}
			store.goOn(n)
			store.await(t, n-1)
			ssltest.WantVisit(t, cctx, two, v.end(t, cli), true)
		}
		if st := cache.StoreStats(); st.Waits != 50 || st.LateWaits != 0 || st.Writes != uint64(50*n) {
			t.Errorf("%+v", st)
		}
	})
}

// Without WriteThrough no handshake waits.
func TestNoWriteThrough(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		store, keys := newSlowStore(), ssltest.NewSealKeys(t, 1)
		one, cache := ssltest.Machine(t, srv, store, keys)
		two, _ := ssltest.Machine(t, srv, store.MemStore, keys)
		cctx := ssltest.NewClientCtx(t, cli)
		s := ssltest.WantVisit(t, cctx, one, nil, false)
		ssltest.WantVisit(t, cctx, two, s, false)
		close(store.let)
		cache.Close()
		if st := cache.StoreStats(); st.Waits+st.LateWaits != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// Whatever ends a wait, the handshake is complete and the connection works.
func TestWriteThroughEnds(t *testing.T) {
	cause := errors.New("the store is down")
	for name, tc := range map[string]struct {
		change func(*ssl.ServerCacheOptions)
		config func(*ssl.Config)
		put    func(context.Context) error
		during func(cancel context.CancelFunc, cache *ssl.ServerSessionCache)
		late   bool
	}{
		"its time": {change: func(o *ssl.ServerCacheOptions) { o.WriteThrough = time.Millisecond },
			late: true},
		"context":          {during: func(f context.CancelFunc, _ *ssl.ServerSessionCache) { f() }, late: true},
		"HandshakeTimeout": {config: func(c *ssl.Config) { c.HandshakeTimeout = 2 * time.Second }, late: true},
		"cache closed": {during: func(_ context.CancelFunc, cache *ssl.ServerSessionCache) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			cache.CloseContext(ctx)
		}, late: true},
		"an error": {put: func(context.Context) error { return cause }},
		"a panic":  {put: func(context.Context) error { panic("put") }},
		"Goexit":   {put: func(context.Context) error { runtime.Goexit(); return nil }},
		"its timeout": {change: func(o *ssl.ServerCacheOptions) { o.WriteTimeout = time.Millisecond },
			put: untilDone},
	} {
		t.Run(name, func(t *testing.T) {
			ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
				store, opts := newSlowStore(), []func(*ssl.ServerCacheOptions){through}
				var inner ssl.SessionStore = store
				if store.OnPut = tc.put; tc.put != nil {
					inner = store.MemStore
				}
				if tc.change != nil {
					opts = append(opts, tc.change)
				}
				if tc.config != nil {
					tc.config(srv)
				}
				sctx, cache := ssltest.Machine(t, srv, inner, ssltest.NewSealKeys(t, 1), opts...)
				a, b := ssltest.TCPPipe(t)
				p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), sctx, a, b)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				done := make(chan error, 1)
				go func() { done <- p.Server.HandshakeContext(ctx) }()
				if tc.during != nil {
					go func() {
						<-store.entered
						tc.during(cancel, cache)
					}()
				}
				if err := p.Client.Handshake(); err != nil {
					t.Fatal(err)
				}
				select {
				case err := <-done:
					if err != nil {
						t.Fatal(err)
					}
				case <-time.After(ssltest.Timeout):
					t.Fatal("the server waits on")
				}
				p.Echo(t)
				p.CloseBoth()
				close(store.let)
				if st := cache.StoreStats(); st.Waits != 1 || st.LateWaits != uint64(ssltest.If(tc.late, 1, 0)) {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

func untilDone(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// A deadline of the connection that passes ends a wait, too.
func TestWriteThroughEndsWithTheDeadline(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		store := newSlowStore()
		defer close(store.let)
		var p ssltest.Pair
		srv.VerifyConnection = func(ssl.ConnectionState) error { // the last that is done before the wait
			return p.Server.SetReadDeadline(time.Now().Add(time.Millisecond))
		}
		sctx, cache := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 1), through)
		a, b := ssltest.TCPPipe(t)
		p = ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), sctx, a, b)
		p.MustShake(t)
		p.Server.SetReadDeadline(time.Time{})
		p.Echo(t)
		p.CloseBoth()
		if st := cache.StoreStats(); st.Waits != 1 || st.LateWaits != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// Close does not wait for the store, nor does the handshake that does.
func TestWriteThroughBesideClose(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		store := newSlowStore()
		defer close(store.let)
		sctx, cache := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 1), through)
		v := visit(t, ssltest.NewClientCtx(t, cli), sctx, nil)
		<-store.entered
		if err := v.Server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-v.server; err != nil && !errors.Is(err, ssl.ErrClosed) {
			t.Errorf("Handshake: %v", err)
		}
		if err := <-v.client; err != nil {
			t.Errorf("the client's handshake: %v", err) // what was held back has been sent
		}
		if n, err := v.Client.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("Read: %d, %v, want io.EOF", n, err)
		}
		if st := cache.StoreStats(); st.Waits != 1 || st.LateWaits != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// No handshake waits for writes that are not made: there is no room, no key, or no cache any more.
func TestWriteThroughOfNothing(t *testing.T) {
	for name, prepare := range map[string]func(*testing.T, *slowStore, *ssl.SealKeys, *ssl.ServerSessionCache){
		"a full queue": func(t *testing.T, s *slowStore, _ *ssl.SealKeys, cache *ssl.ServerSessionCache) {
			for i := range 2 { // one is being made, one waits
				if !cache.Put(identified(t, string(rune('a'+i)))) {
					t.Fatal("refused")
				}
				if i == 0 {
					s.await(t, 1)
				}
			}
		},
		"closed keys": func(_ *testing.T, _ *slowStore, keys *ssl.SealKeys, _ *ssl.ServerSessionCache) {
			keys.Close()
		},
		"closed cache": func(_ *testing.T, _ *slowStore, _ *ssl.SealKeys, cache *ssl.ServerSessionCache) {
			cache.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
				store, keys := newSlowStore(), ssltest.NewSealKeys(t, 1)
				sctx, cache := ssltest.Machine(t, srv, store, keys, through, oneWriter,
					func(o *ssl.ServerCacheOptions) { o.WriteQueue = 1 })
				prepare(t, store, keys, cache)
				ssltest.WantVisit(t, ssltest.NewClientCtx(t, cli), sctx, nil, false)
				if st := cache.StoreStats(); st.Waits+st.LateWaits != 0 {
					t.Errorf("%+v", st)
				}
				close(store.let)
			})
		})
	}
}

// identified is a session with that id, for Put.
func identified(t testing.TB, id string) *ssl.Session {
	s := ssltest.FilledSession(t, ssl.VersionTLS12)
	if err := s.SetID([]byte(id)); err != nil {
		t.Fatal(err)
	}
	return s
}

// A handshake that waits for the store keeps no other from computing.
func TestWriteThroughLeavesTheGate(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.HandshakeLimit = 1
		store := newSlowStore()
		sctx, cache := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 1), through)
		cctx := ssltest.NewClientCtx(t, cli)
		var all []visiting
		for n := range 3 {
			all = append(all, visit(t, cctx, sctx, nil))
			ssltest.Eventually(t, "a handshake does not come to the store", func() bool {
				return cache.StoreStats().Waits == uint64(n+1) // its write may be behind another one
			})
		}
		close(store.let)
		for _, v := range all {
			v.end(t, cli)
		}
	})
}

// The tickets of one handshake are one wait, and one call of a store that takes batches.
func TestWriteThroughIsOneWait(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.NumTickets = 5
	store := newBatches()
	sctx, cache := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 1), through, oneWriter)
	v := visit(t, ssltest.NewClientCtx(t, cli), sctx, nil)
	<-store.entered
	close(store.release)
	v.end(t, cli)
	if st := cache.StoreStats(); st.Waits != 1 || st.LateWaits != 0 || st.Writes != 5 {
		t.Errorf("%+v", st)
	}
	if len(store.sizes) != 1 || store.sizes[0] != 5 {
		t.Errorf("batches of %v, want one of 5", store.sizes)
	}
}

func TestWriteThroughConfig(t *testing.T) {
	leakcheck.Test(t)
	_, err := ssl.NewServerSessionCache(&ssl.ServerCacheOptions{WriteThrough: -1})
	ssltest.Refuses(t, "negative", err, ssl.ErrConfig)
}
