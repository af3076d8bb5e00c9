package closing_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// stubborn is a connection that once armed ends no Read and no Write, whatever is closed, until it
// is let go.
type stubborn struct {
	net.Conn
	armed  atomic.Bool
	inside chan struct{}
	let    chan struct{}
}

func newStubborn(c net.Conn) *stubborn {
	return &stubborn{Conn: c, inside: make(chan struct{}, 10), let: make(chan struct{})}
}

func (s *stubborn) wait() error {
	s.inside <- struct{}{}
	<-s.let
	return net.ErrClosed
}

func (s *stubborn) Read(b []byte) (int, error) {
	if s.armed.Load() {
		return 0, s.wait()
	}
	return s.Conn.Read(b)
}

func (s *stubborn) Write(b []byte) (int, error) {
	if s.armed.Load() {
		return 0, s.wait()
	}
	return s.Conn.Write(b)
}

// Close ends also the calls that wait for another one which nothing ends.
func TestCloseEndsCallsBehindAStuckOne(t *testing.T) {
	leakcheck.Test(t)
	cctx, sctx := ssltest.NewClientCtx(t, ssltest.ClientConfig(t)),
		ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	write := func(c *ssl.Conn) error { _, err := c.Write([]byte("x")); return err }
	read := func(c *ssl.Conn) error { _, err := c.Read(make([]byte, 1)); return err }
	for name, tc := range map[string]struct {
		shaken bool
		stuck  func(*ssl.Conn) error
		behind []func(*ssl.Conn) error
	}{
		"Write":     {true, write, []func(*ssl.Conn) error{write, (*ssl.Conn).CloseWrite}},
		"Read":      {true, read, []func(*ssl.Conn) error{read}},
		"Handshake": {false, (*ssl.Conn).Handshake, []func(*ssl.Conn) error{(*ssl.Conn).Handshake, read, write}},
	} {
		ssltest.Bubble(t, func(t *testing.T) {
			a, b := net.Pipe()
			s := newStubborn(a)
			p := ssltest.NewPair(t, cctx, sctx, s, b)
			if tc.shaken {
				p.MustShake(t)
				p.Echo(t)
			}
			s.armed.Store(true)
			stuck, behind := make(chan error, 1), make(chan error, len(tc.behind))
			go func() { stuck <- tc.stuck(p.Client) }()
			<-s.inside
			for _, call := range tc.behind {
				go func() { behind <- call(p.Client) }()
			}
			ssltest.PipeWire.Parked(t)
			p.Client.Close()
			for range tc.behind {
				select {
				case err := <-behind:
					if !ssltest.IsClosed(err) {
						t.Errorf("behind a %s: %v", name, err)
					}
				case <-time.After(ssltest.Timeout):
					t.Errorf("a call behind a %s goes on", name)
				}
			}
			close(s.let)
			if err := <-stuck; !ssltest.IsClosed(err) {
				t.Errorf("the %s: %v", name, err)
			}
		})
	}
}

// late is a connection that a context ends when the handshake has all but completed: when the Conn
// asks for the peer's address.
type late struct {
	net.Conn
	end    context.CancelFunc
	closed chan struct{}
	times  atomic.Int32
}

func (l *late) RemoteAddr() net.Addr {
	l.end()
	<-l.closed
	return l.Conn.RemoteAddr()
}

func (l *late) Close() error {
	if l.times.Add(1) == 1 {
		close(l.closed)
	}
	return l.Conn.Close()
}

// A handshake whose context has closed the connection is none: it says so every time.
func TestContextEndsWithTheHandshake(t *testing.T) {
	leakcheck.Test(t)
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		a, b := net.Pipe()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), a,
			&late{Conn: b, end: cancel, closed: make(chan struct{})})
		shaken := make(chan error, 1)
		go func() { shaken <- p.Client.Handshake() }()
		err := p.Server.HandshakeContext(ctx)
		again := p.Server.Handshake()
		if done := p.Server.HandshakeComplete(); err == nil || done || again == nil ||
			again.Error() != err.Error() {
			t.Errorf("%v, complete %t; once more: %v", err, done, again)
		}
		<-shaken
	})
}

// What a peer has sent can be read although it takes no answers any more.
func TestReadWithoutAnswers(t *testing.T) {
	leakcheck.Test(t)
	srv := ssltest.ServerConfig(t)
	cctx := ssltest.NewClientCtx(t, ssltest.ClientConfig(t))
	ssltest.ForEachWire(t, func(t *testing.T, w ssltest.Wire) {
		a, b := w.Pipe(t)
		broken := &ssltest.BrokenConn{Conn: a}
		c, r, _ := ssltest.FloodedClient(t, broken, b, cctx, srv, false)
		defer c.Close()
		broken.Broken.Store(true)
		const answer = 5 + 5 + 17 // at least: header, message, type and tag
		sent := make(chan error, 1)
		go func() {
			_, err := r.Write(append(r.KeyUpdates((128<<10)/answer), r.Record(ssltest.TypeData, []byte("pong"))...))
			sent <- err
		}()
		if err := ssltest.ReadUntil(c, "pong"); err != nil {
			t.Error(err)
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
		if n, err := c.Write([]byte("x")); n != 0 || err == nil {
			t.Errorf("Write: %d, %v", n, err)
		}
	})
}
