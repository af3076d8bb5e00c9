package early_test

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
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A HelloRetryRequest throws early data away, and the handshake goes on; also where the
// application has chosen the Ctx, which the second hello must agree with.
func TestEarlyDataAfterHelloRetryRequest(t *testing.T) {
	for _, choose := range []bool{false, true} {
		leakcheck.Test(t)
		srv, cli := ssltest.EarlyConfigs(t)
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		s := ssltest.EarlySession(t, cctx, sctx)
		slow, front := *cli, *srv
		slow.CurvePreferences = []tls.CurveID{tls.CurveP521, tls.CurveP256}
		front.CurvePreferences = []tls.CurveID{tls.CurveP256}
		if choose {
			front.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return nil, nil }
		}
		p := ssltest.EarlyPair(t, ssltest.NewClientCtx(t, &slow), ssltest.NewServerCtx(t, &front), s)
		p.WantEarly(t, ssl.EarlyDataRejected)
		p.CloseBoth()
	}
}

// The application chooses the Ctx while the handshake is suspended; early data is its own.
func TestEarlyDataOfVirtualHost(t *testing.T) {
	ssltest.ForEachSocket(t, func(t *testing.T) {
		leakcheck.Test(t)
		srv, cli := ssltest.EarlyConfigs(t)
		chosen := ssltest.NewServerCtx(t, srv)
		front := ssltest.ServerConfig(t)
		front.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return chosen, nil }
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, front)
		ssltest.EarlyPair(t, cctx, sctx, ssltest.EarlySession(t, cctx, sctx)).WantEarly(t, ssl.EarlyDataAccepted)
		if a, b := sctx.EarlyDataStats(), chosen.EarlyDataStats(); a.Accepted != 0 || b.Accepted != 1 {
			t.Errorf("counted by the wrong Ctx: %+v, %+v", a, b)
		}
	})
}

// A refusal, and a panic, in the middle of ReadEarlyData.
func TestEarlyDataRefusedHost(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.EarlyConfigs(t)
	front := *srv
	angry := true
	front.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) {
		if angry {
			return nil, ssl.AlertError(112) // unrecognized_name
		}
		panic("of the application")
	}
	cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
	s := ssltest.EarlySession(t, cctx, sctx)
	fctx := ssltest.NewServerCtx(t, &front)

	p := ssltest.EarlyPair(t, cctx, fctx, s)
	done := make(chan error, 1)
	go func() { done <- ssltest.WriteEarly(p.Client, "x") }()
	_, err := p.Server.ReadEarlyData(make([]byte, 1))
	if again := p.Server.Handshake(); err == nil || !errors.Is(again, ssl.AlertError(112)) {
		t.Errorf("server: %v, then %v", err, again)
	}
	if err := <-done; ssltest.AlertOf(err) != 112 {
		t.Errorf("client: %v", err)
	}
	if st, err := fctx.Stats(); err != nil || st.Failed != 1 {
		t.Errorf("%d failures were counted, %v", st.Failed, err)
	}

	angry = false
	p = ssltest.EarlyPair(t, cctx, fctx, s)
	go ssltest.WriteEarly(p.Client, "x")
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was lost")
			}
		}()
		p.Server.ReadEarlyData(make([]byte, 1))
	}()
	if err := p.Server.Handshake(); err == nil || !strings.Contains(err.Error(), "panicked") {
		t.Errorf("after a panic: %v", err)
	}
}

// A client with a certificate is known by it when its early data is read.
func TestEarlyDataOfVerifiedClient(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.EarlyConfigs(t)
	srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
	cli.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client")}
	cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
	p := ssltest.EarlyPair(t, cctx, sctx, ssltest.EarlySession(t, cctx, sctx))
	done := make(chan error, 1)
	go func() { done <- ssltest.WriteEarly(p.Client, "me") }()
	b := make([]byte, 10)
	if n, err := p.Server.ReadEarlyData(b); string(b[:n]) != "me" || err != nil {
		t.Fatalf("%q, %v", b[:n], err)
	}
	if s := p.Server.ConnectionState(); !s.Verified || len(s.PeerCertificates) == 0 ||
		len(s.VerifiedChain) == 0 {
		t.Errorf("early: verified %t, %d and %d certificates", s.Verified, len(s.PeerCertificates),
			len(s.VerifiedChain))
	}
	if err := p.Server.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	p.Echo(t)
}

