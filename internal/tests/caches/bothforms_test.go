package caches_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A caller comes back to servers.
type caller struct {
	name         string
	version      uint16
	tickets, ids ssl.ReuseState // how it resumes at a server that prefers them
	first        ssl.ReuseState // what a server says of its first visit
	begin        func(t *testing.T, version uint16) visitor
}

// A visitor makes one connection with an echo, and says whether it resumed.
type visitor func(t *testing.T, sctx *ssl.Ctx) (reused bool, server *ssl.Conn)

var callers = []caller{
	{"ours", ssl.VersionTLS13, ssl.ReusedTicket, ssl.ReusedID, ssl.ReuseNoSession, ours(nil)},
	{"ours", ssl.VersionTLS12, ssl.ReusedTicket, ssl.ReusedID, ssl.ReuseNoSession, ours(nil)},
	{"ours without tickets", ssl.VersionTLS12, ssl.ReusedID, ssl.ReusedID, ssl.ReuseNoSession, ours(onlyIDs)},
	{"crypto/tls", ssl.VersionTLS13, ssl.ReusedTicket, ssl.ReusedID, ssl.ReuseNoSession, std},
	{"crypto/tls", ssl.VersionTLS12, ssl.ReusedTicket, ssl.ReusedTicket, ssl.ReuseNoSession, std},
}

func onlyIDs(c *ssl.Config) { c.SessionTicketsDisabled = true }

// ours is our client with a cache of its own.
func ours(change func(*ssl.Config)) func(t *testing.T, version uint16) visitor {
	return func(t *testing.T, version uint16) visitor {
		cfg := ssltest.ClientConfig(t)
		cfg.MaxVersion = version
		if change != nil {
			change(cfg)
		}
		cctx, cache := ssltest.NewClientCtx(t, cfg), ssltest.NewCache(t, 0)
		return func(t *testing.T, sctx *ssl.Ctx) (bool, *ssl.Conn) {
			t.Helper()
			p := ssltest.Cached(t, cctx, sctx, cache, ssltest.Here)
			p.MustShake(t)
			p.Echo(t)
			p.CloseBoth()
			return p.Client.SessionReused(), p.Server
		}
	}
}

// std is crypto/tls's client, which resumes only by ticket in TLS 1.2.
func std(t *testing.T, version uint16) visitor {
	cfg := ssltest.StdConfig(t, version)
	return func(t *testing.T, sctx *ssl.Ctx) (bool, *ssl.Conn) {
		t.Helper()
		a, b := ssltest.TCPPipe(t)
		s, err := ssl.Server(b, sctx)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		done := make(chan error, 1)
		go func() { done <- ssltest.EchoOnce(s) }()
		c := tls.Client(a, cfg)
		c.SetDeadline(time.Now().Add(ssltest.Timeout))
		if _, err := c.Write([]byte("ping")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		return c.ConnectionState().DidResume, s
	}
}

// lookups is how many sessions a cache and its store were asked for.
func lookups(st ssl.Stats) uint64 {
	return st.Cache.Hits + st.Cache.Misses + st.Store.Hits + st.Store.Misses
}

// forEachCaller runs f for every caller and both settings; want is how the caller resumes.
func forEachCaller(t *testing.T,
	f func(t *testing.T, c caller, ids bool, want ssl.ReuseState, srv *ssl.Config)) {
	for _, c := range callers {
		for _, ids := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%s/ids=%t", c.name, ssl.VersionName(c.version), ids), func(t *testing.T) {
				leakcheck.Test(t)
				f(t, c, ids, ssltest.If(ids, c.ids, c.tickets), ssltest.ServerConfig(t))
			})
		}
	}
}

// Whatever a client knows, each return resumes, and on another machine than the one before. What
// is in a ticket is not in the store, and no hello with a good ticket is looked up.
func TestBothFormsOnAFleet(t *testing.T) {
	forEachCaller(t, func(t *testing.T, c caller, ids bool, want ssl.ReuseState, srv *ssl.Config) {
		fleet := ssltest.NewFleet(t, srv)
		machines := []*ssl.Ctx{fleet.Machine(ids), fleet.Machine(ids)}
		visit := c.begin(t, c.version)
		for i := range 13 {
			m := machines[i%2]
			before, kept := ssltest.StatsOf(t, m), fleet.Len()
			reused, server := visit(t, m)
			if state := ssltest.If(i == 0, c.first, want); reused != (i > 0) || server.ReuseState() != state {
				t.Fatalf("visit %d: the client resumed %t, the server says %q, want %q", i, reused,
					server.ReuseState(), state)
			}
			after := ssltest.StatsOf(t, m)
			if want == ssl.ReusedTicket && (fleet.Len() != 0 || after.Cache.Stores != 0) {
				t.Errorf("visit %d: sessions in the store %d, stats %+v", i, fleet.Len(), after.Cache)
			}
			if n := lookups(after) - lookups(before); want == ssl.ReusedTicket && i > 0 && n != 0 {
				t.Errorf("visit %d: a good ticket was looked up %d times", i, n)
			}
			if i == 0 && want == ssl.ReusedID && fleet.Len() <= kept {
				t.Errorf("the store has nothing")
			}
			if n := after.TicketKeys.Issued + after.TicketKeys.Unknown; want == ssl.ReusedID && n != 0 {
				t.Errorf("visit %d: tickets issued and unknown: %+v", i, after.TicketKeys)
			}
		}
		if st := ssltest.StatsOf(t, machines[1]); st.Handshakes[want] != 6 {
			t.Errorf("%v", st.Handshakes)
		}
	})
}

