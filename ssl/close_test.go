package ssl_test

import (
	"bytes"
	"errors"
	"io"
	"net"
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
			w.parked(t)
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
