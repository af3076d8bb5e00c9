package ssl_test

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// A handshake that waits for its turn to compute can be ended in every way that one which
// waits for the network can, and takes no place with it.
func TestGateCanBeLeft(t *testing.T) {
	for _, role := range []string{"client", "server"} {
		for _, end := range []string{"context", "deadline", "Close"} {
			t.Run(role+"/"+end, func(t *testing.T) {
				leakcheck.Test(t)
				srv, cli := serverConfig(t), clientConfig(t)
				srv.HandshakeLimit, cli.HandshakeLimit = 1, 1
				sctx, cctx := newServerCtx(t, srv), newClientCtx(t, cli)
				a, b := tcpPipe(t)
				p := newPair(t, cctx, sctx, a, b)
				conn, peer, ctx := p.client, p.server, cctx
				if role == "server" {
					conn, peer, ctx = p.server, p.client, sctx
				}
				leave := ctx.TakeGate()
				peerDone, done := make(chan error, 1), make(chan error, 1)
				go func() { peerDone <- peer.Handshake() }()
				c, cancel := context.WithCancel(context.Background())
				defer cancel()
				if end == "deadline" {
					conn.SetDeadline(time.Now().Add(time.Second / 4))
				}
				go func() { done <- conn.HandshakeContext(c) }()
				want := map[string]error{"context": context.Canceled, "deadline": os.ErrDeadlineExceeded, "Close": ssl.ErrClosed}[end]
				if end != "deadline" {
					awaitParked(t)
				}
				switch end {
				case "context":
					cancel()
				case "Close":
					conn.Close()
				}
				if err := <-done; !errors.Is(err, want) {
					t.Errorf("the handshake: %v, want %v", err, want)
				}
				leave()
				if end == "deadline" { // it can go on
					conn.SetDeadline(time.Now().Add(ioTimeout))
					if err := conn.Handshake(); err != nil {
						t.Errorf("after the deadline: %v", err)
					}
				} else {
					peer.Close()
				}
				<-peerDone
				a, b = tcpPipe(t)
				newPair(t, cctx, sctx, a, b).mustShake(t)
			})
		}
	}
}

// A handshake that has no turn when its peer's message comes loses none of it.
func TestGateLosesNoInput(t *testing.T) {
	forEachWireAndVersion(t, func(t *testing.T, w wire, srv, cli *ssl.Config) {
		srv.HandshakeLimit = 1
		sctx := newServerCtx(t, srv)
		a, b := w.pipe(t)
		p := newPair(t, newClientCtx(t, cli), sctx, a, b)
		done := make(chan error, 2)
		go func() { done <- p.server.Handshake() }()
		w.parked(t)
		leave := sctx.TakeGate()
		go func() { done <- p.client.Handshake() }()
		w.parked(t)
		leave()
		if err := errors.Join(<-done, <-done); err != nil {
			t.Error(err)
		}
	})
}

// A connection that cannot be made gives its place back, and does not wait for another.
func TestFailedConnectionNeedsOnePlace(t *testing.T) {
	leakcheck.Test(t)
	r := reloadable(t, "server-ecdsa")
	ctx := newServerCtx(t, &ssl.Config{ReloadableCertificates: r})
	r.Spoil()
	defer ssl.TakeMakers()()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	done := make(chan error)
	go func() {
		_, err := ssl.Server(a, ctx)
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Error("a connection without a certificate was made")
		}
	case <-time.After(ioTimeout):
		t.Fatal("Server waits for a place that only it could give back")
	}
}