// A client that stops after its early data: deadlines end the wait, and it can go on.
func TestHostileEarlyStall(t *testing.T) {
	ssltest.ForEachSocket(t, func(t *testing.T) {
		leakcheck.Test(t)
		srv, cli := ssltest.EarlyConfigs(t)
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		p := ssltest.EarlyPair(t, cctx, sctx, ssltest.EarlySession(t, cctx, sctx))
		p.Server.SetReadDeadline(time.Unix(1, 0))
		if _, err := p.Server.ReadEarlyData(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("before anything came: %v", err)
		}
		p.Server.SetReadDeadline(time.Now().Add(ssltest.Timeout))
		if _, err := p.Client.WriteEarlyData([]byte("x")); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 10)
		if n, err := p.Server.ReadEarlyData(b); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		for what, call := range map[string]func() error{
			"ReadEarlyData": func() error { _, err := p.Server.ReadEarlyData(b); return err },
			"Handshake":     p.Server.Handshake,
			"Read":          func() error { _, err := p.Server.Read(b); return err },
		} {
			p.Server.SetReadDeadline(time.Now().Add(time.Millisecond))
			if err := call(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: %v", what, err)
			}
		}
		p.Server.SetReadDeadline(time.Now().Add(ssltest.Timeout))
		if _, err := p.Client.WriteEarlyData([]byte("y")); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- p.Client.Handshake() }()
		if rest, err := io.ReadAll(ssltest.EarlyReader{C: p.Server}); string(rest) != "y" || err != nil {
			t.Errorf("%q, %v", rest, err)
		}
		p.Echo(t)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, err := p.Client.WriteEarlyData([]byte("z")); !errors.Is(err, ssl.ErrHandshakeStarted) {
			t.Errorf("client, too late: %v", err)
		}
	})
}

// Close ends a ReadEarlyData that waits, a Handshake behind it, and the connection.
func TestHostileEarlyClose(t *testing.T) {
	for _, before := range []bool{true, false} { // anything has come
		ssltest.ForEachWire(t, func(t *testing.T, w ssltest.Wire) {
			srv, cli := ssltest.EarlyConfigs(t)
			cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
			ssltest.PlainTCP = false
			f := ssltest.EarlyFlight(t, cctx, ssltest.EarlySession(t, cctx, sctx), "x")
			a, b := w.Pipe(t)
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
			w.Parked(t)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if err := <-read; !ssltest.IsClosed(err) {
				t.Errorf("ReadEarlyData: %v", err)
			}
			if err := s.Handshake(); !ssltest.IsClosed(err) {
				t.Errorf("Handshake: %v", err)
			}
			a.Close()
		})
	}
}

