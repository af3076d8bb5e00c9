package ssl_test

import (
	"context"
	"maps"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// sealedFor is what a store with the keys of its servers could say of id: the session that
// cache has, changed.
func sealedFor(t testing.TB, keys *ssl.SealKeys, id string, cache *ssl.ServerSessionCache, change func(*ssl.Session) error) ([]byte, error) {
	s := cache.Get([]byte(id))
	defer s.Close()
	d := dup(t, s)
	if err := change(d); err != nil {
		return nil, err
	}
	return keys.SealedFor([]byte(id), d)
}

// A session that its connection's failure has marked does not come back from the store, here
// or on another machine.
func TestStoreForgetsFailedSessions(t *testing.T) {
	leakcheck.Test(t)
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		store, keys := newMemStore(), newSealKeys(t, 1)
		one, _ := machine(t, srv, store, keys)
		two, _ := machine(t, srv, store, keys)
		cctx := newClientCtx(t, cli)
		p := meet(t, cctx, one, nil)
		s := dup(t, sessionOf(t, p.client))
		store.await(t, sessionsOf(cli))
		brokenByClient(t, p)
		p.closeBoth()
		store.await(t, 1)
		for name, ctx := range map[string]*ssl.Ctx{"here": one, "elsewhere": two} {
			p := meet(t, cctx, ctx, s)
			if p.client.SessionReused() {
				t.Errorf("resumed %s", name)
			}
			p.closeBoth()
		}
	})
}

// Here it does not come back either from a store that does not forget.
func TestStoreCannotReviveFailedSessions(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		store := newMemStore()
		sctx, cache := machine(t, srv, store, newSealKeys(t, 1))
		cctx := newClientCtx(t, cli)
		p := meet(t, cctx, sctx, nil)
		s := dup(t, sessionOf(t, p.client))
		store.await(t, sessionsOf(cli))
		kept := maps.Clone(store.sealed)
		brokenByClient(t, p)
		p.closeBoth()
		store.await(t, 1)
		store.answers(func(_ context.Context, id string, _ []byte) ([]byte, error) { return kept[id], nil })
		wantVisit(t, cctx, sctx, s, false)
		if st, of := cache.StoreStats(), cache.Stats(); st.Hits != 0 || of.NotResumable != 1 {
			t.Errorf("%+v, %+v", st, of)
		}
	})
}
