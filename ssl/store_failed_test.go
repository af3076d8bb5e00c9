package ssl_test

import (
	"context"
	"maps"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// sealedFor is what a store with the keys of its servers could say of id: the session that
// cache has, changed.
func sealedFor(t testing.TB, keys *ssl.SealKeys, id string, cache *ssl.ServerSessionCache,
	change func(*ssl.Session) error) ([]byte, error) {
	s := cache.Get([]byte(id))
	defer s.Close()
	d := ssltest.Dup(t, s)
	if err := change(d); err != nil {
		return nil, err
	}
	return keys.SealedFor([]byte(id), d)
}

// packedFor is what is sealed of the session that cache has under id.
func packedFor(t testing.TB, id string, cache *ssl.ServerSessionCache) []byte {
	t.Helper()
	s := cache.Get([]byte(id))
	defer s.Close()
	plain, err := ssl.PackedSession(s)
	if err != nil {
		t.Error(err) // a store's goroutine may not end the test
	}
	return plain
}

// A session that its connection's failure has marked does not come back from the store, here
// or on another machine.
func TestStoreForgetsFailedSessions(t *testing.T) {
	leakcheck.Test(t)
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		store, keys := ssltest.NewMemStore(), ssltest.NewSealKeys(t, 1)
		one, _ := ssltest.Machine(t, srv, store, keys)
		two, _ := ssltest.Machine(t, srv, store, keys)
		cctx := ssltest.NewClientCtx(t, cli)
		p := ssltest.Meet(t, cctx, one, nil)
		s := ssltest.Dup(t, ssltest.SessionOf(t, p.Client))
		store.Await(t, ssltest.SessionsOf(cli))
		ssltest.BrokenByClient(t, p)
		p.CloseBoth()
		store.Await(t, 1)
		for name, ctx := range map[string]*ssl.Ctx{"here": one, "elsewhere": two} {
			p := ssltest.Meet(t, cctx, ctx, s)
			if p.Client.SessionReused() {
				t.Errorf("resumed %s", name)
			}
			p.CloseBoth()
		}
	})
}

// Here it does not come back either from a store that does not forget.
func TestStoreCannotReviveFailedSessions(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		store := ssltest.NewMemStore()
		sctx, cache := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 1))
		cctx := ssltest.NewClientCtx(t, cli)
		p := ssltest.Meet(t, cctx, sctx, nil)
		s := ssltest.Dup(t, ssltest.SessionOf(t, p.Client))
		store.Await(t, ssltest.SessionsOf(cli))
		kept := maps.Clone(store.Sealed)
		ssltest.BrokenByClient(t, p)
		p.CloseBoth()
		store.Await(t, 1)
		store.Answers(func(_ context.Context, id string, _ []byte) ([]byte, error) { return kept[id], nil })
		ssltest.WantVisit(t, cctx, sctx, s, false)
		if st, of := cache.StoreStats(), cache.Stats(); st.Hits != 0 || of.NotResumable != 1 {
			t.Errorf("%+v, %+v", st, of)
		}
	})
}
