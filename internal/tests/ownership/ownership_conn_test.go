package ownership_test

import (
	"errors"
	"testing"
	"time"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// costs is what one form makes and frees, for both ends together. A handshake ends here
// when the client has read what the server sent after it.
type costs struct {
	full     ssltest.Census // a full handshake
	fullEnd  int            // objects freed by the Closes after it
	again    ssltest.Census // a resumption with SetSharedSession
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
		full: ssltest.Census{Created: 2, Opened: 1}, fullEnd: 0,
		// the client's was delivered, the server's is cached
		again: ssltest.Census{}, againEnd: 0, cached: 1,
	},
	"TLS1.2-ticket": {
		full: ssltest.Census{Created: 3, Freed: 1, Opened: 1}, fullEnd: 1,
		again: ssltest.Census{Created: 1}, againEnd: 1, // the server's, from the ticket
	},
	"TLS1.3-stateful": {
		full: ssltest.Census{Created: 5, Freed: 1, Opened: 2}, fullEnd: 0,
		again: ssltest.Census{Created: 2, Opened: 1}, againEnd: 0, dupEnds: true, cached: 4,
	},
	"TLS1.3-stateless": {
		full: ssltest.Census{Created: 7, Freed: 4, Opened: 2}, fullEnd: 1,
		again: ssltest.Census{Created: 4, Freed: 2, Opened: 1}, againEnd: 1, dupEnds: true,
	},
}

// connTest is both ends of one form, with sessions in the test's hands.
type connTest struct {
	t          *testing.T
	client     *ssl.Ctx
	server     *ssl.Ctx
	pair       ssltest.Pair
	fresh      []*ssl.Session // delivered, not yet closed
	one, two   *ssl.Session
	mine       *ssl.Session // a Dup of what the first connection left
	wantReused bool
}

// connect makes the Conns.
func (c *connTest) connect() error {
	a, b := ssltest.TCPPipe(c.t)
	c.pair = ssltest.NewPair(c.t, c.client, c.server, a, b)
	return nil
}

// handshake ends when the client has read the tickets.
func (c *connTest) handshake() error {
	c.pair.MustShake(c.t)
	c.pair.Echo(c.t)
	if c.pair.Client.SessionReused() != c.wantReused || c.pair.Server.SessionReused() != c.wantReused {
		return errors.New("the wrong kind of handshake")
	}
	return nil
}

func (c *connTest) close() error {
	c.pair.CloseBoth()
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
	return c.pair.Client.WithSession(func(b *ssl.BorrowedSession) error {
		up, err := b.UpRef()
		if err != nil {
			return err
		}
		return up.Close()
	})
}

func TestOwnershipOfConnections(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		n := costsOf[fm.Name]
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
		session := func() (*ssl.Session, error) { return c.pair.Client.Session() }
		runSteps(t, []step{
			{"Client and Server", c.connect, ssltest.Census{Conns: 2}},
			{"full handshake", c.handshake, n.full},
			{"Conn.Session", into(&c.one, session), ssltest.Census{Opened: 1}},
			{"Conn.Session again", into(&c.two, session), ssltest.Census{Opened: 1}},
			{"WithSession and UpRef", c.borrow, ssltest.Census{Lent: 1, Back: 1, Opened: 1, Closed: 1}},
			{"Session.Close", closing(&c.two), ssltest.Census{Closed: 1}},
			{"Dup", into(&c.mine, func() (*ssl.Session, error) { return c.one.Dup() }), ssltest.Census{Created: 1,
				Opened: 1}},
			{"Close of both ends", c.close, ssltest.Census{Conns: -2, Freed: n.fullEnd}},
			{"Close again", c.close, ssltest.Census{}},
			{"Close of the session", closing(&c.one), ssltest.Census{Closed: 1}}, // OnNewSession's handle is left
			{"Close of what OnNewSession got", c.closeFresh, ssltest.Census{Closed: n.full.Opened,
				Freed: n.full.Opened}},
		})
		c.wantReused = true
		resume := func(extra int) {
			again, end := n.again, n.againEnd
			if n.dupEnds {
				again.Freed += extra
			} else {
				end += extra
			}
			runSteps(t, []step{
				{"resumption", c.handshake, again},
				{"Close of both ends", c.close, ssltest.Census{Conns: -2, Freed: end}},
				{"Close of what OnNewSession got", c.closeFresh, ssltest.Census{Closed: again.Opened,
					Freed: again.Opened}},
			})
		}
		runSteps(t, []step{
			{"Client and Server", c.connect, ssltest.Census{Conns: 2}},
			{"SetSession", func() error { return c.pair.Client.SetSession(c.mine) }, ssltest.Census{Created: 1}},
			{"SetSession again", func() error { return c.pair.Client.SetSession(c.mine) }, ssltest.Census{Created: 1,
				Freed: 1}},
		})
		resume(1)
		runSteps(t, []step{
			{"Client and Server", c.connect, ssltest.Census{Conns: 2}},
			{"SetSharedSession", func() error { return c.pair.Client.SetSharedSession(c.mine) }, ssltest.Census{}},
		})
		resume(0)
		runSteps(t, []step{
			{"Close of the session", closing(&c.mine), ssltest.Census{Closed: 1, Freed: 1}},
			{"Close of the client's Ctx", c.client.Close, ssltest.Census{Ctxs: -1}},
			{"Close of the server's Ctx", c.server.Close, ssltest.Census{Ctxs: -1, Freed: n.cached}},
		})
	})
}

// What is dropped instead of closed ends the same way, by the collector.
func TestOwnershipOfDroppedConnections(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		delivered := 0
		cli.OnNewSession = func(*ssl.Conn, *ssl.Session) { delivered++ }
		before := ssl.ReadCounters()
		dropConnections(t, srv, cli)
		ssltest.Eventually(t, "everything dropped is freed", func() bool {
			now := ssl.ReadCounters()
			return now.Conns.Collected-before.Conns.Collected == 2 && now.Ctxs.Collected-before.Ctxs.Collected == 2 &&
				int(now.Sessions.Collected-before.Sessions.Collected) == delivered+2
		})
		got := ssltest.Since(before)
		if got.Created != got.Freed || got.Created == 0 || got.Closed != 0 || got.Lent != got.Back {
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
	a, b := ssltest.TCPPipe(t)
	cc, err := ssl.Client(a, client)
	if err != nil {
		t.Fatal(err)
	}
	ssltest.OfferNothing(t, cc)
	sc, err := ssl.Server(b, server)
	if err != nil {
		t.Fatal(err)
	}
	cc.SetDeadline(time.Now().Add(ssltest.Timeout))
	sc.SetDeadline(time.Now().Add(ssltest.Timeout))
	p := ssltest.Pair{Client: cc, Server: sc}
	p.MustShake(t)
	p.Echo(t)
	for _, c := range []*ssl.Conn{cc, sc} {
		if _, err := c.Session(); err != nil {
			t.Fatal(err)
		}
	}
}
