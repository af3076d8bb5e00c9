package caches_test

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A Dialer resumes by itself, and both ends say how.
func TestDialerResumesByItself(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		s := ssltest.StartServer(t, srv)
		cctx := ssltest.NewClientCtx(t, cli)
		dial := func(d *ssl.Dialer) ssl.ReuseState {
			c, err := d.Dial("tcp", s.Addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			ssltest.RoundTrip(t, c)
			return c.ReuseState()
		}
		own := ssltest.NewCache(t, 0)
		for _, d := range []*ssl.Dialer{{Ctx: cctx}, {Ctx: cctx, Sessions: own}} {
			if got := dial(d); got != ssl.ReuseNoSession {
				t.Errorf("first: %q", got)
			}
			for range 3 {
				if got := dial(d); got != ssltest.Wants[fm.Name] || !s.LastReused() {
					t.Errorf("again: %q, the server says reused %t", got, s.LastReused())
				}
			}
		}
		if got := dial(&ssl.Dialer{Ctx: cctx, Sessions: ssl.NoSessionCache{}}); got != ssl.ReuseNoSession {
			t.Errorf("without a cache: %q", got)
		}
		c, err := ssl.DialSession("tcp", s.Addr, cctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got := c.ReuseState(); got != ssl.ReuseNoSession {
			t.Errorf("DialSession with nil: %q", got)
		}
		if got := own.Stats(); got.Hits != 3 || got.Misses != 1 || got.Evictions != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// What was offered and declined, or belonged to a connection that failed, is not offered
// again; the server is not asked twice.
func TestDeclinedSessionLeaves(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		sctx, cctx, cache := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli), ssltest.NewCache(t, 0)
		ssltest.Attend(t, cctx, sctx, cache, ssltest.Here)
		c, s := ssltest.Attend(t, cctx, sctx, cache, ssltest.Here)
		ssltest.WantStates(t, "second", c, s, ssltest.Wants[fm.Name], ssltest.Wants[fm.Name])
		p := ssltest.Cached(t, cctx, ssltest.NewServerCtx(t, srv), cache, ssltest.Here)
		if err := p.Server.SetNotResumable(); err != nil { // so that nothing takes the place of what leaves
			t.Fatal(err)
		}
		p.MustShake(t)
		p.Echo(t)
		p.CloseBoth()
		wantS := ssl.ReuseDeclined
		if fm.Name == "TLS1.2-id" {
			wantS = ssl.ReuseNoSession // clients make up ids, and nothing tells one that was forgotten
		}
		ssltest.WantStates(t, "at a server that does not know it", p.Client.ReuseState(), p.Server.ReuseState(),
			ssl.ReuseDeclined, wantS)
		left := fm.Version - ssl.VersionTLS12 // in TLS 1.3 the other ticket of the first connection
		if got := cache.Stats().Sessions; got != int(left) {
			t.Errorf("%d sessions left, %d were not declined", got, left)
		}
	})
}

// A fatal error of a connection drops the session that it had offered, in TLS 1.2 too,
// where it would have stayed.
func TestSpoiledSessionLeaves(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		sctx, cctx, cache := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli), ssltest.NewCache(t, 0)
		ssltest.Attend(t, cctx, sctx, cache, ssltest.Here)
		before := cache.Stats().Sessions
		p := ssltest.Cached(t, cctx, sctx, cache, ssltest.Here)
		p.MustShake(t)
		foreign := []byte("\x17\x03\x03\x00\x20 not a record of this connection")
		if _, err := p.Server.NetConn().Write(foreign); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Client.Read(make([]byte, 1)); err == nil || errors.Is(err, net.ErrClosed) {
			t.Fatalf("Read of garbage: %v", err)
		}
		if got := cache.Stats().Sessions; got >= before && fm.Version == ssl.VersionTLS12 {
			t.Errorf("%d sessions in the cache after the error, %d before", got, before)
		}
	})
}

