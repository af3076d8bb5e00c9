package ssltest

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"sessl/ssl"
)

// MemStore is a store of other processes, with faults on demand.
type MemStore struct {
	Mu      sync.Mutex
	Sealed  map[string][]byte
	written chan struct{} // a value for each Put and Remove

	get   func(ctx context.Context, id string, sealed []byte) ([]byte, error) // instead of the truth
	OnPut func(ctx context.Context) error
}

// NewMemStore is an empty store.
func NewMemStore() *MemStore {
	return &MemStore{Sealed: map[string][]byte{}, written: make(chan struct{}, 10000)}
}

// Put stores, or does what OnPut says.
func (m *MemStore) Put(ctx context.Context, id, sealed []byte, expires time.Time) error {
	if m.OnPut != nil {
		return m.OnPut(ctx)
	}
	defer func() { m.written <- struct{}{} }()
	m.Mu.Lock()
	defer m.Mu.Unlock()
	m.Sealed[string(id)] = bytes.Clone(sealed)
	return nil
}

// Get returns what is stored, or what a test says.
func (m *MemStore) Get(ctx context.Context, id []byte) ([]byte, error) {
	m.Mu.Lock()
	sealed, get := m.Sealed[string(id)], m.get
	m.Mu.Unlock()
	if get != nil {
		return get(ctx, string(id), sealed)
	}
	return sealed, nil
}

// Remove removes.
func (m *MemStore) Remove(_ context.Context, id []byte) error {
	defer func() { m.written <- struct{}{} }()
	m.Mu.Lock()
	defer m.Mu.Unlock()
	delete(m.Sealed, string(id))
	return nil
}

// Answers makes get answer from here on; an earlier lookup may still be on its way.
func (m *MemStore) Answers(get func(context.Context, string, []byte) ([]byte, error)) {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	m.get = get
}

// Await returns when n writes have been made.
func (m *MemStore) Await(t testing.TB, n int) {
	t.Helper()
	deadline := time.After(Timeout)
	for range n {
		select {
		case <-m.written:
		case <-deadline:
			t.Fatal("the store got too little")
		}
	}
}

// NewServerCache is closed with the test.
func NewServerCache(t testing.TB, opts *ssl.ServerCacheOptions) *ssl.ServerSessionCache {
	t.Helper()
	c, err := ssl.NewServerSessionCache(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// ForEachCached is ForEachForm for a server with a ServerSessionCache: by id in TLS 1.2, and
// by tickets that are ids in TLS 1.3.
func ForEachCached(t *testing.T, f func(t *testing.T, cache *ssl.ServerSessionCache, srv, cli *ssl.Config)) {
	ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.SessionCache = NewServerCache(t, nil)
		f(t, srv.SessionCache, srv, cli)
	})
}

// TLS12 has both ends speak it, where the client knows the id.
func TLS12(t testing.TB) (srv, cli *ssl.Config) {
	srv, cli = ServerConfig(t), ClientConfig(t)
	srv.MaxVersion, cli.MaxVersion = ssl.VersionTLS12, ssl.VersionTLS12
	return srv, cli
}

// SealKey is a key made of one byte.
func SealKey(b byte) []byte { return append(bytes.Repeat([]byte{b}, ssl.SealKeyLen-1), ^b) }

// NewSealKeys are made of bytes, one a key, and closed with the test.
func NewSealKeys(t testing.TB, current byte, old ...byte) *ssl.SealKeys {
	t.Helper()
	var rest [][]byte
	for _, b := range old {
		rest = append(rest, SealKey(b))
	}
	k, err := ssl.NewSealKeys(SealKey(current), rest...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

// Machine is a server with a cache of its own before the store.
func Machine(t testing.TB, srv *ssl.Config, store ssl.SessionStore, keys *ssl.SealKeys,
	opts ...func(*ssl.ServerCacheOptions)) (*ssl.Ctx, *ssl.ServerSessionCache) {
	t.Helper()
	o := &ssl.ServerCacheOptions{Store: store, SealKeys: keys, LookupTimeout: Timeout}
	for _, f := range opts {
		f(o)
	}
	cache := NewServerCache(t, o)
	return NewServerCtx(t, CopyOf(srv, func(c *ssl.Config) { c.SessionCache = cache })), cache
}

// SessionsOf is how many sessions a full handshake gives.
func SessionsOf(cli *ssl.Config) int { return If(cli.MaxVersion == ssl.VersionTLS12, 1, 2) }
