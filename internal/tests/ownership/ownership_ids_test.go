package ownership_test

import (
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// idCensus is how many sets of keys for session ids are in C memory, and how many SealKeys have one.
type idCensus struct{ sets, owners int }

func idsSince(b ssl.Counters) idCensus {
	a := ssl.ReadCounters()
	live := func(c ssl.Counters) int { return int(c.IDKeyObjectsCreated - c.IDKeyObjectsWiped) }
	return idCensus{live(a) - live(b), int(a.IDKeys.Live) - int(b.IDKeys.Live)}
}

// Each operation on the keys of session ids, by what it leaves in memory. A set is wiped by the last
// one that has it: the SealKeys and the SSL_CTXs share what is in force.
func TestOwnershipIDKeys(t *testing.T) {
	leakcheck.Test(t)
	leakcheck.Collect()
	var keys, dropped *ssl.SealKeys
	var ctx *ssl.Ctx
	srv := ssltest.ServerConfig(t)
	cacheOf := func(k *ssl.SealKeys) (err error) {
		srv.SessionCache, err = ssl.NewServerSessionCache(&ssl.ServerCacheOptions{
			Store: ssltest.NewMemStore(), SealKeys: k})
		return err
	}
	for _, s := range []struct {
		op   string
		do   func() error
		want idCensus
	}{
		{"NewSealKeys", func() (err error) {
			keys, err = ssl.NewSealKeys(ssltest.SealKey(1))
			return err
		}, idCensus{}},
		{"SetKeys before there is a store", func() error { return keys.SetKeys(ssltest.SealKey(2)) }, idCensus{}},
		{"NewServerSessionCache", func() error { return cacheOf(keys) }, idCensus{1, 1}},
		{"NewServerSessionCache again", func() error { return cacheOf(keys) }, idCensus{}},
		{"NewServerCtx", func() (err error) { ctx, err = ssl.NewServerCtx(srv); return err }, idCensus{}},
		{"SetKeys", func() error { return keys.SetKeys(ssltest.SealKey(3), ssltest.SealKey(2)) }, idCensus{}},
		{"SetKeys of the same key twice", func() error {
			keys.SetKeys(ssltest.SealKey(3), ssltest.SealKey(3))
			return nil
		}, idCensus{}},
		{"SealKeys.Close before the Ctx's", func() error { return keys.Close() }, idCensus{-1, -1}},
		{"SealKeys.Close again", func() error { return keys.Close() }, idCensus{}},
		{"a handshake without keys", func() error {
			ssltest.WantVisit(t, ssltest.NewClientCtx(t, ssltest.ClientConfig(t)), ctx, nil, false)
			return nil
		}, idCensus{}},
		{"Ctx.Close", func() error { return ctx.Close() }, idCensus{}},
		{"SealKeys that are dropped, with a Ctx", func() (err error) {
			if dropped, err = ssl.NewSealKeys(ssltest.SealKey(1)); err != nil {
				return err
			}
			if err := cacheOf(dropped); err != nil {
				return err
			}
			ctx, err = ssl.NewServerCtx(srv)
			return err
		}, idCensus{1, 1}},
		{"Ctx.Close of that", func() error { return ctx.Close() }, idCensus{}},
		{"the collector", func() error {
			dropped, ctx, srv = nil, nil, nil
			leakcheck.Collect()
			return nil
		}, idCensus{-1, -1}},
	} {
		before := ssl.ReadCounters()
		if err := s.do(); err != nil {
			t.Fatalf("%s: %v", s.op, err)
		}
		if got := idsSince(before); got != s.want {
			t.Errorf("%s: got %+v, want %+v", s.op, got, s.want)
		}
	}
}
