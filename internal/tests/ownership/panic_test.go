package ownership_test

import (
	"errors"
	"net"
	"runtime"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A panic in OnNewSession surfaces from the call in which the session came, at either end.
func TestPanicInOnNewSession(t *testing.T) {
	for _, role := range []string{"client", "server"} {
		t.Run(role, func(t *testing.T) {
			ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
				cfg := cli
				if role == "server" {
					cfg = srv
				}
				cfg.OnNewSession = func(_ *ssl.Conn, s *ssl.Session) { s.Close(); panic(ssltest.OnPurpose) }
				p := ssltest.NewTCPPair(t, cli, srv)
				c, peer := p.Client, p.Server
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
				r := ssltest.Recovered(func() { c.Handshake() })
				if r == nil {
					surfaced = "Read"
					r = ssltest.Recovered(func() { c.Read(make([]byte, 4)) })
				}
				if role == "server" && fm.Version == ssl.VersionTLS12 && fm.Tickets {
					if r != nil {
						t.Errorf("recovered %v; the session left in the ticket", r)
					}
					peer.Close()
					<-ended
					return
				}
				if r != ssltest.OnPurpose {
					t.Fatalf("recovered %v", r)
				}
				want := "Handshake"
				if role == "client" && fm.Version == ssl.VersionTLS13 {
					want = "Read"
				}
				if surfaced != want {
					t.Errorf("it surfaced from %s, want %s", surfaced, want)
				}
				ssltest.WantAbandoned(t, c, before)
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
				ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
					cfg := cli
					if role == "server" {
						cfg = srv
					}
					got := ssltest.NewInbox(t, cfg)
					cfg.VerifyConnection = func(ssl.ConnectionState) error { panic(ssltest.OnPurpose) }
					p := ssltest.NewTCPPair(t, cli, srv)
					c, peer := p.Client, p.Server
					if role == "server" {
						c, peer = peer, c
					}
					ended := make(chan struct{})
					go func() {
						defer close(ended)
						peer.Read(make([]byte, 1))
					}()
					before := ssl.ReadCounters()
					if r := ssltest.Recovered(func() { call(c) }); r != ssltest.OnPurpose {
						t.Fatalf("recovered %v", r)
					}
					if n := len(got.All()); n != 0 {
						t.Errorf("%d sessions were delivered", n)
					}
					ssltest.WantAbandoned(t, c, before)
					<-ended
				})
			})
		}
	}
}

// A function of the application can also end its goroutine: t.FailNow does.
func TestGoexitInOnNewSession(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	cli.MaxVersion = ssl.VersionTLS12
	cli.OnNewSession = func(_ *ssl.Conn, s *ssl.Session) { s.Close(); runtime.Goexit() }
	s := ssltest.StartServer(t, srv)
	c := ssltest.ClientConn(t, s, ssltest.NewClientCtx(t, cli))
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
