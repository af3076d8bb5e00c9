package caches_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Machines that have nothing in common but the store resume each other's sessions, with the
// client's certificates and the chain that was verified; what was found is then near.
func TestStoreIsShared(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
		cli.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client-chain")}
		store := ssltest.NewMemStore()
		one, _ := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 1))
		two, near := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 2, 1)) // with a newer key
		cctx, mine := ssltest.NewClientCtx(t, cli), ssltest.NewCache(t, 0)
		ssltest.Attend(t, cctx, one, mine, ssltest.Here)
		store.Await(t, ssltest.SessionsOf(cli))
		p := ssltest.Cached(t, cctx, two, mine, ssltest.Here)
		p.MustShake(t)
		p.Echo(t)
		st := p.Server.ConnectionState()
		if p.Server.ReuseState() != reused(cli) || !st.Verified || len(st.PeerCertificates) != 2 ||
			len(st.VerifiedChain) != 3 {
			t.Errorf("%q, verified %t, %d certificates, chain of %d", p.Server.ReuseState(), st.Verified,
				len(st.PeerCertificates), len(st.VerifiedChain))
		}
		p.CloseBoth()
		if st := near.StoreStats(); st.Hits != 1 || st.Misses+st.Late+st.Errors+st.Refused != 0 {
			t.Errorf("%+v", st)
		}
		ssltest.Attend(t, cctx, two, mine, ssltest.Here)
		if st := near.StoreStats(); cli.MaxVersion == ssl.VersionTLS12 && st.Hits != 1 {
			t.Errorf("asked again: %+v", st)
		}
	})
}

// A store that panics is one that failed: only the cache's stack is there to see it.
func TestStorePanics(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		store := ssltest.NewMemStore()
		sctx, cache := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 1))
		cctx, mine := ssltest.NewClientCtx(t, cli), ssltest.NewCache(t, 0)
		ssltest.Attend(t, cctx, sctx, mine, ssltest.Here)
		store.Await(t, ssltest.SessionsOf(cli))
		cache.Flush(time.Time{})
		store.Answers(func(context.Context, string, []byte) ([]byte, error) { panic("get") })
		store.OnPut = func(context.Context) error { panic("put") }
		c, s := ssltest.Attend(t, cctx, sctx, mine, ssltest.Here)
		ssltest.WantStates(t, "after a panic", c, s, ssl.ReuseDeclined, ssltest.UnknownTo(cli))
		cache.Close()
		if st := cache.StoreStats(); st.Errors != 1 || st.WriteErrors != uint64(ssltest.SessionsOf(cli)) ||
			st.Panics != st.Errors+st.WriteErrors || st.Pending != 0 {
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
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	store, keys := ssltest.NewMemStore(), ssltest.NewSealKeys(t, 1)
	sctx, cache := ssltest.Machine(t, srv, store, keys)
	cctx, mine := ssltest.NewClientCtx(t, cli), ssltest.NewCache(t, 0)
	ssltest.Attend(t, cctx, sctx, mine, ssltest.Here)
	store.Await(t, ssltest.SessionsOf(cli))
	if err := cache.StoreError(); err != nil {
		t.Error(err)
	}
	other, second := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 2))
	c, s := ssltest.Attend(t, cctx, other, mine, ssltest.Here)
	ssltest.WantStates(t, "with other keys", c, s, ssl.ReuseDeclined, ssl.ReuseDeclined)
	if st := second.StoreStats(); st.Forged == 0 || second.StoreError() != nil {
		t.Errorf("other keys: %+v, %v", st, second.StoreError())
	}
	keys.Close()
	ssltest.Attend(t, cctx, sctx, ssltest.NewCache(t, 0), ssltest.Here)
	if err := cache.StoreError(); !errors.Is(err, ssl.ErrClosed) ||
		cache.StoreStats().WriteErrors != uint64(ssltest.SessionsOf(cli)) {
		t.Errorf("closed keys: %v, %+v", err, cache.StoreStats())
	}
}

// Nor does one that ends its goroutine, as a test's FailNow does.
func TestStoreGoexit(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		store := ssltest.NewMemStore()
		store.OnPut = func(context.Context) error { runtime.Goexit(); return nil }
		sctx, cache := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 1))
		cctx := ssltest.NewClientCtx(t, cli)
		for range 10 {
			ssltest.Attend(t, cctx, sctx, ssl.NoSessionCache{}, ssltest.Here)
		}
		cache.Close()
		if st := cache.StoreStats(); st.Panics != uint64(10*ssltest.SessionsOf(cli)) || st.Pending != 0 ||
			cache.StoreError() == nil {
			t.Errorf("%+v, %v", st, cache.StoreError())
		}
	})
}

