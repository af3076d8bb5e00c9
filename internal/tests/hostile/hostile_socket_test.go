package hostile_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// harmedTCP are two sockets with a proxy between them, which harms what the victim gets.
func harmedTCP(t *testing.T, v ssltest.Victim, at int, how harm) (ends [2]net.Conn, w *tampered,
	stop func()) {
	t.Helper()
	var inner [2]net.Conn
	for i := range ends {
		ends[i], inner[i] = ssltest.TCPPipe(t)
	}
	w = &tampered{Conn: inner[1-v], at: at, how: how, silent: make(chan struct{})}
	var wg sync.WaitGroup
	stop = sync.OnceFunc(func() {
		w.Close()
		inner[v].Close()
		wg.Wait()
	})
	wg.Go(func() { io.Copy(inner[1-v], inner[v]); inner[1-v].(*net.TCPConn).CloseWrite() })
	wg.Go(func() {
		io.Copy(inner[v], w)
		switch {
		case !w.gone:
			inner[v].(*net.TCPConn).CloseWrite()
		case how == reset:
			inner[v].(*net.TCPConn).SetLinger(0)
			inner[v].Close()
		default:
			inner[v].Close()
			inner[1-v].Close()
		}
	})
	return ends, w, stop
}

// socketStride is between the offsets that are tried on sockets, where each takes time; all
// are tried on net.Pipe.
func socketStride() int { return ssltest.Rounds(17, 17, 211) }

// exchangeTCP is exchange over sockets.
func exchangeTCP(t *testing.T, cli, srv *ssl.Ctx, v ssltest.Victim, at int, how harm) outcome {
	t.Helper()
	ends, w, stop := harmedTCP(t, v, at, how)
	defer stop()
	p := ssltest.NewPair(t, cli, srv, ends[0], ends[1])
	done := make(chan error)
	go func() { done <- converse(p.Server, false) }()
	out := outcome{victim: converse(p.Client, true)}
	out.peer = <-done
	if v == ssltest.ServerEnd {
		out.victim, out.peer = out.peer, out.victim
	}
	stop()
	out.seen = w.seen
	return out
}

// forEachSocketVictim runs f for both ends and both versions, with the number of bytes that
// the victim gets without harm.
func forEachSocketVictim(t *testing.T, f func(t *testing.T, cli, srv *ssl.Ctx, v ssltest.Victim, total int)) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		for _, v := range []ssltest.Victim{ssltest.ClientEnd, ssltest.ServerEnd} {
			out := exchangeTCP(t, cctx, sctx, v, 0, noHarm)
			if out.victim != nil || out.peer != nil {
				t.Fatalf("without harm: %+v", out)
			}
			f(t, cctx, sctx, v, out.seen)
		}
	})
}

// On a socket, too, a connection that ends or is reset before the last byte is an error and
// never taken for an orderly end.
func TestHostileSocketEnd(t *testing.T) {
	leakcheck.Test(t)
	forEachSocketVictim(t, func(t *testing.T, cli, srv *ssl.Ctx, v ssltest.Victim, total int) {
		for at := 0; at < total-maxSlack; at += socketStride() {
			for _, how := range []harm{cut, reset} {
				if out := exchangeTCP(t, cli, srv, v, at, how); !brokeOff(out.victim) {
					t.Errorf("%s, %s at %d of %d: %v", v, how, at, total, out.victim)
				}
			}
		}
	})
}

// On a socket, too, a peer that falls silent holds no call longer than the context allows.
func TestHostileSocketStall(t *testing.T) {
	leakcheck.Test(t)
	forEachVictim(t, func(t *testing.T, cli, srv *ssl.Ctx, v ssltest.Victim, _ int) {
		whole := handshakeLength(t, cli, srv, v)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		victims, peers := make(chan error), make(chan error)
		n := 0
		for at := 0; at < whole-maxSlack; at += socketStride() {
			n++
			ends, _, stop := harmedTCP(t, v, at, stall)
			defer stop()
			p := ssltest.NewPair(t, cli, srv, ends[0], ends[1])
			held, peer := p.Client, p.Server
			if v == ssltest.ServerEnd {
				held, peer = peer, held
			}
			go func() { victims <- held.HandshakeContext(ctx) }()
			go func() {
				err := peer.Handshake()
				peer.Close()
				peers <- err
			}()
		}
		ssltest.AwaitParked(t)
		cancel()
		for range n {
			if err := <-victims; !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", v, err)
			}
		}
		for range n {
			<-peers
		}
	})
}

// handshakeLength is how many bytes the victim gets in a handshake, but for the length of
// signatures.
func handshakeLength(t *testing.T, cli, srv *ssl.Ctx, v ssltest.Victim) (n int) {
	ssltest.Bubble(t, func(t *testing.T) {
		s := startStalled(t, t.Context(), cli, srv, v, 0, noHarm)
		if err := errors.Join(<-s.victim, <-s.peer); err != nil {
			t.Fatal(err)
		}
		n = s.w.seen
	})
	return n
}

// brokeOff reports whether err is what the end of a socket looks like. The kernel tells of a
// reset once, to whichever call comes first; for the next one it is an end.
func brokeOff(err error) bool {
	for _, e := range []error{io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE, syscall.ENOTCONN} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
