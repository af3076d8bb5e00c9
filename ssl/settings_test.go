package ssl_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// What libssl has is what was asked for, and its defaults otherwise.
func TestSessionSettings(t *testing.T) {
	leakcheck.Test(t)
	for _, c := range []struct {
		change func(*ssl.Config)
		want   ssl.SessionSettings
	}{
		{func(*ssl.Config) {}, ssl.SessionSettings{CacheSize: 20480, Timeout: 2 * time.Hour, NumTickets: 2}},
		{func(c *ssl.Config) {
			c.SessionCacheMode, c.SessionCacheSize, c.SessionTimeout, c.NumTickets = ssl.SessionCacheNoAutoClear, 7, time.Minute, 4
		}, ssl.SessionSettings{CacheMode: ssl.SessionCacheNoAutoClear, CacheSize: 7, Timeout: time.Minute, NumTickets: 4}},
		{func(c *ssl.Config) {
			c.SessionCacheMode, c.SessionCacheSize, c.NumTickets = ssl.SessionCacheNoInternal, -1, -1
		}, ssl.SessionSettings{CacheMode: ssl.SessionCacheNoInternal, Timeout: 2 * time.Hour}},
		{func(c *ssl.Config) { c.VerifyConnection = func(ssl.ConnectionState) error { return nil } },
			ssl.SessionSettings{CacheSize: 20480, Timeout: 2 * time.Hour, NumTickets: 2}},
	} {
		got, err := newServerCtx(t, copyOf(serverConfig(t), c.change)).SessionSettings()
		c.want.SkipEarlyData = 16384 // libssl's default
		if err != nil || got != c.want {
			t.Errorf("%+v, %v, want %+v", got, err, c.want)
		}
	}
}

