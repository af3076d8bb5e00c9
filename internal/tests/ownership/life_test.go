package ownership_test

import (
	"errors"
	"sync"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Sessions are resumable after Close and after the collector took the Conn: see
// TestCloseKeepsEverySession and TestDroppedConnKeepsSessions. Here the other end: what a
// server keeps in its cache survives its connection as well.
func TestServerKeepsSessionsOfClosedConns(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		kept := ssltest.NewInbox(t, srv)
		sctx := ssltest.NewServerCtx(t, srv)
		s := ssltest.MadeWith(t, cli, sctx)
		for i, mine := range kept.All() {
			if ssltest.Resumable(t, mine) != ssltest.HasID(fm) {
				t.Errorf("the server's session %d: resumable is %t", i, !ssltest.HasID(fm))
			}
		}
		ssltest.WantResumed(t, ssltest.Try(t, cli, sctx, s))
	})
}

// A client's sessions survive the end of their Ctx. What a server's Ctx had in its
// cache does not: OpenSSL marks it.
func TestSessionsAfterTheirCtx(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		kept := ssltest.NewInbox(t, srv)
		sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
		a, b := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, cctx, sctx, a, b)
		p.MustShake(t)
		p.Echo(t)
		s := ssltest.SessionOf(t, p.Client)
		cctx.Close()
		if !ssltest.Resumable(t, s) {
			t.Error("not resumable while the Conn outlives its Ctx")
		}
		p.CloseBoth()
		if !ssltest.Resumable(t, s) {
			t.Error("not resumable after the end of Conn and Ctx")
		}
		ssltest.WantResumed(t, ssltest.Try(t, cli, sctx, s))
		if fm.Tickets {
			return
		}
		mine := kept.All()[0]
		sctx.Close()
		if ssltest.Resumable(t, mine) {
			t.Error("the server's session is resumable without its cache")
		}
	})
}

// OpenSSL lets a TLS 1.3 object be resumed once. Shared, it cannot be offered again;
// SetSession offers copies and leaves the session as it is.
func TestSharedSessionIsUsedOnce(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
		s := ssltest.Dup(t, ssltest.MadeWith(t, cli, sctx)) // belongs to no Ctx yet
		for i := range 2 {
			a, b := ssltest.TCPPipe(t)
			p := ssltest.NewPair(t, cctx, sctx, a, b)
			err := p.Client.SetSharedSession(s)
			if fm.Version == ssl.VersionTLS13 && i > 0 {
				if !errors.Is(err, ssl.ErrNotResumable) || p.Client.SessionOffered() {
					t.Errorf("offered again: %v", err)
				}
				continue
			}
			if err != nil || !p.Client.SessionOffered() {
				t.Fatalf("use %d: %v", i, err)
			}
			p.MustShake(t)
			p.Echo(t)
			if !p.Client.SessionReused() {
				t.Errorf("use %d does not resume", i)
			}
			p.CloseBoth()
		}
	})
}

// SSL_free alone would mark the session of everyone who holds it; Close does
// not, whether a handle was taken before or the callback had delivered it, at both ends.
func TestCloseSparesHeldSessions(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		got := ssltest.NewInbox(t, cli)
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		p.Echo(t)
		held, peers := ssltest.SessionOf(t, p.Client), ssltest.SessionOf(t, p.Server)
		p.CloseBoth()
		if !ssltest.Resumable(t, held) || !ssltest.Resumable(t, got.Last(t)) {
			t.Error("Close has marked the session")
		}
		if ssltest.Resumable(t, peers) != ssltest.HasID(fm) {
			t.Error("Close has marked the server's session")
		}
	})
}

// The flag that spares the session does not depend on a close_notify getting
// through. Here the connection underneath is gone before Close.
func TestCloseSparesSessionsWithoutCloseNotify(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		p.Echo(t)
		held := ssltest.SessionOf(t, p.Client)
		p.Client.NetConn().Close()
		if err := p.Client.Close(); err == nil {
			t.Error("Close hides that the connection was gone")
		}
		if !ssltest.Resumable(t, held) {
			t.Error("Close has marked the session")
		}
	})
}

// Of several TLS 1.3 sessions, SSL_free would mark the last one only, so that
// resumption fails now and then. All of them, also what arrives during Close, are spared.
func TestCloseSparesEveryTicket(t *testing.T) {
	leakcheck.Test(t)
	for _, reads := range []bool{true, false} {
		srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
		srv.NumTickets = 3
		got := ssltest.NewInbox(t, cli)
		s := ssltest.StartServer(t, srv)
		c := ssltest.ClientConn(t, s, ssltest.NewClientCtx(t, cli))
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		if reads {
			ssltest.RoundTrip(t, c)
		}
		c.Close()
		if n := len(got.All()); n != srv.NumTickets {
			t.Errorf("read first: %t: %d sessions", reads, n)
		}
		for i, held := range got.All() {
			if !ssltest.Resumable(t, held) {
				t.Errorf("read first: %t: Close has marked session %d", reads, i)
			}
		}
	}
}

