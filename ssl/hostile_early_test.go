package ssl_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// A HelloRetryRequest throws early data away, and the handshake goes on; also where the
// application has chosen the Ctx, which the second hello must agree with.
func TestEarlyDataAfterHelloRetryRequest(t *testing.T) {
	for _, choose := range []bool{false, true} {
		leakcheck.Test(t)
		srv, cli := earlyConfigs(t)
		cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
		s := earlySession(t, cctx, sctx)
		slow, front := *cli, *srv
		slow.CurvePreferences = []tls.CurveID{tls.CurveP521, tls.CurveP256}
		front.CurvePreferences = []tls.CurveID{tls.CurveP256}
		if choose {
			front.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return nil, nil }
		}
		p := earlyPair(t, newClientCtx(t, &slow), newServerCtx(t, &front), s)
		p.wantEarly(t, ssl.EarlyDataRejected)
		p.closeBoth()
	}
}

// The application chooses the Ctx while the handshake is suspended; early data is its own.
func TestEarlyDataOfVirtualHost(t *testing.T) {
	forEachSocket(t, func(t *testing.T) {
		leakcheck.Test(t)
		srv, cli := earlyConfigs(t)
		chosen := newServerCtx(t, srv)
		front := serverConfig(t)
		front.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return chosen, nil }
		cctx, sctx := newClientCtx(t, cli), newServerCtx(t, front)
		earlyPair(t, cctx, sctx, earlySession(t, cctx, sctx)).wantEarly(t, ssl.EarlyDataAccepted)
		if a, b := sctx.EarlyDataStats(), chosen.EarlyDataStats(); a.Accepted != 0 || b.Accepted != 1 {
			t.Errorf("counted by the wrong Ctx: %+v, %+v", a, b)
		}
	})
}

// A refusal, and a panic, in the middle of ReadEarlyData.
func TestEarlyDataRefusedHost(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := earlyConfigs(t)
	front := *srv
	angry := true
	front.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) {
		if angry {
			return nil, ssl.AlertError(112) // unrecognized_name
		}
		panic("of the application")
	}
	cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
	s := earlySession(t, cctx, sctx)
	fctx := newServerCtx(t, &front)

	p := earlyPair(t, cctx, fctx, s)
	done := make(chan error, 1)
	go func() { done <- writeEarly(p.client, "x") }()
	_, err := p.server.ReadEarlyData(make([]byte, 1))
	if again := p.server.Handshake(); err == nil || !errors.Is(again, ssl.AlertError(112)) {
		t.Errorf("server: %v, then %v", err, again)
	}
	if err := <-done; alertOf(err) != 112 {
		t.Errorf("client: %v", err)
	}
	if st, err := fctx.Stats(); err != nil || st.Failed != 1 {
		t.Errorf("%d failures were counted, %v", st.Failed, err)
	}

	angry = false
	p = earlyPair(t, cctx, fctx, s)
	go writeEarly(p.client, "x")
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was lost")
			}
		}()
		p.server.ReadEarlyData(make([]byte, 1))
	}()
	if err := p.server.Handshake(); err == nil || !strings.Contains(err.Error(), "panicked") {
		t.Errorf("after a panic: %v", err)
	}
}

// A client with a certificate is known by it when its early data is read.
func TestEarlyDataOfVerifiedClient(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := earlyConfigs(t)
	srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, roots(t, "ca")
	cli.Certificates = []ssl.Certificate{keyPair(t, "client")}
	cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
	p := earlyPair(t, cctx, sctx, earlySession(t, cctx, sctx))
	done := make(chan error, 1)
	go func() { done <- writeEarly(p.client, "me") }()
	b := make([]byte, 10)
	if n, err := p.server.ReadEarlyData(b); string(b[:n]) != "me" || err != nil {
		t.Fatalf("%q, %v", b[:n], err)
	}
	if s := p.server.ConnectionState(); !s.Verified || len(s.PeerCertificates) == 0 || len(s.VerifiedChain) == 0 {
		t.Errorf("early: verified %t, %d and %d certificates", s.Verified, len(s.PeerCertificates), len(s.VerifiedChain))
	}
	if err := p.server.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	p.echo(t)
}