// front has a choice of hosts, and chooses m.
func front(t *testing.T, m *ssl.Ctx) *ssl.Ctx {
	t.Helper()
	listening := ssltest.ServerConfig(t)
	listening.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return m, nil }
	return ssltest.NewServerCtx(t, listening)
}

// The id beside a ticket of TLS 1.2 is not looked up either where the hello waits for something else.
func TestBothFormsGoodTicketWaits(t *testing.T) {
	forEachCaller(t, func(t *testing.T, c caller, ids bool, want ssl.ReuseState, srv *ssl.Config) {
		m := ssltest.NewFleet(t, srv).Machine(ids)
		host, visit := front(t, m), c.begin(t, c.version)
		visit(t, host)
		before := lookups(ssltest.StatsOf(t, m))
		if _, server := visit(t, host); server.ReuseState() != want {
			t.Errorf("%q", server.ReuseState())
		}
		n := lookups(ssltest.StatsOf(t, m)) - before
		if found := n > 0; found != (want == ssl.ReusedID) {
			t.Errorf("%d lookups", n)
		}
	})
}

// What was issued under one setting resumes under the other, and what a machine with one form has
// issued does on one with both; in TLS 1.3 a client has then what the setting there says. The second
// machine stands behind a choice of hosts, or asks for a second ClientHello, and knows the
// client's certificates.
func TestBothFormsAfterAChange(t *testing.T) {
	forEachCaller(t, func(t *testing.T, c caller, ids bool, want ssl.ReuseState, srv *ssl.Config) {
		fleet := ssltest.NewFleet(t, srv)
		olds := map[string]*ssl.Ctx{
			"the other setting": fleet.Machine(!ids),
			"ids only":          fleet.One(true),
		}
		if c.name != "ours without tickets" {
			olds["tickets only"] = fleet.One(false)
		}
		if c.tickets == c.ids && c.ids == ssl.ReusedTicket {
			delete(olds, "ids only")
		}
		again := func(c *ssl.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP384} }
		for name, old := range olds {
			for how, now := range map[string]*ssl.Ctx{"alone": fleet.Machine(ids),
				"a second hello": fleet.Machine(ids, again), "a chosen host": front(t, fleet.Machine(ids))} {
				visit := c.begin(t, c.version)
				visit(t, old)
				ssltest.StatsOf(t, old)
				for i := range 3 {
					reused, server := visit(t, now)
					got := server.ReuseState()
					if !reused || !got.Resumed() || c.version == ssl.VersionTLS13 && i > 0 && got != want {
						t.Errorf("from %s, %s, return %d: the client resumed %t, the server says %q", name, how, i,
							reused, got)
					}
				}
			}
		}
	})
}

// A server that has lost its memory tells an id that it does not know from a ticket that it
// cannot open; the client gets a session of the form that it can use.
func TestBothFormsUnknown(t *testing.T) {
	forEachCaller(t, func(t *testing.T, c caller, ids bool, want ssl.ReuseState, srv *ssl.Config) {
		old, now := ssltest.NewFleet(t, srv), ssltest.NewFleet(t, srv)
		machine := now.Machine(ids)
		visit := c.begin(t, c.version)
		visit(t, old.Machine(ids))
		reused, server := visit(t, machine)
		state := ssl.ReuseDeclined
		if c.version == ssl.VersionTLS12 && want == ssl.ReusedID {
			state = ssl.ReuseUnknownID
		}
		if got := server.ReuseState(); reused || got != state || got.Resumed() {
			t.Errorf("the client resumed %t, the server says %q, want %q", reused, got, state)
		}
		st := ssltest.StatsOf(t, machine)
		unknown := st.TicketKeys.Unknown
		if st.Handshakes[state] != 1 || unknown != ssltest.If(want == ssl.ReusedTicket, uint64(1), 0) {
			t.Errorf("%v, %d tickets with an unknown key", st.Handshakes, unknown)
		}
		if reused, server := visit(t, machine); !reused {
			t.Errorf("afterwards: %q", server.ReuseState())
		}
	})
}

// The choice is for who has one.
func TestBothFormsConfig(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	fleet := ssltest.NewFleet(t, srv)
	srv.PreferSessionCache, cli.PreferSessionCache = true, true
	_, err := ssl.NewClientCtx(cli)
	ssltest.Refuses(t, "a client", err, ssl.ErrConfig)
	ssltest.Refuses(t, "neither", srv.CheckServer(), ssl.ErrConfig)
	srv.TicketKeys = ssltest.TicketKeys(t, fleet.Keys)
	ssltest.Refuses(t, "tickets alone", srv.CheckServer(), ssl.ErrConfig)
	srv.SessionCache = ssltest.NewServerCache(t, nil)
	if err := srv.CheckServer(); err != nil {
		t.Error(err)
	}
	srv.TicketKeys = nil
	ssltest.Refuses(t, "the cache alone", srv.CheckServer(), ssl.ErrConfig)
}
