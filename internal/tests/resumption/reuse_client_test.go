package resumption_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// at has the address of another peer than the connection is to.
type at struct {
	net.Conn
	addr net.Addr
}

func (c at) RemoteAddr() net.Addr { return c.addr }

type namedAddr struct{ network, addr string }

func (a namedAddr) Network() string { return a.network }

func (a namedAddr) String() string { return a.addr }

// ends are both ends of a new connection.
type ends func(t testing.TB) (client, server net.Conn)

func pipeEnds(testing.TB) (client, server net.Conn) { return net.Pipe() }

// claiming are ends whose client takes its peer to be at addr.
func claiming(network, addr string) ends {
	return func(t testing.TB) (client, server net.Conn) {
		a, b := ssltest.TCPPipe(t)
		return at{a, namedAddr{network, addr}}, b
	}
}

// openBy makes the client's Conn over its end.
type openBy func(raw net.Conn) (*ssl.Conn, error)

// visitBy is one connection of a client that leaves sessions to the package, with a round trip,
// and what its ends say of reuse. open may do the handshake.
func visitBy(t testing.TB, open openBy, sctx *ssl.Ctx, e ends) (client, server ssl.ReuseState) {
	t.Helper()
	a, b := e(t)
	s, err := ssl.Server(b, sctx)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.SetDeadline(time.Now().Add(ssltest.Timeout))
	done := make(chan error, 1)
	go func() {
		defer s.Close()
		_, err := io.Copy(s, s)
		done <- err
	}()
	c, err := open(a)
	if err != nil {
		t.Fatalf("%v; the server: %v", err, <-done)
	}
	c.SetDeadline(time.Now().Add(ssltest.Timeout))
	ssltest.RoundTrip(t, c)
	c.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return c.ReuseState(), s.ReuseState()
}

func plainClient(ctx *ssl.Ctx) openBy {
	return func(raw net.Conn) (*ssl.Conn, error) { return ssl.Client(raw, ctx) }
}

func namedClient(ctx *ssl.Ctx, name string) openBy {
	return func(raw net.Conn) (*ssl.Conn, error) { return ssl.ClientWithServerName(raw, ctx, name) }
}

func dialerClient(d *ssl.Dialer, network, addr string) openBy {
	return func(raw net.Conn) (*ssl.Conn, error) {
		ctx, cancel := context.WithTimeout(context.Background(), ssltest.Timeout)
		defer cancel()
		return d.Client(ctx, raw, network, addr)
	}
}

// Whichever way a client comes, it resumes the second time, with what any other way has left.
func TestClientsResumeByThemselves(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		s := ssltest.NewServerCtx(t, srv)
		for name, e := range map[string]ends{
			"socket": claiming("tcp", "192.0.2.1:5432"), "net.Conn": func(t testing.TB) (net.Conn, net.Conn) {
				a, b := ssltest.TCPPipe(t)
				return ssltest.Plain{Conn: at{a, namedAddr{"tcp", "192.0.2.2:5432"}}}, b
			},
			"pipe": pipeEnds,
		} {
			cctx := ssltest.NewClientCtx(t, cli)
			d := &ssl.Dialer{Ctx: cctx}
			network, addr := "tcp", "db.test:5432"
			if name == "pipe" {
				network, addr = "pipe", "pipe"
			}
			for i, open := range []openBy{
				plainClient(cctx), plainClient(cctx), namedClient(cctx, ""), namedClient(cctx, "localhost"),
				dialerClient(d, network, addr), dialerClient(d, network, addr), plainClient(cctx),
			} {
				want, wantS := ssltest.Wants[fm.Name], ssltest.Wants[fm.Name]
				if i == 0 {
					want, wantS = ssl.ReuseNoSession, ssl.ReuseNoSession
				}
				c, s := visitBy(t, open, s, e)
				ssltest.WantStates(t, name, c, s, want, wantS)
			}
		}
	})
}

