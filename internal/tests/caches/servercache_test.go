package caches_test

import (
	"context"
	"crypto/tls"
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

// reused is the state of a resumption from a ServerSessionCache.
func reused(cli *ssl.Config) ssl.ReuseState {
	return ssltest.If(cli.MaxVersion == ssl.VersionTLS12, ssl.ReusedID, ssl.ReusedPSK)
}

// The cache has all sessions of a handshake before the client has one of them, and can be back:
// while the server's application is still being told of the first.
func TestServerCacheKnowsBeforeTheClient(t *testing.T) {
	for name, judge := range map[string]func(ssl.ConnectionState) error{"": nil,
		"VerifyConnection": func(ssl.ConnectionState) error { return nil }} {
		t.Run(name, func(t *testing.T) {
			ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
				cache, seen := ssltest.NewServerCache(t, nil), make(chan struct{})
				srv.SessionCache, srv.VerifyConnection = cache, judge
				srv.OnNewSession = func(_ *ssl.Conn, s *ssl.Session) {
					<-seen
					s.Close()
				}
				arrived := make(chan struct{}, 9)
				cli.OnNewSession = func(_ *ssl.Conn, s *ssl.Session) {
					s.Close()
					arrived <- struct{}{}
				}
				p := ssltest.NewTCPPair(t, cli, srv)
				served, met := make(chan error), make(chan error)
				go func() { served <- errors.Join(p.Server.Handshake(), ssltest.EchoOnce(p.Server)) }()
				go func() {
					_, err := p.Client.Write([]byte("ping"))
					met <- errors.Join(err, ssltest.ReadUntil(p.Client, "ping"))
				}()
				for range ssltest.SessionsOf(cli) {
					<-arrived
				}
				if n := cache.Stats().Sessions; n != ssltest.SessionsOf(cli) {
					t.Errorf("the client has %d sessions, the cache %d", ssltest.SessionsOf(cli), n)
				}
				close(seen)
				if err := errors.Join(<-served, <-met); err != nil {
					t.Error(err)
				}
				p.CloseBoth()
				if st := cache.Stats(); st.Stores != uint64(ssltest.SessionsOf(cli)) {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// A server of TLS 1.2 finds the session also of a client that could do TLS 1.3, and whose id may
// as well have been made up.
func TestServerCacheOfTLS12WithNewerClients(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.MaxVersion = ssl.VersionTLS12
	srv.SessionCache = ssltest.NewServerCache(t, nil)
	sctx, cctx, mine := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli), ssltest.NewCache(t, 0)
	c, s := ssltest.Attend(t, cctx, sctx, mine, ssltest.Here)
	ssltest.WantStates(t, "the first", c, s, ssl.ReuseNoSession, ssl.ReuseNoSession)
	c, s = ssltest.Attend(t, cctx, sctx, mine, ssltest.Here)
	ssltest.WantStates(t, "the second", c, s, ssl.ReusedID, ssl.ReusedID)
}

// Ctxs that share a cache resume each other's sessions; without the cache, or after a Flush,
// the client gets a full handshake.
func TestServerCacheIsShared(t *testing.T) {
	ssltest.ForEachCached(t, func(t *testing.T, cache *ssl.ServerSessionCache, srv, cli *ssl.Config) {
		one, two, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
		mine := ssltest.NewCache(t, 0)
		c, s := ssltest.Attend(t, cctx, one, mine, ssltest.Here)
		ssltest.WantStates(t, "first", c, s, ssl.ReuseNoSession, ssl.ReuseNoSession)
		for range 3 {
			c, s = ssltest.Attend(t, cctx, two, mine, ssltest.Here)
			ssltest.WantStates(t, "at the other", c, s, reused(cli), reused(cli))
			c, s = ssltest.Attend(t, cctx, one, mine, ssltest.Here)
			ssltest.WantStates(t, "back", c, s, reused(cli), reused(cli))
		}
		other := ssltest.CopyOf(srv, func(c *ssl.Config) { c.SessionCache = ssltest.NewServerCache(t, nil) })
		c, s = ssltest.Attend(t, cctx, ssltest.NewServerCtx(t, other), mine, ssltest.Here)
		ssltest.WantStates(t, "with another cache", c, s, ssl.ReuseDeclined, ssltest.UnknownTo(cli))
		ssltest.Attend(t, cctx, one, mine, ssltest.Here)
		cache.Flush(time.Time{})
		c, s = ssltest.Attend(t, cctx, one, mine, ssltest.Here)
		ssltest.WantStates(t, "after Flush", c, s, ssl.ReuseDeclined, ssltest.UnknownTo(cli))
		st, err := one.SessionStats()
		if err != nil || st.Number != 0 || st.CallbackHits != 3 || st.CallbackHits != st.Hits {
			t.Errorf("%+v, %v", st, err)
		}
		if st := cache.Stats(); st.Hits != 6 || st.Misses == 0 || st.Bytes < 1000*int64(st.Sessions) {
			t.Errorf("%+v", st)
		}
	})
}

// Only a hello that names what could be here is looked up: not the session ids that clients
// of TLS 1.3 make up, nor tickets.
func TestServerCacheIsAskedInTimeOnly(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	mine := ssltest.NewCache(t, 0)
	ssltest.Attend(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), mine,
		ssltest.Here) // a stateless ticket
	srv.SessionCache = ssltest.NewServerCache(t, nil)
	sctx := ssltest.NewServerCtx(t, srv)
	ssltest.Attend(t, ssltest.NewClientCtx(t, cli), sctx, ssltest.NewCache(t, 0),
		ssltest.Here) // nothing but an id for show
	if st := srv.SessionCache.Stats(); st.Misses+st.Hits != 0 {
		t.Errorf("asked for an id that means nothing: %+v", st)
	}
	c, s := ssltest.Attend(t, ssltest.NewClientCtx(t, cli), sctx, mine, ssltest.Here)
	ssltest.WantStates(t, "a ticket", c, s, ssl.ReuseDeclined, ssl.ReuseDeclined)
	if st := srv.SessionCache.Stats(); st.Misses+st.Hits != 0 {
		t.Errorf("asked for a ticket: %+v", st)
	}
}

// Client certificates survive the cache with the whole chain, and demands separate hosts: a
// session of one that does not ask is a full handshake at one that does.
func TestServerCacheAndClientAuth(t *testing.T) {
	ssltest.ForEachCached(t, func(t *testing.T, cache *ssl.ServerSessionCache, srv, cli *ssl.Config) {
		cli.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client-chain")}
		strict := ssltest.CopyOf(srv, func(c *ssl.Config) {
			c.ClientAuth, c.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
		})
		open, closed, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewServerCtx(t, strict),
			ssltest.NewClientCtx(t, cli)
		mine := ssltest.NewCache(t, 0)
		ssltest.Attend(t, cctx, open, mine, ssltest.Here)
		c, s := ssltest.Attend(t, cctx, closed, mine, ssltest.Here)
		ssltest.WantStates(t, "a session of the open host", c, s, ssl.ReuseDeclined, ssl.ReuseDeclined)
		for range 3 { // each takes another ticket
			p := ssltest.Cached(t, cctx, closed, mine, ssltest.Here)
			p.MustShake(t)
			p.Echo(t)
			st := p.Server.ConnectionState()
			if !st.DidResume || !st.Verified || len(st.PeerCertificates) != 2 || len(st.VerifiedChain) != 3 {
				t.Errorf("resumed %t, verified %t, %d certificates, chain of %d",
					st.DidResume, st.Verified, len(st.PeerCertificates), len(st.VerifiedChain))
			}
			p.CloseBoth()
		}
	})
}

// Through GetConfigForClient the chosen Ctx's cache is asked, and no other.
func TestServerCacheOfAVirtualHost(t *testing.T) {
	ssltest.ForEachCached(t, func(t *testing.T, cache *ssl.ServerSessionCache, srv, cli *ssl.Config) {
		chosen := ssltest.NewServerCtx(t, srv)
		front := ssltest.CopyOf(srv, func(c *ssl.Config) {
			c.SessionCache = ssltest.NewServerCache(t, nil)
			c.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return chosen, nil }
		})
		fctx, cctx, mine := ssltest.NewServerCtx(t, front), ssltest.NewClientCtx(t, cli), ssltest.NewCache(t, 0)
		ssltest.Attend(t, cctx, fctx, mine, ssltest.Here)
		c, s := ssltest.Attend(t, cctx, fctx, mine, ssltest.Here)
		ssltest.WantStates(t, "through the front", c, s, reused(cli), reused(cli))
		if st := front.SessionCache.Stats(); st.Stores+st.Hits+st.Misses != 0 || cache.Stats().Hits != 1 {
			t.Errorf("front %+v, chosen %+v", st, cache.Stats())
		}
	})
}

// A second ClientHello names the session again, and gets it.
func TestServerCacheAfterHelloRetryRequest(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.SessionCache = ssltest.NewServerCache(t, nil)
	srv.CurvePreferences = []tls.CurveID{tls.CurveP384}
	cli.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP384}
	sctx, cctx, mine := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli), ssltest.NewCache(t, 0)
	ssltest.Attend(t, cctx, sctx, mine, ssltest.Here)
	c, s := ssltest.Attend(t, cctx, sctx, mine, ssltest.Here)
	ssltest.WantStates(t, "after HelloRetryRequest", c, s, ssl.ReusedPSK, ssl.ReusedPSK)
}

// What OpenSSL has marked, and what has expired, is not resumed but forgotten.
func TestServerCacheForgets(t *testing.T) {
	ssltest.ForEachCached(t, func(t *testing.T, cache *ssl.ServerSessionCache, srv, cli *ssl.Config) {
		srv.NumTickets = 1
		box := ssltest.NewInbox(t, srv)
		sctx, cctx, mine := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli), ssltest.NewCache(t, 0)
		ssltest.Attend(t, cctx, sctx, mine, ssltest.Here)
		kept := box.Last(t)
		id, err := kept.ID()
		if err != nil {
			t.Fatal(err)
		}
		if s := cache.Get(id); s == nil || !s.Same(kept) {
			t.Fatal("not kept")
		} else {
			s.Close()
		}
		if _, err := sctx.RemoveSession(kept); err != nil { // which marks it
			t.Fatal(err)
		}
		c, s := ssltest.Attend(t, cctx, sctx, mine, ssltest.Here)
		ssltest.WantStates(t, "marked", c, s, ssl.ReuseDeclined, ssltest.UnknownTo(cli))
		if st := cache.Stats(); st.NotResumable != 1 {
			t.Errorf("%+v", st)
		}
		fresh := box.Last(t)
		if id, err = fresh.ID(); err != nil {
			t.Fatal(err)
		}
		if !cache.Remove(id) || cache.Remove(id) || cache.Get(id) != nil {
			t.Error("Remove")
		}
		synctest.Test(t, func(t *testing.T) {
			at, _ := fresh.Time()
			time.Sleep(time.Until(at))
			if !cache.Put(own(t, fresh)) {
				t.Fatal("not kept")
			}
			time.Sleep(2*time.Hour + time.Second)
			if s := cache.Get(id); s != nil || cache.Stats().Expired != 1 {
				t.Errorf("%v after its timeout, %+v", s, cache.Stats())
			}
			if cache.Put(own(t, fresh)) {
				t.Error("kept although it has expired")
			}
		})
	})
}

