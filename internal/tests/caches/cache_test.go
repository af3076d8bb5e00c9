package caches_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

func keyOf(addr string) ssl.SessionKey { return ssl.SessionKey{Addr: addr, ServerName: "localhost"} }

// liveSession is a session of the form, which the caller must close.
func liveSession(t testing.TB, srv, cli *ssl.Config) *ssl.Session {
	t.Helper()
	return ssltest.Dup(t, ssltest.Session(t, cli, srv))
}

// own is another handle on s, for a cache to take over.
func own(t testing.TB, s *ssl.Session) *ssl.Session {
	t.Helper()
	u, err := s.UpRef()
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// A cache never holds more than it may, closes what it evicts, and evicts what was used
// least recently.
func TestCacheEvictsTheLeastRecentlyUsed(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		s := liveSession(t, srv, cli)
		live := ssl.ReadCounters().Sessions.Live
		cache := ssl.NewClientSessionCache(3)
		for _, addr := range []string{"a", "b", "c"} {
			cache.Put(keyOf(addr), own(t, s))
		}
		got, _ := cache.Take(keyOf("a"))
		if got == nil {
			t.Fatal("a is gone")
		}
		cache.Put(keyOf("a"), got) // the most recent now
		cache.Put(keyOf("d"), own(t, s))
		for addr, want := range map[string]bool{"a": true, "b": false, "c": true, "d": true} {
			got, why := cache.Take(keyOf(addr))
			if (got != nil) != want || got == nil && why != ssl.ReuseNoSession {
				t.Errorf("%s: there %t, want %t; why %q", addr, got != nil, want, why)
			}
			got.Close()
		}
		if st := cache.Stats(); st.Evictions != 1 || st.Misses != 1 || st.Hits != 4 || st.Stores != 5 {
			t.Errorf("%+v", st)
		}
		cache.Close()
		cache.Put(keyOf("late"), own(t, s))
		if st := cache.Stats(); st.Sessions != 0 {
			t.Errorf("after Close: %+v", st)
		}
		if now := ssl.ReadCounters().Sessions.Live; now != live {
			t.Errorf("%d handles live, %d before", now, live)
		}
	})
}

// Sessions of TLS 1.3 are handed out once, newest first, and a key has eight; of TLS 1.2
// there is one, which stays.
func TestCacheOfOneKey(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		s := liveSession(t, srv, cli)
		cache := ssltest.NewCache(t, 0)
		var put []*ssl.Session
		for range 10 {
			d := ssltest.Dup(t, s)
			put = append(put, d)
			cache.Put(keyOf("a"), own(t, d))
		}
		kept := 8
		if cli.MaxVersion == ssl.VersionTLS12 {
			kept = 1
		}
		if st := cache.Stats(); st.Sessions != kept {
			t.Fatalf("%+v, want %d sessions", st, kept)
		}
		for i := range 8 {
			got, _ := cache.Take(keyOf("a"))
			want := put[9]
			if kept > 1 {
				want = put[9-i]
			}
			if !got.Same(want) {
				t.Errorf("take %d is not the newest", i)
			}
			got.Close()
		}
		got, _ := cache.Take(keyOf("a"))
		if (got != nil) != (kept == 1) {
			t.Errorf("after the last: %v", got)
		}
		got.Close()
		cache.Remove(keyOf("a"), put[0]) // not there
		cache.Remove(keyOf("b"), put[9])
		if st := cache.Stats(); st.Sessions != kept&1 {
			t.Errorf("%+v", st)
		}
		cache.Remove(keyOf("a"), put[9])
		if st := cache.Stats(); st.Sessions != 0 {
			t.Errorf("after Remove: %+v", st)
		}
	})
}

// What is past its lifetime is not handed out, and is said to be.
func TestCacheExpires(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		srv.SessionTimeout, cli.SessionTimeout = time.Hour, time.Hour
		s := liveSession(t, srv, cli)
		synctest.Test(t, func(t *testing.T) {
			at, err := s.Time()
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Until(at.Add(time.Hour - time.Second)))
			cache := ssl.NewClientSessionCache(0)
			defer cache.Close()
			cache.Put(keyOf("a"), own(t, s))
			got, _ := cache.Take(keyOf("a"))
			if got == nil {
				t.Fatal("expired too early")
			}
			cache.Put(keyOf("a"), got)
			time.Sleep(2 * time.Second)
			if got, why := cache.Take(keyOf("a")); got != nil || why != ssl.ReuseExpired {
				t.Errorf("%v, %q", got, why)
			}
			cache.Put(keyOf("a"), own(t, s)) // and is not even kept
			if st := cache.Stats(); st.Sessions != 0 || st.Expired != 1 {
				t.Errorf("%+v", st)
			}
		})
	})
}

