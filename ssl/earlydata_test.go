package ssl_test

import (
	"errors"
	"io"
	"net"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// earlyConfigs are for both ends of connections with early data.
func earlyConfigs(t testing.TB) (srv, cli *ssl.Config) {
	srv, cli = serverConfig(t), clientConfig(t)
	srv.MaxEarlyData = 16 << 10
	return srv, cli
}

// earlySession is a session of a connection between the two.
func earlySession(t testing.TB, cctx, sctx *ssl.Ctx) *ssl.Session {
	t.Helper()
	p := meet(t, cctx, sctx, nil)
	s := sessionOf(t, p.client)
	p.closeBoth()
	return s
}

// earlyPair are two ends, of which the client offers s.
func earlyPair(t testing.TB, cctx, sctx *ssl.Ctx, s *ssl.Session) pair {
	t.Helper()
	a, b := tcpPipe(t)
	p := newPair(t, cctx, sctx, a, b)
	if err := p.client.SetSession(s); err != nil {
		t.Fatal(err)
	}
	return p
}

// writeEarly sends text as early data, and completes the client's handshake.
func writeEarly(c *ssl.Conn, text string) error {
	if _, err := c.WriteEarlyData([]byte(text)); err != nil {
		return err
	}
	return c.Handshake()
}

// exchangeEarly sends text early, and returns what the server has read of it. Both
// handshakes are complete then.
func (p pair) exchangeEarly(t testing.TB, text string) (read string) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- writeEarly(p.client, text) }()
	got, err := io.ReadAll(earlyReader{p.server})
	if err != nil {
		t.Fatalf("server: %v", err)
	}
	if err := p.server.Handshake(); err != nil {
		t.Fatalf("server: %v", err)
	}
	if err := <-done; err != nil {
		t.Fatalf("client: %v", err)
	}
	return string(got)
}

// earlyReader reads early data.
type earlyReader struct{ c *ssl.Conn }

func (r earlyReader) Read(b []byte) (int, error) { return r.c.ReadEarlyData(b) }

// wantEarly is exchangeEarly with a verdict that both ends agree on, and an echo afterwards.
func (p pair) wantEarly(t testing.TB, want ssl.EarlyDataStatus) {
	t.Helper()
	const text = "early bird"
	got, read := p.exchangeEarly(t, text), ""
	if want == ssl.EarlyDataAccepted {
		read = text
	}
	if got != read {
		t.Errorf("the server has read %q early, not %q", got, read)
	}
	if c, s := p.client.EarlyDataStatus(), p.server.EarlyDataStatus(); c != want || s != want {
		t.Errorf("the client says %v, the server %v, not %v", c, s, want)
	}
	p.echo(t)
}

// forEachSocket runs f on both ways to a socket.
func forEachSocket(t *testing.T, f func(t *testing.T)) {
	defer func() { plainTCP = false }()
	for name, hide := range map[string]bool{"socket": false, "net.Conn": true} {
		plainTCP = hide
		t.Run(name, f)
	}
}

// C-26: early data is accepted, read apart from what comes later, and reported by both ends.
func TestC26_EarlyDataAccepted(t *testing.T) {
	forEachSocket(t, func(t *testing.T) {
		leakcheck.Test(t)
		srv, cli := earlyConfigs(t)
		cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
		s := earlySession(t, cctx, sctx)
		if n := get(t, s.MaxEarlyData); n != srv.MaxEarlyData {
			t.Fatalf("the ticket allows %d bytes", n)
		}
		p := earlyPair(t, cctx, sctx, s)
		p.wantEarly(t, ssl.EarlyDataAccepted)
		if !p.client.SessionReused() || !p.server.SessionReused() {
			t.Error("not resumed")
		}
		// The ticket of the resumption serves for the next one.
		next := sessionOf(t, p.client)
		p.closeBoth()
		earlyPair(t, cctx, sctx, next).wantEarly(t, ssl.EarlyDataAccepted)
		if c, s := cctx.EarlyDataStats(), sctx.EarlyDataStats(); c != s || c.Accepted != 2 || c.Rejected != 0 {
			t.Errorf("counters: %+v, %+v", c, s)
		}
	})
}

// C-26: the same session twice. The second connection's early data is rejected, both go on; in
// libssl's internal cache the session is gone by then.
func TestC26_EarlyDataTwice(t *testing.T) {
	for _, disabled := range []bool{false, true} {
		leakcheck.Test(t)
		srv, cli := earlyConfigs(t)
		srv.SessionTicketsDisabled = disabled
		cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
		s := earlySession(t, cctx, sctx)
		earlyPair(t, cctx, sctx, s).wantEarly(t, ssl.EarlyDataAccepted)
		p := earlyPair(t, cctx, sctx, s)
		p.wantEarly(t, ssl.EarlyDataRejected)
		if got := p.client.SessionReused(); got == disabled {
			t.Errorf("tickets disabled %v: resumed %v", disabled, got)
		}
		if st := sctx.EarlyDataStats(); st.Accepted != 1 || st.Rejected != 1 {
			t.Errorf("counters: %+v", st)
		}
	}
}

