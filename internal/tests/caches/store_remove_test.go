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
