package early_test

import (
	"errors"
	"io"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Early data is accepted, read apart from what comes later, and reported by both ends.
func TestEarlyDataAccepted(t *testing.T) {
	ssltest.ForEachSocket(t, func(t *testing.T) {
		leakcheck.Test(t)
		srv, cli := ssltest.EarlyConfigs(t)
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		s := ssltest.EarlySession(t, cctx, sctx)
		if n := ssltest.Get(t, s.MaxEarlyData); n != srv.MaxEarlyData {
			t.Fatalf("the ticket allows %d bytes", n)
		}
		p := ssltest.EarlyPair(t, cctx, sctx, s)
		p.WantEarly(t, ssl.EarlyDataAccepted)
		if !p.Client.SessionReused() || !p.Server.SessionReused() {
			t.Error("not resumed")
		}
		// The ticket of the resumption serves for the next one.
		next := ssltest.SessionOf(t, p.Client)
		p.CloseBoth()
		ssltest.EarlyPair(t, cctx, sctx, next).WantEarly(t, ssl.EarlyDataAccepted)
		if c, s := cctx.EarlyDataStats(), sctx.EarlyDataStats(); c != s || c.Accepted != 2 || c.Rejected != 0 {
			t.Errorf("counters: %+v, %+v", c, s)
		}
	})
}

// The same session twice. The second connection's early data is rejected, both go on; in
// libssl's internal cache the session is gone by then.
func TestEarlyDataTwice(t *testing.T) {
	for _, disabled := range []bool{false, true} {
		leakcheck.Test(t)
		srv, cli := ssltest.EarlyConfigs(t)
		srv.SessionTicketsDisabled = disabled
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		s := ssltest.EarlySession(t, cctx, sctx)
		ssltest.EarlyPair(t, cctx, sctx, s).WantEarly(t, ssl.EarlyDataAccepted)
		p := ssltest.EarlyPair(t, cctx, sctx, s)
		p.WantEarly(t, ssl.EarlyDataRejected)
		if got := p.Client.SessionReused(); got == disabled {
			t.Errorf("tickets disabled %v: resumed %v", disabled, got)
		}
		if st := sctx.EarlyDataStats(); st.Accepted != 1 || st.Rejected != 1 {
			t.Errorf("counters: %+v", st)
		}
	}
}

// Another name or protocol than the session's. What the client knows it does not
// send; what it does not know the server rejects.
func TestEarlyDataMismatch(t *testing.T) {
	t.Run("SNI", func(t *testing.T) {
		leakcheck.Test(t)
		srv, cli := ssltest.EarlyConfigs(t)
		cli.InsecureSkipVerify = true     // who verifies does not get that far
		srv.SessionTicketsDisabled = true // a ticket of another name is not resumed at all
		other := *cli
		other.ServerName = "other.test"
		sctx := ssltest.NewServerCtx(t, srv)
		s := ssltest.Reparsed(t, ssltest.EarlySession(t, ssltest.NewClientCtx(t, cli),
			sctx)) // does not know its name
		if err := s.SetHostname("other.test"); err != nil {
			t.Fatal(err)
		}
		p := ssltest.EarlyPair(t, ssltest.NewClientCtx(t, &other), sctx, s)
		p.WantEarly(t, ssl.EarlyDataRejected)
		if !p.Client.SessionReused() {
			t.Error("the session itself should have been resumed")
		}
	})
	t.Run("verified name", func(t *testing.T) {
		leakcheck.Test(t)
		srv, cli := ssltest.EarlyConfigs(t)
		other := *cli
		other.ServerName = "127.0.0.1"
		sctx := ssltest.NewServerCtx(t, srv)
		s := ssltest.EarlySession(t, ssltest.NewClientCtx(t, cli), sctx)
		wantNoEarly(t, ssltest.EarlyPair(t, ssltest.NewClientCtx(t, &other), sctx, s))
	})
	t.Run("ALPN of the server", func(t *testing.T) {
		leakcheck.Test(t)
		srv, cli := ssltest.EarlyConfigs(t)
		cli.NextProtos, srv.NextProtos = []string{"a"}, []string{"a", "b"}
		other := *cli
		other.NextProtos = []string{"b"}
		sctx := ssltest.NewServerCtx(t, srv)
		liar := ssltest.Dup(t, ssltest.EarlySession(t, ssltest.NewClientCtx(t, cli), sctx))
		if err := liar.SetALPN("b"); err != nil {
			t.Fatal(err)
		}
		ssltest.EarlyPair(t, ssltest.NewClientCtx(t, &other), sctx, liar).WantEarly(t, ssl.EarlyDataRejected)
	})
	t.Run("ALPN of the client", func(t *testing.T) {
		leakcheck.Test(t)
		srv, cli := ssltest.EarlyConfigs(t)
		cli.NextProtos, srv.NextProtos = []string{"a", "b"}, []string{"a", "b"}
		other := *cli
		other.NextProtos = []string{"b"}
		sctx := ssltest.NewServerCtx(t, srv)
		s := ssltest.EarlySession(t, ssltest.NewClientCtx(t, cli), sctx)
		wantNoEarly(t, ssltest.EarlyPair(t, ssltest.NewClientCtx(t, &other), sctx, s))
	})
}

// wantNoEarly wants a client to send no early data, and to go on without.
func wantNoEarly(t testing.TB, p ssltest.Pair) {
	t.Helper()
	if n, err := p.Client.WriteEarlyData([]byte("x")); n != 0 || !errors.Is(err, ssl.ErrNoEarlyData) {
		t.Errorf("%d bytes, %v", n, err)
	}
	p.MustShake(t)
	p.Echo(t)
	if s := p.Client.EarlyDataStatus(); s != ssl.EarlyDataNotSent {
		t.Errorf("status %v", s)
	}
}

// The limit is enforced by both ends.
func TestEarlyDataLimit(t *testing.T) {
	ssltest.ForEachSocket(t, func(t *testing.T) {
		leakcheck.Test(t)
		srv, cli := ssltest.EarlyConfigs(t)
		srv.MaxEarlyData = 20
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		s := ssltest.EarlySession(t, cctx, sctx)
		p := ssltest.EarlyPair(t, cctx, sctx, s)
		for _, n := range []int{21, 20, 1} {
			put, err := p.Client.WriteEarlyData(make([]byte, n))
			if n == 20 && (put != n || err != nil) || n != 20 && (put != 0 || !errors.Is(err, ssl.ErrTooLarge)) {
				t.Errorf("%d bytes: %d, %v", n, put, err)
			}
		}
		if got := p.ExchangeEarly(t, ""); len(got) != 20 {
			t.Errorf("the server has read %d bytes", len(got))
		}

		// A client that takes more than it was given.
		p.Echo(t)
		greedy := ssltest.Dup(t, ssltest.SessionOf(t, p.Client))
		if err := greedy.SetMaxEarlyData(1000); err != nil {
			t.Fatal(err)
		}
		q := ssltest.EarlyPair(t, cctx, sctx, greedy)
		done := make(chan error, 1)
		go func() {
			err := ssltest.WriteEarly(q.Client, string(make([]byte, 21)))
			if err == nil { // the alert comes behind the server's flight
				_, err = q.Client.Read(make([]byte, 1))
			}
			done <- err
		}()
		_, err := io.ReadAll(ssltest.EarlyReader{C: q.Server})
		var e *ssl.Error
		if !errors.As(err, &e) || len(e.Entries) == 0 || e.Entries[0].Reason != "too much early data" {
			t.Errorf("server: %v", err)
		}
		const unexpectedMessage = 10
		if err := <-done; ssltest.AlertOf(err) != unexpectedMessage {
			t.Errorf("client: %v", err)
		}
	})
}

// A server that never asks for early data rejects it, whatever the limit.
func TestEarlyDataNotRead(t *testing.T) {
	ssltest.ForEachSocket(t, func(t *testing.T) {
		leakcheck.Test(t)
		srv, cli := ssltest.EarlyConfigs(t)
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		p := ssltest.EarlyPair(t, cctx, sctx, ssltest.EarlySession(t, cctx, sctx))
		done := make(chan error, 1)
		go func() { done <- ssltest.WriteEarly(p.Client, "nobody asks") }()
		if err := p.Server.Handshake(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		p.Echo(t) // none of it is read
		if c, s := p.Client.EarlyDataStatus(), p.Server.EarlyDataStatus(); c != ssl.EarlyDataRejected || s != c {
			t.Errorf("the client says %v, the server %v", c, s)
		}
		if _, err := p.Server.ReadEarlyData(make([]byte, 1)); err != io.EOF {
			t.Errorf("after the handshake: %v", err)
		}
	})
}

// Read gives no early data, also when it was not read: it is kept apart.
func TestEarlyDataIsKeptApart(t *testing.T) {
	ssltest.ForEachSocket(t, func(t *testing.T) {
		leakcheck.Test(t)
		srv, cli := ssltest.EarlyConfigs(t)
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		p := ssltest.EarlyPair(t, cctx, sctx, ssltest.EarlySession(t, cctx, sctx))
		done := make(chan error, 1)
		go func() {
			err := ssltest.WriteEarly(p.Client, "early")
			if err == nil {
				_, err = p.Client.Write([]byte("late"))
			}
			done <- err
		}()
		var e [2]byte
		if _, err := io.ReadFull(ssltest.EarlyReader{C: p.Server}, e[:]); err != nil || string(e[:]) != "ea" {
			t.Fatalf("%q, %v", e, err)
		}
		late := make([]byte, 4)
		if _, err := io.ReadFull(p.Server, late); err != nil || string(late) != "late" {
			t.Errorf("Read: %q, %v", late, err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(ssltest.EarlyReader{C: p.Server}); err != nil || string(rest) != "rly" {
			t.Errorf("left early: %q, %v", rest, err)
		}
	})
}

// A server answers early data before the client has done its part of the handshake.
func TestEarlyDataAnswer(t *testing.T) {
	ssltest.ForEachSocket(t, func(t *testing.T) {
		leakcheck.Test(t)
		srv, cli := ssltest.EarlyConfigs(t)
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		p := ssltest.EarlyPair(t, cctx, sctx, ssltest.EarlySession(t, cctx, sctx))
		if _, err := p.Server.WriteEarlyData([]byte("x")); !errors.Is(err, ssl.ErrNoEarlyData) {
			t.Errorf("before any was read: %v", err)
		}
		if n, err := p.Client.WriteEarlyData([]byte("ask")); n != 3 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		// The client does nothing meanwhile.
		b := make([]byte, 10)
		n, err := p.Server.ReadEarlyData(b)
		if string(b[:n]) != "ask" || err != nil {
			t.Fatalf("%q, %v", b[:n], err)
		}
		if s := p.Server.ConnectionState(); !s.DidResume || s.Version != ssl.VersionTLS13 ||
			s.ServerName != "localhost" {
			t.Errorf("state: %+v", s)
		}
		// Another goroutine waits for the rest of the handshake, as net/http's does.
		shaken := make(chan error, 1)
		go func() {
			_, err := p.Server.ReadEarlyData(b)
			if err == io.EOF {
				err = p.Server.Handshake()
			}
			shaken <- err
		}()
		answer := make([]byte, 100<<10)
		wrote := make(chan error, 1)
		go func() {
			_, err := p.Server.WriteEarlyData(answer)
			wrote <- err
		}()
		if _, err := io.ReadFull(p.Client, make([]byte, len(answer))); err != nil {
			t.Fatal(err)
		}
		if err := <-wrote; err != nil {
			t.Fatal(err)
		}
		if err := <-shaken; err != nil {
			t.Fatal(err)
		}
		if n, err := p.Server.WriteEarlyData([]byte("x")); n != 1 || err != nil {
			t.Errorf("after the handshake: %d, %v", n, err)
		}
		if _, err := io.ReadFull(p.Client, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		p.Echo(t)
	})
}

// TLS 1.2, a client without early data and one without a session are a handshake like any
// other for a server that reads early data.
func TestEarlyDataNone(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.MaxVersion, srv.MaxEarlyData = 0, 100
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		s := ssltest.EarlySession(t, cctx, sctx)
		for _, offer := range []*ssl.Session{nil, s} {
			a, b := ssltest.TCPPipe(t)
			p := ssltest.NewPair(t, cctx, sctx, a, b)
			if offer != nil {
				if err := p.Client.SetSession(offer); err != nil {
					t.Fatal(err)
				}
			}
			if offer == nil || cli.MaxVersion == ssl.VersionTLS12 {
				if _, err := p.Client.WriteEarlyData([]byte("x")); !errors.Is(err, ssl.ErrNoEarlyData) {
					t.Errorf("client: %v", err)
				}
			}
			got := make(chan string, 1)
			go func() {
				b, _ := io.ReadAll(ssltest.EarlyReader{C: p.Server})
				got <- string(b)
			}()
			done := make(chan error, 1)
			go func() { done <- p.Client.Handshake() }()
			if b := <-got; b != "" {
				t.Errorf("early data %q", b)
			}
			p.Echo(t)
			if err := <-done; err != nil {
				t.Error(err)
			}
			if s := p.Server.EarlyDataStatus(); s != ssl.EarlyDataNotSent {
				t.Errorf("status %v", s)
			}
			if p.Client.SessionReused() != (offer != nil) {
				t.Errorf("reused: %t", p.Client.SessionReused())
			}
			p.CloseBoth()
		}
	})
}

// A client may offer a session of a server that has forgotten about early data, or about the
// session.
func TestEarlyDataForgotten(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.EarlyConfigs(t)
	cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
	s := ssltest.EarlySession(t, cctx, sctx)
	srv.MaxEarlyData = 0
	for name, other := range map[string]*ssl.Ctx{"no early data": ssltest.NewServerCtx(t, srv),
		"no session": ssltest.NewServerCtx(t, ssltest.ServerConfig(t))} {
		t.Run(name, func(t *testing.T) { ssltest.EarlyPair(t, cctx, other, s).WantEarly(t, ssl.EarlyDataRejected) })
	}
}

// replay sends a flight, and returns what the server reads of it before the handshake.
func replay(t testing.TB, sctx *ssl.Ctx, flight []byte) (read string, status ssl.EarlyDataStatus) {
	t.Helper()
	a, b := ssltest.TCPPipe(t)
	c, err := ssl.Server(b, sctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := a.Write(flight); err != nil {
		t.Fatal(err)
	}
	a.(interface{ CloseWrite() error }).CloseWrite()
	got, _ := io.ReadAll(ssltest.EarlyReader{C: c})
	return string(got), c.EarlyDataStatus()
}

// The same recorded first flight, ClientHello and early data, sent twice.
func TestEarlyDataReplayed(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.EarlyConfigs(t)
	cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
	f := ssltest.EarlyFlight(t, cctx, ssltest.EarlySession(t, cctx, sctx), "pay")
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
	srv, cli := ssltest.EarlyConfigs(t)
	sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
	a, b := ssltest.TCPPipe(t)
	p := ssltest.NewPair(t, cctx, sctx, a, b)
	if err := p.Server.SetTicketData([]byte("alice")); err != nil {
		t.Fatal(err)
	}
	p.MustShake(t)
	p.Echo(t)
	p = ssltest.EarlyPair(t, cctx, sctx, ssltest.SessionOf(t, p.Client))
	done := make(chan error, 1)
	go func() { done <- ssltest.WriteEarly(p.Client, "early") }()
	if _, err := io.ReadFull(ssltest.EarlyReader{C: p.Server}, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if d := p.Server.ConnectionState().TicketData; string(d) != "alice" {
		t.Errorf("%q", d)
	}
	_, err := io.ReadAll(ssltest.EarlyReader{C: p.Server})
	if err := errors.Join(err, p.Server.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
}