// No connection that failed verification leaves a session.
func TestNothingUnverifiedIsCached(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		sctx := ssltest.NewServerCtx(t, srv)
		for name, change := range map[string]func(*ssl.Config){
			"host name": func(c *ssl.Config) { c.ServerName = "elsewhere.test" },
			"root":      func(c *ssl.Config) { c.RootCAs = ssltest.Roots(t, "other-ca") },
			"VerifyConn": func(c *ssl.Config) {
				c.VerifyConnection = func(ssl.ConnectionState) error { return errors.New("no") }
			},
		} {
			cache := ssltest.NewCache(t, 0)
			p := ssltest.Cached(t, ssltest.NewClientCtx(t, ssltest.CopyOf(cli, change)), sctx, cache, ssltest.Here)
			if c, _ := p.Shake(); c == nil {
				t.Fatalf("%s: accepted", name)
			}
			p.CloseBoth()
			if got := cache.Stats(); got.Stores != 0 {
				t.Errorf("%s: %+v", name, got)
			}
		}
	})
}

// A session is offered where host, port, name, protocols, trust and identity are those of
// the connection that it came from, and nowhere else.
func TestKeyOfTheClientCache(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		srv.ClientAuth = ssl.RequestClientCert
		sctx, cache := ssltest.NewServerCtx(t, srv), ssltest.NewCache(t, 0)
		ssltest.Attend(t, ssltest.NewClientCtx(t, cli), sctx, cache, ssltest.Here)
		for _, test := range []struct {
			name   string
			addr   string
			change func(*ssl.Config)
			want   ssl.ReuseState
		}{
			{"host", "tcp 127.0.0.1:1", nil, ssl.ReuseNoSession},
			{"port", "tcp localhost:2", nil, ssl.ReuseNoSession},
			{"name", ssltest.Here, func(c *ssl.Config) { c.ServerName = "127.0.0.1" }, ssl.ReuseNoSession},
			{"protocols", ssltest.Here, func(c *ssl.Config) { c.NextProtos = []string{"h2"} }, ssl.ReuseOtherConfig},
			{"roots", ssltest.Here, func(c *ssl.Config) { c.RootCAs = ssltest.BothRoots(t) }, ssl.ReuseOtherConfig},
			{"no verification", ssltest.Here, ssltest.Insecure, ssl.ReuseOtherConfig},
			{"identity", ssltest.Here, func(c *ssl.Config) {
				c.Certificates = []ssl.Certificate{ssltest.KeyPair(t,
					"client")}
			}, ssl.ReuseOtherConfig},
			{"identity by function", ssltest.Here, func(c *ssl.Config) {
				c.GetClientCertificate = func(*ssl.CertificateRequestInfo) (*ssl.Certificate, error) { return nil, nil }
			}, ssl.ReuseOtherConfig},
			{"version", ssltest.Here, func(c *ssl.Config) { c.MinVersion = fm.Version; c.MaxVersion = fm.Version },
				ssltest.If(fm.Version == ssl.VersionTLS12, ssltest.Wants[fm.Name], ssl.ReuseOtherConfig)},
			{"nothing", ssltest.Here, nil, ssltest.Wants[fm.Name]},
		} {
			change := test.change
			if change == nil {
				change = func(*ssl.Config) {}
			}
			p := ssltest.Cached(t, ssltest.NewClientCtx(t, ssltest.CopyOf(cli, change)), sctx, cache, test.addr)
			p.MustShake(t)
			p.CloseBoth()
			if got := p.Client.ReuseState(); got != test.want {
				t.Errorf("%s: %q, want %q", test.name, got, test.want)
			}
		}
	})
}

// takes records which sessions a cache has handed out.
type takes struct {
	*ssl.LRUClientSessionCache
	mu      sync.Mutex
	tickets []string
}

func (r *takes) Take(key ssl.SessionKey) (*ssl.Session, ssl.ReuseState) {
	s, why := r.LRUClientSessionCache.Take(key)
	if s != nil {
		ticket, _ := s.Ticket()
		r.mu.Lock()
		defer r.mu.Unlock()
		r.tickets = append(r.tickets, string(ticket))
	}
	return s, why
}

func echoAsClient(c *ssl.Conn) error {
	if _, err := c.Write([]byte("ping")); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 4))
	return err
}