// C-26: another name or protocol than the session's. What the client knows it does not
// send; what it does not know the server rejects.
func TestC26_EarlyDataMismatch(t *testing.T) {
	t.Run("SNI", func(t *testing.T) {
		leakcheck.Test(t)
		srv, cli := earlyConfigs(t)
		cli.InsecureSkipVerify = true     // who verifies does not get that far
		srv.SessionTicketsDisabled = true // a ticket of another name is not resumed at all
		other := *cli
		other.ServerName = "other.test"
		sctx := newServerCtx(t, srv)
		s := reparsed(t, earlySession(t, newClientCtx(t, cli), sctx)) // does not know its name
		if err := s.SetHostname("other.test"); err != nil {
			t.Fatal(err)
		}
		p := earlyPair(t, newClientCtx(t, &other), sctx, s)
		p.wantEarly(t, ssl.EarlyDataRejected)
		if !p.client.SessionReused() {
			t.Error("the session itself should have been resumed")
		}
	})
	t.Run("verified name", func(t *testing.T) {
		leakcheck.Test(t)
		srv, cli := earlyConfigs(t)
		other := *cli
		other.ServerName = "127.0.0.1"
		sctx := newServerCtx(t, srv)
		s := earlySession(t, newClientCtx(t, cli), sctx)
		wantNoEarly(t, earlyPair(t, newClientCtx(t, &other), sctx, s))
	})
	t.Run("ALPN of the server", func(t *testing.T) {
		leakcheck.Test(t)
		srv, cli := earlyConfigs(t)
		cli.NextProtos, srv.NextProtos = []string{"a"}, []string{"a", "b"}
		other := *cli
		other.NextProtos = []string{"b"}
		sctx := newServerCtx(t, srv)
		liar := dup(t, earlySession(t, newClientCtx(t, cli), sctx))
		if err := liar.SetALPN("b"); err != nil {
			t.Fatal(err)
		}
		earlyPair(t, newClientCtx(t, &other), sctx, liar).wantEarly(t, ssl.EarlyDataRejected)
	})
	t.Run("ALPN of the client", func(t *testing.T) {
		leakcheck.Test(t)
		srv, cli := earlyConfigs(t)
		cli.NextProtos, srv.NextProtos = []string{"a", "b"}, []string{"a", "b"}
		other := *cli
		other.NextProtos = []string{"b"}
		sctx := newServerCtx(t, srv)
		s := earlySession(t, newClientCtx(t, cli), sctx)
		wantNoEarly(t, earlyPair(t, newClientCtx(t, &other), sctx, s))
	})
}

// wantNoEarly wants a client to send no early data, and to go on without.
func wantNoEarly(t testing.TB, p pair) {
	t.Helper()
	if n, err := p.client.WriteEarlyData([]byte("x")); n != 0 || !errors.Is(err, ssl.ErrNoEarlyData) {
		t.Errorf("%d bytes, %v", n, err)
	}
	p.mustShake(t)
	p.echo(t)
	if s := p.client.EarlyDataStatus(); s != ssl.EarlyDataNotSent {
		t.Errorf("status %v", s)
	}
}

// C-26: the limit is enforced by both ends.
func TestC26_EarlyDataLimit(t *testing.T) {
	forEachSocket(t, func(t *testing.T) {
		leakcheck.Test(t)
		srv, cli := earlyConfigs(t)
		srv.MaxEarlyData = 20
		cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
		s := earlySession(t, cctx, sctx)
		p := earlyPair(t, cctx, sctx, s)
		for _, n := range []int{21, 20, 1} {
			put, err := p.client.WriteEarlyData(make([]byte, n))
			if n == 20 && (put != n || err != nil) || n != 20 && (put != 0 || !errors.Is(err, ssl.ErrTooLarge)) {
				t.Errorf("%d bytes: %d, %v", n, put, err)
			}
		}
		if got := p.exchangeEarly(t, ""); len(got) != 20 {
			t.Errorf("the server has read %d bytes", len(got))
		}

		// A client that takes more than it was given.
		p.echo(t)
		greedy := dup(t, sessionOf(t, p.client))
		if err := greedy.SetMaxEarlyData(1000); err != nil {
			t.Fatal(err)
		}
		q := earlyPair(t, cctx, sctx, greedy)
		done := make(chan error, 1)
		go func() {
			err := writeEarly(q.client, string(make([]byte, 21)))
			if err == nil { // the alert comes behind the server's flight
				_, err = q.client.Read(make([]byte, 1))
			}
			done <- err
		}()
		_, err := io.ReadAll(earlyReader{q.server})
		var e *ssl.Error
		if !errors.As(err, &e) || len(e.Entries) == 0 || e.Entries[0].Reason != "too much early data" {
			t.Errorf("server: %v", err)
		}
		const unexpectedMessage = 10
		if err := <-done; alertOf(err) != unexpectedMessage {
			t.Errorf("client: %v", err)
		}
	})
}

