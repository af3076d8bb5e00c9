package ssl_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
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

// A client that writes and does not read keeps a bounded number of the tickets that a server sends
// without end, the newest ones, and hears of those when it reads.
func TestHostileTicketFlood(t *testing.T) {
	leakcheck.Test(t)
	for name, flood := range map[string]struct{ n, length, most int }{
		"many": {5000, 32, mostFresh},
		"long": {300, 60_000, mostFresh / 15},
	} {
		ssltest.ForEachWire(t, func(t *testing.T, w ssltest.Wire) {
			srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
			var box ticketBox
			cli.OnNewSession = box.add
			a, b := w.Pipe(t)
			cctx := ssltest.NewClientCtx(t, cli)
			c, r, rest := ssltest.FloodedClient(t, a, b, cctx, srv, true)
			defer c.Close()
			go io.Copy(io.Discard, b)
			before := liveSessions()
			wrote := make(chan error, 1)
			go func() {
				_, err := c.Write([]byte("x"))
				wrote <- err
			}()
			w.Parked(t)
			ended := ssl.PumpEnded(c)
			all := append(rest, r.Tickets(flood.n, flood.length)...)
			if _, err := r.Write(append(all, r.Record(ssltest.TypeData, []byte("pong"))...)); err != nil {
				t.Fatal(err)
			}
			if err := <-wrote; err != nil {
				t.Fatal(err)
			}
			<-ended
			if n := liveSessions() - before; n > flood.most {
				t.Errorf("%s: %d tickets make %d sessions without a holder, want at most %d",
					name, flood.n, n, flood.most)
			}
			if err := ssltest.ReadUntil(c, "pong"); err != nil {
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

// A Write that cannot send looks for an alert of the server's, and may find tickets without end.
func TestHostileTicketFloodBehindBrokenWrite(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	var box ticketBox
	cli.OnNewSession = box.add
	cctx := ssltest.NewClientCtx(t, cli)
	a, b := ssltest.TCPPipe(t)
	broken := &ssltest.BrokenConn{Conn: a}
	c, r, _ := ssltest.FloodedClient(t, broken, b, cctx, srv, false)
	defer c.Close()
	before := liveSessions()
	broken.Broken.Store(true)
	if _, err := c.Write([]byte("x")); err == nil {
		t.Fatal("a broken Write succeeded")
	}
	ended := ssl.PumpEnded(c)
	if _, err := r.Write(append(r.Tickets(5000, 32),
		r.Record(ssltest.TypeData, []byte("pong"))...)); err != nil {
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
		srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
		var box ticketBox
		cli.OnNewSession = box.add
		cctx := ssltest.NewClientCtx(t, cli)
		a, b := ssltest.TCPPipe(t)
		if hide {
			a = ssltest.Plain{Conn: a}
		}
		c, err := ssl.Client(a, cctx)
		if err != nil {
			t.Fatal(err)
		}
		r, _ := ssltest.NewRogueServer(t, b, c, srv)
		before := liveSessions()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for r.Flood(1, func() []byte { return r.Tickets(500, 32) }) == nil {
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
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.TicketKeys = ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)})
	srv.MaxVersion = ssl.VersionTLS13
	cctx := ssltest.NewClientCtx(t, cli)
	p := ssltest.Meet(t, cctx, ssltest.NewServerCtx(t, srv), nil)
	s := ssltest.SessionOf(t, p.Client)
	p.CloseBoth()
	if err := s.SetExData(ssl.NewSessionIndex(), "value"); err != nil {
		t.Fatal(err)
	}
	a, b := ssltest.TCPPipe(t)
	c, err := ssl.Client(a, cctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(ssltest.Timeout))
	if err := c.SetSession(s); err != nil {
		t.Fatal(err)
	}
	r, _ := ssltest.NewRogueServer(t, b, c, srv)
	go r.Write(append(r.Tickets(2000, 32), r.Record(ssltest.TypeData, []byte("pong"))...))
	if err := ssltest.ReadUntil(c, "pong"); err != nil {
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
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	var log bytes.Buffer
	cli.KeyLogWriter = &log
	a, b := ssltest.TCPPipe(t)
	c, r, _ := ssltest.FloodedClient(t, a, b, ssltest.NewClientCtx(t, cli), srv, false)
	defer c.Close()
	go io.Copy(io.Discard, b)
	go func() {
		r.Write(r.KeyUpdates(200))
		r.Write(r.Record(ssltest.TypeData, []byte("pong")))
	}()
	if err := ssltest.ReadUntil(c, "pong"); err != nil {
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
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	cli.KeyLogWriter = io.Discard
	a, b := ssltest.TCPPipe(t)
	c, r, rest := ssltest.FloodedClient(t, a, b, ssltest.NewClientCtx(t, cli), srv, true)
	defer c.Close()
	go io.Copy(io.Discard, b)
	wrote := make(chan error, 1)
	go func() {
		_, err := c.Write([]byte("x"))
		wrote <- err
	}()
	ssltest.AwaitParked(t)
	ended := ssl.PumpEnded(c)
	for range 50 {
		rest = append(rest, r.KeyUpdates(200)...)
	}
	if _, err := r.Write(append(rest, r.Record(ssltest.TypeData, []byte("pong"))...)); err != nil {
		t.Fatal(err)
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	<-ended
	if n := ssl.KeyLines(c); n > 16*16384 {
		t.Errorf("%d bytes of lines wait", n)
	}
	if err := ssltest.ReadUntil(c, "pong"); err != nil {
		t.Error(err)
	}
	if n := ssl.KeyLines(c); n != 0 {
		t.Errorf("%d bytes of lines wait after a Read", n)
	}
}

// While OnRemoveSession does not return, a bounded number of further ids waits for it.
func TestRemovedFlood(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.MaxVersion, srv.SessionTicketsDisabled, srv.SessionCacheSize = ssl.VersionTLS12, true, -1
	var told atomic.Int32
	called, goOn := make(chan struct{}), make(chan struct{})
	srv.OnRemoveSession = func(*ssl.Ctx, []byte) {
		if told.Add(1) == 1 {
			close(called)
			<-goOn
		}
	}
	sctx := ssltest.NewServerCtx(t, srv)
	s := ssltest.MadeWith(t, cli, sctx)
	flushed := make(chan error, 1)
	go func() { flushed <- sctx.FlushSessions(time.Time{}) }()
	<-called
	const n = 33_000 // of 33 bytes each
	for i := range n {
		one, err := s.Dup()
		if err != nil {
			t.Fatal(err)
		}
		// libssl's table tells ids apart by their first bytes.
		id := append(binary.LittleEndian.AppendUint32(nil, uint32(i+1)), make([]byte, 28)...)
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