// Many goroutines may use a cache that is too small for them, while it is emptied.
func TestCacheConcurrently(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		s := liveSession(t, srv, cli)
		cache := ssltest.NewCache(t, 200)
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 500 {
					key := keyOf(fmt.Sprint((g + i) % 90))
					u, err := s.UpRef()
					if err != nil {
						t.Error(err)
						return
					}
					cache.Put(key, u)
					got, _ := cache.Take(key)
					cache.Remove(key, got)
					got.Close()
					if i%100 == g {
						cache.Flush()
					}
				}
			})
		}
		wg.Wait()
		if st := cache.Stats(); st.Sessions > 200 || st.Stores != 4000 {
			t.Errorf("%+v", st)
		}
	})
}

// A session that OpenSSL has marked is not offered, and leaves.
func TestCachedSessionNotResumable(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		srv.NumTickets = 1
		box := ssltest.NewInbox(t, cli)
		sctx, cctx, cache := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli), ssltest.NewCache(t, 0)
		ssltest.Attend(t, cctx, sctx, cache, ssltest.Here)
		if _, err := cctx.RemoveSession(box.Last(t)); err != nil {
			t.Fatal(err)
		}
		c, s := ssltest.Attend(t, cctx, sctx, cache, ssltest.Here)
		ssltest.WantStates(t, "after RemoveSession", c, s, ssl.ReuseNotResumable, ssl.ReuseNoSession)
	})
}

// brokenCache breaks its promises in one way.
type brokenCache struct {
	ssl.NoSessionCache
	take func() *ssl.Session
	put  func()
}

func (b brokenCache) Take(ssl.SessionKey) (*ssl.Session, ssl.ReuseState) {
	if b.take == nil {
		return nil, ssl.ReusedPSK // nonsense
	}
	return b.take(), 0
}

func (b brokenCache) Put(_ ssl.SessionKey, s *ssl.Session) {
	s.Close()
	b.put()
}

// A cache that panics, lies or never ends hurts its user alone.
func TestBrokenCaches(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		s := ssltest.StartServer(t, srv)
		cctx := ssltest.NewClientCtx(t, cli)
		d := &ssl.Dialer{Ctx: cctx, Sessions: brokenCache{take: func() *ssl.Session { panic("take") }}}
		if r := ssltest.Recovered(func() { d.Dial("tcp", s.Addr) }); r != "take" {
			t.Errorf("panic in Take: %v", r)
		}
		d.Sessions = brokenCache{put: func() { panic("put") }}
		if r := ssltest.Recovered(func() {
			if c, err := d.Dial("tcp", s.Addr); err == nil {
				defer c.Close()
				ssltest.RoundTrip(t, c)
			}
		}); r != "put" {
			t.Errorf("panic in Put: %v", r)
		}
		d.Sessions = brokenCache{put: func() {}, take: func() *ssl.Session {
			empty, err := ssl.NewSession()
			if err != nil {
				t.Error(err)
			}
			return empty
		}}
		for _, want := range []ssl.ReuseState{ssl.ReuseNotResumable, ssl.ReuseNoSession} {
			c, err := d.Dial("tcp", s.Addr)
			if err != nil {
				t.Fatal(err)
			}
			ssltest.RoundTrip(t, c)
			if got := c.ReuseState(); got != want {
				t.Errorf("%q, want %q", got, want)
			}
			c.Close()
			d.Sessions = brokenCache{put: func() {}}
		}
	})
}

func TestUseSessionCacheInTheWrongPlace(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		cache := ssltest.NewCache(t, 0)
		var none *ssl.Conn
		check := func(what string, err, want error) {
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		check("nil", none.UseSessionCache(cache, ssltest.Here), ssl.ErrNil)
		check("server", p.Server.UseSessionCache(cache, ssltest.Here), ssl.ErrServer)
		if got := p.Client.ReuseState(); got != ssl.ReuseUnknown {
			t.Errorf("before the handshake: %q", got)
		}
		p.MustShake(t)
		check("after the handshake", p.Client.UseSessionCache(cache, ssltest.Here), ssl.ErrHandshakeStarted)
		p.CloseBoth()
		check("closed", p.Client.UseSessionCache(cache, ssltest.Here), ssl.ErrClosed)
		if got := p.Client.ReuseState(); got != ssl.ReuseNoSession {
			t.Errorf("after Close: %q", got)
		}
	})
}

// A Ctx that is dropped, not closed, takes its cache with it.
func TestCacheOfADroppedCtx(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.StartServer(t, ssltest.ServerConfig(t))
	func() {
		ctx, err := ssl.NewClientCtx(ssltest.ClientConfig(t))
		if err != nil {
			t.Fatal(err)
		}
		c, err := ssl.Dial("tcp", s.Addr, ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ssltest.RoundTrip(t, c)
	}()
	if ssl.ReadCounters().Sessions.Live == 0 {
		t.Error("nothing was cached")
	}
}
