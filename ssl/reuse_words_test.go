package ssl_test

import (
	"crypto/tls"
	"encoding/json"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// Clients of TLS 1.2 that know tickets make up a session id on their first visit, in whatever
// form the server resumes: nothing was offered, so nothing was declined.
func TestMadeUpSessionID(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, _ *ssl.Config) {
		srv.MaxVersion = ssl.VersionTLS13
		cached := copyOf(srv, func(c *ssl.Config) {
			cache, err := ssl.NewServerSessionCache(nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { cache.Close() })
			c.SessionCache = cache
		})
		for what, cfg := range map[string]*ssl.Config{"libssl's": srv, "a SessionCache": cached} {
			sctx := newServerCtx(t, cfg)
			a, b := tcpPipe(t)
			s, err := ssl.Server(b, sctx)
			if err != nil {
				t.Fatal(err)
			}
			c := tls.Client(a, &tls.Config{InsecureSkipVerify: true, MaxVersion: fm.version})
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

// unknownTo is what a server says of a client whose session it does not know: the id of TLS 1.2
// could be one that was made up.
func unknownTo(client *ssl.Config) ssl.ReuseState {
	if client.MaxVersion == ssl.VersionTLS12 {
		return ssl.ReuseNoSession
	}
	return ssl.ReuseDeclined
}

// A ticket is a ticket in both versions, and an external key is none. In JSON and in metrics
// the words have no spaces.
func TestReuseWords(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		sctx, cctx := newServerCtx(t, srv), newClientCtx(t, cli)
		first := meet(t, cctx, sctx, nil)
		second := meet(t, cctx, sctx, sessionOf(t, first.client))
		for _, c := range []*ssl.Conn{second.client, second.server} {
			if c.ReuseState().String() != "resumed by ticket" {
				t.Errorf("%q", c.ReuseState())
			}
		}
		key := []ssl.PSK{newPSK(t, pskName, pskKey)}
		srv.PSKs, cli.PSKs = key, key
		p := newTCPPair(t, cli, srv)
		p.mustShake(t)
		for _, c := range []*ssl.Conn{p.client, p.server} {
			if r := c.ReuseState(); r != ssl.ReuseExternalPSK || r.Resumed() || r.Offered() || r.String() != "by external PSK" {
				t.Errorf("with a key: %q", r)
			}
		}
		p.closeBoth()
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
