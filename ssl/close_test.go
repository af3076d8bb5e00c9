package ssl_test

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// isClosed says that err is what a closed Conn reports, in our terms and in net's.
func isClosed(err error) bool {
	return errors.Is(err, ssl.ErrClosed) && errors.Is(err, net.ErrClosed)
}

// A TLS 1.3 client that only writes and closes has unread tickets; a plain close would
// make the kernel reset the connection, and the server lose what it has not read.
func TestCloseLosesNothing(t *testing.T) {
	forEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		got := newInbox(t, cli)
		cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
		data := bytes.Repeat([]byte("0123456789abcdef"), 6<<10)
		const runs = 40
		for i := range runs {
			a, b := tcpPipe(t)
			p := newPair(t, cctx, sctx, a, b)
			done, shaken := make(chan error), make(chan struct{})
			go func() {
				err := p.server.Handshake() // the tickets are on their way now
				close(shaken)
				read, more := io.ReadAll(p.server)
				if err = cmp.Or(err, more); err == nil && !bytes.Equal(read, data) {
					err = errors.New("not what was sent")
				}
				p.server.Close()
				done <- err
			}()
			if n, err := p.client.Write(data); n != len(data) || err != nil {
				t.Fatal(n, err)
			}
			<-shaken
			p.client.Close()
			if err := <-done; err != nil {
				t.Fatalf("run %d: %v", i, err)
			}
		}
		want := runs
		if cli.MaxVersion == ssl.VersionTLS13 {
			want *= 2
		}
		if n := len(got.all()); n != want {
			t.Errorf("%d sessions were delivered, want %d", n, want)
		}
	})
}

// What the server has written before Close arrives, and then io.EOF.
func TestServerCloseLosesNothing(t *testing.T) {
	forEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := newTCPPair(t, cli, srv)
		p.mustShake(t)
		data := bytes.Repeat([]byte("x"), 1<<20)
		go func() {
			p.server.Write(data)
			p.server.Close()
		}()
		if read, err := io.ReadAll(p.client); !bytes.Equal(read, data) || err != nil {
			t.Errorf("%d bytes of %d, %v", len(read), len(data), err)
		}
	})
}

// A Write that is stuck, because the peer does not read, holds nobody up: Close returns
// and so does the Write.
func TestCloseBehindStuckWriter(t *testing.T) {
	forEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := newTCPPair(t, cli, srv)
		p.mustShake(t)
		big := make([]byte, 64<<20)
		// The deadline passes once the socket's buffers are full.
		p.client.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := p.client.Write(big); err == nil {
			t.Fatal("64 MiB found room in the socket")
		}
		p.client.SetWriteDeadline(time.Time{})
		wrote := make(chan error)
		go func() {
			_, err := p.client.Write(big)
			wrote <- err
		}()
		if err := p.client.Close(); err != nil {
			t.Error(err)
		}
		if err := <-wrote; !isClosed(err) {
			t.Errorf("Write: %v", err)
		}
	})
}

// bubble runs f with a fake clock, in which time passes only when nothing else can
// happen: a wait of half a second is as exact as it is short.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// Close ends the calls that wait on the connection, whatever they wait for, and each
// says why.
func TestCloseUnblocks(t *testing.T) {
	calls := []struct {
		name   string
		shake  bool
		inside string
		call   func(c *ssl.Conn) error
	}{
		{"Handshake", false, inHandshake, (*ssl.Conn).Handshake},
		{"Read in the handshake", false, inRead, func(c *ssl.Conn) error { _, err := c.Read(make([]byte, 1)); return err }},
		{"Write in the handshake", false, inWrite, func(c *ssl.Conn) error { _, err := c.Write(make([]byte, 1)); return err }},
		{"Read", true, inRead, func(c *ssl.Conn) error { _, err := c.Read(make([]byte, 1)); return err }},
		{"Write", true, inWrite, func(c *ssl.Conn) error { _, err := c.Write(make([]byte, 1<<20)); return err }},
	}
	for _, call := range calls {
		t.Run(call.name, func(t *testing.T) {
			forEachWireAndVersion(t, func(t *testing.T, w wire, srv, cli *ssl.Config) {
				for _, end := range []string{"client", "server"} {
					p := w.pair(t, cli, srv)
					if call.shake {
						p.mustShake(t)
						p.echo(t)
					}
					c := p.client
					if end == "server" {
						c = p.server
					}
					c.SetDeadline(time.Time{})
					const callers = 3
					errs := make(chan error, callers)
					for range callers {
						go func() { errs <- call.call(c) }()
					}
					w.parked(t, callers, call.inside)
					if err := c.Close(); err != nil {
						t.Errorf("%s: Close: %v", end, err)
					}
					for range callers {
						if err := <-errs; !isClosed(err) {
							t.Errorf("%s: %v", end, err)
						}
					}
					if err := call.call(c); !isClosed(err) {
						t.Errorf("%s, after Close: %v", end, err)
					}
				}
			})
		})
	}
}

