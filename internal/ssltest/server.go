package ssltest

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"sessl/ssl"
)

// Server is an echo server on loopback that dies with its test.
type Server struct {
	Addr string
	Ctx  *ssl.Ctx

	l      net.Listener
	wg     sync.WaitGroup
	mu     sync.Mutex
	reused []bool  // one a completed handshake, in order
	errs   []error // of failed handshakes
}

// StartServer starts a server with cfg, which ends with the test.
func StartServer(t testing.TB, cfg *ssl.Config) *Server {
	t.Helper()
	ctx := NewServerCtx(t, cfg)
	l, err := ssl.Listen("tcp", "127.0.0.1:0", ctx)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Addr: l.Addr().String(), Ctx: ctx, l: l}
	s.wg.Add(1)
	go s.accept()
	t.Cleanup(s.stop)
	return s
}

func (s *Server) stop() {
	s.l.Close()
	s.wg.Wait()
}

func (s *Server) accept() {
	defer s.wg.Done()
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		s.wg.Add(1)
		go s.serve(c.(*ssl.Conn))
	}
}

func (s *Server) serve(c *ssl.Conn) {
	defer s.wg.Done()
	defer c.Close()
	c.SetDeadline(time.Now().Add(Timeout))
	err := c.Handshake()
	s.mu.Lock()
	if err != nil {
		s.errs = append(s.errs, err)
	} else {
		s.reused = append(s.reused, c.SessionReused())
	}
	s.mu.Unlock()
	if err == nil {
		io.Copy(c, c)
	}
}

// LastReused is what the server says of its last completed handshake.
func (s *Server) LastReused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reused[len(s.reused)-1]
}

// Dial connects with the session, if one is given, and does an echo round trip, so that
// tickets have been read. The caller closes the Conn.
func Dial(t testing.TB, s *Server, ctx *ssl.Ctx, offer *ssl.Session) *ssl.Conn {
	t.Helper()
	c := ClientConn(t, s, ctx)
	if offer != nil {
		if err := c.SetSession(offer); err != nil {
			t.Fatal(err)
		}
	}
	RoundTrip(t, c)
	return c
}

// ClientConn connects without a handshake.
func ClientConn(t testing.TB, s *Server, ctx *ssl.Ctx) *ssl.Conn {
	t.Helper()
	raw, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ssl.Client(raw, ctx)
	if err != nil {
		raw.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(Timeout))
	OfferNothing(t, c)
	return c
}

// OfferNothing keeps a client from the cache of its Ctx: the test says what is offered.
func OfferNothing(t testing.TB, c *ssl.Conn) {
	t.Helper()
	if err := c.UseSessionCache(ssl.NoSessionCache{}, ""); err != nil {
		t.Fatal(err)
	}
}

// RoundTrip writes to an echo server and wants the same back.
func RoundTrip(t testing.TB, c *ssl.Conn) {
	t.Helper()
	const ping = "ping"
	if _, err := c.Write([]byte(ping)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, len(ping))
	if _, err := io.ReadFull(c, buf); err != nil {
		t.Fatal(err)
	}
	if string(buf) != ping {
		t.Fatalf("echo of %q is %q", ping, buf)
	}
}

// NameClient makes a client of ctx for name over a new connection to s.
func NameClient(t *testing.T, s *Server, ctx *ssl.Ctx, name string) (*ssl.Conn, error) {
	t.Helper()
	raw, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	c, err := ssl.ClientWithServerName(raw, ctx, name)
	if err == nil {
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(Timeout))
	}
	return c, err
}
