package caches_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// removing is a store whose Remove does what a test says.
type removing struct {
	*ssltest.MemStore
	remove func(ctx context.Context) error
}

func (s *removing) Remove(ctx context.Context, id []byte) error {
	if s.remove != nil {
		return s.remove(ctx)
	}
	return s.MemStore.Remove(ctx, id)
}

// RemoveContext returns when the store has answered: from then on no machine that asks the store
// resumes the session.
func TestRemoveContextWaitsForTheStore(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		store, keys := ssltest.NewMemStore(), ssltest.NewSealKeys(t, 1)
		one, cache := ssltest.Machine(t, srv, store, keys)
		two, _ := ssltest.Machine(t, srv, store, keys)
		cctx := ssltest.NewClientCtx(t, cli)
		s := ssltest.WantVisit(t, cctx, one, nil, false)
		store.Await(t, 1)
		if err := cache.RemoveContext(t.Context(), serverID(t, cache, s)); err != nil {
			t.Fatal(err)
		}
		ssltest.WantVisit(t, cctx, two, ssltest.Dup(t, s), false)
		ssltest.WantVisit(t, cctx, one, ssltest.Dup(t, s), false)
	})
}

// serverID is the id of the one session in cache that a client of TLS 1.2 has; in TLS 1.3 the ticket is
// the id.
func serverID(t *testing.T, cache *ssl.ServerSessionCache, s *ssl.Session) []byte {
	t.Helper()
	if id := ssltest.Get(t, s.Ticket); len(id) > 0 {
		return id
	}
	return ssltest.Get(t, s.ID)
}

func TestRemoveContextFails(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.TLS12(t)
	store := &removing{MemStore: ssltest.NewMemStore()}
	sctx, cache := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 1), func(o *ssl.ServerCacheOptions) {
		o.WriteTimeout = time.Hour // only the contexts end it
	})
	cctx := ssltest.NewClientCtx(t, cli)
	s := ssltest.WantVisit(t, cctx, sctx, nil, false)
	store.Await(t, 1)
	id := ssltest.Get(t, s.ID)

	down := errors.New("the store is down")
	store.remove = func(context.Context) error { return down }
	if err := cache.RemoveContext(t.Context(), id); !errors.Is(err, down) ||
		!errors.Is(cache.StoreError(), down) {
		t.Errorf("%v; StoreError %v", err, cache.StoreError())
	}
	ssltest.WantVisit(t, cctx, sctx, ssltest.Dup(t, s), false) // here it has gone all the same
	store.remove = func(context.Context) error { panic("remove") }
	if err := cache.RemoveContext(t.Context(), id); err == nil {
		t.Error("a panic is no error")
	}
	store.remove = func(context.Context) error { runtime.Goexit(); return nil }
	if err := cache.RemoveContext(t.Context(), id); err == nil {
		t.Error("a goroutine that ended is no error")
	}
	release := make(chan struct{})
	store.remove = func(context.Context) error { <-release; return nil }
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("no more")
	cancel(why)
	if err := cache.RemoveContext(ctx, id); !errors.Is(err, why) {
		t.Errorf("%v, want the cause", err)
	}
	close(release)

	for _, id := range [][]byte{nil, {}, make([]byte, 33)} {
		if err := cache.RemoveContext(t.Context(), id); !errors.Is(err, ssl.ErrConfig) {
			t.Errorf("an id of %d bytes: %v", len(id), err)
		}
		if cache.Forget(id) {
			t.Errorf("Forget takes an id of %d bytes", len(id))
		}
	}
	cache.Close()
	if err := cache.RemoveContext(t.Context(), id); !errors.Is(err, ssl.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	var none *ssl.ServerSessionCache
	if err := none.RemoveContext(t.Context(), id); !errors.Is(err, ssl.ErrNil) || none.Forget(id) {
		t.Errorf("nil: %v", err)
	}
	alone := ssltest.NewServerCache(t, nil)
	if err := alone.RemoveContext(t.Context(), id); err != nil {
		t.Errorf("without a store: %v", err)
	}
}

