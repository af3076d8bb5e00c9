package ssl_test

import (
	"errors"
	"sync"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// C-11: sessions are resumable after Close and after the collector took the Conn: see
// TestCloseKeepsEverySession and TestDroppedConnKeepsSessions. Here the other end: what a
// server keeps in its cache survives its connection as well.
func TestC11_ServerKeepsSession(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		kept := newInbox(t, srv)
		sctx := newServerCtx(t, srv)
		s := madeWith(t, cli, sctx)
		for i, mine := range kept.all() {
			if resumable(t, mine) != hasID(fm) {
				t.Errorf("the server's session %d: resumable is %t", i, !hasID(fm))
			}
		}
		wantResumed(t, try(t, cli, sctx, s))
	})
}

// C-12: a client's sessions survive the end of their Ctx. What a server's Ctx had in its
// cache does not: OpenSSL marks it.
func TestC12_SessionsAndCtx(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		kept := newInbox(t, srv)
		sctx, cctx := newServerCtx(t, srv), newClientCtx(t, cli)
		a, b := tcpPipe(t)
		p := newPair(t, cctx, sctx, a, b)
		p.mustShake(t)
		p.echo(t)
		s := sessionOf(t, p.client)
		cctx.Close()
		if !resumable(t, s) {
			t.Error("not resumable while the Conn outlives its Ctx")
		}
		p.closeBoth()
		if !resumable(t, s) {
			t.Error("not resumable after the end of Conn and Ctx")
		}
		wantResumed(t, try(t, cli, sctx, s))
		if fm.tickets {
			return
		}
		mine := kept.all()[0]
		sctx.Close()
		if resumable(t, mine) {
			t.Error("the server's session is resumable without its cache")
		}
	})
}

// C-13: OpenSSL lets a TLS 1.3 object be resumed once. Shared, it cannot be offered again;
// SetSession offers copies and leaves the session as it is.
func TestC13_SingleUse(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		sctx, cctx := newServerCtx(t, srv), newClientCtx(t, cli)
		s := dup(t, madeWith(t, cli, sctx)) // belongs to no Ctx yet
		for i := range 2 {
			a, b := tcpPipe(t)
			p := newPair(t, cctx, sctx, a, b)
			err := p.client.SetSharedSession(s)
			if fm.version == ssl.VersionTLS13 && i > 0 {
				if !errors.Is(err, ssl.ErrNotResumable) || p.client.SessionOffered() {
					t.Errorf("offered again: %v", err)
				}
				continue
			}
			if err != nil || !p.client.SessionOffered() {
				t.Fatalf("use %d: %v", i, err)
			}
			p.mustShake(t)
			p.echo(t)
			if !p.client.SessionReused() {
				t.Errorf("use %d does not resume", i)
			}
			p.closeBoth()
		}
	})
}

// Probe A: SSL_free alone would mark the session of everyone who holds it; Close does
// not, whether a handle was taken before or the callback had delivered it, at both ends.
func TestProbeA_CloseSparesHeldSession(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		got := newInbox(t, cli)
		p := newTCPPair(t, cli, srv)
		p.mustShake(t)
		p.echo(t)
		held, peers := sessionOf(t, p.client), sessionOf(t, p.server)
		p.closeBoth()
		if !resumable(t, held) || !resumable(t, got.last(t)) {
			t.Error("Close has marked the session")
		}
		if resumable(t, peers) != hasID(fm) {
			t.Error("Close has marked the server's session")
		}
	})
}

// Probe A': the flag that spares the session does not depend on a close_notify getting
// through. Here the connection underneath is gone before Close.
func TestProbeAPrime_WithoutCloseNotify(t *testing.T) {
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		p := newTCPPair(t, cli, srv)
		p.mustShake(t)
		p.echo(t)
		held := sessionOf(t, p.client)
		p.client.NetConn().Close()
		if err := p.client.Close(); err == nil {
			t.Error("Close hides that the connection was gone")
		}
		if !resumable(t, held) {
			t.Error("Close has marked the session")
		}
	})
}

// Probe A”: of several TLS 1.3 sessions, SSL_free would mark the last one only, so that
// resumption fails now and then. All of them, also what arrives during Close, are spared.
func TestProbeADoublePrime_EveryTicket(t *testing.T) {
	leakcheck.Test(t)
	for _, reads := range []bool{true, false} {
		srv, cli := serverConfig(t), clientConfig(t)
		srv.NumTickets = 3
		got := newInbox(t, cli)
		s := startServer(t, srv)
		c := clientConn(t, s, newClientCtx(t, cli))
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		if reads {
			roundTrip(t, c)
		}
		c.Close()
		if n := len(got.all()); n != srv.NumTickets {
			t.Errorf("read first: %t: %d sessions", reads, n)
		}
		for i, held := range got.all() {
			if !resumable(t, held) {
				t.Errorf("read first: %t: Close has marked session %d", reads, i)
			}
		}
	}
}

