package closing_test

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// What the server has written before Close arrives, and then io.EOF.
func TestServerCloseLosesNothing(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		data := bytes.Repeat([]byte("x"), 1<<20)
		go func() {
			p.Server.Write(data)
			p.Server.Close()
		}()
		if read, err := io.ReadAll(p.Client); !bytes.Equal(read, data) || err != nil {
			t.Errorf("%d bytes of %d, %v", len(read), len(data), err)
		}
	})
}

// A Write that is stuck, because the peer does not read, holds no other call up: Close returns
// and so does the Write.
func TestCloseBehindStuckWriter(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		big := make([]byte, 64<<20)
		// The deadline passes once the socket's buffers are full.
		p.Client.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := p.Client.Write(big); err == nil {
			t.Fatal("64 MiB found room in the socket")
		}
		p.Client.SetWriteDeadline(time.Time{})
		wrote := make(chan error)
		go func() {
			_, err := p.Client.Write(big)
			wrote <- err
		}()
		if err := p.Client.Close(); err != nil {
			t.Error(err)
		}
		if err := <-wrote; !ssltest.IsClosed(err) {
			t.Errorf("Write: %v", err)
		}
	})
}

// A Read that waits, as one always does in a server, does not cost the close_notify.
func TestCloseDuringReadIsOrderly(t *testing.T) {
	ssltest.ForEachWireAndVersion(t, func(t *testing.T, w ssltest.Wire, srv, cli *ssl.Config) {
		for _, end := range []string{"client", "server"} {
			p := w.Pair(t, cli, srv)
			p.MustShake(t)
			p.Echo(t)
			c, peer := p.Client, p.Server
			if end == "server" {
				c, peer = p.Server, p.Client
			}
			read := make(chan error)
			go func() {
				_, err := c.Read(make([]byte, 1))
				read <- err
			}()
			w.Parked(t)
			go c.Close()
			if n, err := peer.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("the peer of the %s: %d, %v", end, n, err)
			}
			if err := <-read; !ssltest.IsClosed(err) {
				t.Error(err)
			}
		}
	})
}

// Only the first Close does something; the others return nil, also at the same time.
func TestCloseTwice(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		before := ssl.ReadCounters().Conns.Closed
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := p.Client.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if err := p.Client.Close(); err != nil {
			t.Error(err)
		}
		if n := ssl.ReadCounters().Conns.Closed - before; n != 1 {
			t.Errorf("%d Conns were closed, want 1", n)
		}
		if !p.Client.ConnectionState().Verified {
			t.Error("ConnectionState is gone after Close")
		}
	})
}

// A Close of a connection that never got anywhere.
func TestCloseBeforeHandshake(t *testing.T) {
	leakcheck.Test(t)
	p := ssltest.NewTCPPair(t, ssltest.ClientConfig(t), ssltest.ServerConfig(t))
	for _, c := range []*ssl.Conn{p.Client, p.Server} {
		if err := c.CloseWrite(); !errors.Is(err, ssl.ErrHandshakeIncomplete) {
			t.Errorf("CloseWrite: %v", err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := c.Handshake(); !ssltest.IsClosed(err) {
			t.Errorf("Handshake: %v", err)
		}
		if err := c.CloseWrite(); !ssltest.IsClosed(err) {
			t.Errorf("CloseWrite: %v", err)
		}
		if err := c.SetDeadline(time.Now()); !ssltest.IsClosed(err) {
			t.Errorf("SetDeadline: %v", err)
		}
		if _, err := c.Session(); !ssltest.IsClosed(err) {
			t.Errorf("Session: %v", err)
		}
	}
}
