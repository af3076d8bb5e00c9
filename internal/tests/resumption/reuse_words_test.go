package resumption_test

import (
	"crypto/tls"
	"encoding/json"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Clients of TLS 1.2 that know tickets make up a session id on their first visit, in whatever
// form the server resumes: nothing was offered, so nothing was declined.
func TestMadeUpSessionID(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, _ *ssl.Config) {
		srv.MaxVersion = ssl.VersionTLS13
		cached := ssltest.CopyOf(srv, func(c *ssl.Config) {
			cache, err := ssl.NewServerSessionCache(nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { cache.Close() })
			c.SessionCache = cache
		})
		for what, cfg := range map[string]*ssl.Config{"libssl's": srv, "a SessionCache": cached} {
			sctx := ssltest.NewServerCtx(t, cfg)
			a, b := ssltest.TCPPipe(t)
			s, err := ssl.Server(b, sctx)
			if err != nil {
				t.Fatal(err)
			}
			c := tls.Client(a, &tls.Config{InsecureSkipVerify: true, MaxVersion: fm.Version})
			done := make(chan error, 1)
			go func() { done <- s.Handshake() }()
			if err := c.Handshake(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if got := s.ReuseState(); got != ssl.ReuseNoSession {
				t.Errorf("%s: a first visit is %q", what, got)
			}
			s.Close()
		}
	})
}

// A ticket is a ticket in both versions, and an external key is none. In JSON and in metrics
// the words have no spaces.
func TestReuseWords(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
		first := ssltest.Meet(t, cctx, sctx, nil)
		second := ssltest.Meet(t, cctx, sctx, ssltest.SessionOf(t, first.Client))
		for _, c := range []*ssl.Conn{second.Client, second.Server} {
			if c.ReuseState().String() != "resumed by ticket" {
				t.Errorf("%q", c.ReuseState())
			}
		}
		key := []ssl.PSK{ssltest.NewPSK(t, ssltest.PSKName, ssltest.PSKKey)}
		srv.PSKs, cli.PSKs = key, key
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		for _, c := range []*ssl.Conn{p.Client, p.Server} {
			if r := c.ReuseState(); r != ssl.ReuseExternalPSK || r.Resumed() || r.Offered() ||
				r.String() != "by external PSK" {
				t.Errorf("with a key: %q", r)
			}
		}
		p.CloseBoth()
	})
	leakcheck.Test(t)
	seen := map[string]bool{}
	for r := ssl.ReuseUnknown; r.String() != "invalid"; r++ {
		label, err := json.Marshal(r)
		if err != nil || strings.ContainsRune(string(label), ' ') || seen[string(label)] {
			t.Errorf("%q is %s in JSON: %v", r, label, err)
		}
		seen[string(label)] = true
	}
}