// Limits hold, whatever is put; closed handles and sessions without an id are refused.
func TestServerCacheLimits(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		for _, bad := range []ssl.ServerCacheOptions{{MaxSessions: -1}, {MaxBytes: -1}, {MaxSessions: 1 << 31}} {
			if c, err := ssl.NewServerSessionCache(&bad); c != nil || !errors.Is(err, ssl.ErrConfig) {
				t.Errorf("%+v: %v", bad, err)
			}
		}
		base := liveSession(t, srv, cli)
		nth := func(i int) *ssl.Session {
			s := ssltest.Dup(t, base)
			if err := s.SetID(fmt.Appendf(nil, "%032d", i)); err != nil {
				t.Fatal(err)
			}
			return own(t, s)
		}
		few := ssltest.NewServerCache(t, &ssl.ServerCacheOptions{MaxSessions: 3})
		for i := range 5 {
			few.Put(nth(i))
			few.Get(fmt.Appendf(nil, "%032d", 0)).Close() // stays the most recent
		}
		if st := few.Stats(); st.Sessions != 3 || st.Evictions != 2 || st.Hits != 5 {
			t.Errorf("%+v", st)
		}
		size := few.Stats().Bytes / 3
		small := ssltest.NewServerCache(t, &ssl.ServerCacheOptions{MaxBytes: 2*size + size/2})
		for i := range 5 {
			small.Put(nth(i))
		}
		if st := small.Stats(); st.Sessions != 2 || st.Bytes > 2*size+size/2 {
			t.Errorf("%+v with sessions of %d", st, size)
		}
		empty, err := ssl.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		gone := nth(9)
		gone.Close()
		if few.Put(empty) || few.Put(gone) || few.Get(nil) != nil || few.Remove(make([]byte, 33)) {
			t.Error("took what is no session, or found it")
		}
		few.Close()
		if few.Put(nth(7)) || few.Stats().Sessions != 0 {
			t.Error("kept after Close")
		}
	})
}

