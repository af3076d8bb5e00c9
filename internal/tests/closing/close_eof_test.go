package closing_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A connection that just ends may have been cut short by anyone: io.ErrUnexpectedEOF.
// One that was ended by close_notify is over: io.EOF. At both ends, as often as asked.
func TestEndOfStream(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		for _, polite := range []bool{true, false} {
			for _, end := range []string{"client", "server"} {
				p := ssltest.NewTCPPair(t, cli, srv)
				p.MustShake(t)
				p.Echo(t)
				c, peer := p.Client, p.Server
				if end == "server" {
					c, peer = p.Server, p.Client
				}
				peer.Write([]byte("last words"))
				want := io.EOF
				if polite {
					peer.Close()
				} else {
					want = io.ErrUnexpectedEOF
					peer.NetConn().Close()
				}
				if err := ssltest.ReadUntil(c, "last words"); err != nil {
					t.Fatal(err)
				}
				for range 2 {
					if n, err := c.Read(make([]byte, 1)); n != 0 || err != want {
						t.Errorf("%s, close_notify %t: %d, %v", end, polite, n, err)
					}
				}
				c.Close()
				if _, err := c.Read(make([]byte, 1)); !ssltest.IsClosed(err) {
					t.Errorf("%s, close_notify %t, after Close: %v", end, polite, err)
				}
			}
		}
	})
}

// The end of the connection in the middle of a handshake is io.ErrUnexpectedEOF too.
func TestEndOfStreamInHandshake(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		p.Server.NetConn().Close()
		if err := p.Client.Handshake(); !errors.Is(err, io.ErrUnexpectedEOF) && !isReset(err) {
			t.Errorf("client: %v", err)
		}
		p = ssltest.NewTCPPair(t, cli, srv)
		p.Client.NetConn().Close()
		if err := p.Server.Handshake(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("server: %v", err)
		}
	})
}

// isReset: whoever sends to a socket that is closed may hear of that first.
func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op)
}

// A CloseWrite that met the write deadline can be called again, as a Write can: the peer then gets all data
// and the end, also that of the connection underneath.
func TestCloseWriteAgain(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		c, peer := p.Client, p.Server
		sent := 0
		for waits := false; !waits; { // until the peer's buffers are full
			c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
			n, err := c.Write(make([]byte, 64<<10))
			sent += n
			waits = n > 0 && err != nil
		}
		if err := c.CloseWrite(); !ssltest.IsTimeout(err) {
			t.Fatalf("CloseWrite behind data that the peer does not take: %v", err)
		}
		c.SetWriteDeadline(time.Now().Add(ssltest.Timeout))
		read := make(chan error, 1)
		go func() {
			n, err := io.Copy(io.Discard, peer)
			if err == nil && n != int64(sent) {
				err = fmt.Errorf("%d bytes, not %d", n, sent)
			}
			if err == nil && !ssltest.PlainTCP {
				if _, end := peer.NetConn().Read(make([]byte, 1)); end != io.EOF {
					err = fmt.Errorf("behind close_notify: %w", end)
				}
			}
			read <- err
		}()
		for range 2 {
			if err := c.CloseWrite(); err != nil {
				t.Error(err)
			}
		}
		if err := <-read; err != nil {
			t.Error("the peer:", err)
		}
		p.CloseBoth()
	})
}

