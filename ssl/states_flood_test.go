package ssl_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// mostFresh is how many sessions a client's connection keeps that have not been delivered: in C
// during a step, and in Go.
const mostFresh = 2 * 256

// liveSessions is how many SSL_SESSION objects there are.
func liveSessions() int {
	c := ssl.ReadCounters()
	return int(c.SessionObjectsCreated - c.SessionObjectsFreed)
}

// ticketBox is what OnNewSession was given: how many, the number in the last ticket, and how many
// sessions there were when it was called first.
type ticketBox struct {
	mu       sync.Mutex
	n        int
	last     uint32
	liveThen int
}

func (b *ticketBox) add(_ *ssl.Conn, s *ssl.Session) {
	defer s.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.n == 0 {
		b.liveThen = liveSessions()
	}
	b.n++
	if ticket, err := s.Ticket(); err == nil && len(ticket) >= 4 {
		b.last = binary.BigEndian.Uint32(ticket)
	}
}

// floodedClient is a client that has got "ping" and, with midway, a part of a ticket.
func floodedClient(t *testing.T, a, b net.Conn, cctx *ssl.Ctx, srv *ssl.Config, midway bool) (c *ssl.Conn, r *rogue, rest []byte) {
	t.Helper()
	c, err := ssl.Client(a, cctx)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(ioTimeout))
	r, _ = newRogueServer(t, b, c, srv)
	data := r.record(typeData, []byte("ping"))
	if midway {
		m := newTicket(0, 0, 32)
		data = append(data, r.record(typeHandshake, m[:4])...)
		rest = r.record(typeHandshake, m[4:])
	}
	go r.Write(data)
	if n, err := c.Read(make([]byte, 64)); n != 4 || err != nil {
		t.Fatal(n, err)
	}
	return c, r, rest
}

// tickets are records with n tickets of that length, numbered from 1.
func (r *rogue) tickets(n, length int) (out []byte) {
	for i := range n {
		for m := newTicket(uint32(i+1), 0, length); len(m) > 0; {
			k := min(len(m), 1<<14)
			out = append(out, r.record(typeHandshake, m[:k])...)
			m = m[k:]
		}
	}
	return out
}

// A client that writes and does not read keeps a bounded number of the tickets that a server sends
// without end, the newest ones, and hears of those when it reads.
func TestHostileTicketFlood(t *testing.T) {
	leakcheck.Test(t)
	for name, flood := range map[string]struct{ n, length, most int }{
		"many": {5000, 32, mostFresh},
		"long": {300, 60_000, mostFresh / 15},
	} {
		forEachWire(t, func(t *testing.T, w wire) {
			srv, cli := serverConfig(t), clientConfig(t)
			var box ticketBox
			cli.OnNewSession = box.add
			a, b := w.pipe(t)
			cctx := newClientCtx(t, cli)
			c, r, rest := floodedClient(t, a, b, cctx, srv, true)
			defer c.Close()
			go io.Copy(io.Discard, b)
			before := liveSessions()
			wrote := make(chan error, 1)
			go func() {
				_, err := c.Write([]byte("x"))
				wrote <- err
			}()
			w.parked(t)
			ended := ssl.PumpEnded(c)
			all := append(rest, r.tickets(flood.n, flood.length)...)
			if _, err := r.Write(append(all, r.record(typeData, []byte("pong"))...)); err != nil {
				t.Fatal(err)
			}
			if err := <-wrote; err != nil {
				t.Fatal(err)
			}
			<-ended
			if n := liveSessions() - before; n > flood.most {
				t.Errorf("%s: %d tickets make %d sessions without a holder, want at most %d", name, flood.n, n, flood.most)
			}
			if err := readUntil(c, "pong"); err != nil {
				t.Error(err)
			}
			if box.n == 0 || box.n > mostFresh || box.last != uint32(flood.n) {
				t.Errorf("%s: %d sessions were delivered, the last is number %d", name, box.n, box.last)
			}
			c.Close()
			b.Close()
		})
	}
}

// brokenConn is a net.Conn whose writes fail when it is broken.
type brokenConn struct {
	net.Conn
	broken atomic.Bool
	tries  atomic.Int32 // writes that have failed
}

func (c *brokenConn) Write(b []byte) (int, error) {
	if c.broken.Load() {
		c.tries.Add(1)
		return 0, syscall.EPIPE
	}
	return c.Conn.Write(b)
}

// A Write that cannot send looks for an alert of the server's, and may find tickets without end.
func TestHostileTicketFloodBehindBrokenWrite(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := serverConfig(t), clientConfig(t)
	var box ticketBox
	cli.OnNewSession = box.add
	cctx := newClientCtx(t, cli)
	a, b := tcpPipe(t)
	broken := &brokenConn{Conn: a}
	c, r, _ := floodedClient(t, broken, b, cctx, srv, false)
	defer c.Close()
	before := liveSessions()
	broken.broken.Store(true)
	if _, err := c.Write([]byte("x")); err == nil {
		t.Fatal("a broken Write succeeded")
	}
	ended := ssl.PumpEnded(c)
	if _, err := r.Write(append(r.tickets(5000, 32), r.record(typeData, []byte("pong"))...)); err != nil {
		t.Fatal(err)
	}
	<-ended
	if n := liveSessions() - before; n > mostFresh {
		t.Errorf("%d sessions without a holder", n)
	}
}

