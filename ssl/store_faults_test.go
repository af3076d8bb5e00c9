package ssl_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A store that is down, slow, stuck, or that lies costs a full handshake, and no connection
// fails; nothing that it has said is believed.
func TestStoreFaults(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		store, keys := ssltest.NewMemStore(), ssltest.NewSealKeys(t, 1)
		maker, made := ssltest.Machine(t, srv, store, keys)
		other, _ := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 9))
		cctx := ssltest.NewClientCtx(t, cli)
		ssltest.Attend(t, cctx, other, ssltest.NewCache(t, 0), ssltest.Here) // a session under another key
		store.Await(t, ssltest.SessionsOf(cli))
		stranger := anyValue(store.Sealed)
		release := make(chan struct{})
		t.Cleanup(func() { close(release) })
		quick := func(o *ssl.ServerCacheOptions) { o.LookupTimeout = time.Millisecond }
		for _, test := range []struct {
			name  string
			get   func(ctx context.Context, id string, sealed []byte) ([]byte, error)
			opts  []func(*ssl.ServerCacheOptions)
			count func(ssl.StoreStats) uint64
		}{
			{"down", func(context.Context, string, []byte) ([]byte, error) {
				return nil, errors.New("down")
			}, nil, func(s ssl.StoreStats) uint64 { return s.Errors }},
			{"empty", func(context.Context, string, []byte) ([]byte, error) {
				return nil, nil
			}, nil, func(s ssl.StoreStats) uint64 { return s.Misses }},
			{"slow", func(ctx context.Context, _ string, b []byte) ([]byte, error) {
				<-ctx.Done()
				return b, ctx.Err()
			}, []func(*ssl.ServerCacheOptions){quick}, func(s ssl.StoreStats) uint64 { return s.Late }},
			{"stuck", func(_ context.Context, _ string, b []byte) ([]byte, error) {
				<-release
				return b, nil
			}, []func(*ssl.ServerCacheOptions){quick}, func(s ssl.StoreStats) uint64 { return s.Late }},
			{"truncated", func(_ context.Context, _ string, b []byte) ([]byte, error) {
				return b[:len(b)-1], nil
			}, nil, func(s ssl.StoreStats) uint64 { return s.Refused }},
			{"a few bytes", func(_ context.Context, _ string, b []byte) ([]byte, error) {
				return b[:5], nil
			}, nil, func(s ssl.StoreStats) uint64 { return s.Refused }},
			{"flipped", func(_ context.Context, _ string, b []byte) ([]byte, error) {
				b = bytes.Clone(b)
				b[len(b)/2] ^= 1
				return b, nil
			}, nil, func(s ssl.StoreStats) uint64 { return s.Refused }},
			{"another's", func(_ context.Context, id string, _ []byte) ([]byte, error) {
				return otherValue(store, id), nil
			}, nil, func(s ssl.StoreStats) uint64 { return s.Refused }},
			{"another key's", func(context.Context, string, []byte) ([]byte, error) {
				return stranger, nil
			}, nil, func(s ssl.StoreStats) uint64 { return s.Refused }},
			{"expired", func(_ context.Context, id string, _ []byte) ([]byte, error) {
				return sealedFor(t, keys, id, made, func(s *ssl.Session) error {
					return s.SetTime(time.Now().Add(-24 * time.Hour))
				})
			}, nil, func(s ssl.StoreStats) uint64 { return s.Refused }},
			{"with another id inside", func(_ context.Context, id string, _ []byte) ([]byte, error) {
				return sealedFor(t, keys, id, made, func(s *ssl.Session) error { return s.SetID([]byte("another")) })
			}, nil, func(s ssl.StoreStats) uint64 { return s.Refused }},
			{"sealed for another id", func(_ context.Context, id string, _ []byte) ([]byte, error) {
				return keys.SealAsStored([]byte("another"), packedFor(t, id, made))
			}, nil, func(s ssl.StoreStats) uint64 { return s.Refused }},
			{"not sealed", func(_ context.Context, id string, b []byte) ([]byte, error) {
				return append(bytes.Clone(b[:ssl.SealHeadLen]), packedFor(t, id, made)...), nil
			}, nil, func(s ssl.StoreStats) uint64 { return s.Refused }},
			{"endless", func(context.Context, string, []byte) ([]byte, error) {
				return make([]byte, 2<<20), nil
			}, nil, func(s ssl.StoreStats) uint64 { return s.Refused }},
		} {
			mine := ssltest.NewCache(t, 0)
			store.Answers(nil)
			ssltest.Attend(t, cctx, maker, mine, ssltest.Here)
			store.Await(t, ssltest.SessionsOf(cli))
			store.Answers(test.get)
			sctx, cache := ssltest.Machine(t, srv, store, keys, test.opts...)
			c, s := ssltest.Attend(t, cctx, sctx, mine, ssltest.Here)
			ssltest.WantStates(t, test.name, c, s, ssl.ReuseDeclined, ssltest.UnknownTo(cli))
			if st := cache.StoreStats(); test.count(st) != 1 || st.Hits != 0 {
				t.Errorf("%s: %+v", test.name, st)
			}
			if c == ssl.ReuseDeclined {
				store.Await(t, ssltest.SessionsOf(cli)) // the full handshake's
			}
		}
	})
}
