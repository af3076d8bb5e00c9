package ownership_test

import (
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// expected are the errors that calls may have when others close things meanwhile.
func expected(err error) bool {
	for _, want := range []error{nil, ssl.ErrClosed, ssl.ErrNoSession, ssl.ErrBorrowExpired,
		ssl.ErrSessionShared,
		ssl.ErrNotResumable, ssl.ErrHandshakeStarted, ssl.ErrHandshakeIncomplete, io.EOF, io.ErrUnexpectedEOF} {
		if err == want || want != nil && errors.Is(err, want) {
			return true
		}
	}
	var op *net.OpError // the peer's end may be gone
	return errors.As(err, &op) && !op.Timeout()
}

// collectUntil runs the collector in a loop until stop is closed.
func collectUntil(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
			runtime.GC()
		}
	}
}

// 64 goroutines do everything to a few connections and sessions that they share, while
// the collector runs all the time and the connections end under them.
func TestEverythingAtOnce(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		const goroutines, conns = 64, 4
		rounds := ssltest.Rounds(12, 12, 3)
		s := ssltest.StartServer(t, srv)
		ctx := ssltest.NewClientCtx(t, cli)
		offer := ssltest.Dup(t, ssltest.SessionOf(t, ssltest.Dial(t, s, ctx, nil)))
		stop, collected := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(collected)
			collectUntil(stop)
		}()
		for range rounds {
			var shared [conns]*ssl.Conn
			for i := range shared {
				shared[i] = ssltest.Dial(t, s, ctx, offer)
			}
			handle, err := offer.UpRef()
			if err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			for i := range goroutines {
				all.Go(func() {
					c := shared[i%conns]
					closes := i/conns == goroutines/conns/2 // one of the sixteen on a connection
					uses := 9
					if closes {
						uses = 8 // all but Read, which waits for the others or for the Close
					}
					for j := range 20 {
						if err := useOnce(c, handle, (i+j)%uses); !expected(err) {
							t.Errorf("goroutine %d, step %d: %v", i, j, err)
						}
					}
					if closes {
						c.Close()
					}
					if i == goroutines-1 {
						handle.Close()
					}
				})
			}
			all.Wait()
			for _, c := range shared {
				c.Close()
			}
			handle.Close()
		}
		close(stop)
		<-collected
	})
}

// useOnce does one of the things that can be done.
func useOnce(c *ssl.Conn, shared *ssl.Session, what int) error {
	switch what {
	case 0: // get1
		s, err := c.Session()
		if err != nil {
			return err
		}
		defer s.Close()
		_, err = s.ID()
		return err
	case 1: // get0
		var kept *ssl.BorrowedSession
		err := c.WithSession(func(b *ssl.BorrowedSession) error {
			kept = b
			runtime.Gosched()
			_, err := b.Ticket()
			return err
		})
		if err != nil {
			return err
		}
		if _, err := kept.ID(); !errors.Is(err, ssl.ErrBorrowExpired) {
			return errors.New("a borrowed session outlives its loan")
		}
		return nil
	case 2:
		return closeGot(shared.Dup())
	case 3:
		return closeGot(shared.UpRef())
	case 4:
		_, err := shared.MarshalBinary()
		return err
	case 5: // dropped, for the collector
		s, err := c.Session()
		if err == nil {
			_, err = s.Resumable()
		}
		return err
	case 6: // a borrowed one that becomes an owned one
		return c.WithSession(func(b *ssl.BorrowedSession) error { return closeGot(b.UpRef()) })
	case 7:
		_, err := c.Write([]byte("x"))
		return err
	default:
		_, err := c.Read(make([]byte, 1)) // an echo of some Write comes, or the end
		return err
	}
}

func closeGot(s *ssl.Session, err error) error {
	if err != nil {
		return err
	}
	return s.Close()
}

// One handle, closed by all at the same time as it is used by all: the object is freed
// once, after the last use.
func TestCloseDuringUse(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		s := ssltest.Session(t, cli, srv)
		before := ssl.ReadCounters()
		const rounds, users = 200, 8
		for range rounds {
			d, err := s.Dup()
			if err != nil {
				t.Fatal(err)
			}
			start := make(chan struct{})
			var all sync.WaitGroup
			for i := range users {
				all.Go(func() {
					<-start
					for range 10 {
						if der, err := d.MarshalBinary(); !expected(err) || err == nil && len(der) == 0 {
							t.Errorf("%d bytes, %v", len(der), err)
						}
					}
					if i%2 == 0 {
						d.Close()
					}
				})
			}
			close(start)
			all.Wait()
		}
		after := ssl.ReadCounters()
		if n := after.Sessions.Closed - before.Sessions.Closed; n != rounds {
			t.Errorf("%d handles were closed, want %d", n, rounds)
		}
		if n := after.SessionObjectsFreed - before.SessionObjectsFreed; n != rounds {
			t.Errorf("%d objects were freed, want %d", n, rounds)
		}
	})
}

// Many connections from one Ctx offer one session at the same time.
func TestManyResumeOneSession(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		got := ssltest.NewInbox(t, cli)
		s := ssltest.StartServer(t, srv)
		ctx := ssltest.NewClientCtx(t, cli)
		ssltest.Dial(t, s, ctx, nil).Close()
		offer := got.Last(t)
		conns := make([]*ssl.Conn, 16)
		for i := range conns {
			conns[i] = ssltest.ClientConn(t, s, ctx)
		}
		var all sync.WaitGroup
		for _, c := range conns {
			all.Go(func() {
				if err := c.SetSession(offer); err != nil {
					t.Error(err)
					return
				}
				if _, err := c.Write([]byte("ping")); err != nil {
					t.Error(err)
				}
				if err := ssltest.ReadUntil(c, "ping"); err != nil {
					t.Error(err)
				}
				if !c.SessionReused() {
					t.Error("not resumed")
				}
				c.Close()
			})
		}
		all.Wait()
	})
}

// Ctxs and connections that end in any order, while the collector runs: every reference
// on the SSL_CTX is given back once.
func TestCtxEndsFirst(t *testing.T) {
	leakcheck.Test(t)
	stop, collected := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(collected)
		collectUntil(stop)
	}()
	for _, v := range ssltest.Versions {
		for range 10 {
			srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
			cli.MaxVersion = v
			p := ssltest.NewTCPPair(t, cli, srv)
			cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
			a, b := ssltest.TCPPipe(t)
			q := ssltest.NewPair(t, cctx, sctx, a, b)
			cctx.Close()
			sctx.Close()
			q.MustShake(t)
			q.Echo(t)
			p.MustShake(t)
			if _, err := ssl.Client(a, cctx); !errors.Is(err, ssl.ErrClosed) {
				t.Errorf("a Conn from a closed Ctx: %v", err)
			}
			p.CloseBoth()
			q.CloseBoth()
		}
	}
	close(stop)
	<-collected
}