// cacheOf is what the Ctx's own cache has done.
func cacheOf(t testing.TB, ctx *ssl.Ctx) ssl.ClientCacheStats {
	t.Helper()
	st, err := ctx.Stats()
	if err != nil {
		t.Fatal(err)
	}
	return *st.ClientCache
}

// Who says what is to be offered, or that nothing is, is obeyed: the cache of the Ctx has no part.
func TestClientSessionsOfTheApplication(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		box := ssltest.NewInbox(t, cli)
		s, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
		mine := ssltest.NewCache(t, 0)
		e := claiming("tcp", "192.0.2.1:443")
		visitBy(t, plainClient(cctx), s, e)
		given := ssltest.Dup(t, box.Last(t))
		stores := cacheOf(t, cctx).Stores
		if stores == 0 {
			t.Fatal("nothing is in the Ctx's cache")
		}
		for _, tc := range []struct {
			name string
			set  func(*ssl.Conn) error
			want ssl.ReuseState
		}{
			{"SetSession", func(c *ssl.Conn) error { return c.SetSession(given) }, ssltest.Wants[fm.Name]},
			{"none", func(c *ssl.Conn) error { return c.UseSessionCache(ssl.NoSessionCache{}, "") },
				ssl.ReuseNoSession},
			{"another cache", func(c *ssl.Conn) error { return c.UseSessionCache(mine, "") }, ssl.ReuseNoSession},
			{"the same again", func(c *ssl.Conn) error { return c.UseSessionCache(mine, "") }, ssltest.Wants[fm.Name]},
			{"another after all", func(c *ssl.Conn) error {
				return errors.Join(c.UseSessionCache(mine, ""), c.UseSessionCache(ssl.NoSessionCache{}, ""),
					c.SetSession(given))
			}, ssltest.Wants[fm.Name]},
		} {
			open := func(raw net.Conn) (*ssl.Conn, error) {
				c, err := ssl.Client(raw, cctx)
				if err == nil {
					err = tc.set(c)
				}
				return c, err
			}
			if got, _ := visitBy(t, open, s, e); got != tc.want {
				t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
			}
		}
		if got := cacheOf(t, cctx); got.Stores != stores || got.Hits != 0 {
			t.Errorf("the cache of the Ctx was used: %+v", got)
		}
		if got, _ := visitBy(t, plainClient(cctx), s, e); got != ssltest.Wants[fm.Name] {
			t.Errorf("at the end: %q", got)
		}
	})
}