// A server that never asks for early data rejects it, whatever the limit.
func TestEarlyDataNotRead(t *testing.T) {
	forEachSocket(t, func(t *testing.T) {
		leakcheck.Test(t)
		srv, cli := earlyConfigs(t)
		cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
		p := earlyPair(t, cctx, sctx, earlySession(t, cctx, sctx))
		done := make(chan error, 1)
		go func() { done <- writeEarly(p.client, "nobody asks") }()
		if err := p.server.Handshake(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		p.echo(t) // none of it is read
		if c, s := p.client.EarlyDataStatus(), p.server.EarlyDataStatus(); c != ssl.EarlyDataRejected || s != c {
			t.Errorf("the client says %v, the server %v", c, s)
		}
		if _, err := p.server.ReadEarlyData(make([]byte, 1)); err != io.EOF {
			t.Errorf("after the handshake: %v", err)
		}
	})
}

// Read gives no early data, also when nobody has read it: it is kept apart.
func TestEarlyDataIsKeptApart(t *testing.T) {
	forEachSocket(t, func(t *testing.T) {
		leakcheck.Test(t)
		srv, cli := earlyConfigs(t)
		cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
		p := earlyPair(t, cctx, sctx, earlySession(t, cctx, sctx))
		done := make(chan error, 1)
		go func() {
			err := writeEarly(p.client, "early")
			if err == nil {
				_, err = p.client.Write([]byte("late"))
			}
			done <- err
		}()
		var e [2]byte
		if _, err := io.ReadFull(earlyReader{p.server}, e[:]); err != nil || string(e[:]) != "ea" {
			t.Fatalf("%q, %v", e, err)
		}
		late := make([]byte, 4)
		if _, err := io.ReadFull(p.server, late); err != nil || string(late) != "late" {
			t.Errorf("Read: %q, %v", late, err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(earlyReader{p.server}); err != nil || string(rest) != "rly" {
			t.Errorf("left early: %q, %v", rest, err)
		}
	})
}

// A server answers early data before the client has done its part of the handshake.
func TestEarlyDataAnswer(t *testing.T) {
	forEachSocket(t, func(t *testing.T) {
		leakcheck.Test(t)
		srv, cli := earlyConfigs(t)
		cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
		p := earlyPair(t, cctx, sctx, earlySession(t, cctx, sctx))
		if _, err := p.server.WriteEarlyData([]byte("x")); !errors.Is(err, ssl.ErrNoEarlyData) {
			t.Errorf("before any was read: %v", err)
		}
		if n, err := p.client.WriteEarlyData([]byte("ask")); n != 3 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		// The client does nothing meanwhile.
		b := make([]byte, 10)
		n, err := p.server.ReadEarlyData(b)
		if string(b[:n]) != "ask" || err != nil {
			t.Fatalf("%q, %v", b[:n], err)
		}
		if s := p.server.ConnectionState(); !s.DidResume || s.Version != ssl.VersionTLS13 || s.ServerName != "localhost" {
			t.Errorf("state: %+v", s)
		}
		// Another goroutine waits for the rest of the handshake, as net/http's does.
		shaken := make(chan error, 1)
		go func() {
			_, err := p.server.ReadEarlyData(b)
			if err == io.EOF {
				err = p.server.Handshake()
			}
			shaken <- err
		}()
		answer := make([]byte, 100<<10)
		wrote := make(chan error, 1)
		go func() {
			_, err := p.server.WriteEarlyData(answer)
			wrote <- err
		}()
		if _, err := io.ReadFull(p.client, make([]byte, len(answer))); err != nil {
			t.Fatal(err)
		}
		if err := <-wrote; err != nil {
			t.Fatal(err)
		}
		if err := <-shaken; err != nil {
			t.Fatal(err)
		}
		if n, err := p.server.WriteEarlyData([]byte("x")); n != 1 || err != nil {
			t.Errorf("after the handshake: %d, %v", n, err)
		}
		if _, err := io.ReadFull(p.client, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		p.echo(t)
	})
}

// TLS 1.2, a client without early data and one without a session are a handshake like any
// other for a server that reads early data.
func TestEarlyDataNone(t *testing.T) {
	forEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.MaxVersion, srv.MaxEarlyData = 0, 100
		cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
		s := earlySession(t, cctx, sctx)
		for _, offer := range []*ssl.Session{nil, s} {
			a, b := tcpPipe(t)
			p := newPair(t, cctx, sctx, a, b)
			if offer != nil {
				if err := p.client.SetSession(offer); err != nil {
					t.Fatal(err)
				}
			}
			if offer == nil || cli.MaxVersion == ssl.VersionTLS12 {
				if _, err := p.client.WriteEarlyData([]byte("x")); !errors.Is(err, ssl.ErrNoEarlyData) {
					t.Errorf("client: %v", err)
				}
			}
			got := make(chan string, 1)
			go func() {
				b, _ := io.ReadAll(earlyReader{p.server})
				got <- string(b)
			}()
			done := make(chan error, 1)
			go func() { done <- p.client.Handshake() }()
			if b := <-got; b != "" {
				t.Errorf("early data %q", b)
			}
			p.echo(t)
			if err := <-done; err != nil {
				t.Error(err)
			}
			if s := p.server.EarlyDataStatus(); s != ssl.EarlyDataNotSent {
				t.Errorf("status %v", s)
			}
			if p.client.SessionReused() != (offer != nil) {
				t.Errorf("reused: %t", p.client.SessionReused())
			}
			p.closeBoth()
		}
	})
}

// A client may offer a session of a server that has forgotten about early data, or about the
// session.
func TestEarlyDataForgotten(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := earlyConfigs(t)
	cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
	s := earlySession(t, cctx, sctx)
	srv.MaxEarlyData = 0
	for name, other := range map[string]*ssl.Ctx{"no early data": newServerCtx(t, srv), "no session": newServerCtx(t, serverConfig(t))} {
		t.Run(name, func(t *testing.T) { earlyPair(t, cctx, other, s).wantEarly(t, ssl.EarlyDataRejected) })
	}
}

// recorder keeps what the client sends first.
type recorder struct {
	net.Conn
	sent []byte
}

func (r *recorder) Write(b []byte) (int, error) {
	r.sent = append(r.sent, b...)
	return r.Conn.Write(b)
}

// flight is the first flight of a client that sends text early with s; it is not sent.
func flight(t testing.TB, cctx *ssl.Ctx, s *ssl.Session, text string) []byte {
	t.Helper()
	a, b := net.Pipe()
	go io.Copy(io.Discard, b)
	r := &recorder{Conn: a}
	c, err := ssl.Client(r, cctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetSession(s); err != nil {
		t.Fatal(err)
	}
	if _, err := c.WriteEarlyData([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return r.sent
}

// replay sends a flight, and returns what the server reads of it before the handshake.
func replay(t testing.TB, sctx *ssl.Ctx, flight []byte) (read string, status ssl.EarlyDataStatus) {
	t.Helper()
	a, b := tcpPipe(t)
	c, err := ssl.Server(b, sctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := a.Write(flight); err != nil {
		t.Fatal(err)
	}
	a.(interface{ CloseWrite() error }).CloseWrite()
	got, _ := io.ReadAll(earlyReader{c})
	return string(got), c.EarlyDataStatus()
}

// The same recorded first flight, ClientHello and early data, sent twice.
func TestC26_EarlyDataReplayed(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := earlyConfigs(t)
	cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
	f := flight(t, cctx, earlySession(t, cctx, sctx), "pay")
	if got, s := replay(t, sctx, f); got != "pay" || s != ssl.EarlyDataAccepted {
		t.Fatalf("first: %q, %v", got, s)
	}
	if got, s := replay(t, sctx, f); got != "" || s != ssl.EarlyDataRejected {
		t.Errorf("second: %q, %v", got, s)
	}
}

// What the application has left with the session is there with the early data that asks for it.
func TestEarlyDataHasTicketData(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := earlyConfigs(t)
	sctx, cctx := newServerCtx(t, srv), newClientCtx(t, cli)
	a, b := tcpPipe(t)
	p := newPair(t, cctx, sctx, a, b)
	if err := p.server.SetTicketData([]byte("alice")); err != nil {
		t.Fatal(err)
	}
	p.mustShake(t)
	p.echo(t)
	p = earlyPair(t, cctx, sctx, sessionOf(t, p.client))
	done := make(chan error, 1)
	go func() { done <- writeEarly(p.client, "early") }()
	if _, err := io.ReadFull(earlyReader{p.server}, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if d := p.server.ConnectionState().TicketData; string(d) != "alice" {
		t.Errorf("%q", d)
	}
	_, err := io.ReadAll(earlyReader{p.server})
	if err := errors.Join(err, p.server.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
}
