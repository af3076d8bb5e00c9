package conns_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// memListener accepts one end of each net.Pipe that it makes.
type memListener struct {
	conns chan net.Conn
	end   chan struct{}
}

func newMemListener() *memListener {
	return &memListener{make(chan net.Conn), make(chan struct{})}
}

func (l *memListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.end:
		return nil, net.ErrClosed
	}
}

func (l *memListener) Close() error { close(l.end); return nil }

func (l *memListener) Addr() net.Addr { return &net.UnixAddr{} }

// accepted is what a listener of ctx makes of a connection, and the client's end of that.
func accepted(t *testing.T, ctx *ssl.Ctx) (*ssl.Conn, net.Conn) {
	t.Helper()
	inner := newMemListener()
	l := ssl.NewListener(inner, ctx)
	t.Cleanup(func() { l.Close() })
	a, b := net.Pipe()
	t.Cleanup(func() { a.Close() })
	go func() { inner.conns <- b }()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*ssl.Conn), a
}

// handshakeCalls are the calls that begin a server's handshake.
var handshakeCalls = map[string]func(*ssl.Conn) error{
	"Handshake": (*ssl.Conn).Handshake,
	"HandshakeContext": func(c *ssl.Conn) error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		return c.HandshakeContext(ctx)
	},
	"Read":          func(c *ssl.Conn) error { return errOfN(c.Read(make([]byte, 1))) },
	"Write":         func(c *ssl.Conn) error { return errOfN(c.Write([]byte("x"))) },
	"ReadEarlyData": func(c *ssl.Conn) error { return errOfN(c.ReadEarlyData(make([]byte, 1))) },
	"short deadlines": func(c *ssl.Conn) error {
		for {
			c.SetReadDeadline(time.Now().Add(7 * time.Second))
			if err := c.Handshake(); !errors.Is(err, os.ErrDeadlineExceeded) {
				return err
			}
		}
	},
}

// pass lets a bubble's time go by.
func pass(d time.Duration) { <-time.After(d) }

func errOfN(_ int, err error) error { return err }

// A client that says nothing, or a byte now and then, is left after the limit of the Ctx, by
// default half a minute, whichever call waits for it.
func TestHandshakeTimeout(t *testing.T) {
	leakcheck.Test(t)
	for _, limit := range []time.Duration{0, 5 * time.Second} {
		srv := ssltest.ServerConfig(t)
		srv.HandshakeTimeout, srv.MaxEarlyData = limit, 100
		ctx := ssltest.NewServerCtx(t, srv)
		want := limit
		if limit == 0 {
			want = 30 * time.Second
		}
		if got := ctx.HandshakeTimeout(); got != want {
			t.Errorf("HandshakeTimeout %v is %v", limit, got)
		}
		for name, begin := range handshakeCalls {
			for _, trickle := range []bool{false, true} {
				ssltest.Bubble(t, func(t *testing.T) {
					c, peer := accepted(t, ctx)
					if trickle {
						go func() {
							hello := []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
							for i := 0; errOfN(peer.Write(hello[i:i+1])) == nil; i++ {
								pass(4 * time.Second) // of the bubble's
							}
						}()
					}
					start := time.Now()
					err := begin(c)
					defer pass(time.Minute) // for the client to see it
					var e net.Error
					if !errors.Is(err, ssl.ErrHandshakeTimeout) || !errors.Is(err, context.DeadlineExceeded) ||
						!errors.As(err, &e) || !e.Timeout() {
						t.Errorf("%s: %v", name, err)
					}
					if took := time.Since(start); took != want {
						t.Errorf("%s: limit %v, it took %v", name, want, took)
					}
					if again := c.Handshake(); !errors.Is(again, ssl.ErrHandshakeTimeout) {
						t.Errorf("%s: afterwards %v", name, again)
					}
					if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
						t.Errorf("%s: the connection goes on: %v", name, err)
					}
				})
			}
		}
	}
}

