package config_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
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
			c.SessionCacheMode, c.SessionCacheSize, c.SessionTimeout, c.NumTickets = ssl.SessionCacheNoAutoClear, 7,
				time.Minute, 4
		}, ssl.SessionSettings{CacheMode: ssl.SessionCacheNoAutoClear, CacheSize: 7, Timeout: time.Minute,
			NumTickets: 4}},
		{func(c *ssl.Config) {
			c.SessionCacheMode, c.SessionCacheSize, c.NumTickets = ssl.SessionCacheNoInternal, -1, -1
		}, ssl.SessionSettings{CacheMode: ssl.SessionCacheNoInternal, Timeout: 2 * time.Hour}},
		{func(c *ssl.Config) { c.VerifyConnection = func(ssl.ConnectionState) error { return nil } },
			ssl.SessionSettings{CacheSize: 20480, Timeout: 2 * time.Hour, NumTickets: 2}},
	} {
		got, err := ssltest.NewServerCtx(t, ssltest.CopyOf(ssltest.ServerConfig(t), c.change)).SessionSettings()
		c.want.SkipEarlyData = 16384 // libssl's default
		if err != nil || got != c.want {
			t.Errorf("%+v, %v, want %+v", got, err, c.want)
		}
	}
}

// Settings that nothing would heed are refused.
func TestInternalCacheConfig(t *testing.T) {
	leakcheck.Test(t)
	cache := ssltest.NewServerCache(t, nil)
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
			err = ssltest.CopyOf(ssltest.ServerConfig(t), change).CheckServer()
		} else {
			err = ssltest.CopyOf(ssltest.ClientConfig(t), func(c *ssl.Config) { c.SessionCacheSize = 5 }).CheckClient()
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
		srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
		if judged {
			srv.VerifyConnection = func(ssl.ConnectionState) error { return nil }
		}
		for _, n := range []int{0, 1, 5} {
			got := ssltest.NewInbox(t, cli)
			p := ssltest.NewTCPPair(t, cli, srv)
			if err := p.Server.SetNumTickets(n); err != nil || p.Server.NumTickets() != n {
				t.Fatalf("judged %t: %d, %v", judged, p.Server.NumTickets(), err)
			}
			p.MustShake(t)
			p.Echo(t)
			if err := p.Server.SetNumTickets(1); !errors.Is(err, ssl.ErrHandshakeStarted) {
				t.Error(err)
			}
			p.CloseBoth()
			if len(got.All()) != n {
				t.Errorf("judged %t: %d tickets, want %d", judged, len(got.All()), n)
			}
		}
	}
	p := ssltest.NewTCPPair(t, ssltest.ClientConfig(t), ssltest.ServerConfig(t))
	defer p.CloseBoth()
	if err := p.Client.SetNumTickets(1); !errors.Is(err, ssl.ErrClient) || p.Client.NumTickets() != 0 {
		t.Error(err)
	}
	for _, n := range []int{-1, 256} {
		if err := p.Server.SetNumTickets(n); !errors.Is(err, ssl.ErrRange) {
			t.Errorf("%d: %v", n, err)
		}
	}
}

// Connections resume sessions of their own session id context only.
func TestSetSessionIDContext(t *testing.T) {
	leakcheck.Test(t)
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
		visit := func(tenant string, offer *ssl.Session) ssltest.Pair {
			a, b := ssltest.TCPPipe(t)
			p := ssltest.NewPair(t, cctx, sctx, a, b)
			if err := p.Server.SetSessionIDContext([]byte(tenant)); err != nil {
				t.Fatal(err)
			}
			if offer != nil {
				if err := p.Client.SetSession(offer); err != nil {
					t.Fatal(err)
				}
			}
			p.MustShake(t)
			p.Echo(t)
			return p
		}
		p := visit("one", nil)
		s := ssltest.SessionOf(t, p.Client)
		p.CloseBoth()
		for _, tenant := range []string{"two", "one"} {
			p := visit(tenant, s)
			if p.Client.SessionReused() != (tenant == "one") {
				t.Errorf("%s: reused is %t", tenant, p.Client.SessionReused())
			}
			p.CloseBoth()
		}
	})
	p := ssltest.NewTCPPair(t, ssltest.ClientConfig(t), ssltest.ServerConfig(t))
	defer p.CloseBoth()
	for _, n := range []int{0, 33} {
		if err := p.Server.SetSessionIDContext(make([]byte, n)); !errors.Is(err, ssl.ErrRange) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if err := p.Client.SetSessionIDContext([]byte("x")); !errors.Is(err, ssl.ErrClient) {
		t.Error(err)
	}
}

// A connection's tickets allow no more early data than it says, none for 0, and no connection
// more than its Ctx.
func TestSetMaxEarlyData(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.EarlyConfigs(t)
	cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
	if st, err := sctx.SessionSettings(); err != nil || st.MaxEarlyData != srv.MaxEarlyData ||
		st.SkipEarlyData <= srv.MaxEarlyData {
		t.Errorf("%+v, %v", st, err)
	}
	for _, n := range []uint32{0, 5, srv.MaxEarlyData} {
		a, b := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, cctx, sctx, a, b)
		if got := p.Server.MaxEarlyData(); got != srv.MaxEarlyData {
			t.Errorf("%d before anything was set, want that of the Ctx, %d", got, srv.MaxEarlyData)
		}
		if err := p.Server.SetMaxEarlyData(n); err != nil || p.Server.MaxEarlyData() != n {
			t.Fatalf("%d, %v", p.Server.MaxEarlyData(), err)
		}
		p.MustShake(t)
		p.Echo(t)
		got, err := ssltest.SessionOf(t, p.Client).MaxEarlyData()
		if err != nil || got != n {
			t.Errorf("the ticket allows %d, %v, want %d", got, err, n)
		}
		if err := p.Client.SetMaxEarlyData(n); !errors.Is(err, ssl.ErrClient) || p.Client.MaxEarlyData() != 0 {
			t.Error(err)
		}
		p.CloseBoth()
	}
	a, b := ssltest.TCPPipe(t)
	p := ssltest.NewPair(t, cctx, sctx, a, b)
	defer p.CloseBoth()
	if err := p.Server.SetMaxEarlyData(srv.MaxEarlyData + 1); !errors.Is(err, ssl.ErrRange) {
		t.Error(err)
	}
}