// Close reads tickets that have not been read, for a moment, and keeps no more of them than others do.
func TestHostileTicketFloodInClose(t *testing.T) {
	leakcheck.Test(t)
	for _, hide := range []bool{false, true} {
		srv, cli := serverConfig(t), clientConfig(t)
		var box ticketBox
		cli.OnNewSession = box.add
		cctx := newClientCtx(t, cli)
		a, b := tcpPipe(t)
		if hide {
			a = plain{a}
		}
		c, err := ssl.Client(a, cctx)
		if err != nil {
			t.Fatal(err)
		}
		r, _ := newRogueServer(t, b, c, srv)
		before := liveSessions()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for r.flood(1, func() []byte { return r.tickets(500, 32) }) == nil {
			}
		}()
		c.Close()
		<-done
		if n := box.liveThen - before; n > mostFresh {
			t.Errorf("%d sessions when the first was delivered", n)
		}
	}
}

// libssl copies the values of a session to those of its tickets: a number for Go to learn of, each.
func TestHostileTicketFloodOfValues(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := serverConfig(t), clientConfig(t)
	srv.TicketKeys = ticketKeys(t, ssl.TicketKeySet{Current: newTicketKey(t)})
	srv.MaxVersion = ssl.VersionTLS13
	cctx := newClientCtx(t, cli)
	p := meet(t, cctx, newServerCtx(t, srv), nil)
	s := sessionOf(t, p.client)
	p.closeBoth()
	if err := s.SetExData(ssl.NewSessionIndex(), "value"); err != nil {
		t.Fatal(err)
	}
	a, b := tcpPipe(t)
	c, err := ssl.Client(a, cctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(ioTimeout))
	if err := c.SetSession(s); err != nil {
		t.Fatal(err)
	}
	r, _ := newRogueServer(t, b, c, srv)
	go r.Write(append(r.tickets(2000, 32), r.record(typeData, []byte("pong"))...))
	if err := readUntil(c, "pong"); err != nil {
		t.Fatal(err)
	}
	if n := ssl.ValueEvents(); n > 10 {
		t.Errorf("%d events wait to be applied", n)
	}
}

// The lines that a key log gets for KeyUpdates, with versions of libssl that log them, do not pile
// up: they are written, or the oldest are dropped where there is no Read.
func TestHostileKeyUpdateFloodOfKeyLog(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := serverConfig(t), clientConfig(t)
	var log bytes.Buffer
	cli.KeyLogWriter = &log
	a, b := tcpPipe(t)
	c, r, _ := floodedClient(t, a, b, newClientCtx(t, cli), srv, false)
	defer c.Close()
	go io.Copy(io.Discard, b)
	go func() {
		r.Write(r.keyUpdates(200))
		r.Write(r.record(typeData, []byte("pong")))
	}()
	if err := readUntil(c, "pong"); err != nil {
		t.Fatal(err)
	}
	if n := ssl.KeyLines(c); n != 0 {
		t.Errorf("%d bytes of lines wait after a Read", n)
	}
	if n := bytes.Count(log.Bytes(), []byte("TRAFFIC_SECRET_N")); n != 0 && n < 50 {
		t.Errorf("%d KeyUpdates were logged", n)
	}
}

// The same behind a Write that waits, where nothing is delivered.
func TestHostileKeyUpdateFloodBehindWrite(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := serverConfig(t), clientConfig(t)
	cli.KeyLogWriter = io.Discard
	a, b := tcpPipe(t)
	c, r, rest := floodedClient(t, a, b, newClientCtx(t, cli), srv, true)
	defer c.Close()
	go io.Copy(io.Discard, b)
	wrote := make(chan error, 1)
	go func() {
		_, err := c.Write([]byte("x"))
		wrote <- err
	}()
	awaitParked(t)
	ended := ssl.PumpEnded(c)
	for range 50 {
		rest = append(rest, r.keyUpdates(200)...)
	}
	if _, err := r.Write(append(rest, r.record(typeData, []byte("pong"))...)); err != nil {
		t.Fatal(err)
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	<-ended
	if n := ssl.KeyLines(c); n > 16*16384 {
		t.Errorf("%d bytes of lines wait", n)
	}
	if err := readUntil(c, "pong"); err != nil {
		t.Error(err)
	}
	if n := ssl.KeyLines(c); n != 0 {
		t.Errorf("%d bytes of lines wait after a Read", n)
	}
}

// While OnRemoveSession does not return, a bounded number of further ids waits for it.
func TestRemovedFlood(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := serverConfig(t), clientConfig(t)
	srv.MaxVersion, srv.SessionTicketsDisabled, srv.SessionCacheSize = ssl.VersionTLS12, true, -1
	var told atomic.Int32
	called, goOn := make(chan struct{}), make(chan struct{})
	srv.OnRemoveSession = func(*ssl.Ctx, []byte) {
		if told.Add(1) == 1 {
			close(called)
			<-goOn
		}
	}
	sctx := newServerCtx(t, srv)
	s := madeWith(t, cli, sctx)
	flushed := make(chan error, 1)
	go func() { flushed <- sctx.FlushSessions(time.Time{}) }()
	<-called
	const n = 33_000 // of 33 bytes each
	for i := range n {
		one, err := s.Dup()
		if err != nil {
			t.Fatal(err)
		}
		id := binary.BigEndian.AppendUint32(make([]byte, 28), uint32(i+1))
		if err := one.SetID(id); err != nil {
			t.Fatal(err)
		}
		if added, err := sctx.AddSession(one); !added || err != nil {
			t.Fatal(added, err)
		}
		one.Close()
	}
	if err := sctx.FlushSessions(time.Time{}); err != nil {
		t.Fatal(err)
	}
	close(goOn)
	if err := <-flushed; err != nil {
		t.Fatal(err)
	}
	if got := told.Load(); got < 1<<20/33 || got >= n {
		t.Errorf("OnRemoveSession was told of %d sessions", got)
	}
}
