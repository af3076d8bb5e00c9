package ssl_test

import (
	"errors"
	"testing"
	"time"

	"sessl/ssl"
)

// costs is what one form makes and frees, for both ends together. A handshake ends here
// when the client has read what the server sent after it.
type costs struct {
	full     census // a full handshake
	fullEnd  int    // objects freed by the Closes after it
	again    census // a resumption with SetSharedSession
	againEnd int
	dupEnds  bool // the copy that SetSession made goes during the handshake, not at Close
	cached   int  // objects in the server's cache after a full handshake and two resumptions
}

// In TLS 1.2 each end makes one session, and the server a copy to seal a ticket from. In
// TLS 1.3 each end makes one, and for each ticket the client gets a new one in its place;
// the server makes a new one for all but the first, and a copy to seal each stateless
// ticket from. What the application has a handle on, or the cache a reference, is not
// freed with the connection.
var costsOf = map[string]costs{
	"TLS1.2-id": {
		full: census{created: 2, opened: 1}, fullEnd: 0, // the client's was delivered, the server's is cached
		again: census{}, againEnd: 0, cached: 1,
	},
	"TLS1.2-ticket": {
		full: census{created: 3, freed: 1, opened: 1}, fullEnd: 1,
		again: census{created: 1}, againEnd: 1, // the server's, from the ticket
	},
	"TLS1.3-stateful": {
		full: census{created: 5, freed: 1, opened: 2}, fullEnd: 0,
		again: census{created: 2, opened: 1}, againEnd: 0, dupEnds: true, cached: 4,
	},
	"TLS1.3-stateless": {
		full: census{created: 7, freed: 4, opened: 2}, fullEnd: 1,
		again: census{created: 4, freed: 2, opened: 1}, againEnd: 1, dupEnds: true,
	},
}

// connTest is both ends of one form, with sessions in the test's hands.
type connTest struct {
	t          *testing.T
	client     *ssl.Ctx
	server     *ssl.Ctx
	pair       pair
	fresh      []*ssl.Session // delivered, not yet closed
	one, two   *ssl.Session
	mine       *ssl.Session // a Dup of what the first connection left
	wantReused bool
}

// connect makes the Conns.
func (c *connTest) connect() error {
	a, b := tcpPipe(c.t)
	c.pair = newPair(c.t, c.client, c.server, a, b)
	return nil
}

// handshake ends when the client has read the tickets.
func (c *connTest) handshake() error {
	c.pair.mustShake(c.t)
	c.pair.echo(c.t)
	if c.pair.client.SessionReused() != c.wantReused || c.pair.server.SessionReused() != c.wantReused {
		return errors.New("the wrong kind of handshake")
	}
	return nil
}

func (c *connTest) close() error {
	c.pair.closeBoth()
	return nil
}

func (c *connTest) closeFresh() error {
	for _, s := range c.fresh {
		s.Close()
	}
	c.fresh = nil
	return nil
}

func (c *connTest) borrow() error {
	return c.pair.client.WithSession(func(b *ssl.BorrowedSession) error {
		up, err := b.UpRef()
		if err != nil {
			return err
		}
		return up.Close()
	})
}