// The limit is the handshake's alone: nothing of it is left when that is complete, a negative
// one is none, and what the application sets itself comes first.
func TestHandshakeTimeoutIsNoMore(t *testing.T) {
	leakcheck.Test(t)
	for _, v := range ssltest.Versions {
		srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
		srv.MaxVersion = v
		ssltest.Bubble(t, func(t *testing.T) {
			p := ssltest.NewPipePair(t, cli, srv)
			p.Server.SetDeadline(time.Time{})
			p.MustShake(t)
			pass(time.Hour)
			p.Client.SetDeadline(time.Now().Add(ssltest.Timeout))
			p.Echo(t)
			p.CloseBoth()
		})
		srv.HandshakeTimeout = -1
		ssltest.Bubble(t, func(t *testing.T) {
			sctx := ssltest.NewServerCtx(t, srv)
			if d := sctx.HandshakeTimeout(); d != 0 {
				t.Errorf("without a limit it is %v", d)
			}
			a, b := net.Pipe()
			p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), sctx, a, b)
			p.Server.SetDeadline(time.Time{})
			done := make(chan error)
			go func() { done <- p.Server.Handshake() }()
			pass(24 * time.Hour)
			p.Client.SetDeadline(time.Now().Add(ssltest.Timeout))
			if err := errors.Join(p.Client.Handshake(), <-done); err != nil {
				t.Error(err)
			}
			p.CloseBoth()
		})
	}
	ssltest.Bubble(t, func(t *testing.T) {
		c, _ := accepted(t, ssltest.NewServerCtx(t, ssltest.ServerConfig(t)))
		why := errors.New("no time for this")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, why)
		defer cancel()
		if err := c.HandshakeContext(ctx); !errors.Is(err, why) || errors.Is(err, ssl.ErrHandshakeTimeout) {
			t.Errorf("the application's own limit: %v", err)
		}
	})
}

// The limit is that of the Ctx that the connection began with, and ends what the application's
// functions wait for.
func TestHandshakeTimeoutOfFunctions(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.HandshakeTimeout = 3 * time.Second
	srv.GetConfigForClient = func(hello *ssl.ClientHelloInfo) (*ssl.Ctx, error) {
		<-hello.Context().Done()
		return nil, context.Cause(hello.Context())
	}
	ssltest.Bubble(t, func(t *testing.T) {
		p := ssltest.NewPipePair(t, cli, srv)
		start := time.Now()
		client, server := p.Shake()
		if !errors.Is(server, ssl.ErrHandshakeTimeout) || client == nil ||
			time.Since(start) != srv.HandshakeTimeout {
			t.Errorf("after %v: client %v, server %v", time.Since(start), client, server)
		}
		p.CloseBoth()
	})
}

// What an application takes for early data is not the client's time; what the client then takes
// for the rest of the handshake is.
func TestHandshakeTimeoutOfEarlyData(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.EarlyConfigs(t)
	srv.HandshakeTimeout = 10 * time.Second
	cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
	s, stalls := ssltest.EarlySession(t, cctx, sctx), ssltest.EarlySession(t, cctx, sctx)
	begin := func(t *testing.T, s *ssl.Session) ssltest.Pair {
		a, b := net.Pipe()
		p := ssltest.NewPair(t, cctx, sctx, a, b)
		p.Server.SetDeadline(time.Time{})
		if err := p.Client.SetSession(s); err != nil {
			t.Fatal(err)
		}
		go p.Client.WriteEarlyData([]byte("early"))
		if n, err := p.Server.ReadEarlyData(make([]byte, 100)); n != 5 || err != nil {
			t.Fatal(n, err)
		}
		pass(time.Minute) // of the application's work
		return p
	}
	ssltest.Bubble(t, func(t *testing.T) {
		p := begin(t, s)
		p.Client.SetDeadline(time.Now().Add(ssltest.Timeout))
		if client, server := p.Shake(); client != nil || server != nil {
			t.Errorf("client %v, server %v", client, server)
		}
		p.CloseBoth()
	})
	ssltest.Bubble(t, func(t *testing.T) {
		p := begin(t, stalls)
		synctest.Wait()
		start := time.Now()
		if err := p.Server.Handshake(); !errors.Is(err, ssl.ErrHandshakeTimeout) ||
			time.Since(start) != srv.HandshakeTimeout {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		p.CloseBoth()
	})
}

func TestHandshakeTimeoutConfig(t *testing.T) {
	leakcheck.Test(t)
	cli := ssltest.ClientConfig(t)
	cli.HandshakeTimeout = time.Second
	if err := cli.CheckClient(); !errors.Is(err, ssl.ErrConfig) || !strings.Contains(err.Error(),
		"HandshakeTimeout") {
		t.Error(err)
	}
	var none *ssl.Ctx
	if d := none.HandshakeTimeout(); d != 0 {
		t.Errorf("nil: %v", d)
	}
	if d := ssltest.NewClientCtx(t, ssltest.ClientConfig(t)).HandshakeTimeout(); d != 0 {
		t.Errorf("a client: %v", d)
	}
}