// A resumption uses up a TLS 1.3 object and leaves a TLS 1.2 one. SetSession
// keeps that from the session that it was given.
func TestResumptionUsesUpASession(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
		for _, shared := range []bool{true, false} {
			s := ssltest.Dup(t, ssltest.MadeWith(t, cli, sctx))
			a, b := ssltest.TCPPipe(t)
			p := ssltest.NewPair(t, cctx, sctx, a, b)
			set := p.Client.SetSession
			if shared {
				set = p.Client.SetSharedSession
			}
			if err := set(s); err != nil {
				t.Fatal(err)
			}
			p.MustShake(t)
			p.Echo(t)
			if !p.Client.SessionReused() {
				t.Error("not resumed")
			}
			if want := !shared || fm.Version == ssl.VersionTLS12; ssltest.Resumable(t, s) != want {
				t.Errorf("shared %t: resumable is %t", shared, !want)
			}
			p.CloseBoth()
		}
	})
}

// Ending a Ctx marks what is in its internal cache. Clients have none, so their
// sessions survive; of a server's, a Dup made before does, and one made after does not.
func TestCtxEndMarksItsCache(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		kept := ssltest.NewInbox(t, srv)
		sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
		a, b := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, cctx, sctx, a, b)
		p.MustShake(t)
		p.Echo(t)
		held := ssltest.SessionOf(t, p.Client)
		p.CloseBoth()
		if n, err := cctx.SessionStats(); n.Number != 0 || err != nil {
			t.Errorf("the client caches %d sessions, %v", n.Number, err)
		}
		cctx.Close()
		if !ssltest.Resumable(t, held) {
			t.Error("the client's session was marked")
		}
		if fm.Tickets {
			return
		}
		mine := kept.All()[0]
		before := ssltest.Dup(t, mine)
		sctx.Close()
		if ssltest.Resumable(t, mine) || !ssltest.Resumable(t, before) || ssltest.Resumable(t,
			ssltest.Dup(t, mine)) {
			t.Errorf("server: %t, a Dup before %t, a Dup after %t, want false, true, false",
				ssltest.Resumable(t, mine), ssltest.Resumable(t, before), ssltest.Resumable(t, ssltest.Dup(t, mine)))
		}
	})
}

// Removing a session that was never cached finds nothing, and marks it all the
// same: false does not mean that nothing has happened.
func TestRemovalMarksAnUncachedSession(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		s := ssltest.Dup(t, ssltest.Session(t, cli, srv))
		found, err := ssltest.NewServerCtx(t, srv).RemoveSession(s)
		if found || err != nil {
			t.Errorf("found is %t, %v", found, err)
		}
		if ssltest.Resumable(t, s) {
			t.Error("still resumable")
		}
	})
}

// A session works with another client Ctx, and OpenSSL's rule of one object a
// Ctx is kept: SetSession offers a copy, and SetSharedSession refuses.
func TestSessionAtAnotherCtx(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		sctx := ssltest.NewServerCtx(t, srv)
		s := ssltest.MadeWith(t, cli, sctx)
		other := ssltest.NewClientCtx(t, cli)
		ssltest.WantResumed(t, ssltest.TryWith(t, other, sctx, s))
		a, b := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, other, sctx, a, b)
		if err := p.Client.SetSharedSession(s); !errors.Is(err, ssl.ErrSessionCtx) {
			t.Error(err)
		}
	})
}

// Setting a session and reading tickets replace a connection's session while
// others get it. In C that is a crash: the lock inside SSL_get1_session protects nothing.
func TestSessionGotWhileItChanges(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		srv.NumTickets = 20
		sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
		offer := ssltest.MadeWith(t, cli, sctx)
		for round := range ssltest.Rounds(8, 20, 5) {
			a, b := ssltest.TCPPipe(t)
			p := ssltest.NewPair(t, cctx, sctx, ssltest.OneByte{Conn: a}, b) // so that tickets come one by one
			stop := make(chan struct{})
			var getters sync.WaitGroup
			for range 4 {
				getters.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
							getOnce(t, p.Client)
						}
					}
				})
			}
			if round%2 == 1 { // the other rounds get tickets by the dozen
				for range 20 {
					if err := p.Client.SetSession(offer); err != nil {
						t.Error(err)
					}
				}
			}
			p.MustShake(t)
			p.Echo(t)
			close(stop)
			getters.Wait()
			p.CloseBoth()
		}
	})
}

// getOnce gets the session in both ways and looks at it.
func getOnce(t *testing.T, c *ssl.Conn) {
	s, err := c.Session()
	if err == nil {
		_, err = s.MarshalBinary()
		s.Close()
	}
	if err != nil && !errors.Is(err, ssl.ErrNoSession) {
		t.Error(err)
	}
	err = c.WithSession(func(b *ssl.BorrowedSession) error {
		_, err := b.MarshalBinary()
		return err
	})
	if err != nil && !errors.Is(err, ssl.ErrNoSession) {
		t.Error(err)
	}
}
