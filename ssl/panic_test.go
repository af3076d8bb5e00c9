package ssl_test

import (
	"errors"
	"net"
	"runtime"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

const onPurpose = "on purpose"

// recovered is what f panics with.
func recovered(f func()) (r any) {
	defer func() { r = recover() }()
	f()
	return nil
}

// wantAbandoned checks that nobody has to close a Conn whose Config panicked.
func wantAbandoned(t *testing.T, c *ssl.Conn, before ssl.Counters) {
	t.Helper()
	if n := ssl.ReadCounters().Conns.Closed - before.Conns.Closed; n != 1 {
		t.Errorf("%d Conns were closed, want this one", n)
	}
	if _, err := c.NetConn().Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the socket: %v, want it closed", err)
	}
	var e *ssl.Error
	if _, err := c.Read(make([]byte, 1)); !errors.As(err, &e) {
		t.Errorf("Read: %v, want an *ssl.Error", err)
	}
	if _, err := c.Write([]byte("x")); !errors.As(err, &e) {
		t.Errorf("Write: %v, want an *ssl.Error", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// A panic in OnNewSession surfaces from the call in which the session came, at either end.
func TestPanicInOnNewSession(t *testing.T) {
	for _, role := range []string{"client", "server"} {
		t.Run(role, func(t *testing.T) {
			forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
				cfg := cli
				if role == "server" {
					cfg = srv
				}
				cfg.OnNewSession = func(_ *ssl.Conn, s *ssl.Session) { s.Close(); panic(onPurpose) }
				p := newTCPPair(t, cli, srv)
				c, peer := p.client, p.server
				if role == "server" {
					c, peer = peer, c
				}
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					peer.Write([]byte("data")) // some of it works, and it ends
					peer.Read(make([]byte, 1))
				}()
				before := ssl.ReadCounters()
				surfaced := "Handshake"
				r := recovered(func() { c.Handshake() })
				if r == nil {
					surfaced = "Read"
					r = recovered(func() { c.Read(make([]byte, 4)) })
				}
				if role == "server" && fm.version == ssl.VersionTLS12 && fm.tickets {
					if r != nil {
						t.Errorf("recovered %v; the session left in the ticket", r)
					}
					peer.Close()
					<-ended
					return
				}
				if r != onPurpose {
					t.Fatalf("recovered %v", r)
				}
				want := "Handshake"
				if role == "client" && fm.version == ssl.VersionTLS13 {
					want = "Read"
				}
				if surfaced != want {
					t.Errorf("it surfaced from %s, want %s", surfaced, want)
				}
				wantAbandoned(t, c, before)
				<-ended
			})
		})
	}
}

// A panic in VerifyConnection surfaces from whatever call did the handshake.
func TestPanicInVerifyConnection(t *testing.T) {
	calls := map[string]func(c *ssl.Conn){
		"Handshake": func(c *ssl.Conn) { c.Handshake() },
		"Read":      func(c *ssl.Conn) { c.Read(make([]byte, 1)) },
		"Write":     func(c *ssl.Conn) { c.Write([]byte("x")) },
	}
	for name, call := range calls {
		for _, role := range []string{"client", "server"} {
			t.Run(name+"/"+role, func(t *testing.T) {
				forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
					cfg := cli
					if role == "server" {
						cfg = srv
					}
					got := newInbox(t, cfg)
					cfg.VerifyConnection = func(ssl.ConnectionState) error { panic(onPurpose) }
					p := newTCPPair(t, cli, srv)
					c, peer := p.client, p.server
					if role == "server" {
						c, peer = peer, c
					}
					ended := make(chan struct{})
					go func() {
						defer close(ended)
						peer.Read(make([]byte, 1))
					}()
					before := ssl.ReadCounters()
					if r := recovered(func() { call(c) }); r != onPurpose {
						t.Fatalf("recovered %v", r)
					}
					if n := len(got.all()); n != 0 {
						t.Errorf("%d sessions were delivered", n)
					}
					wantAbandoned(t, c, before)
					<-ended
				})
			})
		}
	}
}

// A function of the application can also end its goroutine: t.FailNow does.
func TestGoexitInOnNewSession(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := serverConfig(t), clientConfig(t)
	cli.MaxVersion = ssl.VersionTLS12
	cli.OnNewSession = func(_ *ssl.Conn, s *ssl.Session) { s.Close(); runtime.Goexit() }
	s := startServer(t, srv)
	c := clientConn(t, s, newClientCtx(t, cli))
	before := ssl.ReadCounters()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.Handshake()
		t.Error("Handshake returned")
	}()
	<-ended
	if n := ssl.ReadCounters().Conns.Closed - before.Conns.Closed; n < 1 {
		t.Error("the Conn was not closed")
	}
	if _, err := c.NetConn().Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the socket: %v, want it closed", err)
	}
}
