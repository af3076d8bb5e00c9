package ssl_test

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A handshake that waits for its turn to compute can be ended in every way that one which
// waits for the network can, and takes no place with it.
func TestGateCanBeLeft(t *testing.T) {
	for _, role := range []string{"client", "server"} {
		for _, end := range []string{"context", "deadline", "Close"} {
			t.Run(role+"/"+end, func(t *testing.T) {
				leakcheck.Test(t)
				srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
				srv.HandshakeLimit, cli.HandshakeLimit = 1, 1
				sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
				a, b := ssltest.TCPPipe(t)
				p := ssltest.NewPair(t, cctx, sctx, a, b)
				conn, peer, ctx := p.Client, p.Server, cctx
				if role == "server" {
					conn, peer, ctx = p.Server, p.Client, sctx
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
				want := map[string]error{"context": context.Canceled, "deadline": os.ErrDeadlineExceeded,
					"Close": ssl.ErrClosed}[end]
				if end != "deadline" {
					ssltest.AwaitParked(t)
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
					conn.SetDeadline(time.Now().Add(ssltest.Timeout))
					if err := conn.Handshake(); err != nil {
						t.Errorf("after the deadline: %v", err)
					}
				} else {
					peer.Close()
				}
				<-peerDone
				a, b = ssltest.TCPPipe(t)
				ssltest.NewPair(t, cctx, sctx, a, b).MustShake(t)
			})
		}
	}
}

// A handshake that has no turn when its peer's message comes loses none of it.
func TestGateLosesNoInput(t *testing.T) {
	ssltest.ForEachWireAndVersion(t, func(t *testing.T, w ssltest.Wire, srv, cli *ssl.Config) {
		srv.HandshakeLimit = 1
		sctx := ssltest.NewServerCtx(t, srv)
		a, b := w.Pipe(t)
		p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), sctx, a, b)
		done := make(chan error, 2)
		go func() { done <- p.Server.Handshake() }()
		w.Parked(t)
		leave := sctx.TakeGate()
		go func() { done <- p.Client.Handshake() }()
		w.Parked(t)
		leave()
		if err := errors.Join(<-done, <-done); err != nil {
			t.Error(err)
		}
	})
}

// A connection that cannot be made gives its place back, and does not wait for another.
func TestFailedConnectionNeedsOnePlace(t *testing.T) {
	leakcheck.Test(t)
	r := ssltest.Reloadable(t, "server-ecdsa")
	cli := ssltest.ClientConfig(t)
	cli.ReloadableCertificates = r
	ctx := ssltest.NewClientCtx(t, cli)
	r.Spoil()
	defer ssl.TakeMakers()()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	done := make(chan error)
	go func() {
		_, err := ssl.Client(a, ctx)
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Error("a connection without a certificate was made")
		}
	case <-time.After(ssltest.Timeout):
		t.Fatal("Client waits for a place that only it could give back")
	}
}

// A handshake that computes for long goes back to Go in between, unless others wait for its place.
func TestLongHandshakeBreathes(t *testing.T) {
	for name, crowd := range map[string]int32{"alone": 0, "in a crowd": 1} {
		t.Run(name, func(t *testing.T) {
			leakcheck.Test(t)
			srv := &ssl.Config{Certificates: []ssl.Certificate{ssltest.KeyPair(t, "server-rsa")}}
			sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, ssltest.ClientConfig(t))
			sctx.Crowd(crowd)
			cctx.Crowd(crowd)
			before := ssl.Breaths()
			a, b := ssltest.TCPPipe(t)
			ssltest.NewPair(t, cctx, sctx, a, b).MustShake(t)
			if n := ssl.Breaths() - before; (n > 0) != (crowd == 0) {
				t.Errorf("the handshake went back to Go %d times", n)
			}
		})
	}
}