// The same at any moment: whether the calls wait by then or not, they must end, and never
// well.
func TestCloseUnblocksSocket(t *testing.T) {
	for name, call := range map[string]func(c *ssl.Conn) error{
		"Handshake": (*ssl.Conn).Handshake,
		"Read":      func(c *ssl.Conn) error { _, err := c.Read(make([]byte, 1)); return err },
		"Write":     func(c *ssl.Conn) error { _, err := c.Write(make([]byte, 64<<20)); return err },
	} {
		t.Run(name, func(t *testing.T) {
			forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
				for round := range 10 {
					p := newTCPPair(t, cli, srv)
					if name != "Handshake" {
						p.mustShake(t)
						p.echo(t)
					}
					c := p.client
					if round%2 == 1 {
						c = p.server
					}
					c.SetDeadline(time.Time{})
					begun, ended := make(chan struct{}), make(chan error)
					go func() {
						close(begun)
						ended <- call(c)
					}()
					<-begun
					for range 100 * round {
						runtime.Gosched()
					}
					if err := c.Close(); err != nil {
						t.Errorf("Close: %v", err)
					}
					if err := <-ended; !isClosed(err) {
						t.Errorf("round %d: %v", round, err)
					}
				}
			})
		})
	}
}

// A Read that waits, as one always does in a server, does not cost the close_notify.
func TestCloseDuringReadIsOrderly(t *testing.T) {
	forEachWireAndVersion(t, func(t *testing.T, w wire, srv, cli *ssl.Config) {
		for _, end := range []string{"client", "server"} {
			p := w.pair(t, cli, srv)
			p.mustShake(t)
			p.echo(t)
			c, peer := p.client, p.server
			if end == "server" {
				c, peer = p.server, p.client
			}
			read := make(chan error)
			go func() {
				_, err := c.Read(make([]byte, 1))
				read <- err
			}()
			w.parked(t, 1, inRead)
			go c.Close()
			if n, err := peer.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("the peer of the %s: %d, %v", end, n, err)
			}
			if err := <-read; !isClosed(err) {
				t.Error(err)
			}
		}
	})
}

// Only the first Close does something; the others return nil, also at the same time.
func TestCloseTwice(t *testing.T) {
	forEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := newTCPPair(t, cli, srv)
		p.mustShake(t)
		before := ssl.ReadCounters().Conns.Closed
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := p.client.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if err := p.client.Close(); err != nil {
			t.Error(err)
		}
		if n := ssl.ReadCounters().Conns.Closed - before; n != 1 {
			t.Errorf("%d Conns were closed, want 1", n)
		}
		if !p.client.ConnectionState().Verified {
			t.Error("ConnectionState is gone after Close")
		}
	})
}

// A Close of a connection that never got anywhere.
func TestCloseBeforeHandshake(t *testing.T) {
	leakcheck.Test(t)
	p := newTCPPair(t, clientConfig(t), serverConfig(t))
	for _, c := range []*ssl.Conn{p.client, p.server} {
		if err := c.CloseWrite(); !errors.Is(err, ssl.ErrHandshakeIncomplete) {
			t.Errorf("CloseWrite: %v", err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := c.Handshake(); !isClosed(err) {
			t.Errorf("Handshake: %v", err)
		}
		if err := c.CloseWrite(); !isClosed(err) {
			t.Errorf("CloseWrite: %v", err)
		}
		if err := c.SetDeadline(time.Now()); !isClosed(err) {
			t.Errorf("SetDeadline: %v", err)
		}
		if _, err := c.Session(); !isClosed(err) {
			t.Errorf("Session: %v", err)
		}
	}
}
