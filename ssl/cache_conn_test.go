package ssl_test

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// wants are the states of a resumption, by form.
var wants = map[string]ssl.ReuseState{
	"TLS1.2-id":        ssl.ReusedID,
	"TLS1.2-ticket":    ssl.ReusedTicket,
	"TLS1.3-stateful":  ssl.ReusedPSK,
	"TLS1.3-stateless": ssl.ReusedPSK,
}

func newCache(t testing.TB, n int) *ssl.LRUClientSessionCache {
	t.Helper()
	c := ssl.NewClientSessionCache(n)
	t.Cleanup(func() { c.Close() })
	return c
}

// cached is a pair whose client uses cache, before the handshake.
func cached(t testing.TB, cctx, sctx *ssl.Ctx, cache ssl.ClientSessionCache, addr string) pair {
	t.Helper()
	a, b := tcpPipe(t)
	p := newPair(t, cctx, sctx, a, b)
	if err := p.client.UseSessionCache(cache, addr); err != nil {
		t.Fatal(err)
	}
	return p
}

// attend is a whole connection whose client uses cache, and what its ends say.
func attend(t testing.TB, cctx, sctx *ssl.Ctx, cache ssl.ClientSessionCache, addr string) (client, server ssl.ReuseState) {
	t.Helper()
	p := cached(t, cctx, sctx, cache, addr)
	p.mustShake(t)
	p.echo(t)
	p.closeBoth()
	return p.client.ReuseState(), p.server.ReuseState()
}

func wantStates(t testing.TB, what string, client, server, wantC, wantS ssl.ReuseState) {
	t.Helper()
	if client != wantC || server != wantS {
		t.Errorf("%s: client says %q, server %q; want %q and %q", what, client, server, wantC, wantS)
	}
}

const here = "tcp localhost:1"

// A Dialer resumes by itself, and both ends say how.
func TestDialerResumesByItself(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		s := startServer(t, srv)
		cctx := newClientCtx(t, cli)
		dial := func(d *ssl.Dialer) ssl.ReuseState {
			c, err := d.Dial("tcp", s.Addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			roundTrip(t, c)
			return c.ReuseState()
		}
		own := newCache(t, 0)
		for _, d := range []*ssl.Dialer{{Ctx: cctx}, {Ctx: cctx, Sessions: own}} {
			if got := dial(d); got != ssl.ReuseNoSession {
				t.Errorf("first: %q", got)
			}
			for range 3 {
				if got := dial(d); got != wants[fm.name] || !s.lastReused() {
					t.Errorf("again: %q, the server says reused %t", got, s.lastReused())
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
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		sctx, cctx, cache := newServerCtx(t, srv), newClientCtx(t, cli), newCache(t, 0)
		attend(t, cctx, sctx, cache, here)
		c, s := attend(t, cctx, sctx, cache, here)
		wantStates(t, "second", c, s, wants[fm.name], wants[fm.name])
		empty := copyOf(srv, func(c *ssl.Config) { c.NumTickets = -1 })
		c, s = attend(t, cctx, newServerCtx(t, empty), cache, here)
		wantS := ssl.ReuseDeclined
		if fm.name == "TLS1.2-id" {
			wantS = ssl.ReuseNoSession // clients make up ids, and nothing tells one that was forgotten
		}
		wantStates(t, "at a server that does not know it", c, s, ssl.ReuseDeclined, wantS)
		if fm.version == ssl.VersionTLS12 {
			return // the full handshake has made another
		}
		if got := cache.Stats().Sessions; got > 1 {
			t.Errorf("%d sessions left, the other ticket of the first connection is the only one", got)
		}
	})
}

// A fatal error of a connection drops the session that it had offered, in TLS 1.2 too,
// where it would have stayed.
func TestSpoiledSessionLeaves(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		sctx, cctx, cache := newServerCtx(t, srv), newClientCtx(t, cli), newCache(t, 0)
		attend(t, cctx, sctx, cache, here)
		before := cache.Stats().Sessions
		p := cached(t, cctx, sctx, cache, here)
		p.mustShake(t)
		if _, err := p.server.NetConn().Write([]byte("\x17\x03\x03\x00\x20 not a record of this connection")); err != nil {
			t.Fatal(err)
		}
		if _, err := p.client.Read(make([]byte, 1)); err == nil || errors.Is(err, net.ErrClosed) {
			t.Fatalf("Read of garbage: %v", err)
		}
		if got := cache.Stats().Sessions; got >= before && fm.version == ssl.VersionTLS12 {
			t.Errorf("%d sessions in the cache after the error, %d before", got, before)
		}
	})
}

