package conns_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// The handshake is done once, whoever begins it, and all who need it wait for it.
func TestHandshakeOnce(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if err := p.Client.Handshake(); err != nil {
					t.Error(err)
				}
				if p.Client.ConnectionState().Version != cli.MaxVersion {
					t.Error("Handshake returned before its end")
				}
			})
			all.Go(func() {
				if _, err := p.Client.Write([]byte("x")); err != nil {
					t.Error(err)
				}
			})
			all.Go(func() {
				if err := ssltest.ReadUntil(p.Server, "x"); err != nil {
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
	ssltest.ForEachWireAndVersion(t, func(t *testing.T, w ssltest.Wire, srv, cli *ssl.Config) {
		p := w.Pair(t, cli, srv)
		first := make(chan error)
		go func() { first <- p.Client.Handshake() }()
		w.Parked(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		second := make(chan error)
		go func() { second <- p.Client.HandshakeContext(ctx) }()
		w.Parked(t)
		why := errors.New("no time for this")
		cancel(why)
		if err := <-second; !errors.Is(err, why) {
			t.Errorf("the one who waits: %v", err)
		}
		if err := p.Server.Handshake(); err != nil {
			t.Error(err)
		}
		if err := <-first; err != nil {
			t.Errorf("the one who shakes hands: %v", err)
		}
		p.Echo(t)
	})
	ssltest.ForEachWireAndVersion(t, func(t *testing.T, w ssltest.Wire, srv, cli *ssl.Config) {
		p := w.Pair(t, cli, srv)
		ctx, cancel := context.WithTimeout(t.Context(), w.Soon)
		defer cancel()
		err := p.Client.HandshakeContext(ctx) // no answer comes
		var timeout net.Error
		if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("the context's deadline: %v", err)
		}
		if _, err := p.Client.Write([]byte("x")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Write afterwards: %v", err)
		}
		if _, err := io.ReadAll(p.Server.NetConn()); err != nil {
			t.Errorf("the connection underneath is not closed: %v", err)
		}
	})
}

// A context ends a handshake on a socket as well, at whatever moment.
func TestHandshakeCancelled(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		for round := range 10 {
			p := ssltest.NewTCPPair(t, cli, srv)
			ctx, cancel := context.WithCancel(t.Context())
			begun, ended := make(chan struct{}), make(chan error)
			go func() {
				close(begun)
				ended <- p.Client.HandshakeContext(ctx)
			}()
			<-begun
			for range 100 * round {
				runtime.Gosched()
			}
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("round %d: %v", round, err)
			}
			p.Client.Close()
			if err := p.Client.Handshake(); err == nil {
				t.Errorf("round %d: a handshake after Close", round)
			}
		}
	})
}
