package caches_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// batches is a store that takes several sessions at a time.
type batches struct {
	*ssltest.MemStore
	entered chan struct{}
	release chan struct{}
	answer  func(n int) []error

	mu    sync.Mutex
	sizes []int
}

func newBatches() *batches {
	return &batches{MemStore: ssltest.NewMemStore(), entered: make(chan struct{}, 1000),
		release: make(chan struct{})}
}

func (b *batches) Put(ctx context.Context, id, sealed []byte, expires time.Time) error {
	return errors.Join(b.PutAll(ctx, []ssl.StoreItem{{ID: id, Sealed: sealed, Expires: expires}})...)
}

func (b *batches) PutAll(ctx context.Context, items []ssl.StoreItem) []error {
	b.entered <- struct{}{}
	<-b.release
	b.mu.Lock()
	b.sizes = append(b.sizes, len(items))
	b.mu.Unlock()
	for _, it := range items {
		if err := b.MemStore.Put(ctx, it.ID, it.Sealed, it.Expires); err != nil {
			return []error{err}
		}
	}
	if b.answer != nil {
		return b.answer(len(items))
	}
	return nil
}

func oneWriter(o *ssl.ServerCacheOptions) { o.Writers = 1 }

// What waits for a slow store goes there in one call.
func TestStoreBatches(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.TLS12(t)
	store, keys := newBatches(), ssltest.NewSealKeys(t, 1)
	sctx, cache := ssltest.Machine(t, srv, store, keys, oneWriter)
	cctx := ssltest.NewClientCtx(t, cli)
	var sessions []*ssl.Session
	for i := range 10 {
		sessions = append(sessions, ssltest.WantVisit(t, cctx, sctx, nil, false))
		if i == 0 {
			<-store.entered // the others wait behind it
		}
	}
	cache.Remove(ssltest.Get(t, sessions[5].ID)) // behind its Put, and in no batch
	if st := cache.StoreStats(); st.Pending != 11 {
		t.Errorf("%d pending, want 11", st.Pending)
	}
	close(store.release)
	if lost, err := cache.CloseContext(t.Context()); lost != 0 || err != nil {
		t.Errorf("%d lost, %v", lost, err)
	}
	if st := cache.StoreStats(); st.Writes != 11 || st.WriteErrors+st.Dropped != 0 || st.Pending != 0 {
		t.Errorf("%+v", st)
	}
	if len(store.sizes) != 2 || store.sizes[0] != 1 || store.sizes[1] != 9 {
		t.Errorf("batches of %v, want one of 1 and one of 9", store.sizes)
	}
	other, _ := ssltest.Machine(t, srv, store, keys)
	for i, s := range sessions {
		ssltest.WantVisit(t, cctx, other, ssltest.Dup(t, s), i != 5)
	}
}

// The errors of a batch are those of its items.
func TestStoreBatchErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		answer func(n int) []error
		failed uint64
	}{
		"none":          {func(n int) []error { return make([]error, n) }, 0},
		"one":           {func(n int) []error { return append(make([]error, n-1), errors.New("full")) }, 1},
		"no item":       {func(n int) []error { return []error{} }, 4},
		"too few":       {func(n int) []error { return make([]error, n-1) }, 4},
		"too many":      {func(n int) []error { return make([]error, n+1) }, 4},
		"ends by panic": {func(n int) []error { panic("batch") }, 4},
	} {
		t.Run(name, func(t *testing.T) {
			leakcheck.Test(t)
			srv, cli := ssltest.TLS12(t)
			store := newBatches()
			sctx, cache := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 1), oneWriter)
			cctx := ssltest.NewClientCtx(t, cli)
			for i := range 5 {
				ssltest.WantVisit(t, cctx, sctx, nil, false)
				if i == 0 {
					<-store.entered
					store.answer = func(n int) []error {
						if n == 1 {
							return nil // the first, alone
						}
						return tc.answer(n)
					}
				}
			}
			close(store.release)
			cache.Close()
			st := cache.StoreStats()
			if st.WriteErrors != tc.failed || st.Writes != 5-tc.failed ||
				(cache.StoreError() != nil) != (tc.failed > 0) {
				t.Errorf("%+v, %v", st, cache.StoreError())
			}
		})
	}
}

// CloseContext says how many writes were lost when it could not wait any longer.
func TestCloseContextCountsWhatIsLost(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.TLS12(t)
	store := newBatches()
	sctx, cache := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 1), oneWriter)
	cctx := ssltest.NewClientCtx(t, cli)
	for i := range 3 {
		ssltest.WantVisit(t, cctx, sctx, nil, false)
		if i == 0 {
			<-store.entered
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the process ends")
	cancel(why)
	if lost, err := cache.CloseContext(ctx); lost != 3 || !errors.Is(err, why) {
		t.Errorf("%d lost, %v; want 3 and the cause", lost, err)
	}
	if lost, err := cache.CloseContext(t.Context()); lost != 0 || err != nil {
		t.Errorf("once more: %d, %v", lost, err)
	}
	close(store.release)
	var none *ssl.ServerSessionCache
	if lost, err := none.CloseContext(t.Context()); lost != 0 || err != nil {
		t.Errorf("nil: %d, %v", lost, err)
	}
}

// WriteTimeout ends a write, and as many are made at a time as there are writers.
func TestStoreLimits(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.TLS12(t)
	store := ssltest.NewMemStore()
	entered := make(chan struct{}, 100)
	store.OnPut = func(ctx context.Context) error {
		entered <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	sctx, cache := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 1), func(o *ssl.ServerCacheOptions) {
		o.Writers, o.WriteTimeout = 64, time.Millisecond
	})
	cctx := ssltest.NewClientCtx(t, cli)
	ssltest.WantVisit(t, cctx, sctx, nil, false)
	<-entered
	if lost, err := cache.CloseContext(t.Context()); lost != 0 || err != nil {
		t.Errorf("%d lost, %v", lost, err)
	}
	if st := cache.StoreStats(); st.WriteErrors != 1 ||
		!errors.Is(cache.StoreError(), context.DeadlineExceeded) {
		t.Errorf("%+v, %v", st, cache.StoreError())
	}
	for _, o := range []ssl.ServerCacheOptions{{Writers: -1}, {Writers: 257}, {WriteTimeout: -1}} {
		if _, err := ssl.NewServerSessionCache(&o); !errors.Is(err, ssl.ErrConfig) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
