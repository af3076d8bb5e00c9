package early_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A Dialer takes a session from the cache, sends all or nothing, and leaves what was not
// accepted to its caller. Each ticket is used once.
func TestDialEarly(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.EarlyConfigs(t)
	srv.SessionTicketsDisabled = true // for them to be flushed
	sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
	l, err := ssl.Listen("tcp", "127.0.0.1:0", sctx)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string)
	go func() {
		defer close(got)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c := conn.(*ssl.Conn)
			early, _ := io.ReadAll(ssltest.EarlyReader{C: c})
			late, _ := io.ReadAll(c)
			got <- string(early) + "|" + string(late)
			c.Close()
		}
	}()
	defer func() {
		l.Close()
		<-got
	}()
	d := &ssl.Dialer{Ctx: cctx}
	dial := func(data string, want ssl.EarlyDataStatus, server string) {
		t.Helper()
		c, err := d.DialEarly(context.Background(), "tcp", l.Addr().String(), []byte(data))
		if err != nil {
			t.Fatal(err)
		}
		if s := c.EarlyDataStatus(); s != want {
			t.Errorf("%.10q: %v, want %v", data, s, want)
		}
		if _, err := c.Write([]byte("later")); err != nil {
			t.Fatal(err)
		}
		c.CloseWrite()
		if g := <-got; g != server {
			t.Errorf("the server has %q, want %q", g, server)
		}
		io.Copy(io.Discard, c) // the tickets
		c.Close()
	}
	dial("one", ssl.EarlyDataNotSent, "|later")
	dial("two", ssl.EarlyDataAccepted, "two|later")
	dial("three", ssl.EarlyDataAccepted, "three|later")
	dial(strings.Repeat("x", 16<<10+1), ssl.EarlyDataNotSent, "|later")
	if err := sctx.FlushSessions(time.Time{}); err != nil {
		t.Fatal(err)
	}
	dial("four", ssl.EarlyDataRejected, "|later")
	d.Sessions = ssl.NoSessionCache{}
	dial("five", ssl.EarlyDataNotSent, "|later")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := d.DialEarly(ctx, "tcp", l.Addr().String(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

// A context ends a DialEarly whose server takes nothing.
func TestDialEarlyCancelled(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.EarlyConfigs(t)
	srv.MaxEarlyData = 16 << 20
	sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
	s := ssltest.EarlySession(t, cctx, sctx)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cache := oneSession{s}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := (&ssl.Dialer{Ctx: cctx, Sessions: cache}).DialEarly(ctx, "tcp", l.Addr().String(),
			make([]byte, 16<<20))
		done <- err
	}()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil { // it has begun
		t.Fatal(err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// oneSession is a cache that always has the same.
type oneSession struct{ s *ssl.Session }

func (o oneSession) Put(_ ssl.SessionKey, s *ssl.Session) { s.Close() }

func (o oneSession) Remove(_ ssl.SessionKey, s *ssl.Session) {}

func (o oneSession) Take(ssl.SessionKey) (*ssl.Session, ssl.ReuseState) {
	s, err := o.s.UpRef()
	if err != nil {
		return nil, ssl.ReuseNoSession
	}
	return s, ssl.ReuseUnknown
}

// Connect leaves the handshake to its caller, who learns what may be sent before it, and in
// which protocol.
func TestConnectEarly(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.EarlyConfigs(t)
	srv.NextProtos, cli.NextProtos = []string{"a"}, []string{"b", "a"}
	s := ssltest.StartServer(t, srv)
	d := &ssl.Dialer{Ctx: ssltest.NewClientCtx(t, cli)}
	connect := func() *ssl.Conn {
		t.Helper()
		c, err := d.Connect(t.Context(), "tcp", s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(ssltest.Timeout))
		return c
	}
	c := connect()
	if c.HandshakeComplete() {
		t.Error("the handshake has been done")
	}
	if _, _, err := c.EarlyDataTerms(); !errors.Is(err, ssl.ErrNoEarlyData) || !strings.Contains(err.Error(),
		"no session") {
		t.Errorf("without a session: %v", err)
	}
	ssltest.RoundTrip(t, c) // which does it
	c.Close()
	c = connect()
	for left, put := uint32(16<<10), 0; put < 3; put++ {
		if n, proto, err := c.EarlyDataTerms(); n != left || proto != "a" || err != nil {
			t.Errorf("after %d bytes: %d of %q, %v", put, n, proto, err)
		}
		if _, err := c.WriteEarlyData([]byte{'x'}); err != nil {
			t.Fatal(err)
		}
		left--
	}
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.EarlyDataTerms(); !errors.Is(err, ssl.ErrHandshakeStarted) {
		t.Errorf("after the handshake: %v", err)
	}
	var none *ssl.Conn
	_, _, err := none.EarlyDataTerms()
	a, _ := net.Pipe()
	server, err2 := ssl.Server(a, s.Ctx)
	if err2 != nil {
		t.Fatal(err2)
	}
	defer server.Close()
	_, _, err3 := server.EarlyDataTerms()
	ssltest.RefusesAll(t, []ssltest.Refusal{{"nil", err, ssl.ErrNil}, {"server", err3, ssl.ErrServer},
		{"no Ctx", ssltest.ErrorAlone((&ssl.Dialer{}).Connect(t.Context(), "tcp", s.Addr)), ssl.ErrNil}})
}

// The protocols of the connection count, and not those of its Ctx, whether SetNextProtos comes before
// or after the session.
func TestEarlyDataOfConnProtos(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.EarlyConfigs(t)
	srv.NextProtos, cli.NextProtos = []string{"a", "b"}, []string{"a", "b"}
	sctx, both := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
	onlyB := ssltest.NewClientCtx(t, ssltest.CopyOf(cli, ssltest.Protos("b")))
	for _, early := range []bool{true, false} {
		for _, after := range []bool{true, false} {
			s := ssltest.EarlySession(t, both, sctx) // of protocol a
			cctx, own := both, []string{"b"}
			if early {
				cctx, own = onlyB, []string{"a"}
			}
			x, y := ssltest.TCPPipe(t)
			p := ssltest.NewPair(t, cctx, sctx, x, y)
			set := []func() error{func() error { return p.Client.SetNextProtos(own) },
				func() error { return p.Client.SetSession(s) }}
			if after {
				slices.Reverse(set)
			}
			for _, f := range set {
				if err := f(); err != nil {
					t.Fatal(err)
				}
			}
			if _, proto, err := p.Client.EarlyDataTerms(); early != (err == nil) || early != (proto == "a") {
				t.Errorf("set after the session %t: the terms are for %q, %v", after, proto, err)
			}
			if early {
				p.WantEarly(t, ssl.EarlyDataAccepted)
			} else {
				wantNoEarly(t, p)
			}
			p.CloseBoth()
		}
	}
}
