package ssl_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// halves are the messages of which a peer may send a part: what comes first, and the rest.
var halves = map[string]struct {
	toClient, toServer bool
	make               func(r *rogue) (first, rest []byte)
}{
	"ticket": {toClient: true, make: func(r *rogue) (first, rest []byte) {
		m := newTicket(1, 0, 100)
		return r.record(typeHandshake, m[:4]), r.record(typeHandshake, m[4:])
	}},
	"ticket in three": {toClient: true, make: func(r *rogue) (first, rest []byte) {
		m := newTicket(1, 0, 100)
		first = r.record(typeHandshake, m[:40])
		return first, append(r.record(typeHandshake, m[40:41]), r.record(typeHandshake, m[41:])...)
	}},
	"key update": {toClient: true, toServer: true, make: (*rogue).halfKeyUpdate},
	"certificate request": {toClient: true, make: func(r *rogue) (first, rest []byte) {
		m := message(13, []byte{1, 'c', 0, 8, 0, 13, 0, 4, 0, 2, 4, 3})
		return r.record(typeHandshake, m[:5]), r.record(typeHandshake, m[5:])
	}},
}

// sending are the calls that make libssl send something, with what the peer hears then.
var sending = []struct {
	name, hears string
	serverOnly  bool
	call        func(ctx context.Context, c *ssl.Conn) error
}{
	{"Write", "data", false, func(_ context.Context, c *ssl.Conn) error { _, err := c.Write([]byte("x")); return err }},
	{"CloseWrite", "alert 0", false, func(_ context.Context, c *ssl.Conn) error { return c.CloseWrite() }},
	{"Close", "alert 0", false, func(_ context.Context, c *ssl.Conn) error { return c.Close() }},
	{"KeyUpdate", "message 24", false, func(_ context.Context, c *ssl.Conn) error { return c.KeyUpdate(false) }},
	{"KeyUpdate asked back", "message 24", false, func(_ context.Context, c *ssl.Conn) error { return c.KeyUpdate(true) }},
	{"IssueTicket", "message 4", true, func(_ context.Context, c *ssl.Conn) error { return c.IssueTicket() }},
	{"RequestClientCertificate", "message 13", true, func(ctx context.Context, c *ssl.Conn) error {
		if err := c.RequestClientCertificate(ctx); !errors.Is(err, context.Canceled) {
			return fmt.Errorf("it ended before its context: %w", err)
		}
		return nil
	}},
}

// forEachMidway runs f for all that can be sent in all states, on all transports, with a Read
// under way and without. release sends the rest of the message, and data after it.
func forEachMidway(t *testing.T, f func(t *testing.T, w wire, m midwayState)) {
	srv, cli := laterConfigs(t)
	sctx, cctx := newServerCtx(t, srv), newClientCtx(t, cli)
	for state, half := range halves {
		for _, server := range []bool{false, true} {
			if server && !half.toServer || !server && !half.toClient {
				continue
			}
			for _, reads := range []bool{false, true} {
				name := fmt.Sprintf("%s/server=%t/reads=%t", state, server, reads)
				t.Run(name, func(t *testing.T) {
					forEachWire(t, func(t *testing.T, w wire) {
						for i := range sending {
							if sending[i].serverOnly && !server || sending[i].name == "IssueTicket" && release() == "1.1.1" {
								continue
							}
							m := midwayState{server: server, reads: reads, call: i}
							a, b := w.pipe(t)
							var err error
							if server {
								m.c, err = ssl.Server(b, sctx)
							} else {
								m.c, err = ssl.Client(a, cctx)
							}
							if err != nil {
								t.Fatal(err)
							}
							m.c.SetDeadline(time.Now().Add(ioTimeout))
							if server {
								m.c.SetNumTickets(0)
								m.r, m.ear = newRogueClient(t, a, m.c, cli)
							} else {
								m.r, m.ear = newRogueServer(t, b, m.c, srv)
							}
							m.enter(t, w, half.make)
							f(t, w, m)
							m.c.Close()
							a.Close()
							b.Close()
							<-m.heard
							if m.read != nil {
								<-m.read
							}
						}
					})
				})
			}
		}
	}
}