// Connections that are made at the same time never show the same TLS 1.3 ticket.
func TestTicketsAreTakenOnce(t *testing.T) {
	leakcheck.Test(t)
	srv := ssltest.ServerConfig(t)
	srv.NumTickets = 4
	s := ssltest.StartServer(t, srv)
	cache := &takes{LRUClientSessionCache: ssltest.NewCache(t, 0)}
	d := &ssl.Dialer{Ctx: ssltest.NewClientCtx(t, ssltest.ClientConfig(t)), Sessions: cache}
	for range 4 {
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() {
				c, err := d.Dial("tcp", s.Addr)
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				if c.ReuseState() == ssl.ReuseDeclined {
					t.Error("declined")
				}
				if err := echoAsClient(c); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	slices.Sort(cache.tickets)
	if n := len(cache.tickets); n < 12 || len(slices.Compact(cache.tickets)) != n {
		t.Errorf("%d tickets taken, %d of them different", n, len(slices.Compact(cache.tickets)))
	}
}

// Of two caches the last one counts, and the session of the first is let go at once.
func TestUseSessionCacheTwice(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.MaxVersion = ssl.VersionTLS12
	cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
	first, second := ssltest.NewCache(t, 0), ssltest.NewCache(t, 0)
	ssltest.Attend(t, cctx, sctx, first, ssltest.Here)
	ssltest.Attend(t, cctx, sctx, second, ssltest.Here)
	before := ssl.ReadCounters().Sessions.Live
	p := ssltest.Cached(t, cctx, sctx, first, ssltest.Here)
	if err := p.Client.UseSessionCache(second, ssltest.Here); err != nil {
		t.Fatal(err)
	}
	p.MustShake(t)
	p.CloseBoth()
	if after := ssl.ReadCounters().Sessions.Live; after != before {
		t.Errorf("%d handles on sessions, %d before", after, before)
	}
	if got := p.Client.ReuseState(); got != ssl.ReusedTicket {
		t.Error(got)
	}
}

// A session that a cache has given up is not offered once the application wants another one, or none:
// the cache has it back, for another connection.
func TestUseSessionCacheInVain(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.MinVersion, srv.NumTickets = ssl.VersionTLS13, 1 // of single use
	cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
	given := ssltest.EarlySession(t, cctx, sctx)
	for what, c := range map[string]struct {
		then func(*ssl.Conn) error
		want ssl.ReuseState
	}{
		"none": {func(c *ssl.Conn) error {
			return c.UseSessionCache(ssl.NoSessionCache{}, "")
		}, ssl.ReuseNoSession},
		"empty": {func(c *ssl.Conn) error {
			return c.UseSessionCache(ssltest.NewCache(t, 0), ssltest.Here)
		}, ssl.ReuseNoSession},
		"given": {func(c *ssl.Conn) error { return c.SetSession(given) }, ssl.ReusedTicket},
	} {
		cache := ssltest.NewCache(t, 0)
		ssltest.Attend(t, cctx, sctx, cache, ssltest.Here)
		p := ssltest.Cached(t, cctx, sctx, cache, ssltest.Here)
		if err := c.then(p.Client); err != nil {
			t.Fatal(err)
		}
		if got := p.Client.SessionOffered(); got != c.want.Resumed() {
			t.Errorf("%s: a session is offered: %t", what, got)
		}
		other := ssltest.Cached(t, cctx, sctx, cache, ssltest.Here)
		if !other.Client.SessionOffered() {
			t.Errorf("%s: the session is not in its cache", what)
		}
		p.MustShake(t)
		if got := p.Client.ReuseState(); got != c.want {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
		p.CloseBoth()
		other.CloseBoth()
	}
}

// Nil is the cache of the Ctx.
func TestUseSessionCacheOfTheCtx(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		ssltest.Attend(t, cctx, sctx, nil, ssltest.Here)
		c, s := ssltest.Attend(t, cctx, sctx, nil, ssltest.Here)
		if !c.Resumed() || !s.Resumed() {
			t.Errorf("%v, %v", c, s)
		}
		if c, _ := ssltest.Attend(t, ssltest.NewClientCtx(t, cli), sctx, nil,
			ssltest.Here); c != ssl.ReuseNoSession {
			t.Errorf("another Ctx: %v", c)
		}
	})
}
