package ssl_test

import (
	"context"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// gatedRemove is a store whose Removes wait.
type gatedRemove struct {
	*ssltest.MemStore
	gate chan struct{}
}

func (s gatedRemove) Remove(ctx context.Context, id []byte) error {
	<-s.gate
	return s.MemStore.Remove(ctx, id)
}

// What was removed does not come back from a store that has not heard of it yet.
func TestStoreRemovedStaysAway(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.TLS12(t)
	store := gatedRemove{ssltest.NewMemStore(), make(chan struct{})}
	defer close(store.gate)
	sctx, cache := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 1))
	cctx := ssltest.NewClientCtx(t, cli)
	s := ssltest.WantVisit(t, cctx, sctx, nil, false)
	store.Await(t, 1)
	if !cache.Remove(ssltest.Get(t, s.ID)) {
		t.Fatal("not there")
	}
	ssltest.WantVisit(t, cctx, sctx, ssltest.Dup(t, s), false)
	ssltest.WantVisit(t, cctx, sctx, ssltest.Dup(t, s), false)
}

// Nor by a lookup that was under way.
func TestStoreRemovedDuringALookup(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.TLS12(t)
	store, keys := ssltest.NewMemStore(), ssltest.NewSealKeys(t, 1)
	maker, _ := ssltest.Machine(t, srv, store, keys)
	sctx, cache := ssltest.Machine(t, srv, store, keys)
	cctx := ssltest.NewClientCtx(t, cli)
	s := ssltest.WantVisit(t, cctx, maker, nil, false)
	store.Await(t, 1)
	id := ssltest.Get(t, s.ID)
	store.Answers(func(_ context.Context, _ string, sealed []byte) ([]byte, error) {
		cache.Remove(id)
		return sealed, nil
	})
	ssltest.WantVisit(t, cctx, sctx, ssltest.Dup(t, s), false)
	store.Answers(nil)
	ssltest.WantVisit(t, cctx, sctx, ssltest.Dup(t, s), false)
}

// An id that was removed may be used anew, and of those the last hundreds are known.
func TestStoreRemovedIDs(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.TLS12(t)
	store := ssltest.NewMemStore()
	sctx, cache := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 1))
	cctx := ssltest.NewClientCtx(t, cli)
	s := ssltest.WantVisit(t, cctx, sctx, nil, false)
	store.Await(t, 1)
	id := ssltest.Get(t, s.ID)
	kept := cache.Get(id)
	if kept == nil || !cache.Remove(id) {
		t.Fatal("not there")
	}
	if !cache.Put(kept) {
		t.Fatal("a session with an id that was removed is refused")
	}
	ssltest.WantVisit(t, cctx, sctx, ssltest.Dup(t, s), true)
	for i := range 1000 {
		cache.Remove([]byte{byte(i), byte(i >> 8), 1})
	}
	if n := ssl.RemovedIDs(cache); n == 0 || n > 80*256 {
		t.Errorf("%d removed ids are known", n)
	}
}
