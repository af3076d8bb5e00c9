package resumption_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// asked is a connection that calls f when it is asked who the peer is.
type asked struct {
	net.Conn
	f func()
}

func (a asked) RemoteAddr() net.Addr {
	a.f()
	return a.Conn.RemoteAddr()
}

// A session that can be used once is not lost with a connection that has never sent it, and a
// connection takes one and no more.
func TestUnsentSessionsAreKept(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.EarlyConfigs(t)
	cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
	open := func(t *testing.T, raw func(net.Conn) net.Conn, tickets int) (c, s *ssl.Conn) {
		a, b := ssltest.TCPPipe(t)
		c, err := ssl.Client(raw(at{a, namedAddr{"tcp", "192.0.2.1:443"}}), cctx)
		if err != nil {
			t.Fatal(err)
		}
		s, err = ssl.Server(b, sctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SetNumTickets(tickets); err != nil {
			t.Fatal(err)
		}
		return c, s
	}
	as := func(c net.Conn) net.Conn { return c }
	resumes := func(t *testing.T, c, s *ssl.Conn) ssl.ReuseState {
		t.Helper()
		served := make(chan error, 1)
		go func() { served <- ssltest.EchoOnce(s) }()
		ssltest.RoundTrip(t, c)
		if err := <-served; err != nil {
			t.Fatal(err)
		}
		ssltest.Pair{Client: c, Server: s}.CloseBoth()
		return c.ReuseState()
	}
	for name, try := range map[string]func(t *testing.T) (c, s *ssl.Conn){
		"a deadline": func(t *testing.T) (c, s *ssl.Conn) {
			c, s = open(t, as, 0)
			c.SetReadDeadline(time.Unix(1, 0))
			if err := c.Handshake(); !ssltest.IsTimeout(err) {
				t.Error(err)
			}
			c.SetReadDeadline(time.Time{})
			return c, s
		},
		"terms of early data": func(t *testing.T) (c, s *ssl.Conn) {
			c, s = open(t, as, 0)
			for range 3 {
				if _, _, err := c.EarlyDataTerms(); err != nil {
					t.Error(err)
				}
			}
			return c, s
		},
		"a context": func(t *testing.T) (c, s *ssl.Conn) {
			ctx, cancel := context.WithCancel(context.Background())
			c, s = open(t, func(c net.Conn) net.Conn { return asked{c, cancel} }, 0)
			if err := c.HandshakeContext(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			ssltest.Pair{Client: c, Server: s}.CloseBoth()
			return open(t, as, 0)
		},
		"a Close": func(t *testing.T) (c, s *ssl.Conn) {
			c, s = open(t, as, 0)
			if _, _, err := c.EarlyDataTerms(); err != nil {
				t.Error(err)
			}
			ssltest.Pair{Client: c, Server: s}.CloseBoth()
			return open(t, as, 0)
		},
		"another cache": func(t *testing.T) (c, s *ssl.Conn) {
			c, s = open(t, as, 0)
			if _, _, err := c.EarlyDataTerms(); err != nil {
				t.Error(err)
			}
			if err := c.UseSessionCache(ssl.NoSessionCache{}, ""); err != nil {
				t.Error(err)
			}
			ssltest.Pair{Client: c, Server: s}.CloseBoth()
			return open(t, as, 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := open(t, as, 2)
			if got := resumes(t, c, s); got.Resumed() {
				t.Fatalf("the first: %v", got)
			}
			c, s = try(t)
			if got := resumes(t, c, s); !got.Resumed() {
				t.Errorf("after %s: %v", name, got)
			}
			c, s = open(t, as, 0)
			if got := resumes(t, c, s); !got.Resumed() {
				t.Errorf("with the second session: %v", got)
			}
			c, s = open(t, as, 0)
			if got := resumes(t, c, s); got.Resumed() {
				t.Errorf("a session was used twice: %v", got)
			}
		})
	}
}