// A session that another machine has revoked ends here too: Forget drops it, and a store that still
// has it, or brings it back, is not believed. The store is told nothing.
func TestForgetWhatAnotherMachineRevoked(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		store, keys := ssltest.NewMemStore(), ssltest.NewSealKeys(t, 1)
		one, cache := ssltest.Machine(t, srv, store, keys)
		cctx := ssltest.NewClientCtx(t, cli)
		s := ssltest.WantVisit(t, cctx, one, nil, false)
		store.Await(t, ssltest.SessionsOf(cli))
		id := serverID(t, cache, s)
		before := cache.StoreStats()
		if !cache.Forget(id) || cache.Forget(id) {
			t.Error("Forget does not tell whether the session was here")
		}
		ssltest.WantVisit(t, cctx, one, ssltest.Dup(t, s), false)
		store.Mu.Lock()
		_, there := store.Sealed[string(id)]
		store.Mu.Unlock()
		if after := cache.StoreStats(); !there || after.Hits != before.Hits {
			t.Errorf("the store has it: %t; %+v", there, after)
		}
	})
}

// What was removed stays away for the promised 256 others, also if it was removed twice or came anew.
func TestRemovedStaysAwayForLong(t *testing.T) {
	others := func(cache *ssl.ServerSessionCache, n, from int) {
		for i := range n {
			cache.Forget([]byte{byte(i), byte((from + i) >> 8), 1, 2, byte(from)})
		}
	}
	for name, remove := range map[string]func(t *testing.T, cache *ssl.ServerSessionCache, id []byte){
		"twice": func(t *testing.T, cache *ssl.ServerSessionCache, id []byte) {
			cache.Forget(id)
			others(cache, 255, 0)
			cache.Forget(id)
			others(cache, 1, 7)
		},
		"anew": func(t *testing.T, cache *ssl.ServerSessionCache, id []byte) {
			s := cache.Get(id)
			cache.Forget(id)
			others(cache, 255, 0)
			if !cache.Put(s) {
				t.Error("a session with an id that was forgotten is refused")
			}
			cache.Forget(id)
		},
		"and others": func(t *testing.T, cache *ssl.ServerSessionCache, id []byte) {
			others(cache, 200, 0)
			cache.Forget(id)
			others(cache, 255, 3)
		},
	} {
		t.Run(name, func(t *testing.T) {
			leakcheck.Test(t)
			srv, cli := ssltest.TLS12(t)
			store := ssltest.NewMemStore()
			sctx, cache := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 1), func(o *ssl.ServerCacheOptions) {
				o.MaxSessions = 1 // one shard
			})
			cctx := ssltest.NewClientCtx(t, cli)
			s := ssltest.WantVisit(t, cctx, sctx, nil, false)
			store.Await(t, 1)
			remove(t, cache, ssltest.Get(t, s.ID))
			ssltest.WantVisit(t, cctx, sctx, ssltest.Dup(t, s), false)
		})
	}
}

// Calls that have given up do not fill the memory: as many writes again as WriteQueue allows wait.
func TestRemoveContextIsBounded(t *testing.T) {
	leakcheck.Test(t)
	release, entered := make(chan struct{}), make(chan struct{}, 100)
	store := &removing{MemStore: ssltest.NewMemStore(), remove: func(context.Context) error {
		entered <- struct{}{}
		<-release
		return nil
	}}
	cache := ssltest.NewServerCache(t, &ssl.ServerCacheOptions{
		Store: store, SealKeys: ssltest.NewSealKeys(t, 1), WriteQueue: 4, Writers: 1,
	})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := cache.RemoveContext(ended, []byte("id")); !errors.Is(err, context.Canceled) ||
		cache.StoreStats().Pending != 0 {
		t.Errorf("%v, %d pending", err, cache.StoreStats().Pending)
	}
	defer close(release)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	results := make(chan error, 20)
	for i := range 20 {
		go func() { results <- cache.RemoveContext(ctx, []byte("id")) }()
		if i == 0 {
			<-entered // the store has the first, and the others wait
		}
	}
	for range 20 - 1 - 2*4 {
		select {
		case err := <-results:
			if !errors.Is(err, ssl.ErrStoreBusy) {
				t.Errorf("%v, want ErrStoreBusy", err)
			}
		case <-time.After(ssltest.Timeout):
			t.Fatal("more calls wait than WriteQueue allows")
		}
	}
	stop()
	for range 1 + 2*4 {
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want the cause", err)
		}
	}
}