// Probe B: a resumption uses up a TLS 1.3 object and leaves a TLS 1.2 one. SetSession
// keeps that from the session that it was given.
func TestProbeB_ResumptionUsesUp(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		sctx, cctx := newServerCtx(t, srv), newClientCtx(t, cli)
		for _, shared := range []bool{true, false} {
			s := dup(t, madeWith(t, cli, sctx))
			a, b := tcpPipe(t)
			p := newPair(t, cctx, sctx, a, b)
			set := p.client.SetSession
			if shared {
				set = p.client.SetSharedSession
			}
			if err := set(s); err != nil {
				t.Fatal(err)
			}
			p.mustShake(t)
			p.echo(t)
			if !p.client.SessionReused() {
				t.Error("not resumed")
			}
			if want := !shared || fm.version == ssl.VersionTLS12; resumable(t, s) != want {
				t.Errorf("shared %t: resumable is %t", shared, !want)
			}
			p.closeBoth()
		}
	})
}

// Probe C: ending a Ctx marks what is in its internal cache. Clients have none, so their
// sessions survive; of a server's, a Dup made before does, and one made after does not.
func TestProbeC_CtxEnds(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		kept := newInbox(t, srv)
		sctx, cctx := newServerCtx(t, srv), newClientCtx(t, cli)
		a, b := tcpPipe(t)
		p := newPair(t, cctx, sctx, a, b)
		p.mustShake(t)
		p.echo(t)
		held := sessionOf(t, p.client)
		p.closeBoth()
		if n, err := cctx.SessionStats(); n.Number != 0 || err != nil {
			t.Errorf("the client caches %d sessions, %v", n.Number, err)
		}
		cctx.Close()
		if !resumable(t, held) {
			t.Error("the client's session was marked")
		}
		if fm.tickets {
			return
		}
		mine := kept.all()[0]
		before := dup(t, mine)
		sctx.Close()
		if resumable(t, mine) || !resumable(t, before) || resumable(t, dup(t, mine)) {
			t.Errorf("server: %t, a Dup before %t, a Dup after %t, want false, true, false",
				resumable(t, mine), resumable(t, before), resumable(t, dup(t, mine)))
		}
	})
}

// Probe D: removing a session that was never cached finds nothing, and marks it all the
// same: false does not mean that nothing has happened.
func TestProbeD_RemoveUncached(t *testing.T) {
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		s := dup(t, session(t, cli, srv))
		found, err := newServerCtx(t, srv).RemoveSession(s)
		if found || err != nil {
			t.Errorf("found is %t, %v", found, err)
		}
		if resumable(t, s) {
			t.Error("still resumable")
		}
	})
}

// Probe D': a session works with another client Ctx, and OpenSSL's rule of one object a
// Ctx is kept: SetSession offers a copy, and SetSharedSession refuses.
func TestProbeDPrime_AnotherCtx(t *testing.T) {
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		sctx := newServerCtx(t, srv)
		s := madeWith(t, cli, sctx)
		other := newClientCtx(t, cli)
		wantResumed(t, tryWith(t, other, sctx, s))
		a, b := tcpPipe(t)
		p := newPair(t, other, sctx, a, b)
		if err := p.client.SetSharedSession(s); !errors.Is(err, ssl.ErrSessionCtx) {
			t.Error(err)
		}
	})
}

// Probe H: setting a session and reading tickets replace a connection's session while
// others get it. In C that is a crash: the lock inside SSL_get1_session protects nothing.
func TestProbeH_GetWhileItChanges(t *testing.T) {
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		srv.NumTickets = 20
		sctx, cctx := newServerCtx(t, srv), newClientCtx(t, cli)
		offer := madeWith(t, cli, sctx)
		rounds := 20
		if underChecker {
			rounds = 5
		}
		for round := range rounds {
			a, b := tcpPipe(t)
			p := newPair(t, cctx, sctx, oneByte{a}, b) // so that tickets come one by one
			stop := make(chan struct{})
			var getters sync.WaitGroup
			for range 4 {
				getters.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
							getOnce(t, p.client)
						}
					}
				})
			}
			if round%2 == 1 { // the other rounds get tickets by the dozen
				for range 20 {
					if err := p.client.SetSession(offer); err != nil {
						t.Error(err)
					}
				}
			}
			p.mustShake(t)
			p.echo(t)
			close(stop)
			getters.Wait()
			p.closeBoth()
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
