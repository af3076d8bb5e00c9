package ssl_test

import (
	"errors"
	"testing"

	"sessl/ssl"
)

// The last session given to SetSession counts: one that may not be offered takes back the
// one before it, and the handshake is a full one; one that may takes its place.
func TestLastOfferCounts(t *testing.T) {
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		sctx, cctx := newServerCtx(t, srv), newClientCtx(t, cli)
		good := madeWith(t, cli, sctx)
		bad := madeWith(t, copyOf(cli, insecure), newServerCtx(t, copyOf(srv, func(c *ssl.Config) {
			c.Certificates = []ssl.Certificate{keyPair(t, "selfsigned")}
		})))
		for _, shared := range []bool{false, true} {
			for _, test := range []struct {
				first, last *ssl.Session
				resumes     bool
			}{{good, bad, false}, {bad, good, true}, {good, good, true}} {
				a, b := tcpPipe(t)
				p := newPair(t, cctx, sctx, a, b)
				for _, s := range []*ssl.Session{test.first, test.last} {
					set := p.client.SetSession
					if shared {
						s, set = dup(t, s), p.client.SetSharedSession
					}
					if err := set(s); err != nil {
						t.Fatal(err)
					}
				}
				p.mustShake(t)
				if p.client.SessionOffered() != test.resumes || p.client.SessionReused() != test.resumes {
					t.Errorf("shared %t: offered %t, reused %t; want %t",
						shared, p.client.SessionOffered(), p.client.SessionReused(), test.resumes)
				}
				p.closeBoth()
			}
		}
	})
}

// A session that fails to be offered leaves the one before it in place.
func TestFailedOfferChangesNothing(t *testing.T) {
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		sctx := newServerCtx(t, srv)
		good := madeWith(t, cli, sctx)
		a, b := tcpPipe(t)
		p := newPair(t, newClientCtx(t, cli), sctx, a, b)
		if err := p.client.SetSession(good); err != nil {
			t.Fatal(err)
		}
		empty, err := ssl.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		defer empty.Close()
		if err := p.client.SetSession(empty); !errors.Is(err, ssl.ErrNotResumable) {
			t.Fatalf("SetSession of an empty session: %v", err)
		}
		p.mustShake(t)
		if !p.client.SessionReused() {
			t.Error("not resumed")
		}
		p.closeBoth()
	})
}

// SetSharedSession freezes a session also when it is withheld: what the caller may do with
// it does not depend on what the client trusts.
func TestWithheldSharedSessionIsFrozen(t *testing.T) {
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		s := reparsed(t, madeWith(t, copyOf(cli, insecure), newServerCtx(t, copyOf(srv, func(c *ssl.Config) {
			c.Certificates = []ssl.Certificate{keyPair(t, "selfsigned")}
		}))))
		p := newTCPPair(t, cli, srv)
		if err := p.client.SetSharedSession(s); err != nil {
			t.Fatal(err)
		}
		if p.client.SessionOffered() {
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
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		sctx, cctx := newServerCtx(t, srv), newClientCtx(t, cli)
		first := madeWith(t, cli, sctx)
		var mine *ssl.Session
		var p pair
		connect := func() error {
			a, b := tcpPipe(t)
			p = newPair(t, cctx, sctx, a, b)
			return nil
		}
		closeClient := func() error { return p.client.Close() }
		closeServer := func() error { return p.server.Close() }
		fail := func() error {
			p.server.NetConn().Close()
			if p.client.Handshake() == nil {
				return errors.New("a handshake with nobody")
			}
			return nil
		}
		runSteps(t, []step{
			{"Dup", into(&mine, first.Dup), census{created: 1, opened: 1}},

			{"Client and Server", connect, census{conns: 2}},
			{"SetSession", func() error { return p.client.SetSession(mine) }, census{created: 1}},
			{"Close without a handshake", closeClient, census{conns: -1, freed: 1}},
			{"Close of the server", closeServer, census{conns: -1}},

			{"Client and Server", connect, census{conns: 2}},
			{"SetSession", func() error { return p.client.SetSession(mine) }, census{created: 1}},
			{"failed handshake", fail, census{}},
			{"Close of the client", closeClient, census{conns: -1, freed: 1}},
			{"Close of the server", func() error { closeServer(); return nil }, census{conns: -1}},

			{"Client and Server", connect, census{conns: 2}},
			{"SetSharedSession", func() error { return p.client.SetSharedSession(mine) }, census{}},
			{"Close without a handshake", closeClient, census{conns: -1}},
			{"Close of the server", closeServer, census{conns: -1}},
			{"Close of the session", closing(&mine), census{closed: 1, freed: 1}},
		})
	})
}

// The copy that SetSession offers belongs to the connection's Ctx like any session that is
// born there: what a resumed connection hands out is refused by another Ctx.
func TestOfferedCopyBelongsToTheCtx(t *testing.T) {
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		sctx := newServerCtx(t, srv)
		s := madeWith(t, cli, sctx)
		a, b := tcpPipe(t)
		p := newPair(t, newClientCtx(t, cli), sctx, a, b)
		if err := p.client.SetSession(s); err != nil {
			t.Fatal(err)
		}
		p.mustShake(t)
		if !p.client.SessionReused() {
			t.Fatal("not resumed")
		}
		now := sessionOf(t, p.client) // in TLS 1.2 the copy itself
		a, b = tcpPipe(t)
		other := newPair(t, newClientCtx(t, cli), sctx, a, b)
		if err := other.client.SetSharedSession(now); !errors.Is(err, ssl.ErrSessionCtx) && !errors.Is(err, ssl.ErrNotResumable) {
			t.Errorf("SetSharedSession in another Ctx: %v", err)
		}
	})
}
