package ssl_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// memStore is a store of other processes, with faults on demand.
type memStore struct {
	mu      sync.Mutex
	sealed  map[string][]byte
	written chan struct{} // a value for each Put and Remove

	get func(ctx context.Context, id string, sealed []byte) ([]byte, error) // instead of the truth
	put func(ctx context.Context) error
}

func newMemStore() *memStore {
	return &memStore{sealed: map[string][]byte{}, written: make(chan struct{}, 10000)}
}

func (m *memStore) Put(ctx context.Context, id, sealed []byte, expires time.Time) error {
	if m.put != nil {
		return m.put(ctx)
	}
	defer func() { m.written <- struct{}{} }()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sealed[string(id)] = bytes.Clone(sealed)
	return nil
}

func (m *memStore) Get(ctx context.Context, id []byte) ([]byte, error) {
	m.mu.Lock()
	sealed, get := m.sealed[string(id)], m.get
	m.mu.Unlock()
	if get != nil {
		return get(ctx, string(id), sealed)
	}
	return sealed, nil
}

func (m *memStore) Remove(_ context.Context, id []byte) error {
	defer func() { m.written <- struct{}{} }()
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sealed, string(id))
	return nil
}

// answers makes get answer from here on; an earlier lookup may still be on its way.
func (m *memStore) answers(get func(context.Context, string, []byte) ([]byte, error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.get = get
}

// await returns when n writes have been made.
func (m *memStore) await(t testing.TB, n int) {
	t.Helper()
	deadline := time.After(ioTimeout)
	for range n {
		select {
		case <-m.written:
		case <-deadline:
			t.Fatal("the store got too little")
		}
	}
}

func sealKey(b byte) []byte { return append(bytes.Repeat([]byte{b}, ssl.SealKeyLen-1), ^b) }

func newSealKeys(t testing.TB, current byte, old ...byte) *ssl.SealKeys {
	t.Helper()
	var rest [][]byte
	for _, b := range old {
		rest = append(rest, sealKey(b))
	}
	k, err := ssl.NewSealKeys(sealKey(current), rest...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

// machine is a server with a cache of its own before the store.
func machine(t testing.TB, srv *ssl.Config, store ssl.SessionStore, keys *ssl.SealKeys, opts ...func(*ssl.ServerCacheOptions)) (*ssl.Ctx, *ssl.ServerSessionCache) {
	t.Helper()
	o := &ssl.ServerCacheOptions{Store: store, SealKeys: keys, LookupTimeout: ioTimeout}
	for _, f := range opts {
		f(o)
	}
	cache := newServerCache(t, o)
	return newServerCtx(t, copyOf(srv, func(c *ssl.Config) { c.SessionCache = cache })), cache
}

// issued is how many sessions a full handshake gives.
func sessionsOf(cli *ssl.Config) int { return want(cli.MaxVersion == ssl.VersionTLS12, 1, 2) }

// Machines that have nothing in common but the store resume each other's sessions, with the
// client's certificates and the chain that was verified; what was found is then near.
func TestStoreIsShared(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, roots(t, "ca")
		cli.Certificates = []ssl.Certificate{keyPair(t, "client-chain")}
		store := newMemStore()
		one, _ := machine(t, srv, store, newSealKeys(t, 1))
		two, near := machine(t, srv, store, newSealKeys(t, 2, 1)) // with a newer key
		cctx, mine := newClientCtx(t, cli), newCache(t, 0)
		attend(t, cctx, one, mine, here)
		store.await(t, sessionsOf(cli))
		p := cached(t, cctx, two, mine, here)
		p.mustShake(t)
		p.echo(t)
		st := p.server.ConnectionState()
		if p.server.ReuseState() != reused(cli) || !st.Verified || len(st.PeerCertificates) != 2 || len(st.VerifiedChain) != 3 {
			t.Errorf("%q, verified %t, %d certificates, chain of %d", p.server.ReuseState(), st.Verified, len(st.PeerCertificates), len(st.VerifiedChain))
		}
		p.closeBoth()
		if st := near.StoreStats(); st.Hits != 1 || st.Misses+st.Late+st.Errors+st.Refused != 0 {
			t.Errorf("%+v", st)
		}
		attend(t, cctx, two, mine, here)
		if st := near.StoreStats(); cli.MaxVersion == ssl.VersionTLS12 && st.Hits != 1 {
			t.Errorf("asked again: %+v", st)
		}
	})
}

// A store that is down, slow, stuck, or that lies costs a full handshake, and no connection
// fails; nothing that it has said is believed.
func TestStoreFaults(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		store, keys := newMemStore(), newSealKeys(t, 1)
		maker, made := machine(t, srv, store, keys)
		other, _ := machine(t, srv, store, newSealKeys(t, 9))
		cctx := newClientCtx(t, cli)
		attend(t, cctx, other, newCache(t, 0), here) // a session under another key
		store.await(t, sessionsOf(cli))
		stranger := anyValue(store.sealed)
		release := make(chan struct{})
		t.Cleanup(func() { close(release) })
		quick := func(o *ssl.ServerCacheOptions) { o.LookupTimeout = time.Millisecond }
		for _, test := range []struct {
			name  string
			get   func(ctx context.Context, id string, sealed []byte) ([]byte, error)
			opts  []func(*ssl.ServerCacheOptions)
			count func(ssl.StoreStats) uint64
		}{
			{"down", func(context.Context, string, []byte) ([]byte, error) { return nil, errors.New("down") }, nil, func(s ssl.StoreStats) uint64 { return s.Errors }},
			{"empty", func(context.Context, string, []byte) ([]byte, error) { return nil, nil }, nil, func(s ssl.StoreStats) uint64 { return s.Misses }},
			{"slow", func(ctx context.Context, _ string, b []byte) ([]byte, error) { <-ctx.Done(); return b, ctx.Err() }, []func(*ssl.ServerCacheOptions){quick}, func(s ssl.StoreStats) uint64 { return s.Late }},
			{"stuck", func(_ context.Context, _ string, b []byte) ([]byte, error) { <-release; return b, nil }, []func(*ssl.ServerCacheOptions){quick}, func(s ssl.StoreStats) uint64 { return s.Late }},
			{"truncated", func(_ context.Context, _ string, b []byte) ([]byte, error) { return b[:len(b)-1], nil }, nil, func(s ssl.StoreStats) uint64 { return s.Refused }},
			{"a few bytes", func(_ context.Context, _ string, b []byte) ([]byte, error) { return b[:5], nil }, nil, func(s ssl.StoreStats) uint64 { return s.Refused }},
			{"flipped", func(_ context.Context, _ string, b []byte) ([]byte, error) {
				b = bytes.Clone(b)
				b[len(b)/2] ^= 1
				return b, nil
			}, nil, func(s ssl.StoreStats) uint64 { return s.Refused }},
			{"another's", func(_ context.Context, id string, _ []byte) ([]byte, error) { return otherValue(store, id), nil }, nil, func(s ssl.StoreStats) uint64 { return s.Refused }},
			{"another key's", func(context.Context, string, []byte) ([]byte, error) { return stranger, nil }, nil, func(s ssl.StoreStats) uint64 { return s.Refused }},
			{"expired", func(_ context.Context, id string, _ []byte) ([]byte, error) {
				return sealedFor(t, keys, id, made, func(s *ssl.Session) error { return s.SetTime(time.Now().Add(-24 * time.Hour)) })
			}, nil, func(s ssl.StoreStats) uint64 { return s.Refused }},
			{"with another id inside", func(_ context.Context, id string, _ []byte) ([]byte, error) {
				return sealedFor(t, keys, id, made, func(s *ssl.Session) error { return s.SetID([]byte("another")) })
			}, nil, func(s ssl.StoreStats) uint64 { return s.Refused }},
			{"endless", func(context.Context, string, []byte) ([]byte, error) { return make([]byte, 2<<20), nil }, nil, func(s ssl.StoreStats) uint64 { return s.Refused }},
		} {
			mine := newCache(t, 0)
			store.answers(nil)
			attend(t, cctx, maker, mine, here)
			store.await(t, sessionsOf(cli))
			store.answers(test.get)
			sctx, cache := machine(t, srv, store, keys, test.opts...)
			c, s := attend(t, cctx, sctx, mine, here)
			wantStates(t, test.name, c, s, ssl.ReuseDeclined, unknownTo(cli))
			if st := cache.StoreStats(); test.count(st) != 1 || st.Hits != 0 {
				t.Errorf("%s: %+v", test.name, st)
			}
			store.await(t, sessionsOf(cli)) // the full handshake's
		}
	})
}