// No connection that failed verification leaves a session (C-29).
func TestC29_NothingUnverifiedIsCached(t *testing.T) {
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		sctx := newServerCtx(t, srv)
		for name, change := range map[string]func(*ssl.Config){
			"host name":  func(c *ssl.Config) { c.ServerName = "elsewhere.test" },
			"root":       func(c *ssl.Config) { c.RootCAs = roots(t, "other-ca") },
			"VerifyConn": func(c *ssl.Config) { c.VerifyConnection = func(ssl.ConnectionState) error { return errors.New("no") } },
		} {
			cache := newCache(t, 0)
			p := cached(t, newClientCtx(t, copyOf(cli, change)), sctx, cache, here)
			if c, _ := p.shake(); c == nil {
				t.Fatalf("%s: accepted", name)
			}
			p.closeBoth()
			if got := cache.Stats(); got.Stores != 0 {
				t.Errorf("%s: %+v", name, got)
			}
		}
	})
}

// A session is offered where host, port, name, protocols, trust and identity are those of
// the connection that it came from, and nowhere else (C-30).
func TestC30_KeyOfTheCache(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		srv.ClientAuth = ssl.RequestClientCert
		sctx, cache := newServerCtx(t, srv), newCache(t, 0)
		attend(t, newClientCtx(t, cli), sctx, cache, here)
		for _, test := range []struct {
			name   string
			addr   string
			change func(*ssl.Config)
			want   ssl.ReuseState
		}{
			{"host", "tcp 127.0.0.1:1", nil, ssl.ReuseNoSession},
			{"port", "tcp localhost:2", nil, ssl.ReuseNoSession},
			{"name", here, func(c *ssl.Config) { c.ServerName = "127.0.0.1" }, ssl.ReuseNoSession},
			{"protocols", here, func(c *ssl.Config) { c.NextProtos = []string{"h2"} }, ssl.ReuseOtherConfig},
			{"roots", here, func(c *ssl.Config) { c.RootCAs = bothRoots(t) }, ssl.ReuseOtherConfig},
			{"no verification", here, insecure, ssl.ReuseOtherConfig},
			{"identity", here, func(c *ssl.Config) { c.Certificates = []ssl.Certificate{keyPair(t, "client")} }, ssl.ReuseOtherConfig},
			{"identity by function", here, func(c *ssl.Config) {
				c.GetClientCertificate = func(*ssl.CertificateRequestInfo) (*ssl.Certificate, error) { return nil, nil }
			}, ssl.ReuseOtherConfig},
			{"version", here, func(c *ssl.Config) { c.MinVersion = fm.version; c.MaxVersion = fm.version }, want(fm.version == ssl.VersionTLS12, wants[fm.name], ssl.ReuseOtherConfig)},
			{"nothing", here, nil, wants[fm.name]},
		} {
			change := test.change
			if change == nil {
				change = func(*ssl.Config) {}
			}
			p := cached(t, newClientCtx(t, copyOf(cli, change)), sctx, cache, test.addr)
			p.mustShake(t)
			p.closeBoth()
			if got := p.client.ReuseState(); got != test.want {
				t.Errorf("%s: %q, want %q", test.name, got, test.want)
			}
		}
	})
}

func want[T any](cond bool, yes, no T) T {
	if cond {
		return yes
	}
	return no
}

// bothRoots trusts what the other configuration trusts, and more.
func bothRoots(t testing.TB) *ssl.CertPool {
	t.Helper()
	p := roots(t, "ca")
	data, err := os.ReadFile(certFile("other-ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.AppendCerts(data); err != nil {
		t.Fatal(err)
	}
	return p
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
	srv := serverConfig(t)
	srv.NumTickets = 4
	s := startServer(t, srv)
	cache := &takes{LRUClientSessionCache: newCache(t, 0)}
	d := &ssl.Dialer{Ctx: newClientCtx(t, clientConfig(t)), Sessions: cache}
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
	srv, cli := serverConfig(t), clientConfig(t)
	srv.MaxVersion = ssl.VersionTLS12
	cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
	first, second := newCache(t, 0), newCache(t, 0)
	attend(t, cctx, sctx, first, here)
	attend(t, cctx, sctx, second, here)
	before := ssl.ReadCounters().Sessions.Live
	p := cached(t, cctx, sctx, first, here)
	if err := p.client.UseSessionCache(second, here); err != nil {
		t.Fatal(err)
	}
	p.mustShake(t)
	p.closeBoth()
	if after := ssl.ReadCounters().Sessions.Live; after != before {
		t.Errorf("%d handles on sessions, %d before", after, before)
	}
	if got := p.client.ReuseState(); got != ssl.ReusedTicket {
		t.Error(got)
	}
}

// Nil is the cache of the Ctx.
func TestUseSessionCacheOfTheCtx(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
		attend(t, cctx, sctx, nil, here)
		c, s := attend(t, cctx, sctx, nil, here)
		if !c.Resumed() || !s.Resumed() {
			t.Errorf("%v, %v", c, s)
		}
		if c, _ := attend(t, newClientCtx(t, cli), sctx, nil, here); c != ssl.ReuseNoSession {
			t.Errorf("another Ctx: %v", c)
		}
	})
}