// While CloseContext waits for the store, nothing resumes any more.
func TestCloseContextForgetsFirst(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.TLS12(t)
	store, entered, release := ssltest.NewMemStore(), make(chan struct{}, 10), make(chan struct{})
	store.OnPut = func(context.Context) error {
		entered <- struct{}{}
		<-release
		return nil
	}
	sctx, cache := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 1))
	cctx := ssltest.NewClientCtx(t, cli)
	s := ssltest.WantVisit(t, cctx, sctx, nil, false)
	<-entered
	closed := make(chan error, 1)
	go func() {
		_, err := cache.CloseContext(t.Context())
		closed <- err
	}()
	id := ssltest.Get(t, s.ID)
	for h := cache.Get(id); h != nil; h = cache.Get(id) { // until CloseContext has begun
		h.Close()
		runtime.Gosched()
	}
	if err := cache.RemoveContext(t.Context(), id); !errors.Is(err, ssl.ErrClosed) {
		t.Error(err)
	}
	ssltest.WantVisit(t, cctx, sctx, ssltest.Dup(t, s), false)
	close(release)
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// scribbling is a store that writes into what it gets.
type scribbling struct{ *ssltest.MemStore }

func scribble(id []byte) {
	for i := range id {
		id[i] ^= 0x5a
	}
	_ = append(id, "and behind it"...)
}

func (s scribbling) Put(ctx context.Context, id, sealed []byte, expires time.Time) error {
	err := s.MemStore.Put(ctx, id, sealed, expires)
	scribble(id)
	return err
}

func (s scribbling) Get(ctx context.Context, id []byte) ([]byte, error) {
	sealed, err := s.MemStore.Get(ctx, id)
	scribble(id)
	return sealed, err
}

func (s scribbling) Remove(ctx context.Context, id []byte) error {
	err := s.MemStore.Remove(ctx, id)
	scribble(id)
	return err
}

// A store that changes the ids it is given changes nothing in the cache.
func TestStoreThatWritesIntoIDs(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.TLS12(t)
	store := scribbling{ssltest.NewMemStore()}
	keys := ssltest.NewSealKeys(t, 1)
	sctx, cache := ssltest.Machine(t, srv, store, keys, func(o *ssl.ServerCacheOptions) { o.MaxSessions = 2 })
	other, _ := ssltest.Machine(t, srv, store, keys)
	cctx := ssltest.NewClientCtx(t, cli)
	for i := range 5 {
		s := ssltest.WantVisit(t, cctx, sctx, nil, false)
		store.Await(t, 1)
		ssltest.WantVisit(t, cctx, other, ssltest.Dup(t, s), true)
		id := ssltest.Get(t, s.ID)
		if i%2 == 0 {
			if !cache.Remove(id) || cache.Remove(id) {
				t.Error("Remove does not know the session, or knows it twice")
			}
			store.Await(t, 2)
		}
	}
	if st := cache.Stats(); st.Sessions > 2 || st.Bytes < 0 {
		t.Errorf("%+v", st)
	}
}

// A store whose Get ends its goroutine has failed at once.
func TestStoreGetEndsItsGoroutine(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.TLS12(t)
	store := ssltest.NewMemStore()
	store.Answers(func(context.Context, string, []byte) ([]byte, error) { runtime.Goexit(); return nil, nil })
	keys := ssltest.NewSealKeys(t, 1)
	one, _ := ssltest.Machine(t, srv, store, keys)
	two, cache := ssltest.Machine(t, srv, store, keys)
	cctx := ssltest.NewClientCtx(t, cli)
	s := ssltest.WantVisit(t, cctx, one, nil, false)
	before := cache.StoreStats().Errors
	ssltest.WantVisit(t, cctx, two, ssltest.Dup(t, s), false)
	if st := cache.StoreStats(); st.Errors == before || st.Late != 0 {
		t.Errorf("%+v", st)
	}
}
