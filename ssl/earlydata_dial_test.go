package ssl_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// A Dialer takes a session from the cache, sends all or nothing, and leaves what was not
// accepted to its caller. Each ticket is used once.
func TestDialEarly(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := earlyConfigs(t)
	sctx, cctx := newServerCtx(t, srv), newClientCtx(t, cli)
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
			early, _ := io.ReadAll(earlyReader{c})
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
	srv, cli := earlyConfigs(t)
	srv.MaxEarlyData = 16 << 20
	sctx, cctx := newServerCtx(t, srv), newClientCtx(t, cli)
	s := earlySession(t, cctx, sctx)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cache := oneSession{s}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := (&ssl.Dialer{Ctx: cctx, Sessions: cache}).DialEarly(ctx, "tcp", l.Addr().String(), make([]byte, 16<<20))
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

func (o oneSession) Put(_ ssl.SessionKey, s *ssl.Session)    { s.Close() }
func (o oneSession) Remove(_ ssl.SessionKey, s *ssl.Session) {}
func (o oneSession) Take(ssl.SessionKey) (*ssl.Session, ssl.ReuseState) {
	s, err := o.s.UpRef()
	if err != nil {
		return nil, ssl.ReuseNoSession
	}
	return s, ssl.ReuseUnknown
}
