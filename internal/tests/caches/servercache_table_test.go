package caches_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

func nthID(i int) []byte { return fmt.Appendf(nil, "%032d", i) }

// nthSession is a copy of base with the i-th id, for a cache to take over.
func nthSession(t *testing.T, base *ssl.Session, i int) *ssl.Session {
	t.Helper()
	s, err := base.Dup()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetID(nthID(i)); err != nil {
		t.Fatal(err)
	}
	return s
}

// Whatever is put, replaced, found and removed, in whichever order: the cache has the sessions that a
// list in the order of their use would have.
func TestServerCacheIsAList(t *testing.T) {
	leakcheck.Test(t)
	base := ssltest.FilledSession(t, ssl.VersionTLS12)
	const limit, ids, steps = 150, 250, 6000
	cache := ssltest.NewServerCache(t, &ssl.ServerCacheOptions{MaxSessions: limit})
	random := rand.New(rand.NewPCG(13, 1))
	var list []int // the most recently used one last
	var evictions uint64
	for step := range steps {
		i := random.IntN(ids)
		at := slices.Index(list, i)
		if at >= 0 {
			list = slices.Delete(list, at, at+1)
		}
		switch op := random.IntN(10); {
		case op < 5:
			if !cache.Put(nthSession(t, base, i)) {
				t.Fatalf("step %d: session %d is not kept", step, i)
			}
			if list = append(list, i); len(list) > limit {
				list = list[1:]
				evictions++
			}
		case op < 9:
			s := cache.Get(nthID(i))
			if (s != nil) != (at >= 0) {
				t.Fatalf("step %d: session %d found %t, want %t", step, i, s != nil, at >= 0)
			}
			if s == nil {
				break
			}
			list = append(list, i)
			if id, err := s.ID(); err != nil || string(id) != string(nthID(i)) {
				t.Fatalf("step %d: session %q, %v for %d", step, id, err, i)
			}
			s.Close()
		default:
			if cache.Remove(nthID(i)) != (at >= 0) {
				t.Fatalf("step %d: session %d was there %t", step, i, at < 0)
			}
		}
		if st := cache.Stats(); st.Sessions != len(list) || st.Evictions != evictions {
			t.Fatalf("step %d: %+v, want %d sessions and %d evictions", step, st, len(list), evictions)
		}
	}
	cache.Flush(time.Time{})
	if st := cache.Stats(); st.Sessions != 0 || st.Bytes != 0 || evictions == 0 {
		t.Errorf("%+v", st)
	}
}

// One large session may take the place of many small ones.
func TestServerCacheEvictsMany(t *testing.T) {
	leakcheck.Test(t)
	base := ssltest.FilledSession(t, ssl.VersionTLS12)
	cache := ssltest.NewServerCache(t, &ssl.ServerCacheOptions{MaxBytes: 40 << 10})
	const many = 30
	for i := range many {
		cache.Put(nthSession(t, base, i))
	}
	before := cache.Stats()
	if err := base.SetTicketAppData(make([]byte, 30<<10)); err != nil {
		t.Fatal(err)
	}
	if !cache.Put(nthSession(t, base, many)) {
		t.Fatalf("the large one is not kept: %+v, before %+v", cache.Stats(), before)
	}
	st := cache.Stats()
	if st.Bytes > 40<<10 || before.Sessions != many || st.Evictions < 20 ||
		st.Evictions != uint64(many+1-st.Sessions) {
		t.Errorf("%+v, before %+v", st, before)
	}
	if s := cache.Get(nthID(many)); s == nil {
		t.Error("the large one is gone")
	} else {
		s.Close()
	}
}

// A cache that is dropped without Close gives its sessions back, and those who hold one keep it.
func TestServerCacheDropped(t *testing.T) {
	leakcheck.Test(t)
	base := ssltest.FilledSession(t, ssl.VersionTLS12)
	cache, err := ssl.NewServerSessionCache(&ssl.ServerCacheOptions{MaxSessions: 2000})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		cache.Put(nthSession(t, base, i))
	}
	held := cache.Get(nthID(7))
	cache = nil
	before := ssl.ReadCounters()
	ssltest.Eventually(t, "the sessions of the cache", func() bool {
		ssltest.CollectGarbage()
		return ssl.ReadCounters().SessionObjectsFreed-before.SessionObjectsFreed == 99
	})
	if id, err := held.ID(); err != nil || string(id) != string(nthID(7)) {
		t.Errorf("%q, %v", id, err)
	}
	held.Close()
}
