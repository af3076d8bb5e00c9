package caches_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Errors of a store are kept with the time and the operation, newest first, and no error of ours
// contains an id or a byte of what was sealed.
func TestStoreErrors(t *testing.T) {
	leakcheck.Test(t)
	begun := time.Now()
	srv, cli := ssltest.TLS12(t)
	store, keys := newBatches(), ssltest.NewSealKeys(t, 1)
	failed := func(op string) error { return fmt.Errorf("NOAUTH for %s", op) }
	sctx, cache := ssltest.Machine(t, srv, store, keys, oneWriter)
	if cache.StoreErrors() != nil || sctx.StoreErrors() != nil {
		t.Error("errors before anything was done")
	}
	cctx := ssltest.NewClientCtx(t, cli)
	first := ssltest.WantVisit(t, cctx, sctx, nil, false)
	<-store.entered
	for range 3 {
		ssltest.WantVisit(t, cctx, sctx, nil, false) // waits, for a batch
	}
	store.OnPut = func(context.Context) error { return failed("Put") }
	store.answer = func(int) []error { return nil }
	close(store.release)
	awaitPending(t, cache, 0)
	id := ssltest.Get(t, first.ID)

	cache.Flush(time.Time{})
	store.Answers(func(context.Context, string, []byte) ([]byte, error) { return nil, failed("Get") })
	ssltest.WantVisit(t, cctx, sctx, first, false)
	awaitPending(t, cache, 0)
	cache.Flush(time.Time{})
	store.Answers(func(context.Context, string, []byte) ([]byte, error) { return id, nil })
	ssltest.WantVisit(t, cctx, sctx, ssltest.Dup(t, first), false)
	awaitPending(t, cache, 0)
	keys.Close()
	ssltest.WantVisit(t, cctx, sctx, nil, false)

	var ops []string
	last := time.Now()
	for _, e := range cache.StoreErrors() {
		ops = append(ops, e.Op)
		if e.Time.Before(begun) || e.Time.After(last) {
			t.Errorf("%s: at %v, which is not between %v and %v", e.Op, e.Time, begun, last)
		}
		last = e.Time
		text := e.Err.Error()
		if strings.Contains(text, string(id)) || strings.Contains(text, hex.EncodeToString(id)) {
			t.Errorf("%s: an id is in %q", e.Op, text)
		}
	}
	if got, want := strings.Join(ops, " "), "seal Put open Put Get PutAll Put"; got != want {
		t.Errorf("errors of %q, want %q", got, want)
	}
	if all := cache.StoreErrors(); cache.StoreError() != all[0].Err || len(sctx.StoreErrors()) != len(all) ||
		!errors.Is(all[0].Err, ssl.ErrClosed) || !errors.Is(all[2].Err, ssl.ErrMalformed) ||
		all[4].Err.Error() != "NOAUTH for Get" || all[6].Err.Error() != "NOAUTH for Put" {
		t.Errorf("%v; StoreError %v", all, cache.StoreError())
	}
}

// awaitPending returns when n writes wait.
func awaitPending(t *testing.T, cache *ssl.ServerSessionCache, n int) {
	t.Helper()
	for end := time.Now().Add(ssltest.Timeout); cache.StoreStats().Pending != n; {
		if time.Now().After(end) {
			t.Fatalf("%+v, want %d pending", cache.StoreStats(), n)
		}
	}
}

// Of many errors the last sixteen stay, and of a store that works none.
func TestStoreErrorsAreBounded(t *testing.T) {
	leakcheck.Test(t)
	keys := ssltest.NewSealKeys(t, 1)
	cache := ssltest.NewServerCache(t, &ssl.ServerCacheOptions{Store: refusing{}, SealKeys: keys})
	for i := range 20 {
		err := cache.RemoveContext(t.Context(), []byte{byte(i)})
		if all := cache.StoreErrors(); len(all) != min(i+1, 16) || !errors.Is(err, all[0].Err) ||
			all[0].Op != "Remove" {
			t.Fatalf("%d: %v of %v", i, err, all)
		}
	}
	if all := cache.StoreErrors(); all[15].Err.Error() != "\x04" {
		t.Errorf("the oldest is %v", all[15])
	}
	plain := ssltest.NewServerCache(t, nil)
	if plain.StoreErrors() != nil || (*ssl.ServerSessionCache)(nil).StoreErrors() != nil {
		t.Error("errors without a store")
	}
}

// refusing is a store whose Remove fails, with the id as the reason.
type refusing struct{ ssl.SessionStore }

func (refusing) Remove(_ context.Context, id []byte) error { return errors.New(string(id)) }

// The times of Get and Put are counted, however the calls end, and a batch is one Put.
func TestStoreTimes(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.TLS12(t)
	store, keys := newBatches(), ssltest.NewSealKeys(t, 1)
	sctx, cache := ssltest.Machine(t, srv, store, keys, oneWriter)
	if st := cache.StoreStats(); st.Gets.Count != 0 || st.Puts.Count != 0 || len(st.Gets.Buckets) != 16 {
		t.Errorf("before anything was done: %+v", st)
	}
	cctx := ssltest.NewClientCtx(t, cli)
	s := ssltest.WantVisit(t, cctx, sctx, nil, false)
	<-store.entered
	held := time.Now()
	for range 3 {
		ssltest.WantVisit(t, cctx, sctx, nil, false)
	}
	took := time.Since(held)
	close(store.release)
	awaitPending(t, cache, 0)
	if st := cache.StoreStats(); st.Puts.Count != 2 || st.Puts.Sum < took || st.Gets.Count != 0 {
		t.Errorf("a Put of at least %v and a PutAll: %+v", took, st)
	}
	cache.Remove([]byte("other"))
	for _, get := range []func(context.Context, string, []byte) ([]byte, error){
		func(context.Context, string, []byte) ([]byte, error) { return nil, errors.New("down") },
		func(context.Context, string, []byte) ([]byte, error) { panic("get") },
		func(_ context.Context, _ string, sealed []byte) ([]byte, error) { return sealed, nil },
	} {
		cache.Flush(time.Time{})
		store.Answers(get)
		_, _ = ssltest.Visit(t, cctx, sctx, ssltest.Dup(t, s))
	}
	stats := ssltest.Get(t, sctx.Stats)
	if st := stats.Store; st.Gets.Count != 3 {
		t.Errorf("three lookups: %+v", st)
	}
}