// A client that stops after its early data: deadlines end the wait, and it can go on.
func TestHostileEarlyStall(t *testing.T) {
	forEachSocket(t, func(t *testing.T) {
		leakcheck.Test(t)
		srv, cli := earlyConfigs(t)
		cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
		p := earlyPair(t, cctx, sctx, earlySession(t, cctx, sctx))
		p.server.SetReadDeadline(time.Unix(1, 0))
		if _, err := p.server.ReadEarlyData(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("before anything came: %v", err)
		}
		p.server.SetReadDeadline(time.Now().Add(ioTimeout))
		if _, err := p.client.WriteEarlyData([]byte("x")); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 10)
		if n, err := p.server.ReadEarlyData(b); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		for what, call := range map[string]func() error{
			"ReadEarlyData": func() error { _, err := p.server.ReadEarlyData(b); return err },
			"Handshake":     p.server.Handshake,
			"Read":          func() error { _, err := p.server.Read(b); return err },
		} {
			p.server.SetReadDeadline(time.Now().Add(time.Millisecond))
			if err := call(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: %v", what, err)
			}
		}
		p.server.SetReadDeadline(time.Now().Add(ioTimeout))
		if _, err := p.client.WriteEarlyData([]byte("y")); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- p.client.Handshake() }()
		if rest, err := io.ReadAll(earlyReader{p.server}); string(rest) != "y" || err != nil {
			t.Errorf("%q, %v", rest, err)
		}
		p.echo(t)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, err := p.client.WriteEarlyData([]byte("z")); !errors.Is(err, ssl.ErrHandshakeStarted) {
			t.Errorf("client, too late: %v", err)
		}
	})
}

// Close ends a ReadEarlyData that waits, a Handshake behind it, and the connection.
func TestHostileEarlyClose(t *testing.T) {
	for _, before := range []bool{true, false} { // anything has come
		forEachWire(t, func(t *testing.T, w wire) {
			srv, cli := earlyConfigs(t)
			cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
			plainTCP = false
			f := flight(t, cctx, earlySession(t, cctx, sctx), "x")
			a, b := w.pipe(t)
			s, err := ssl.Server(b, sctx)
			if err != nil {
				t.Fatal(err)
			}
			read := make(chan error, 1)
			if !before {
				go func() {
					a.Write(f)
					io.Copy(io.Discard, a)
				}()
				if n, err := s.ReadEarlyData(make([]byte, 1)); n != 1 || err != nil {
					t.Fatal(n, err)
				}
			}
			go func() {
				_, err := s.ReadEarlyData(make([]byte, 1))
				read <- err
			}()
			w.parked(t)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if err := <-read; !isClosed(err) {
				t.Errorf("ReadEarlyData: %v", err)
			}
			if err := s.Handshake(); !isClosed(err) {
				t.Errorf("Handshake: %v", err)
			}
			a.Close()
		})
	}
}

