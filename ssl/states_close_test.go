package ssl_test

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// Close says goodbye over a connection that knows no deadlines, or says that it does, at both
// ends, whether a Read is under way or not.
func TestCloseWithoutDeadlinesIsOrderly(t *testing.T) {
	for _, broken := range []bool{false, true} {
		for _, reads := range []bool{false, true} {
			forEachWireAndVersion(t, func(t *testing.T, w wire, srv, cli *ssl.Config) {
				for _, end := range []victim{clientEnd, serverEnd} {
					a, b := w.pipe(t)
					p := newPair(t, newClientCtx(t, cli), newServerCtx(t, srv), deaf{a, broken}, deaf{b, broken})
					p.mustShake(t)
					p.echo(t)
					c, peer := p.client, p.server
					if end == serverEnd {
						c, peer = peer, c
					}
					read := make(chan error, 1)
					if reads {
						go func() {
							_, err := c.Read(make([]byte, 1))
							read <- err
						}()
						w.parked(t)
					}
					closed := make(chan error, 1)
					go func() { closed <- c.Close() }()
					if n, err := peer.Read(make([]byte, 1)); n != 0 || err != io.EOF {
						t.Errorf("deadlines fail %t, a Read is under way %t: the peer of the %s: %d, %v", broken, reads, end, n, err)
					}
					peer.Close()
					if err := <-closed; err != nil {
						t.Error(err)
					}
					if reads {
						if err := <-read; err != io.EOF && !isClosed(err) { // the peer says goodbye, too
							t.Error(err)
						}
					}
				}
			})
		}
	}
}

// A peer that takes nothing keeps such a Close for a moment only, and no goroutine stays.
func TestCloseWithoutDeadlinesEnds(t *testing.T) {
	for _, broken := range []bool{false, true} {
		forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
			bubble(t, func(t *testing.T) {
				a, b := net.Pipe()
				p := newPair(t, newClientCtx(t, cli), newServerCtx(t, srv), deaf{a, broken}, b)
				p.mustShake(t)
				p.echo(t)
				begun := time.Now()
				if err := p.client.Close(); err != nil {
					t.Error(err)
				}
				if d := time.Since(begun); d > 2*time.Second {
					t.Errorf("Close took %v", d)
				}
				synctest.Wait()
			})
		})
	}
}

// A client whose server issues no tickets waits for none: data has come, and would have come
// after them.
func TestCloseWithoutTicketsIsQuick(t *testing.T) {
	for name, issues := range map[string]bool{"no tickets": false, "tickets": true} {
		bubble(t, func(t *testing.T) {
			srv, cli := serverConfig(t), clientConfig(t)
			if !issues {
				srv.NumTickets = -1
			}
			a, b := net.Pipe()
			p := newPair(t, newClientCtx(t, cli), newServerCtx(t, srv), a, b)
			p.mustShake(t)
			p.echo(t)
			go io.Copy(io.Discard, b)
			begun := time.Now()
			if err := p.client.Close(); err != nil {
				t.Error(err)
			}
			if d := time.Since(begun); d != 0 {
				t.Errorf("%s: Close waited %v", name, d)
			}
		})
	}
}

// countedConn counts what is written to it.
type countedConn struct {
	net.Conn
	writes atomic.Int32
}

func (c *countedConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// After CloseWrite libssl's answers go nowhere: nothing may follow a close_notify.
func TestNothingFollowsCloseWrite(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := serverConfig(t), clientConfig(t)
	a, b := tcpPipe(t)
	counted := &countedConn{Conn: a}
	c, r, _ := floodedClient(t, counted, b, newClientCtx(t, cli), srv, false)
	defer c.Close()
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	before := counted.writes.Load()
	for range 20 {
		go r.Write(append(r.keyUpdates(1), r.record(typeData, []byte("pong"))...))
		if err := readUntil(c, "pong"); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.KeyUpdate(true); !isClosed(err) {
		t.Errorf("KeyUpdate: %v", err)
	}
	if n := ssl.Unsent(c); n != 0 {
		t.Errorf("%d bytes wait that will never be sent", n)
	}
	if n := counted.writes.Load() - before; n != 0 {
		t.Errorf("%d writes after close_notify", n)
	}
}

// An answer that cannot be sent is tried once, not at each read; and again when there is another
// deadline.
func TestAnswerThatCannotBeSent(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := serverConfig(t), clientConfig(t)
	a, b := tcpPipe(t)
	broken := &brokenConn{Conn: a}
	c, r, _ := floodedClient(t, broken, b, newClientCtx(t, cli), srv, false)
	defer c.Close()
	broken.broken.Store(true)
	for range 20 {
		go r.Write(append(r.keyUpdates(1), r.record(typeData, []byte("pong"))...))
		if err := readUntil(c, "pong"); err != nil {
			t.Fatal(err)
		}
		awaitParked(t)
	}
	if n := broken.tries.Load(); n != 1 {
		t.Errorf("%d attempts to send it, want 1", n)
	}
	c.SetWriteDeadline(time.Time{})
	go r.Write(append(r.keyUpdates(1), r.record(typeData, []byte("pong"))...))
	if err := readUntil(c, "pong"); err != nil {
		t.Fatal(err)
	}
	awaitParked(t)
	if n := broken.tries.Load(); n != 2 {
		t.Errorf("%d attempts after another deadline, want 2", n)
	}
}