// Sessions belong to the verified name and the port, and where no name is verified to the
// address, whoever connects.
func TestWhereSessionsBelong(t *testing.T) {
	leakcheck.Test(t)
	srv := ssltest.ServerConfig(t)
	srv.NumTickets = 8
	s := ssltest.NewServerCtx(t, srv)
	verifying := ssltest.ClientConfig(t)
	blind := ssltest.CopyOf(verifying, ssltest.Insecure)
	keyed := ssltest.CopyOf(verifying,
		func(c *ssl.Config) { c.PSKs = []ssl.PSK{ssltest.NewPSK(t, "device", ssltest.PSKKey)} })
	for _, tc := range []struct {
		what        string
		cfg         *ssl.Config
		first, then namedAddr
		same        bool
	}{
		{"other address", verifying, namedAddr{"tcp", "192.0.2.1:443"}, namedAddr{"tcp", "192.0.2.2:443"}, true},
		{"other family", verifying, namedAddr{"tcp4", "192.0.2.1:443"}, namedAddr{"tcp6", "[2001:db8::1]:443"},
			true},
		{"port by name", verifying, namedAddr{"tcp", "192.0.2.1:https"}, namedAddr{"tcp", "192.0.2.2:443"}, true},
		{"other port", verifying, namedAddr{"tcp", "192.0.2.1:443"}, namedAddr{"tcp", "192.0.2.1:8443"}, false},
		{"other socket", verifying, namedAddr{"unix", "/run/a:443"}, namedAddr{"unix", "/run/b:443"}, false},
		{"the same socket", verifying, namedAddr{"unix", "/run/a"}, namedAddr{"unix", "/run/a"}, true},
		{"pipes", verifying, namedAddr{"pipe", "pipe"}, namedAddr{"pipe", "pipe"}, true},
		{"no address", verifying, namedAddr{}, namedAddr{}, true},
		{"unverified, other address", blind, namedAddr{"tcp", "192.0.2.1:443"}, namedAddr{"tcp", "192.0.2.2:443"},
			false},
		{"unverified, other port", blind, namedAddr{"tcp", "192.0.2.1:443"}, namedAddr{"tcp", "192.0.2.1:444"},
			false},
		{"unverified, the same", blind, namedAddr{"tcp", "192.0.2.1:443"}, namedAddr{"tcp", "192.0.2.1:443"}, true},
		{"with a key, other address", keyed, namedAddr{"tcp", "192.0.2.1:443"}, namedAddr{"tcp", "192.0.2.2:443"},
			false},
		{"with a key, the same", keyed, namedAddr{"tcp", "192.0.2.1:443"}, namedAddr{"tcp", "192.0.2.1:443"}, true},
		{"unverified, the same socket", blind, namedAddr{"unix", "/run/a"}, namedAddr{"unix", "/run/a"}, true},
		{"unverified pipes", blind, namedAddr{"pipe", "pipe"}, namedAddr{"pipe", "pipe"}, false},
		{"unverified sockets without a name", blind, namedAddr{"unix", "@"}, namedAddr{"unix", "@"}, false},
		{"unverified tunnels", blind, namedAddr{"tcp", "0.0.0.0:0"}, namedAddr{"tcp", "0.0.0.0:0"}, false},
		{"unverified, no address", blind, namedAddr{}, namedAddr{}, false},
	} {
		want := ssl.ReuseNoSession
		if tc.same {
			want = ssl.ReusedPSK
		}
		ctx := ssltest.NewClientCtx(t, tc.cfg)
		visitBy(t, plainClient(ctx), s, claiming(tc.first.network, tc.first.addr))
		if got, _ := visitBy(t, plainClient(ctx), s, claiming(tc.then.network, tc.then.addr)); got != want {
			t.Errorf("%s: %q, want %q", tc.what, got, want)
		}
		if tc.first.network == "" || tc.first.network == "pipe" || tc.first.addr == "@" ||
			tc.first.addr == "0.0.0.0:0" {
			continue
		}
		d := &ssl.Dialer{Ctx: ssltest.NewClientCtx(t, tc.cfg)}
		visitBy(t, dialerClient(d, tc.first.network, tc.first.addr), s, pipeEnds)
		if got, _ := visitBy(t, dialerClient(d, tc.then.network, tc.then.addr), s, pipeEnds); got != want {
			t.Errorf("%s, by a Dialer: %q, want %q", tc.what, got, want)
		}
	}
}

// A connection that has no address of its peer has one name for all of them where that is verified,
// and keeps nothing where it is not. A nil pointer is no address.
func TestClientWithoutRemoteAddr(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	for what, addr := range map[string]net.Addr{"nil": nil, "a nil *net.TCPAddr": (*net.TCPAddr)(nil)} {
		nowhere := func(t testing.TB) (client, server net.Conn) {
			a, b := ssltest.TCPPipe(t)
			return at{a, addr}, b
		}
		for _, verifies := range []bool{true, false} {
			cli := ssltest.ClientConfig(t)
			cli.InsecureSkipVerify = !verifies
			cctx := ssltest.NewClientCtx(t, cli)
			visitBy(t, plainClient(cctx), s, nowhere)
			if got, _ := visitBy(t, plainClient(cctx), s, nowhere); got.Resumed() != verifies {
				t.Errorf("%s, verifies %t: %v", what, verifies, got)
			}
		}
	}
}

