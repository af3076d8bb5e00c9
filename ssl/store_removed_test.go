package ssl_test

import (
	"context"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// gatedRemove is a store whose Removes wait.
type gatedRemove struct {
	*memStore
	gate chan struct{}
}

func (s gatedRemove) Remove(ctx context.Context, id []byte) error {
	<-s.gate
	return s.memStore.Remove(ctx, id)
}

// tls12 has both ends speak it, where the client knows the id.
func tls12(t testing.TB) (srv, cli *ssl.Config) {
	srv, cli = serverConfig(t), clientConfig(t)
	srv.MaxVersion, cli.MaxVersion = ssl.VersionTLS12, ssl.VersionTLS12
	return srv, cli
}

// What was removed does not come back from a store that has not heard of it yet.
func TestStoreRemovedStaysAway(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := tls12(t)
	store := gatedRemove{newMemStore(), make(chan struct{})}
	defer close(store.gate)
	sctx, cache := machine(t, srv, store, newSealKeys(t, 1))
	cctx := newClientCtx(t, cli)
	s := wantVisit(t, cctx, sctx, nil, false)
	store.await(t, 1)
	if !cache.Remove(get(t, s.ID)) {
		t.Fatal("not there")
	}
	wantVisit(t, cctx, sctx, dup(t, s), false)
	wantVisit(t, cctx, sctx, dup(t, s), false)
}

// Nor by a lookup that was under way.
func TestStoreRemovedDuringALookup(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := tls12(t)
	store, keys := newMemStore(), newSealKeys(t, 1)
	maker, _ := machine(t, srv, store, keys)
	sctx, cache := machine(t, srv, store, keys)
	cctx := newClientCtx(t, cli)
	s := wantVisit(t, cctx, maker, nil, false)
	store.await(t, 1)
	id := get(t, s.ID)
	store.answers(func(_ context.Context, _ string, sealed []byte) ([]byte, error) {
		cache.Remove(id)
		return sealed, nil
	})
	wantVisit(t, cctx, sctx, dup(t, s), false)
	store.answers(nil)
	wantVisit(t, cctx, sctx, dup(t, s), false)
}

// An id that was removed may be used anew, and of those the last hundreds are known.
func TestStoreRemovedIDs(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := tls12(t)
	store := newMemStore()
	sctx, cache := machine(t, srv, store, newSealKeys(t, 1))
	cctx := newClientCtx(t, cli)
	s := wantVisit(t, cctx, sctx, nil, false)
	store.await(t, 1)
	id := get(t, s.ID)
	kept := cache.Get(id)
	if kept == nil || !cache.Remove(id) {
		t.Fatal("not there")
	}
	if !cache.Put(kept) {
		t.Fatal("a session with an id that was removed is refused")
	}
	wantVisit(t, cctx, sctx, dup(t, s), true)
	for i := range 1000 {
		cache.Remove([]byte{byte(i), byte(i >> 8), 1})
	}
	if n := ssl.RemovedIDs(cache); n == 0 || n > 80*256 {
		t.Errorf("%d removed ids are known", n)
	}
}