// CloseWrite ends one direction; the other goes on until the peer ends it as well.
func TestCloseWrite(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		for _, end := range []string{"client", "server"} {
			p := ssltest.NewTCPPair(t, cli, srv)
			p.MustShake(t)
			c, peer := p.Client, p.Server
			if end == "server" {
				c, peer = p.Server, p.Client
			}
			done := make(chan error)
			go func() {
				read, err := io.ReadAll(peer)
				if err == nil && string(read) != "question" {
					err = errors.New("the peer read " + string(read))
				}
				// The socket is closed in this direction too.
				if _, end := peer.NetConn().Read(make([]byte, 1)); err == nil && end != io.EOF {
					err = end
				}
				if err == nil {
					_, err = peer.Write(make([]byte, 200<<10))
				}
				peer.Close()
				done <- err
			}()
			if _, err := c.Write([]byte("question")); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := c.CloseWrite(); err != nil {
					t.Error(err)
				}
			}
			for _, b := range []string{"x", ""} {
				if n, err := c.Write([]byte(b)); n != 0 || !ssltest.IsClosed(err) {
					t.Errorf("%s: Write of %q after CloseWrite: %d, %v", end, b, n, err)
				}
			}
			if read, err := io.ReadAll(c); len(read) != 200<<10 || err != nil {
				t.Errorf("%s: %d bytes, %v", end, len(read), err)
			}
			if err := <-done; err != nil {
				t.Errorf("%s: %v", end, err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// deaf is a net.Conn whose deadlines do nothing; those of broken ones fail.
type deaf struct {
	net.Conn
	broken bool
}

func (d deaf) SetDeadline(time.Time) error {
	if d.broken {
		return errors.New("no deadlines here")
	}
	return nil
}

func (d deaf) SetReadDeadline(t time.Time) error { return d.SetDeadline(t) }

func (d deaf) SetWriteDeadline(t time.Time) error { return d.SetDeadline(t) }

// Close also ends what waits on a connection that knows no deadlines; such a Read or
// Write is ended by the Close underneath.
func TestCloseWithoutDeadlines(t *testing.T) {
	for _, broken := range []bool{false, true} {
		ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
			ssltest.Bubble(t, func(t *testing.T) {
				a, b := net.Pipe()
				p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), deaf{a, broken}, b)
				p.MustShake(t)
				p.Echo(t)
				errs := make(chan error)
				go func() {
					_, err := p.Client.Read(make([]byte, 1))
					errs <- err
				}()
				go func() {
					_, err := p.Client.Write(make([]byte, 1<<20))
					errs <- err
				}()
				synctest.Wait()
				p.Client.Close()
				for range 2 {
					if err := <-errs; !ssltest.IsClosed(err) {
						t.Error(err)
					}
				}
			})
		})
	}
}

// lazy is a net.Conn that takes its time to set the write deadline to never: until
// another call has set one, or as good as certainly would have if nothing kept him.
type lazy struct {
	net.Conn
	closed func() bool
	sets   atomic.Int32
}

func (l *lazy) SetWriteDeadline(t time.Time) error {
	sets := l.sets.Add(1)
	if t.IsZero() {
		for !l.closed() {
			runtime.Gosched()
		}
		for i := 0; i < 100_000 && l.sets.Load() == sets; i++ {
			runtime.Gosched()
		}
	}
	return l.Conn.SetWriteDeadline(t)
}

// A SetWriteDeadline that was under way when Close began does not take away the deadline
// that Close sets for itself: with a peer that reads nothing, Close would wait for ever.
func TestDeadlineDuringClose(t *testing.T) {
	leakcheck.Test(t)
	a, b := net.Pipe()
	l := &lazy{Conn: a}
	p := ssltest.NewPair(t, ssltest.NewClientCtx(t, ssltest.ClientConfig(t)),
		ssltest.NewServerCtx(t, ssltest.ServerConfig(t)), l, b)
	p.MustShake(t)
	p.Echo(t)
	l.closed = func() bool {
		s, err := p.Client.Session()
		s.Close()
		return ssltest.IsClosed(err)
	}
	set, closed := make(chan struct{}), make(chan struct{})
	before := l.sets.Load()
	go func() {
		defer close(set)
		p.Client.SetWriteDeadline(time.Time{})
	}()
	for l.sets.Load() == before {
		runtime.Gosched()
	}
	go func() {
		defer close(closed)
		p.Client.Close()
	}()
	select {
	case <-closed:
	case <-time.After(ssltest.Timeout):
		t.Error("Close does not return")
	}
	b.Close()
	<-set
	<-closed
}