// Both ends export the same from the secret of early data, another than from the connection's.
func TestExportEarlyKeyingMaterial(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.EarlyConfigs(t)
	cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
	p := ssltest.EarlyPair(t, cctx, sctx, ssltest.EarlySession(t, cctx, sctx))
	defer p.CloseBoth()
	if _, err := p.Client.ExportEarlyKeyingMaterial("label", nil, 32); !errors.Is(err, ssl.ErrNoEarlyData) {
		t.Errorf("before: %v", err)
	}
	p.WantEarly(t, ssl.EarlyDataAccepted)
	ours, err := p.Client.ExportEarlyKeyingMaterial("label", []byte("context"), 32)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := p.Server.ExportEarlyKeyingMaterial("label", []byte("context"), 32)
	if err != nil || !bytes.Equal(ours, theirs) {
		t.Errorf("%x and %x, %v", ours, theirs, err)
	}
	late, err := p.Client.ExportKeyingMaterial("label", []byte("context"), 32)
	if err != nil || bytes.Equal(ours, late) {
		t.Errorf("%x and %x, %v", ours, late, err)
	}
	other, err := p.Client.ExportEarlyKeyingMaterial("label", []byte("another context"), 32)
	if err != nil || bytes.Equal(ours, other) {
		t.Errorf("%x and %x, %v", ours, other, err)
	}
	if _, err := p.Client.ExportEarlyKeyingMaterial("label", nil, -1); !errors.Is(err, ssl.ErrRange) {
		t.Error(err)
	}
}

// The hint of a connection reaches its client.
func TestSetPSKIdentityHint(t *testing.T) {
	leakcheck.Test(t)
	key := ssltest.NewPSK(t, "client", []byte("sixteen bytes at least"))
	srv := &ssl.Config{PSKs: []ssl.PSK{key}, MaxVersion: ssl.VersionTLS12, PSKIdentityHint: "all"}
	cli := &ssl.Config{PSKs: []ssl.PSK{key}, PSKOnly: true, MaxVersion: ssl.VersionTLS12}
	p := ssltest.NewTCPPair(t, cli, srv)
	defer p.CloseBoth()
	if err := p.Server.SetPSKIdentityHint("you"); err != nil {
		t.Fatal(err)
	}
	p.MustShake(t)
	if got := p.Client.ConnectionState().PSKIdentityHint; got != "you" {
		t.Errorf("hint %q", got)
	}
	if err := p.Server.SetPSKIdentityHint("late"); !errors.Is(err, ssl.ErrHandshakeStarted) {
		t.Error(err)
	}
	q := ssltest.NewTCPPair(t, cli, srv)
	defer q.CloseBoth()
	for _, bad := range []string{strings.Repeat("h", 300), "a\x00b"} {
		if err := q.Server.SetPSKIdentityHint(bad); !errors.Is(err, ssl.ErrRange) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// SetNumTickets counts with VerifyConnection, too, also where the Ctx issues none: tickets are
// made once it has passed, and none for a client that it refuses.
func TestSetNumTicketsBesideVerifyConnection(t *testing.T) {
	leakcheck.Test(t)
	for _, refuse := range []error{nil, errors.New("no")} {
		srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
		srv.NumTickets = -1
		keys := ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)})
		early := uint64(0)
		srv.VerifyConnection = func(ssl.ConnectionState) error {
			early = keys.Stats().Issued
			return refuse
		}
		got := ssltest.NewInbox(t, cli)
		a, b := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), ssltest.TicketServer(t, srv, keys), a, b)
		if err := p.Server.SetNumTickets(3); err != nil || p.Server.NumTickets() != 3 {
			t.Fatal(err, p.Server.NumTickets())
		}
		p.Shake()
		if refuse == nil {
			p.Echo(t)
		} else {
			p.Server.Close()
			io.ReadAll(p.Client)
		}
		n := len(got.All())
		if ssltest.LibraryRelease() == "1.1.1" { // it makes them before Go can ask
			continue
		}
		if early != 0 || n != ssltest.If(refuse == nil, 3, 0) {
			t.Errorf("refused is %t: %d tickets before VerifyConnection, the client has %d", refuse != nil, early, n)
		}
	}
}

// And after a later request for the client's certificate.
func TestSetNumTicketsAndLaterAuth(t *testing.T) {
	leakcheck.Test(t)
	for _, n := range []int{0, 3} {
		srv, cli := ssltest.LaterConfigs(t)
		got := ssltest.NewInbox(t, cli)
		a, b := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), a, b)
		if err := p.Server.SetNumTickets(n); err != nil {
			t.Fatal(err)
		}
		p.MustShake(t)
		p.Echo(t)
		if err := p.Request(t); err != nil {
			t.Fatal(err)
		}
		p.Echo(t)
		if came := len(got.All()); came != 2*n || p.Server.NumTickets() != n {
			t.Errorf("%d tickets came, NumTickets is %d; want %d each time", came, p.Server.NumTickets(), n)
		}
	}
}