func anyValue(m map[string][]byte) []byte {
	for _, v := range m {
		return v
	}
	return nil
}

// otherValue is what is there under another id.
func otherValue(m *memStore, id string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, v := range m.sealed {
		if k != id {
			return v
		}
	}
	return nil
}

// A store that panics is one that failed: nobody's stack but the cache's is there to see it.
func TestStorePanics(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		store := newMemStore()
		sctx, cache := machine(t, srv, store, newSealKeys(t, 1))
		cctx, mine := newClientCtx(t, cli), newCache(t, 0)
		attend(t, cctx, sctx, mine, here)
		store.await(t, sessionsOf(cli))
		cache.Flush(time.Time{})
		store.answers(func(context.Context, string, []byte) ([]byte, error) { panic("get") })
		store.put = func(context.Context) error { panic("put") }
		c, s := attend(t, cctx, sctx, mine, here)
		wantStates(t, "after a panic", c, s, ssl.ReuseDeclined, unknownTo(cli))
		cache.Close()
		if st := cache.StoreStats(); st.Errors != 1 || st.WriteErrors != uint64(sessionsOf(cli)) || st.Panics != st.Errors+st.WriteErrors || st.Pending != 0 {
			t.Errorf("%+v", st)
		}
		if err := cache.StoreError(); err == nil || !strings.Contains(err.Error(), "put") {
			t.Errorf("StoreError: %v", err)
		}
	})
}

