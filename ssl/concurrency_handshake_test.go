package ssl_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"

	"sessl/ssl"
)

// The handshake is done once, whoever begins it, and all who need it wait for it.
func TestHandshakeOnce(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := newTCPPair(t, cli, srv)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if err := p.client.Handshake(); err != nil {
					t.Error(err)
				}
				if p.client.ConnectionState().Version != cli.MaxVersion {
					t.Error("Handshake returned before its end")
				}
			})
			all.Go(func() {
				if _, err := p.client.Write([]byte("x")); err != nil {
					t.Error(err)
				}
			})
			all.Go(func() {
				if err := readUntil(p.server, "x"); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	})
}

// A context ends the wait of the one who brought it, and the handshake if it is his; who
// only waits for another's handshake leaves that alone.
func TestHandshakeContexts(t *testing.T) {
	forEachWireAndVersion(t, func(t *testing.T, w wire, srv, cli *ssl.Config) {
		p := w.pair(t, cli, srv)
		first := make(chan error)
		go func() { first <- p.client.Handshake() }()
		w.parked(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		second := make(chan error)
		go func() { second <- p.client.HandshakeContext(ctx) }()
		w.parked(t)
		why := errors.New("no time for this")
		cancel(why)
		if err := <-second; !errors.Is(err, why) {
			t.Errorf("the one who waits: %v", err)
		}
		if err := p.server.Handshake(); err != nil {
			t.Error(err)
		}
		if err := <-first; err != nil {
			t.Errorf("the one who shakes hands: %v", err)
		}
		p.echo(t)
	})
	forEachWireAndVersion(t, func(t *testing.T, w wire, srv, cli *ssl.Config) {
		p := w.pair(t, cli, srv)
		ctx, cancel := context.WithTimeout(t.Context(), w.soon)
		defer cancel()
		err := p.client.HandshakeContext(ctx) // nobody answers
		var timeout net.Error
		if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("the context's deadline: %v", err)
		}
		if _, err := p.client.Write([]byte("x")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Write afterwards: %v", err)
		}
		if _, err := io.ReadAll(p.server.NetConn()); err != nil {
			t.Errorf("the connection underneath is not closed: %v", err)
		}
	})
}

// A context ends a handshake on a socket as well, at whatever moment.
func TestHandshakeCancelled(t *testing.T) {
	forEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		for round := range 10 {
			p := newTCPPair(t, cli, srv)
			ctx, cancel := context.WithCancel(t.Context())
			begun, ended := make(chan struct{}), make(chan error)
			go func() {
				close(begun)
				ended <- p.client.HandshakeContext(ctx)
			}()
			<-begun
			for range 100 * round {
				runtime.Gosched()
			}
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("round %d: %v", round, err)
			}
			p.client.Close()
			if err := p.client.Handshake(); err == nil {
				t.Errorf("round %d: a handshake after Close", round)
			}
		}
	})
}