// Close does not wait for a Put that never returns.
func TestStoreCloseBesideAStuckPut(t *testing.T) {
	leakcheck.Test(t)
	store, release, entered := ssltest.NewMemStore(), make(chan struct{}), make(chan struct{}, 10)
	store.OnPut = func(context.Context) error {
		entered <- struct{}{}
		<-release
		return nil
	}
	sctx, cache := ssltest.Machine(t, ssltest.ServerConfig(t), store, ssltest.NewSealKeys(t, 1))
	ssltest.Attend(t, ssltest.NewClientCtx(t, ssltest.ClientConfig(t)), sctx, ssltest.NewCache(t, 0),
		ssltest.Here)
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
	case <-time.After(ssltest.Timeout):
		t.Error("Close waits")
	}
	close(release)
	<-closed
}

// Writes never hold up a handshake: they are dropped when too many wait, and counted. Close
// writes what is in the queue.
func TestStoreWrites(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		store := ssltest.NewMemStore()
		sctx, cache := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 1),
			func(o *ssl.ServerCacheOptions) { o.WriteQueue = 1 })
		cctx := ssltest.NewClientCtx(t, cli)
		release := make(chan struct{})
		store.OnPut = func(context.Context) error {
			<-release
			return errors.New("full")
		}
		for range 10 {
			ssltest.Attend(t, cctx, sctx, ssltest.NewCache(t, 0), ssltest.Here)
		}
		st := cache.StoreStats()
		if st.Dropped < uint64(10*ssltest.SessionsOf(cli)-8) || st.Writes+st.WriteErrors != 0 {
			t.Errorf("while the store is stuck: %+v", st)
		}
		close(release)
		cache.Close()
		cache.Close()
		if st := cache.StoreStats(); st.WriteErrors+st.Dropped != uint64(10*ssltest.SessionsOf(cli)) {
			t.Errorf("after Close: %+v", st)
		}
		ssltest.Attend(t, cctx, sctx, ssltest.NewCache(t, 0), ssltest.Here) // a Ctx in use does not mind
	})
}

// Remove reaches the store, where no other machine finds the session any more.
func TestStoreRemove(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.NumTickets = 1
		box := ssltest.NewInbox(t, srv)
		store, keys := ssltest.NewMemStore(), ssltest.NewSealKeys(t, 1)
		one, cache := ssltest.Machine(t, srv, store, keys)
		two, _ := ssltest.Machine(t, srv, store, keys)
		cctx, mine := ssltest.NewClientCtx(t, cli), ssltest.NewCache(t, 0)
		ssltest.Attend(t, cctx, one, mine, ssltest.Here)
		id, err := box.Last(t).ID()
		if err != nil {
			t.Fatal(err)
		}
		if !cache.Remove(id) {
			t.Error("not here")
		}
		store.Await(t, 2) // Put and Remove, in that order
		c, s := ssltest.Attend(t, cctx, two, mine, ssltest.Here)
		ssltest.WantStates(t, "after Remove", c, s, ssl.ReuseDeclined, ssltest.UnknownTo(cli))
	})
}

// What the store sees tells nothing: not the master secret, nor the certificate.
func TestStoreSeesNothing(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.ClientAuth, srv.ClientCAs = ssl.RequireAnyClientCert, ssltest.Roots(t, "ca")
		cli.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client")}
		box := ssltest.NewInbox(t, srv)
		store, keys := ssltest.NewMemStore(), ssltest.NewSealKeys(t, 1)
		sctx, _ := ssltest.Machine(t, srv, store, keys)
		ssltest.Attend(t, ssltest.NewClientCtx(t, cli), sctx, ssltest.NewCache(t, 0), ssltest.Here)
		store.Await(t, ssltest.SessionsOf(cli))
		for _, s := range box.All() {
			secret, err := s.SecretMasterKey()
			if err != nil {
				t.Fatal(err)
			}
			cert, _ := s.PeerCertificateDER()
			for _, sealed := range store.Sealed {
				if bytes.Contains(sealed, secret) || bytes.Contains(sealed, cert[:32]) {
					t.Error("in the clear")
				}
			}
		}
		if got := fmt.Sprintf("%v %+v %#v", keys, keys, keys); bytes.Contains([]byte(got), []byte("1 1 1")) ||
			len(got) > 60 {
			t.Errorf("printed as %q", got)
		}
	})
}

func TestStoreConfig(t *testing.T) {
	leakcheck.Test(t)
	store, keys, closed := ssltest.NewMemStore(), ssltest.NewSealKeys(t, 1), ssltest.NewSealKeys(t, 2)
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
	for name, bad := range map[string][][]byte{"short": {make([]byte, 31)}, "none": {nil},
		"twice": {ssltest.SealKey(1), ssltest.SealKey(2), ssltest.SealKey(1)}, "never filled": {make([]byte, 32)}} {
		if k, err := ssl.NewSealKeys(bad[0], bad[1:]...); k != nil || !errors.Is(err, ssl.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