// midwayState is a connection that has got a message in part, and one of sending.
type midwayState struct {
	c             *ssl.Conn
	r             *rogue
	ear           *eavesdropper
	server, reads bool
	call          int
	rest          []byte
	heard         chan error // the end of what the peer hears
	read          chan error // of the Read that is under way
}

func (m *midwayState) enter(t *testing.T, w wire, half func(r *rogue) (first, rest []byte)) {
	t.Helper()
	data := m.r.record(typeData, []byte("ping"))
	first, rest := half(m.r)
	m.rest = append(rest, m.r.record(typeData, []byte("pong"))...)
	go m.r.Write(append(data, first...))
	// A large buffer, so that the Read goes on after the data and meets the message.
	if n, err := m.c.Read(make([]byte, 64)); n != 4 || err != nil {
		t.Fatal(n, err)
	}
	m.heard = make(chan error, 1)
	go func() { m.heard <- m.ear.listen() }()
	if m.reads {
		m.read = make(chan error, 1)
		go func() { m.read <- readUntil(m.c, "pong") }()
		w.parked(t)
	}
}

// Whatever has something to send while a message of the peer's has come in part sends it when the
// rest has come.
func TestSendMidway(t *testing.T) {
	leakcheck.Test(t)
	forEachMidway(t, func(t *testing.T, w wire, m midwayState) {
		s := sending[m.call]
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		called := make(chan error, 1)
		go func() { called <- s.call(ctx, m.c) }()
		if s.name != "Close" { // which does not wait for long
			w.parked(t)
		}
		select {
		case err := <-called:
			t.Fatalf("%s did not wait: %v", s.name, err)
		default:
		}
		go m.r.Write(m.rest)
		m.ear.await(t, s.hears)
		cancel()
		if err := <-called; err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		if s.name != "Close" && !m.reads {
			if err := readUntil(m.c, "pong"); err != nil {
				t.Errorf("after %s: %v", s.name, err)
			}
		}
	})
}

// The rest never comes: a deadline ends the wait and leaves the connection as it was, and Close
// ends it at once, and itself soon.
func TestSendMidwayEnds(t *testing.T) {
	leakcheck.Test(t)
	forEachMidway(t, func(t *testing.T, w wire, m midwayState) {
		s := sending[m.call]
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		if s.name == "Close" {
			m.c.Close()
			return
		}
		called := make(chan error, 1)
		go func() { called <- s.call(ctx, m.c) }()
		w.parked(t)
		m.c.SetWriteDeadline(time.Unix(1, 0))
		if err := <-called; !isTimeout(err) {
			t.Errorf("%s with a deadline: %v", s.name, err)
		}
		m.c.SetWriteDeadline(time.Time{})
		go func() { called <- s.call(ctx, m.c) }()
		w.parked(t)
		m.c.Close()
		if err := <-called; !isClosed(err) {
			t.Errorf("%s and Close: %v", s.name, err)
		}
	})
}

// A request for a certificate that comes while a Write waits for the rest of a message does not
// make the Write miss it.
func TestRequestBesideWriteMidway(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := laterConfigs(t)
	sctx := newServerCtx(t, srv)
	forEachWire(t, func(t *testing.T, w wire) {
		a, b := w.pipe(t)
		c, err := ssl.Server(b, sctx)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(ioTimeout))
		c.SetNumTickets(0)
		m := midwayState{c: c, server: true, reads: true}
		m.r, m.ear = newRogueClient(t, a, c, cli)
		m.enter(t, w, (*rogue).halfKeyUpdate)
		wrote, asked := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := c.Write([]byte("x"))
			wrote <- err
		}()
		w.parked(t)
		ctx, cancel := context.WithCancel(context.Background())
		go func() { asked <- c.RequestClientCertificate(ctx) }()
		w.parked(t)
		rest := m.rest[:len(m.rest)-len(m.r.record(typeData, []byte("pong")))] // without the data
		go m.r.Write(rest)
		m.ear.await(t, "data")
		m.ear.await(t, "message 13")
		cancel()
		if err := <-wrote; err != nil {
			t.Errorf("Write: %v", err)
		}
		if err := <-asked; !errors.Is(err, context.Canceled) {
			t.Errorf("RequestClientCertificate: %v", err)
		}
		c.Close()
		a.Close()
		b.Close()
		<-m.heard
		<-m.read
	})
}
