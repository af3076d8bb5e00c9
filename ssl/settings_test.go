package ssl_test

import (
	"errors"
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
		"unknown":       func(c *ssl.Config) { c.SessionCacheMode = 9 },
		"too large":     func(c *ssl.Config) { c.SessionCacheSize = 1 << 40 },
		"replaces":      func(c *ssl.Config) { c.SessionCache, c.SessionCacheSize = cache, 5 },
		"which":         func(c *ssl.Config) { c.SessionCache, c.SessionCacheMode = cache, ssl.SessionCacheNoInternal },
		"MaxEarlyData":  func(c *ssl.Config) { c.MaxEarlyData, c.SessionCacheMode = 1, ssl.SessionCacheNoInternal },
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
