package ssl_test

import (
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// In TLS 1.2 libssl resumes with any suite that the client offers. A session that another
// server, or this one before a change, has made with one that the Config excludes is not
// resumed.
func TestResumptionKeepsToTheSuites(t *testing.T) {
	const cbc, gcm = 0xC009, 0xC02B // ECDHE-ECDSA-AES128-SHA, ECDHE-ECDSA-AES128-GCM-SHA256
	leakcheck.Test(t)
	srv, cli := tls12(t)
	cli.CipherSuites, srv.SessionIDContext = []uint16{cbc, gcm}, []byte("fleet")
	cctx := newClientCtx(t, cli)
	suites := func(s ...uint16) func(*ssl.Config) { return func(c *ssl.Config) { c.CipherSuites = s } }
	cache, keys := newServerCache(t, nil), ticketKeys(t, ssl.TicketKeySet{Current: newTicketKey(t)})
	for name, build := range map[string]func(*ssl.Config) *ssl.Ctx{
		"cache": func(c *ssl.Config) *ssl.Ctx {
			return newServerCtx(t, copyOf(c, func(c *ssl.Config) { c.SessionCache = cache }))
		},
		"tickets": func(c *ssl.Config) *ssl.Ctx { return ticketServer(t, c, keys) },
	} {
		s := wantVisit(t, cctx, build(copyOf(srv, suites(cbc))), nil, false)
		strict := build(copyOf(srv, suites(gcm)))
		p := meet(t, cctx, strict, dup(t, s))
		if st := p.server.ConnectionState(); st.CipherSuite != gcm || st.DidResume {
			t.Errorf("%s: resumed is %t, with %s", name, st.DidResume, st.CipherName)
		}
		p.closeBoth()
		wantVisit(t, cctx, build(copyOf(srv, suites(gcm, cbc))), s, true)
	}
}