// Three backends with the same ticket keys are one server as soon as one of them is known; a
// group of its own for each makes three of them.
func TestDialerBehindServiceDiscovery(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		keys, err := ssl.NewTicketKeys(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer keys.Close()
		srv.TicketKeys = keys
		s := ssltest.NewServerCtx(t, srv)
		for _, group := range []bool{false, true} {
			cctx := ssltest.NewClientCtx(t, cli)
			full := 0
			for range 2 {
				for _, addr := range []string{"192.0.2.1:443", "192.0.2.2:443", "192.0.2.3:443"} {
					d := ssl.Dialer{Ctx: cctx}
					if group {
						d.SessionGroup = addr
					}
					if got, _ := visitBy(t, dialerClient(&d, "tcp", addr), s, pipeEnds); !got.Resumed() {
						full++
					}
				}
			}
			if want := map[bool]int{false: 1, true: 3}[group]; full != want {
				t.Errorf("groups %t: %d full handshakes, want %d", group, full, want)
			}
		}
		joined := ssl.Dialer{Ctx: ssltest.NewClientCtx(t, cli), SessionGroup: "shop"}
		visitBy(t, dialerClient(&joined, "tcp", "192.0.2.1:443"), s, pipeEnds)
		if got, _ := visitBy(t, dialerClient(&joined, "unix", "/run/shop"), s, pipeEnds); !got.Resumed() {
			t.Errorf("one group for two ways: %q", got)
		}
	})
}

// What must be apart stays apart, whatever the group says.
func TestSessionGroupJoinsNoMore(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		srv.ClientAuth = ssl.RequestClientCert
		s, cache := ssltest.NewServerCtx(t, srv), ssltest.NewCache(t, 0)
		by := func(change func(*ssl.Config)) openBy {
			d := &ssl.Dialer{Ctx: ssltest.NewClientCtx(t, ssltest.CopyOf(cli, change)), Sessions: cache,
				SessionGroup: "g"}
			return dialerClient(d, "tcp", "192.0.2.1:443")
		}
		same := func(*ssl.Config) {}
		visitBy(t, by(same), s, pipeEnds)
		for name, change := range map[string]func(*ssl.Config){
			"name":      func(c *ssl.Config) { c.ServerName = "127.0.0.1" },
			"protocols": func(c *ssl.Config) { c.NextProtos = []string{"h2"} },
			"roots":     func(c *ssl.Config) { c.RootCAs = ssltest.BothRoots(t) },
			"blind":     ssltest.Insecure,
			"identity":  func(c *ssl.Config) { c.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client")} },
		} {
			if got, _ := visitBy(t, by(change), s, pipeEnds); got.Offered() {
				t.Errorf("%s: %q", name, got)
			}
		}
		if got, _ := visitBy(t, by(same), s, pipeEnds); got != ssltest.Wants[fm.Name] {
			t.Errorf("the same: %q", got)
		}
	})
}

// Early data goes with a session that a Client has found for itself.
func TestClientSendsEarlyData(t *testing.T) {
	leakcheck.Test(t)
	srv := ssltest.ServerConfig(t)
	srv.MaxEarlyData = 1024
	s, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, ssltest.ClientConfig(t))
	visitBy(t, plainClient(cctx), s, pipeEnds)
	a, b := ssltest.TCPPipe(t)
	c, err := ssl.Client(at{a, namedAddr{"pipe", "pipe"}}, cctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sc, err := ssl.Server(b, s)
	if err != nil {
		t.Fatal(err)
	}
	defer sc.Close()
	if limit, _, err := c.EarlyDataTerms(); err != nil || limit != 1024 {
		t.Fatalf("terms: %d, %v", limit, err)
	}
	if _, err := c.WriteEarlyData([]byte("early")); err != nil {
		t.Fatal(err)
	}
	sc.SetDeadline(time.Now().Add(ssltest.Timeout))
	got := make([]byte, 5)
	if n, err := sc.ReadEarlyData(got); err != nil || string(got[:n]) != "early" {
		t.Fatalf("%q, %v", got[:n], err)
	}
	if c, s := (ssltest.Pair{Client: c, Server: sc}).Shake(); c != nil || s != nil {
		t.Fatal(c, s)
	}
	if got := c.EarlyDataStatus(); got != ssl.EarlyDataAccepted {
		t.Error(got)
	}
}