// Without keys nothing is written, nothing read, and StoreError says why.
func TestStoreOfClosedKeys(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := serverConfig(t), clientConfig(t)
	store, keys := newMemStore(), newSealKeys(t, 1)
	sctx, cache := machine(t, srv, store, keys)
	cctx, mine := newClientCtx(t, cli), newCache(t, 0)
	attend(t, cctx, sctx, mine, here)
	store.await(t, sessionsOf(cli))
	if err := cache.StoreError(); err != nil {
		t.Error(err)
	}
	other, second := machine(t, srv, store, newSealKeys(t, 2))
	c, s := attend(t, cctx, other, mine, here)
	wantStates(t, "with other keys", c, s, ssl.ReuseDeclined, ssl.ReuseDeclined)
	if err := second.StoreError(); !errors.Is(err, ssl.ErrSealed) {
		t.Errorf("other keys: %v", err)
	}
	keys.Close()
	attend(t, cctx, sctx, newCache(t, 0), here)
	if err := cache.StoreError(); !errors.Is(err, ssl.ErrClosed) || cache.StoreStats().WriteErrors != uint64(sessionsOf(cli)) {
		t.Errorf("closed keys: %v, %+v", err, cache.StoreStats())
	}
}

// Nor does one that ends its goroutine, as a test's FailNow does.
func TestStoreGoexit(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		store := newMemStore()
		store.put = func(context.Context) error { runtime.Goexit(); return nil }
		sctx, cache := machine(t, srv, store, newSealKeys(t, 1))
		cctx := newClientCtx(t, cli)
		for range 10 {
			attend(t, cctx, sctx, ssl.NoSessionCache{}, here)
		}
		cache.Close()
		if st := cache.StoreStats(); st.Panics != uint64(10*sessionsOf(cli)) || st.Pending != 0 || cache.StoreError() == nil {
			t.Errorf("%+v, %v", st, cache.StoreError())
		}
	})
}

// Close does not wait for a Put that never returns.
func TestStoreCloseBesideAStuckPut(t *testing.T) {
	leakcheck.Test(t)
	store, release, entered := newMemStore(), make(chan struct{}), make(chan struct{}, 10)
	store.put = func(context.Context) error {
		entered <- struct{}{}
		<-release
		return nil
	}
	sctx, cache := machine(t, serverConfig(t), store, newSealKeys(t, 1))
	attend(t, newClientCtx(t, clientConfig(t)), sctx, newCache(t, 0), here)
	<-entered
	if st := cache.StoreStats(); st.Pending == 0 {
		t.Errorf("%+v", st)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		cache.Close()
	}()
	select {
	case <-closed:
	case <-time.After(ioTimeout):
		t.Error("Close waits")
	}
	close(release)
	<-closed
}