// Settings that nothing would heed are refused.
func TestInternalCacheConfig(t *testing.T) {
	leakcheck.Test(t)
	cache := newServerCache(t, nil)
	for name, change := range map[string]func(*ssl.Config){
		"unknown":   func(c *ssl.Config) { c.SessionCacheMode = 9 },
		"too large": func(c *ssl.Config) { c.SessionCacheSize = 1 << 40 },
		"replaces":  func(c *ssl.Config) { c.SessionCache, c.SessionCacheSize = cache, 5 },
		"which":     func(c *ssl.Config) { c.SessionCache, c.SessionCacheMode = cache, ssl.SessionCacheNoInternal },
		"MaxEarlyData": func(c *ssl.Config) {
			c.MaxEarlyData, c.SessionCacheMode, c.SessionTicketsDisabled = 1, ssl.SessionCacheNoInternal, true
		},
		"are for serve": nil,
	} {
		var err error
		if change != nil {
			err = copyOf(serverConfig(t), change).CheckServer()
		} else {
			err = copyOf(clientConfig(t), func(c *ssl.Config) { c.SessionCacheSize = 5 }).CheckClient()
		}
		if !errors.Is(err, ssl.ErrConfig) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A connection's own number of tickets counts, also where Go issues them.
func TestSetNumTickets(t *testing.T) {
	leakcheck.Test(t)
	for _, judged := range []bool{false, true} {
		srv, cli := serverConfig(t), clientConfig(t)
		if judged {
			srv.VerifyConnection = func(ssl.ConnectionState) error { return nil }
		}
		for _, n := range []int{0, 1, 5} {
			got := newInbox(t, cli)
			p := newTCPPair(t, cli, srv)
			if err := p.server.SetNumTickets(n); err != nil || p.server.NumTickets() != n {
				t.Fatalf("judged %t: %d, %v", judged, p.server.NumTickets(), err)
			}
			p.mustShake(t)
			p.echo(t)
			if err := p.server.SetNumTickets(1); !errors.Is(err, ssl.ErrHandshakeStarted) {
				t.Error(err)
			}
			p.closeBoth()
			if len(got.all()) != n {
				t.Errorf("judged %t: %d tickets, want %d", judged, len(got.all()), n)
			}
		}
	}
	p := newTCPPair(t, clientConfig(t), serverConfig(t))
	defer p.closeBoth()
	if err := p.client.SetNumTickets(1); !errors.Is(err, ssl.ErrClient) || p.client.NumTickets() != 0 {
		t.Error(err)
	}
	for _, n := range []int{-1, 256} {
		if err := p.server.SetNumTickets(n); !errors.Is(err, ssl.ErrRange) {
			t.Errorf("%d: %v", n, err)
		}
	}
}

// Connections resume sessions of their own session id context only.
func TestSetSessionIDContext(t *testing.T) {
	leakcheck.Test(t)
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		sctx, cctx := newServerCtx(t, srv), newClientCtx(t, cli)
		visit := func(tenant string, offer *ssl.Session) pair {
			a, b := tcpPipe(t)
			p := newPair(t, cctx, sctx, a, b)
			if err := p.server.SetSessionIDContext([]byte(tenant)); err != nil {
				t.Fatal(err)
			}
			if offer != nil {
				if err := p.client.SetSession(offer); err != nil {
					t.Fatal(err)
				}
			}
			p.mustShake(t)
			p.echo(t)
			return p
		}
		p := visit("one", nil)
		s := sessionOf(t, p.client)
		p.closeBoth()
		for _, tenant := range []string{"two", "one"} {
			p := visit(tenant, s)
			if p.client.SessionReused() != (tenant == "one") {
				t.Errorf("%s: reused is %t", tenant, p.client.SessionReused())
			}
			p.closeBoth()
		}
	})
	p := newTCPPair(t, clientConfig(t), serverConfig(t))
	defer p.closeBoth()
	for _, n := range []int{0, 33} {
		if err := p.server.SetSessionIDContext(make([]byte, n)); !errors.Is(err, ssl.ErrRange) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if err := p.client.SetSessionIDContext([]byte("x")); !errors.Is(err, ssl.ErrClient) {
		t.Error(err)
	}
}

// A connection's tickets allow no more early data than it says, none for 0, and no connection
// more than its Ctx.
func TestSetMaxEarlyData(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := earlyConfigs(t)
	cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
	if st, err := sctx.SessionSettings(); err != nil || st.MaxEarlyData != srv.MaxEarlyData || st.SkipEarlyData <= srv.MaxEarlyData {
		t.Errorf("%+v, %v", st, err)
	}
	for _, n := range []uint32{0, 5, srv.MaxEarlyData} {
		a, b := tcpPipe(t)
		p := newPair(t, cctx, sctx, a, b)
		if err := p.server.SetMaxEarlyData(n); err != nil || p.server.MaxEarlyData() != n {
			t.Fatalf("%d, %v", p.server.MaxEarlyData(), err)
		}
		p.mustShake(t)
		p.echo(t)
		got, err := sessionOf(t, p.client).MaxEarlyData()
		if err != nil || got != n {
			t.Errorf("the ticket allows %d, %v, want %d", got, err, n)
		}
		if err := p.client.SetMaxEarlyData(n); !errors.Is(err, ssl.ErrClient) || p.client.MaxEarlyData() != 0 {
			t.Error(err)
		}
		p.closeBoth()
	}
	a, b := tcpPipe(t)
	p := newPair(t, cctx, sctx, a, b)
	defer p.closeBoth()
	if err := p.server.SetMaxEarlyData(srv.MaxEarlyData + 1); !errors.Is(err, ssl.ErrRange) {
		t.Error(err)
	}
}

// Both ends export the same from the secret of early data, another than from the connection's.
func TestExportEarlyKeyingMaterial(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := earlyConfigs(t)
	cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
	p := earlyPair(t, cctx, sctx, earlySession(t, cctx, sctx))
	defer p.closeBoth()
	if _, err := p.client.ExportEarlyKeyingMaterial("label", nil, 32); !errors.Is(err, ssl.ErrNoEarlyData) {
		t.Errorf("before: %v", err)
	}
	p.wantEarly(t, ssl.EarlyDataAccepted)
	ours, err := p.client.ExportEarlyKeyingMaterial("label", []byte("context"), 32)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := p.server.ExportEarlyKeyingMaterial("label", []byte("context"), 32)
	if err != nil || !bytes.Equal(ours, theirs) {
		t.Errorf("%x and %x, %v", ours, theirs, err)
	}
	late, err := p.client.ExportKeyingMaterial("label", []byte("context"), 32)
	if err != nil || bytes.Equal(ours, late) {
		t.Errorf("%x and %x, %v", ours, late, err)
	}
	other, err := p.client.ExportEarlyKeyingMaterial("label", []byte("another context"), 32)
	if err != nil || bytes.Equal(ours, other) {
		t.Errorf("%x and %x, %v", ours, other, err)
	}
	if _, err := p.client.ExportEarlyKeyingMaterial("label", nil, -1); !errors.Is(err, ssl.ErrRange) {
		t.Error(err)
	}
}

// The hint of a connection reaches its client.
func TestSetPSKIdentityHint(t *testing.T) {
	leakcheck.Test(t)
	key := newPSK(t, "client", []byte("sixteen bytes at least"))
	srv := &ssl.Config{PSKs: []ssl.PSK{key}, MaxVersion: ssl.VersionTLS12, PSKIdentityHint: "all"}
	cli := &ssl.Config{PSKs: []ssl.PSK{key}, PSKOnly: true, MaxVersion: ssl.VersionTLS12}
	p := newTCPPair(t, cli, srv)
	defer p.closeBoth()
	if err := p.server.SetPSKIdentityHint("you"); err != nil {
		t.Fatal(err)
	}
	p.mustShake(t)
	if got := p.client.ConnectionState().PSKIdentityHint; got != "you" {
		t.Errorf("hint %q", got)
	}
	if err := p.server.SetPSKIdentityHint("late"); !errors.Is(err, ssl.ErrHandshakeStarted) {
		t.Error(err)
	}
	q := newTCPPair(t, cli, srv)
	defer q.closeBoth()
	for _, bad := range []string{strings.Repeat("h", 300), "a\x00b"} {
		if err := q.server.SetPSKIdentityHint(bad); !errors.Is(err, ssl.ErrRange) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// SetNumTickets counts with VerifyConnection, too, also where the Ctx issues none: tickets are
// made once it has passed, and none for a client that it refuses.
func TestSetNumTicketsBesideVerifyConnection(t *testing.T) {
	leakcheck.Test(t)
	for _, refuse := range []error{nil, errors.New("no")} {
		srv, cli := serverConfig(t), clientConfig(t)
		srv.NumTickets = -1
		keys := ticketKeys(t, ssl.TicketKeySet{Current: newTicketKey(t)})
		early := uint64(0)
		srv.VerifyConnection = func(ssl.ConnectionState) error {
			early = keys.Stats().Issued
			return refuse
		}
		got := newInbox(t, cli)
		a, b := tcpPipe(t)
		p := newPair(t, newClientCtx(t, cli), ticketServer(t, srv, keys), a, b)
		if err := p.server.SetNumTickets(3); err != nil || p.server.NumTickets() != 3 {
			t.Fatal(err, p.server.NumTickets())
		}
		p.shake()
		if refuse == nil {
			p.echo(t)
		} else {
			p.server.Close()
			io.ReadAll(p.client)
		}
		n := len(got.all())
		if release() == "1.1.1" { // it makes them before Go can ask
			continue
		}
		if early != 0 || n != want(refuse == nil, 3, 0) {
			t.Errorf("refused is %t: %d tickets before VerifyConnection, the client has %d", refuse != nil, early, n)
		}
	}
}

// And after a later request for the client's certificate.
func TestSetNumTicketsAndLaterAuth(t *testing.T) {
	leakcheck.Test(t)
	for _, n := range []int{0, 3} {
		srv, cli := laterConfigs(t)
		got := newInbox(t, cli)
		a, b := tcpPipe(t)
		p := newPair(t, newClientCtx(t, cli), newServerCtx(t, srv), a, b)
		if err := p.server.SetNumTickets(n); err != nil {
			t.Fatal(err)
		}
		p.mustShake(t)
		p.echo(t)
		if err := p.request(t); err != nil {
			t.Fatal(err)
		}
		p.echo(t)
		if came := len(got.all()); came != 2*n || p.server.NumTickets() != n {
			t.Errorf("%d tickets came, NumTickets is %d; want %d each time", came, p.server.NumTickets(), n)
		}
	}
}