func TestServerCacheConfig(t *testing.T) {
	leakcheck.Test(t)
	cli := ssltest.ClientConfig(t)
	cli.SessionCache = ssltest.NewServerCache(t, nil)
	if err := cli.CheckClient(); !errors.Is(err, ssl.ErrConfig) {
		t.Errorf("of a client: %v", err)
	}
	shut := ssltest.NewServerCache(t, nil)
	shut.Close()
	for name, bad := range map[string]*ssl.ServerSessionCache{"closed": shut, "zero": {}} {
		cfg := ssltest.ServerConfig(t)
		cfg.SessionCache = bad
		if err := cfg.CheckServer(); !errors.Is(err, ssl.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	tickets := ssltest.ClientConfig(t)
	tickets.TicketKeys = ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)})
	if err := tickets.CheckClient(); !errors.Is(err, ssl.ErrConfig) {
		t.Errorf("TicketKeys of a client: %v", err)
	}
	srv := ssltest.ServerConfig(t)
	srv.SessionCache = cli.SessionCache
	sctx := ssltest.NewServerCtx(t, srv)
	if _, err := sctx.AddSession(liveSession(t, ssltest.ServerConfig(t),
		ssltest.ClientConfig(t))); !errors.Is(err, ssl.ErrConfig) {
		t.Errorf("AddSession: %v", err)
	}
}