// Writes never hold up a handshake: they are dropped when too many wait, and counted. Close
// writes what is in the queue.
func TestStoreWrites(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		store := newMemStore()
		sctx, cache := machine(t, srv, store, newSealKeys(t, 1), func(o *ssl.ServerCacheOptions) { o.WriteQueue = 1 })
		cctx := newClientCtx(t, cli)
		release := make(chan struct{})
		store.put = func(context.Context) error {
			<-release
			return errors.New("full")
		}
		for range 10 {
			attend(t, cctx, sctx, newCache(t, 0), here)
		}
		st := cache.StoreStats()
		if st.Dropped < uint64(10*sessionsOf(cli)-8) || st.Writes+st.WriteErrors != 0 {
			t.Errorf("while the store is stuck: %+v", st)
		}
		close(release)
		cache.Close()
		cache.Close()
		if st := cache.StoreStats(); st.WriteErrors+st.Dropped != uint64(10*sessionsOf(cli)) {
			t.Errorf("after Close: %+v", st)
		}
		attend(t, cctx, sctx, newCache(t, 0), here) // a Ctx in use does not mind
	})
}

// Remove reaches the store, where no other machine finds the session any more.
func TestStoreRemove(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.NumTickets = 1
		box := newInbox(t, srv)
		store, keys := newMemStore(), newSealKeys(t, 1)
		one, cache := machine(t, srv, store, keys)
		two, _ := machine(t, srv, store, keys)
		cctx, mine := newClientCtx(t, cli), newCache(t, 0)
		attend(t, cctx, one, mine, here)
		id, err := box.last(t).ID()
		if err != nil {
			t.Fatal(err)
		}
		if !cache.Remove(id) {
			t.Error("not here")
		}
		store.await(t, 2) // Put and Remove, in that order
		c, s := attend(t, cctx, two, mine, here)
		wantStates(t, "after Remove", c, s, ssl.ReuseDeclined, unknownTo(cli))
	})
}

// What the store sees tells nothing: not the master secret, nor the certificate.
func TestStoreSeesNothing(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.ClientAuth, srv.ClientCAs = ssl.RequireAnyClientCert, roots(t, "ca")
		cli.Certificates = []ssl.Certificate{keyPair(t, "client")}
		box := newInbox(t, srv)
		store, keys := newMemStore(), newSealKeys(t, 1)
		sctx, _ := machine(t, srv, store, keys)
		attend(t, newClientCtx(t, cli), sctx, newCache(t, 0), here)
		store.await(t, sessionsOf(cli))
		for _, s := range box.all() {
			secret, err := s.SecretMasterKey()
			if err != nil {
				t.Fatal(err)
			}
			cert, _ := s.PeerCertificateDER()
			for _, sealed := range store.sealed {
				if bytes.Contains(sealed, secret) || bytes.Contains(sealed, cert[:32]) {
					t.Error("in the clear")
				}
			}
		}
		if got := fmt.Sprintf("%v %+v %#v", keys, keys, keys); bytes.Contains([]byte(got), []byte("1 1 1")) || len(got) > 60 {
			t.Errorf("printed as %q", got)
		}
	})
}

func TestStoreConfig(t *testing.T) {
	leakcheck.Test(t)
	store, keys, closed := newMemStore(), newSealKeys(t, 1), newSealKeys(t, 2)
	closed.Close()
	for name, o := range map[string]ssl.ServerCacheOptions{
		"no keys":        {Store: store},
		"no store":       {SealKeys: keys},
		"closed keys":    {Store: store, SealKeys: closed},
		"zero keys":      {Store: store, SealKeys: &ssl.SealKeys{}},
		"negative time":  {LookupTimeout: -1},
		"negative queue": {WriteQueue: -1},
	} {
		if c, err := ssl.NewServerSessionCache(&o); c != nil || !errors.Is(err, ssl.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, bad := range map[string][][]byte{"short": {make([]byte, 31)}, "none": {nil}, "twice": {sealKey(1), sealKey(2), sealKey(1)}, "never filled": {make([]byte, 32)}} {
		if k, err := ssl.NewSealKeys(bad[0], bad[1:]...); k != nil || !errors.Is(err, ssl.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
