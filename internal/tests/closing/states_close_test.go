package closing_test

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Close says goodbye over a connection that knows no deadlines, or says that it does, at both
// ends, whether a Read is under way or not.
func TestCloseWithoutDeadlinesIsOrderly(t *testing.T) {
	for _, broken := range []bool{false, true} {
		for _, reads := range []bool{false, true} {
			ssltest.ForEachWireAndVersion(t, func(t *testing.T, w ssltest.Wire, srv, cli *ssl.Config) {
				for _, end := range []ssltest.Victim{ssltest.ClientEnd, ssltest.ServerEnd} {
					a, b := w.Pipe(t)
					p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), deaf{a, broken},
						deaf{b, broken})
					p.MustShake(t)
					p.Echo(t)
					c, peer := p.Client, p.Server
					if end == ssltest.ServerEnd {
						c, peer = peer, c
					}
					read := make(chan error, 1)
					if reads {
						go func() {
							_, err := c.Read(make([]byte, 1))
							read <- err
						}()
						w.Parked(t)
					}
					closed := make(chan error, 1)
					go func() { closed <- c.Close() }()
					if n, err := peer.Read(make([]byte, 1)); n != 0 || err != io.EOF {
						t.Errorf("deadlines fail %t, a Read is under way %t: the peer of the %s: %d, %v", broken, reads, end, n,
							err)
					}
					peer.Close()
					if err := <-closed; err != nil {
						t.Error(err)
					}
					if reads {
						if err := <-read; err != io.EOF && !ssltest.IsClosed(err) { // the peer says goodbye, too
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
		ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
			ssltest.Bubble(t, func(t *testing.T) {
				a, b := net.Pipe()
				p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), deaf{a, broken}, b)
				p.MustShake(t)
				p.Echo(t)
				begun := time.Now()
				if err := p.Client.Close(); err != nil {
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
		ssltest.Bubble(t, func(t *testing.T) {
			srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
			if !issues {
				srv.NumTickets = -1
			}
			a, b := net.Pipe()
			p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), a, b)
			p.MustShake(t)
			p.Echo(t)
			go io.Copy(io.Discard, b)
			begun := time.Now()
			if err := p.Client.Close(); err != nil {
				t.Error(err)
			}
			if d := time.Since(begun); d != 0 {
				t.Errorf("%s: Close waited %v", name, d)
			}
		})
	}
}

// An answer that cannot be sent is tried once, not at each read; and again when there is another
// deadline.
func TestAnswerThatCannotBeSent(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	a, b := ssltest.TCPPipe(t)
	broken := &ssltest.BrokenConn{Conn: a}
	c, r, _ := ssltest.FloodedClient(t, broken, b, ssltest.NewClientCtx(t, cli), srv, false)
	defer c.Close()
	broken.Broken.Store(true)
	for range 20 {
		go r.Write(append(r.KeyUpdates(1), r.Record(ssltest.TypeData, []byte("pong"))...))
		if err := ssltest.ReadUntil(c, "pong"); err != nil {
			t.Fatal(err)
		}
		ssltest.AwaitParked(t)
	}
	if n := broken.Tries.Load(); n != 1 {
		t.Errorf("%d attempts to send it, want 1", n)
	}
	c.SetWriteDeadline(time.Time{})
	go r.Write(append(r.KeyUpdates(1), r.Record(ssltest.TypeData, []byte("pong"))...))
	if err := ssltest.ReadUntil(c, "pong"); err != nil {
		t.Fatal(err)
	}
	ssltest.AwaitParked(t)
	if n := broken.Tries.Load(); n != 2 {
		t.Errorf("%d attempts after another deadline, want 2", n)
	}
}
