package caches_test

import (
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
)

// A cache and its store drop a session that libssl has made when it ends by the one clock.
func TestServerCacheByTheClock(t *testing.T) {
	leakcheck.Test(t)
	clock := ssltest.NewClock(t)
	srv, cli := ssltest.TLS12(t)
	srv.SessionTimeout, cli.SessionTimeout = time.Hour, 2*time.Hour
	store, keys := ssltest.NewMemStore(), ssltest.NewSealKeys(t, 1)
	sctx, cache := ssltest.Machine(t, srv, store, keys)
	other, far := ssltest.Machine(t, srv, store, keys)
	cctx := ssltest.NewClientCtx(t, cli)
	s := ssltest.WantVisit(t, cctx, sctx, nil, false)
	id := ssltest.Get(t, s.ID)
	store.Await(t, 1)
	has := func() bool {
		got := cache.Get(id)
		if got == nil {
			return false
		}
		defer got.Close()
		return cache.Put(ssltest.Dup(t, got)) // which must not have expired, either
	}
	clock.Pass(time.Hour - time.Minute)
	if !has() {
		t.Errorf("a minute before its end: %+v", cache.Stats())
	}
	store.Await(t, 1)
	clock.Pass(2 * time.Minute)
	if has() || cache.Stats().Expired != 1 {
		t.Errorf("a minute after its end: %+v", cache.Stats())
	}
	ssltest.WantVisit(t, cctx, other, s, false)
	if st := far.StoreStats(); st.Hits != 0 || st.Refused != 1 {
		t.Errorf("what the store still has, a minute after its end: %+v", st)
	}
	store.Await(t, 1)
}