// What is rejected has to be read past, also in many small records; but not without end.
func TestHostileEarlyRejectedMuch(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.EarlyConfigs(t)
	cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
	s := ssltest.EarlySession(t, cctx, sctx)
	other := ssltest.NewServerCtx(t, srv)

	p := ssltest.EarlyPair(t, cctx, other, s)
	if _, err := p.Client.WriteEarlyData(make([]byte, 16<<10-4000)); err != nil {
		t.Fatal(err)
	}
	for range 4000 - 20 { // a record each
		if _, err := p.Client.WriteEarlyData([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	p.WantEarly(t, ssl.EarlyDataRejected)

	greedy := ssltest.Dup(t, s)
	if err := greedy.SetMaxEarlyData(1 << 20); err != nil {
		t.Fatal(err)
	}
	p = ssltest.EarlyPair(t, cctx, other, greedy)
	go ssltest.WriteEarly(p.Client, string(make([]byte, 1<<20)))
	_, err := io.ReadAll(ssltest.EarlyReader{C: p.Server})
	if err == nil {
		err = p.Server.Handshake()
	}
	var e *ssl.Error
	if !errors.As(err, &e) || len(e.Entries) == 0 || e.Entries[0].Reason != "too much early data" {
		t.Errorf("server: %v", err)
	}

	p = ssltest.EarlyPair(t, cctx, other, greedy)
	if err := p.Server.SetSkipEarlyData(2 << 20); err != nil || p.Server.SkipEarlyData() != 2<<20 {
		t.Fatal(err)
	}
	if got := p.ExchangeEarly(t, string(make([]byte, 1<<20))); got != "" ||
		p.Server.EarlyDataStatus() != ssl.EarlyDataRejected {
		t.Errorf("%d bytes read, %v", len(got), p.Server.EarlyDataStatus())
	}
	p.Echo(t)
}

// What a connection reads past is no less than its Ctx has promised, and set in time.
func TestSetSkipEarlyData(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.EarlyConfigs(t)
	sctx := ssltest.NewServerCtx(t, srv)
	settings, err := sctx.SessionSettings()
	if err != nil {
		t.Fatal(err)
	}
	a, b := ssltest.TCPPipe(t)
	p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), sctx, a, b)
	for _, n := range []uint32{0, settings.SkipEarlyData - 1, 1<<30 + 1, 1<<32 - 1} {
		if err := p.Server.SetSkipEarlyData(n); !errors.Is(err, ssl.ErrRange) {
			t.Errorf("%d: %v", n, err)
		}
	}
	if got := p.Server.SkipEarlyData(); got != settings.SkipEarlyData {
		t.Errorf("%d after refusals, want %d", got, settings.SkipEarlyData)
	}
	if err := p.Client.SetSkipEarlyData(1 << 30); !errors.Is(err, ssl.ErrClient) ||
		p.Client.SkipEarlyData() != 0 {
		t.Error(err)
	}
	p.MustShake(t)
	if err := p.Server.SetSkipEarlyData(1 << 30); !errors.Is(err, ssl.ErrHandshakeStarted) {
		t.Error(err)
	}
	p.CloseBoth()
	if err := p.Server.SetSkipEarlyData(1 << 30); !errors.Is(err, ssl.ErrClosed) ||
		p.Server.SkipEarlyData() != 0 {
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
	srv, cli := ssltest.EarlyConfigs(t)
	cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
	fresh := func() []byte {
		return ssltest.EarlyFlight(t, cctx, ssltest.EarlySession(t, cctx, sctx), "all or nothing")
	}
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
	for what, junk := range map[string]string{"alert": "\x15\x03\x03\x00\x02\x01\x00",
		"a second hello": string(fresh())} {
		if got, _ := replay(t, sctx, append(fresh(), junk...)); got != "all or nothing" {
			t.Errorf("%s behind: %q", what, got)
		}
	}
}

// Calls at once, of which each has its say: nothing is lost or given out twice.
func TestEarlyDataBesideHandshake(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.EarlyConfigs(t)
	cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
	for range 10 {
		p := ssltest.EarlyPair(t, cctx, sctx, ssltest.EarlySession(t, cctx, sctx))
		got := make(chan string, 2)
		if _, err := p.Client.WriteEarlyData([]byte("abc")); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1)
		if n, err := p.Server.ReadEarlyData(b); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		for range 2 {
			go func() {
				rest, _ := io.ReadAll(ssltest.EarlyReader{C: p.Server})
				got <- string(rest)
			}()
		}
		p.MustShake(t)
		if rest := <-got + <-got; len(rest) != 2 || !strings.Contains(rest, "b") || !strings.Contains(rest, "c") {
			t.Errorf("%q behind %q", rest, b)
		}
		p.Echo(t)
		p.CloseBoth()
	}
}

// Too late, on the wrong side, and where VerifyConnection is to be asked first.
func TestEarlyDataRefused(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.EarlyConfigs(t)
	cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
	s := ssltest.EarlySession(t, cctx, sctx)
	p := ssltest.EarlyPair(t, cctx, sctx, s)
	ssltest.Refuses(t, "ReadEarlyData of a client", ssltest.ErrorAlone(p.Client.ReadEarlyData(make([]byte, 1))),
		ssl.ErrClient)
	p.Server.SetReadDeadline(time.Now().Add(time.Millisecond))
	if err := p.Server.Handshake(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	if _, err := p.Server.ReadEarlyData(make([]byte, 1)); err != io.EOF {
		t.Errorf("ReadEarlyData after Handshake: %v", err)
	}
	p.Client.SetReadDeadline(time.Now().Add(time.Millisecond))
	if err := p.Client.Handshake(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	ssltest.Refuses(t, "WriteEarlyData after Handshake",
		ssltest.ErrorAlone(p.Client.WriteEarlyData([]byte("x"))), ssl.ErrHandshakeStarted)

	for what, change := range map[string]func(*ssl.Config){
		"VerifyConnection": func(c *ssl.Config) {
			c.VerifyConnection = func(ssl.ConnectionState) error { return nil }
		},
		"needs TLS 1.3": func(c *ssl.Config) { c.MaxVersion = ssl.VersionTLS12 },
	} {
		other := *cli
		change(&other)
		p := ssltest.EarlyPair(t, ssltest.NewClientCtx(t, &other), sctx, s)
		n, err := p.Client.WriteEarlyData([]byte("x"))
		if n != 0 || !errors.Is(err, ssl.ErrNoEarlyData) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %d, %v", what, n, err)
		}
	}
	old := ssltest.Dup(t, s)
	if err := old.SetTime(time.Now().Add(-100 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	p = ssltest.EarlyPair(t, cctx, sctx, old)
	ssltest.Refuses(t, "expired", ssltest.ErrorAlone(p.Client.WriteEarlyData([]byte("x"))), ssl.ErrNoEarlyData)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Client.HandshakeContext(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// What could not be protected is refused when the Ctx is made.
func TestEarlyDataConfig(t *testing.T) {
	leakcheck.Test(t)
	cache, err := ssl.NewServerSessionCache(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	for what, change := range map[string]func(*ssl.Config){
		"TicketKeys": func(c *ssl.Config) {
			c.TicketKeys = ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)})
		},
		"SessionCache": func(c *ssl.Config) { c.SessionCache = cache },
		"VerifyConnection": func(c *ssl.Config) {
			c.VerifyConnection = func(ssl.ConnectionState) error { return nil }
		},
		"TLS 1.3":        func(c *ssl.Config) { c.MaxVersion = ssl.VersionTLS12 },
		"NewReplayGuard": func(c *ssl.Config) { c.ReplayGuard = &ssl.MemoryReplayGuard{} },
		"by NewReplay":   func(c *ssl.Config) { c.ReplayGuard = (*ssl.MemoryReplayGuard)(nil) },
		"the limit is":   func(c *ssl.Config) { c.MaxEarlyData = 1<<32 - 1 },
	} {
		srv, _ := ssltest.EarlyConfigs(t)
		change(srv)
		err := srv.CheckServer()
		if !errors.Is(err, ssl.ErrConfig) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	cli := ssltest.ClientConfig(t)
	cli.MaxEarlyData = 1
	ssltest.Refuses(t, "a client's", cli.CheckClient(), ssl.ErrConfig)
}