// What is rejected has to be read past, also in many small records; but not without end.
func TestHostileEarlyRejectedMuch(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := earlyConfigs(t)
	cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
	s := earlySession(t, cctx, sctx)
	other := newServerCtx(t, srv)

	p := earlyPair(t, cctx, other, s)
	if _, err := p.client.WriteEarlyData(make([]byte, 16<<10-4000)); err != nil {
		t.Fatal(err)
	}
	for range 4000 - 20 { // a record each
		if _, err := p.client.WriteEarlyData([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	p.wantEarly(t, ssl.EarlyDataRejected)

	greedy := dup(t, s)
	if err := greedy.SetMaxEarlyData(1 << 20); err != nil {
		t.Fatal(err)
	}
	p = earlyPair(t, cctx, other, greedy)
	go writeEarly(p.client, string(make([]byte, 1<<20)))
	_, err := io.ReadAll(earlyReader{p.server})
	if err == nil {
		err = p.server.Handshake()
	}
	var e *ssl.Error
	if !errors.As(err, &e) || len(e.Entries) == 0 || e.Entries[0].Reason != "too much early data" {
		t.Errorf("server: %v", err)
	}

	p = earlyPair(t, cctx, other, greedy)
	if err := p.server.SetSkipEarlyData(2 << 20); err != nil || p.server.SkipEarlyData() != 2<<20 {
		t.Fatal(err)
	}
	if got := p.exchangeEarly(t, string(make([]byte, 1<<20))); got != "" || p.server.EarlyDataStatus() != ssl.EarlyDataRejected {
		t.Errorf("%d bytes read, %v", len(got), p.server.EarlyDataStatus())
	}
	p.echo(t)
}

// What a connection reads past is no less than its Ctx has promised, and set in time.
func TestSetSkipEarlyData(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := earlyConfigs(t)
	sctx := newServerCtx(t, srv)
	settings, err := sctx.SessionSettings()
	if err != nil {
		t.Fatal(err)
	}
	a, b := tcpPipe(t)
	p := newPair(t, newClientCtx(t, cli), sctx, a, b)
	for _, n := range []uint32{0, settings.SkipEarlyData - 1, 1<<30 + 1, 1<<32 - 1} {
		if err := p.server.SetSkipEarlyData(n); !errors.Is(err, ssl.ErrRange) {
			t.Errorf("%d: %v", n, err)
		}
	}
	if got := p.server.SkipEarlyData(); got != settings.SkipEarlyData {
		t.Errorf("%d after refusals, want %d", got, settings.SkipEarlyData)
	}
	if err := p.client.SetSkipEarlyData(1 << 30); !errors.Is(err, ssl.ErrClient) || p.client.SkipEarlyData() != 0 {
		t.Error(err)
	}
	p.mustShake(t)
	if err := p.server.SetSkipEarlyData(1 << 30); !errors.Is(err, ssl.ErrHandshakeStarted) {
		t.Error(err)
	}
	p.closeBoth()
	if err := p.server.SetSkipEarlyData(1 << 30); !errors.Is(err, ssl.ErrClosed) || p.server.SkipEarlyData() != 0 {
		t.Error(err)
	}
	var none *ssl.Conn
	if err := none.SetSkipEarlyData(1); !errors.Is(err, ssl.ErrNil) {
		t.Error(err)
	}
}

// A flight that is cut short anywhere, and one whose early data was changed.
func TestHostileEarlyCut(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := earlyConfigs(t)
	cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
	fresh := func() []byte { return flight(t, cctx, earlySession(t, cctx, sctx), "all or nothing") }
	for _, cut := range []int{0, 1, 15, 40} { // bytes that are missing
		f := fresh()
		if got, _ := replay(t, sctx, f[:len(f)-cut]); got != map[bool]string{true: "all or nothing"}[cut == 0] {
			t.Errorf("%d bytes cut: %q", cut, got)
		}
	}
	f := fresh()
	f[len(f)-1] ^= 1
	if got, _ := replay(t, sctx, f); got != "" {
		t.Errorf("changed: %q", got)
	}
	for what, junk := range map[string]string{"alert": "\x15\x03\x03\x00\x02\x01\x00", "a second hello": string(fresh())} {
		if got, _ := replay(t, sctx, append(fresh(), junk...)); got != "all or nothing" {
			t.Errorf("%s behind: %q", what, got)
		}
	}
}

// Calls at once, of which each has its say: nothing is lost or given out twice.
func TestEarlyDataBesideHandshake(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := earlyConfigs(t)
	cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
	for range 10 {
		p := earlyPair(t, cctx, sctx, earlySession(t, cctx, sctx))
		got := make(chan string, 2)
		if _, err := p.client.WriteEarlyData([]byte("abc")); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1)
		if n, err := p.server.ReadEarlyData(b); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		for range 2 {
			go func() {
				rest, _ := io.ReadAll(earlyReader{p.server})
				got <- string(rest)
			}()
		}
		p.mustShake(t)
		if rest := <-got + <-got; len(rest) != 2 || !strings.Contains(rest, "b") || !strings.Contains(rest, "c") {
			t.Errorf("%q behind %q", rest, b)
		}
		p.echo(t)
		p.closeBoth()
	}
}

// Too late, on the wrong side, and where VerifyConnection is to be asked first.
func TestEarlyDataRefused(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := earlyConfigs(t)
	cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
	s := earlySession(t, cctx, sctx)
	p := earlyPair(t, cctx, sctx, s)
	refuses(t, "ReadEarlyData of a client", second(p.client.ReadEarlyData(make([]byte, 1))), ssl.ErrClient)
	p.server.SetReadDeadline(time.Now().Add(time.Millisecond))
	if err := p.server.Handshake(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	if _, err := p.server.ReadEarlyData(make([]byte, 1)); err != io.EOF {
		t.Errorf("ReadEarlyData after Handshake: %v", err)
	}
	p.client.SetReadDeadline(time.Now().Add(time.Millisecond))
	if err := p.client.Handshake(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	refuses(t, "WriteEarlyData after Handshake", second(p.client.WriteEarlyData([]byte("x"))), ssl.ErrHandshakeStarted)

	for what, change := range map[string]func(*ssl.Config){
		"VerifyConnection": func(c *ssl.Config) { c.VerifyConnection = func(ssl.ConnectionState) error { return nil } },
		"needs TLS 1.3":    func(c *ssl.Config) { c.MaxVersion = ssl.VersionTLS12 },
	} {
		other := *cli
		change(&other)
		p := earlyPair(t, newClientCtx(t, &other), sctx, s)
		n, err := p.client.WriteEarlyData([]byte("x"))
		if n != 0 || !errors.Is(err, ssl.ErrNoEarlyData) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %d, %v", what, n, err)
		}
	}
	old := dup(t, s)
	if err := old.SetTime(time.Now().Add(-100 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	p = earlyPair(t, cctx, sctx, old)
	refuses(t, "expired", second(p.client.WriteEarlyData([]byte("x"))), ssl.ErrNoEarlyData)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.client.HandshakeContext(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// What nobody could protect is refused when the Ctx is made.
func TestEarlyDataConfig(t *testing.T) {
	leakcheck.Test(t)
	cache, err := ssl.NewServerSessionCache(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	for what, change := range map[string]func(*ssl.Config){
		"TicketKeys":       func(c *ssl.Config) { c.TicketKeys = ticketKeys(t, ssl.TicketKeySet{Current: newTicketKey(t)}) },
		"SessionCache":     func(c *ssl.Config) { c.SessionCache = cache },
		"VerifyConnection": func(c *ssl.Config) { c.VerifyConnection = func(ssl.ConnectionState) error { return nil } },
		"TLS 1.3":          func(c *ssl.Config) { c.MaxVersion = ssl.VersionTLS12 },
		"NewReplayGuard":   func(c *ssl.Config) { c.ReplayGuard = &ssl.MemoryReplayGuard{} },
		"by NewReplay":     func(c *ssl.Config) { c.ReplayGuard = (*ssl.MemoryReplayGuard)(nil) },
		"the limit is":     func(c *ssl.Config) { c.MaxEarlyData = 1<<32 - 1 },
	} {
		srv, _ := earlyConfigs(t)
		change(srv)
		err := srv.CheckServer()
		if !errors.Is(err, ssl.ErrConfig) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	cli := clientConfig(t)
	cli.MaxEarlyData = 1
	refuses(t, "a client's", cli.CheckClient(), ssl.ErrConfig)
}