// Two goroutines that begin at once, one with a session of its own: either is told the truth.
func TestClientSetSessionWhileItBegins(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	box := ssltest.NewInbox(t, cli)
	s, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
	visitBy(t, plainClient(cctx), s, pipeEnds)
	given := ssltest.Dup(t, box.Last(t))
	for range 20 {
		a, b := ssltest.TCPPipe(t)
		c, err := ssl.Client(at{a, namedAddr{"pipe", "pipe"}}, cctx)
		if err != nil {
			t.Fatal(err)
		}
		sc, err := ssl.Server(b, s)
		if err != nil {
			t.Fatal(err)
		}
		p := ssltest.Pair{Client: c, Server: sc}
		p.Server.SetDeadline(time.Now().Add(ssltest.Timeout))
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := c.SetSession(given); err != nil && !errors.Is(err, ssl.ErrHandshakeStarted) {
				t.Error(err)
			}
			if err := c.UseSessionCache(nil, ""); err != nil && !errors.Is(err, ssl.ErrHandshakeStarted) {
				t.Error(err)
			}
		})
		p.MustShake(t)
		wg.Wait()
		p.CloseBoth()
	}
}

// A Dialer closes what it was given and cannot use, also where it has not begun.
func TestDialerClientCloses(t *testing.T) {
	leakcheck.Test(t)
	ctx, server := ssltest.NewClientCtx(t, ssltest.ClientConfig(t)),
		ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	nameless := ssltest.NewClientCtx(t, ssltest.CopyOf(ssltest.ClientConfig(t),
		func(c *ssl.Config) { c.ServerName = "" }))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		what          string
		d             *ssl.Dialer
		ctx           context.Context
		network, addr string
		want          error
	}{
		{"nil Dialer", nil, t.Context(), "tcp", "localhost:1", ssl.ErrNil},
		{"no Ctx", &ssl.Dialer{}, t.Context(), "tcp", "localhost:1", ssl.ErrNil},
		{"nil context", &ssl.Dialer{Ctx: ctx}, nil, "tcp", "localhost:1", ssl.ErrNil},
		{"a server's Ctx", &ssl.Dialer{Ctx: server}, t.Context(), "tcp", "localhost:1", ssl.ErrServer},
		{"no name", &ssl.Dialer{Ctx: nameless}, t.Context(), "other", "nowhere", ssl.ErrConfig},
		{"no port", &ssl.Dialer{Ctx: nameless}, t.Context(), "tcp", "localhost", nil},
		{"ended context", &ssl.Dialer{Ctx: ctx}, ended, "tcp", "localhost:1", context.Canceled},
		{"peer that goes away", &ssl.Dialer{Ctx: ctx}, t.Context(), "tcp", "localhost:1", nil},
		{"Timeout", &ssl.Dialer{Ctx: ctx, NetDialer: &net.Dialer{Timeout: 1}}, t.Context(), "tcp", "localhost:1",
			context.DeadlineExceeded},
		{"Deadline", &ssl.Dialer{Ctx: ctx, NetDialer: &net.Dialer{Deadline: time.Unix(1, 0)}}, t.Context(), "tcp",
			"localhost:1", context.DeadlineExceeded},
	} {
		a, b := net.Pipe()
		if tc.what == "peer that goes away" {
			go func() { b.Read(make([]byte, 1)); b.Close() }()
		}
		raw := &ssltest.DeadConn{Conn: a}
		c, err := tc.d.Client(tc.ctx, raw, tc.network, tc.addr)
		if c != nil || err == nil || tc.want != nil && !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, %v, want %v", tc.what, c, err, tc.want)
		}
		if raw.Closed == 0 {
			t.Errorf("%s: the connection was left open", tc.what)
		}
		b.Close()
	}
	if _, err := (&ssl.Dialer{Ctx: ctx}).Client(t.Context(), nil, "tcp", "localhost:1"); !errors.Is(err,
		ssl.ErrNil) {
		t.Errorf("no connection: %v", err)
	}
}