func TestOwnershipOfConnections(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		n := costsOf[fm.name]
		c := &connTest{t: t}
		cli.OnNewSession = func(_ *ssl.Conn, s *ssl.Session) { c.fresh = append(c.fresh, s) }
		var err error
		if c.client, err = ssl.NewClientCtx(cli); err != nil {
			t.Fatal(err)
		}
		defer c.client.Close()
		if c.server, err = ssl.NewServerCtx(srv); err != nil {
			t.Fatal(err)
		}
		defer c.server.Close()
		session := func() (*ssl.Session, error) { return c.pair.client.Session() }
		runSteps(t, []step{
			{"Client and Server", c.connect, census{conns: 2}},
			{"full handshake", c.handshake, n.full},
			{"Conn.Session", into(&c.one, session), census{opened: 1}},
			{"Conn.Session again", into(&c.two, session), census{opened: 1}},
			{"WithSession and UpRef", c.borrow, census{lent: 1, back: 1, opened: 1, closed: 1}},
			{"Session.Close", closing(&c.two), census{closed: 1}},
			{"Dup", into(&c.mine, func() (*ssl.Session, error) { return c.one.Dup() }), census{created: 1, opened: 1}},
			{"Close of both ends", c.close, census{conns: -2, freed: n.fullEnd}},
			{"Close again", c.close, census{}},
			{"Close of the session", closing(&c.one), census{closed: 1}}, // OnNewSession's handle is left
			{"Close of what OnNewSession got", c.closeFresh, census{closed: n.full.opened, freed: n.full.opened}},
		})
		c.wantReused = true
		resume := func(extra int) {
			again, end := n.again, n.againEnd
			if n.dupEnds {
				again.freed += extra
			} else {
				end += extra
			}
			runSteps(t, []step{
				{"resumption", c.handshake, again},
				{"Close of both ends", c.close, census{conns: -2, freed: end}},
				{"Close of what OnNewSession got", c.closeFresh, census{closed: again.opened, freed: again.opened}},
			})
		}
		runSteps(t, []step{
			{"Client and Server", c.connect, census{conns: 2}},
			{"SetSession", func() error { return c.pair.client.SetSession(c.mine) }, census{created: 1}},
			{"SetSession again", func() error { return c.pair.client.SetSession(c.mine) }, census{created: 1, freed: 1}},
		})
		resume(1)
		runSteps(t, []step{
			{"Client and Server", c.connect, census{conns: 2}},
			{"SetSharedSession", func() error { return c.pair.client.SetSharedSession(c.mine) }, census{}},
		})
		resume(0)
		runSteps(t, []step{
			{"Close of the session", closing(&c.mine), census{closed: 1, freed: 1}},
			{"Close of the client's Ctx", c.client.Close, census{ctxs: -1}},
			{"Close of the server's Ctx", c.server.Close, census{ctxs: -1, freed: n.cached}},
		})
	})
}

// What is dropped instead of closed ends the same way, by the collector.
func TestOwnershipOfDroppedConnections(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		delivered := 0
		cli.OnNewSession = func(*ssl.Conn, *ssl.Session) { delivered++ }
		before := ssl.ReadCounters()
		dropConnections(t, srv, cli)
		eventually(t, "everything dropped is freed", func() bool {
			now := ssl.ReadCounters()
			return now.Conns.Collected-before.Conns.Collected == 2 && now.Ctxs.Collected-before.Ctxs.Collected == 2 &&
				int(now.Sessions.Collected-before.Sessions.Collected) == delivered+2
		})
		got := since(before)
		if got.created != got.freed || got.created == 0 || got.closed != 0 || got.lent != got.back {
			t.Errorf("%+v", got)
		}
	})
}

//go:noinline
func dropConnections(t *testing.T, srv, cli *ssl.Config) {
	client, err := ssl.NewClientCtx(cli)
	if err != nil {
		t.Fatal(err)
	}
	server, err := ssl.NewServerCtx(srv)
	if err != nil {
		t.Fatal(err)
	}
	a, b := tcpPipe(t)
	cc, err := ssl.Client(a, client)
	if err != nil {
		t.Fatal(err)
	}
	offerNothing(t, cc)
	sc, err := ssl.Server(b, server)
	if err != nil {
		t.Fatal(err)
	}
	cc.SetDeadline(time.Now().Add(ioTimeout))
	sc.SetDeadline(time.Now().Add(ioTimeout))
	p := pair{cc, sc}
	p.mustShake(t)
	p.echo(t)
	for _, c := range []*ssl.Conn{cc, sc} {
		if _, err := c.Session(); err != nil {
			t.Fatal(err)
		}
	}
}
