package closing_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// halves are the messages of which a peer may send a part: what comes first, and the rest.
var halves = map[string]struct {
	toClient, toServer bool
	make               func(r *ssltest.Rogue) (first, rest []byte)
}{
	"ticket": {toClient: true, make: func(r *ssltest.Rogue) (first, rest []byte) {
		m := ssltest.NewTicket(1, 0, 100)
		return r.Record(ssltest.TypeHandshake, m[:4]), r.Record(ssltest.TypeHandshake, m[4:])
	}},
	"ticket in three": {toClient: true, make: func(r *ssltest.Rogue) (first, rest []byte) {
		m := ssltest.NewTicket(1, 0, 100)
		first = r.Record(ssltest.TypeHandshake, m[:40])
		return first, append(r.Record(ssltest.TypeHandshake, m[40:41]), r.Record(ssltest.TypeHandshake, m[41:])...)
	}},
	"key update": {toClient: true, toServer: true, make: (*ssltest.Rogue).HalfKeyUpdate},
	"certificate request": {toClient: true, make: func(r *ssltest.Rogue) (first, rest []byte) {
		m := ssltest.Message(13, []byte{1, 'c', 0, 8, 0, 13, 0, 4, 0, 2, 4, 3})
		return r.Record(ssltest.TypeHandshake, m[:5]), r.Record(ssltest.TypeHandshake, m[5:])
	}},
}

// forEachMidway runs f for all that can be sent in all states, on all transports, with a Read
// under way and without. release sends the rest of the message, and data after it.
func forEachMidway(t *testing.T, f func(t *testing.T, w ssltest.Wire, m midwayState)) {
	srv, cli := ssltest.LaterConfigs(t)
	sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
	for state, half := range halves {
		for _, server := range []bool{false, true} {
			if server && !half.toServer || !server && !half.toClient {
				continue
			}
			for _, reads := range []bool{false, true} {
				name := fmt.Sprintf("%s/server=%t/reads=%t", state, server, reads)
				t.Run(name, func(t *testing.T) {
					ssltest.ForEachWire(t, func(t *testing.T, w ssltest.Wire) {
						for i := range ssltest.Sending {
							if ssltest.Sending[i].ServerOnly && !server || ssltest.Sending[i].Name == "IssueTicket" &&
								ssltest.LibraryRelease() == "1.1.1" {
								continue
							}
							m := midwayState{server: server, reads: reads, call: i}
							a, b := w.Pipe(t)
							var err error
							if server {
								m.c, err = ssl.Server(b, sctx)
							} else {
								m.c, err = ssl.Client(a, cctx)
							}
							if err != nil {
								t.Fatal(err)
							}
							m.c.SetDeadline(time.Now().Add(ssltest.Timeout))
							if server {
								m.c.SetNumTickets(0)
								m.r, m.ear = newRogueClient(t, a, m.c, cli)
							} else {
								m.r, m.ear = ssltest.NewRogueServer(t, b, m.c, srv)
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
	r             *ssltest.Rogue
	ear           *ssltest.Eavesdropper
	server, reads bool
	call          int
	rest          []byte
	heard         chan error // the end of what the peer hears
	read          chan error // of the Read that is under way
}

func (m *midwayState) enter(t *testing.T, w ssltest.Wire, half func(r *ssltest.Rogue) (first, rest []byte)) {
	t.Helper()
	data := m.r.Record(ssltest.TypeData, []byte("ping"))
	first, rest := half(m.r)
	m.rest = append(rest, m.r.Record(ssltest.TypeData, []byte("pong"))...)
	go m.r.Write(append(data, first...))
	// A large buffer, so that the Read goes on after the data and meets the message.
	if n, err := m.c.Read(make([]byte, 64)); n != 4 || err != nil {
		t.Fatal(n, err)
	}
	m.heard = make(chan error, 1)
	go func() { m.heard <- m.ear.Listen() }()
	if m.reads {
		m.read = make(chan error, 1)
		go func() { m.read <- ssltest.ReadUntil(m.c, "pong") }()
		w.Parked(t)
	}
}

// Whatever has something to send while a message of the peer's has come in part sends it when the
// rest has come.
func TestSendMidway(t *testing.T) {
	leakcheck.Test(t)
	forEachMidway(t, func(t *testing.T, w ssltest.Wire, m midwayState) {
		s := ssltest.Sending[m.call]
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		called := make(chan error, 1)
		go func() { called <- s.Call(ctx, m.c) }()
		if s.Name != "Close" { // which does not wait for long
			w.Parked(t)
		}
		select {
		case err := <-called:
			t.Fatalf("%s did not wait: %v", s.Name, err)
		default:
		}
		go m.r.Write(m.rest)
		m.ear.Await(t, s.Hears)
		cancel()
		if err := <-called; err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		if s.Name != "Close" && !m.reads {
			if err := ssltest.ReadUntil(m.c, "pong"); err != nil {
				t.Errorf("after %s: %v", s.Name, err)
			}
		}
	})
}

// The rest never comes: a deadline ends the wait and leaves the connection as it was, and Close
// ends it at once, and itself soon.
func TestSendMidwayEnds(t *testing.T) {
	leakcheck.Test(t)
	forEachMidway(t, func(t *testing.T, w ssltest.Wire, m midwayState) {
		s := ssltest.Sending[m.call]
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		if s.Name == "Close" {
			m.c.Close()
			return
		}
		called := make(chan error, 1)
		go func() { called <- s.Call(ctx, m.c) }()
		w.Parked(t)
		m.c.SetWriteDeadline(time.Unix(1, 0))
		if err := <-called; !ssltest.IsTimeout(err) {
			t.Errorf("%s with a deadline: %v", s.Name, err)
		}
		m.c.SetWriteDeadline(time.Time{})
		go func() { called <- s.Call(ctx, m.c) }()
		w.Parked(t)
		m.c.Close()
		if err := <-called; !ssltest.IsClosed(err) {
			t.Errorf("%s and Close: %v", s.Name, err)
		}
	})
}

// A request for a certificate that comes while a Write waits for the rest of a message does not
// make the Write miss it.
func TestRequestBesideWriteMidway(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.LaterConfigs(t)
	sctx := ssltest.NewServerCtx(t, srv)
	ssltest.ForEachWire(t, func(t *testing.T, w ssltest.Wire) {
		a, b := w.Pipe(t)
		c, err := ssl.Server(b, sctx)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(ssltest.Timeout))
		c.SetNumTickets(0)
		m := midwayState{c: c, server: true, reads: true}
		m.r, m.ear = newRogueClient(t, a, c, cli)
		m.enter(t, w, (*ssltest.Rogue).HalfKeyUpdate)
		wrote, asked := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := c.Write([]byte("x"))
			wrote <- err
		}()
		w.Parked(t)
		ctx, cancel := context.WithCancel(context.Background())
		go func() { asked <- c.RequestClientCertificate(ctx) }()
		w.Parked(t)
		rest := m.rest[:len(m.rest)-len(m.r.Record(ssltest.TypeData, []byte("pong")))] // without the data
		go m.r.Write(rest)
		m.ear.Await(t, "data")
		m.ear.Await(t, "message 13")
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