// Many clients at once resume from a cache that is flushed and evicts meanwhile: none fails.
func TestServerCacheConcurrently(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.SessionCache = ssltest.NewServerCache(t, &ssl.ServerCacheOptions{MaxSessions: 20})
		s := ssltest.StartServer(t, srv)
		d := &ssl.Dialer{Ctx: ssltest.NewClientCtx(t, cli), Sessions: ssltest.NewCache(t, 0)}
		ctx, cancel := context.WithTimeout(t.Context(), ssltest.Timeout)
		defer cancel()
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 12 {
					c, err := d.DialContext(ctx, "tcp", s.Addr)
					if err != nil {
						t.Error(err)
						return
					}
					if err := echoAsClient(c); err != nil {
						t.Error(err)
					}
					c.Close()
					if i == g {
						srv.SessionCache.Flush(time.Time{})
					}
				}
			})
		}
		wg.Wait()
		if st := srv.SessionCache.Stats(); st.Sessions > 20 || st.Stores+st.Hits < 96 {
			t.Errorf("%+v", st)
		}
	})
}

// The bound of bytes counts the certificates, whose number is the client's choice.
func TestServerCacheCountsCertificates(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.ClientAuth = ssl.RequestClientCert
		size := func(cli *ssl.Config) (session, chain int64) {
			cache := ssltest.NewServerCache(t, nil)
			p := ssltest.Meet(t, ssltest.NewClientCtx(t, cli),
				ssltest.NewServerCtx(t, ssltest.CopyOf(srv, func(c *ssl.Config) { c.SessionCache = cache })), nil)
			for _, c := range p.Server.ConnectionState().PeerCertificates {
				chain += int64(len(c.Raw))
			}
			p.CloseBoth()
			st := cache.Stats()
			return st.Bytes / int64(max(st.Sessions, 1)), chain
		}
		nobody, _ := size(cli)
		cli.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client-chain")}
		if somebody, chain := size(cli); chain == 0 || somebody < nobody+3*chain {
			t.Errorf("%d bytes with a chain of %d, %d without", somebody, chain, nobody)
		}
	})
}

// Without a bound of bytes there is one: each session may have 16 KiB.
func TestServerCacheBytesByDefault(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.TLS12(t)
	base := liveSession(t, srv, cli)
	if err := base.SetTicketAppData(make([]byte, 30<<10)); err != nil {
		t.Fatal(err)
	}
	cache := ssltest.NewServerCache(t, &ssl.ServerCacheOptions{MaxSessions: 100})
	for i := range 100 {
		s := ssltest.Dup(t, base)
		if err := s.SetID(fmt.Appendf(nil, "%032d", i)); err != nil {
			t.Fatal(err)
		}
		cache.Put(own(t, s))
	}
	if st := cache.Stats(); st.Evictions == 0 || st.Bytes > 100*16<<10 {
		t.Errorf("%+v", st)
	}
}
