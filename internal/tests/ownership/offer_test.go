package ownership_test

import (
	"errors"
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// The last session given to SetSession counts: one that may not be offered takes back the
// one before it, and the handshake is a full one; one that may takes its place.
func TestLastOfferCounts(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
		good := ssltest.MadeWith(t, cli, sctx)
		bad := ssltest.MadeWith(t, ssltest.CopyOf(cli, ssltest.Insecure),
			ssltest.NewServerCtx(t, ssltest.CopyOf(srv, func(c *ssl.Config) {
				c.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "selfsigned")}
			})))
		for _, shared := range []bool{false, true} {
			for _, test := range []struct {
				first, last *ssl.Session
				resumes     bool
			}{{good, bad, false}, {bad, good, true}, {good, good, true}} {
				a, b := ssltest.TCPPipe(t)
				p := ssltest.NewPair(t, cctx, sctx, a, b)
				for _, s := range []*ssl.Session{test.first, test.last} {
					set := p.Client.SetSession
					if shared {
						s, set = ssltest.Dup(t, s), p.Client.SetSharedSession
					}
					if err := set(s); err != nil {
						t.Fatal(err)
					}
				}
				p.MustShake(t)
				if p.Client.SessionOffered() != test.resumes || p.Client.SessionReused() != test.resumes {
					t.Errorf("shared %t: offered %t, reused %t; want %t",
						shared, p.Client.SessionOffered(), p.Client.SessionReused(), test.resumes)
				}
				p.CloseBoth()
			}
		}
	})
}

// A session that fails to be offered leaves the one before it in place.
func TestFailedOfferChangesNothing(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		sctx := ssltest.NewServerCtx(t, srv)
		good := ssltest.MadeWith(t, cli, sctx)
		a, b := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), sctx, a, b)
		if err := p.Client.SetSession(good); err != nil {
			t.Fatal(err)
		}
		empty, err := ssl.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		defer empty.Close()
		if err := p.Client.SetSession(empty); !errors.Is(err, ssl.ErrNotResumable) {
			t.Fatalf("SetSession of an empty session: %v", err)
		}
		p.MustShake(t)
		if !p.Client.SessionReused() {
			t.Error("not resumed")
		}
		p.CloseBoth()
	})
}

// SetSharedSession freezes a session also when it is withheld: what the caller may do with
// it does not depend on what the client trusts.
func TestWithheldSharedSessionIsFrozen(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		s := ssltest.Reparsed(t, ssltest.MadeWith(t, ssltest.CopyOf(cli, ssltest.Insecure),
			ssltest.NewServerCtx(t, ssltest.CopyOf(srv, func(c *ssl.Config) {
				c.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "selfsigned")}
			}))))
		p := ssltest.NewTCPPair(t, cli, srv)
		if err := p.Client.SetSharedSession(s); err != nil {
			t.Fatal(err)
		}
		if p.Client.SessionOffered() {
			t.Error("offered")
		}
		if err := s.SetID([]byte("other")); !errors.Is(err, ssl.ErrSessionShared) {
			t.Errorf("SetID: %v", err)
		}
	})
}

// What is offered on a connection that never gets to a handshake, or whose handshake
// fails, is given back once: the copy with the connection, the session itself with the
// last handle.
func TestOwnershipOfOffersInVain(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
		first := ssltest.MadeWith(t, cli, sctx)
		var mine *ssl.Session
		var p ssltest.Pair
		connect := func() error {
			a, b := ssltest.TCPPipe(t)
			p = ssltest.NewPair(t, cctx, sctx, a, b)
			return nil
		}
		closeClient := func() error { return p.Client.Close() }
		closeServer := func() error { return p.Server.Close() }
		fail := func() error {
			p.Server.NetConn().Close()
			if p.Client.Handshake() == nil {
				return errors.New("a handshake without a peer")
			}
			return nil
		}
		runSteps(t, []step{
			{"Dup", into(&mine, first.Dup), ssltest.Census{Created: 1, Opened: 1}},

			{"Client and Server", connect, ssltest.Census{Conns: 2}},
			{"SetSession", func() error { return p.Client.SetSession(mine) }, ssltest.Census{Created: 1}},
			{"Close without a handshake", closeClient, ssltest.Census{Conns: -1, Freed: 1}},
			{"Close of the server", closeServer, ssltest.Census{Conns: -1}},

			{"Client and Server", connect, ssltest.Census{Conns: 2}},
			{"SetSession", func() error { return p.Client.SetSession(mine) }, ssltest.Census{Created: 1}},
			{"failed handshake", fail, ssltest.Census{}},
			{"Close of the client", closeClient, ssltest.Census{Conns: -1, Freed: 1}},
			{"Close of the server", func() error { closeServer(); return nil }, ssltest.Census{Conns: -1}},

			{"Client and Server", connect, ssltest.Census{Conns: 2}},
			{"SetSharedSession", func() error { return p.Client.SetSharedSession(mine) }, ssltest.Census{}},
			{"Close without a handshake", closeClient, ssltest.Census{Conns: -1}},
			{"Close of the server", closeServer, ssltest.Census{Conns: -1}},
			{"Close of the session", closing(&mine), ssltest.Census{Closed: 1, Freed: 1}},
		})
	})
}

// The copy that SetSession offers belongs to the connection's Ctx like any session that is
// born there: what a resumed connection hands out is refused by another Ctx.
func TestOfferedCopyBelongsToTheCtx(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		sctx := ssltest.NewServerCtx(t, srv)
		s := ssltest.MadeWith(t, cli, sctx)
		a, b := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), sctx, a, b)
		if err := p.Client.SetSession(s); err != nil {
			t.Fatal(err)
		}
		p.MustShake(t)
		if !p.Client.SessionReused() {
			t.Fatal("not resumed")
		}
		now := ssltest.SessionOf(t, p.Client) // in TLS 1.2 the copy itself
		a, b = ssltest.TCPPipe(t)
		other := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), sctx, a, b)
		if err := other.Client.SetSharedSession(now); !errors.Is(err, ssl.ErrSessionCtx) && !errors.Is(err,
			ssl.ErrNotResumable) {
			t.Errorf("SetSharedSession in another Ctx: %v", err)
		}
	})
}
