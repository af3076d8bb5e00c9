package resumption_test

import (
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// In TLS 1.2 libssl resumes with any suite that the client offers. A session that another
// server, or this one before a change, has made with one that the Config excludes is not
// resumed.
func TestResumptionKeepsToTheSuites(t *testing.T) {
	const cbc, gcm = 0xC009, 0xC02B // ECDHE-ECDSA-AES128-SHA, ECDHE-ECDSA-AES128-GCM-SHA256
	leakcheck.Test(t)
	srv, cli := ssltest.TLS12(t)
	cli.CipherSuites, srv.SessionIDContext = []uint16{cbc, gcm}, []byte("fleet")
	cctx := ssltest.NewClientCtx(t, cli)
	suites := func(s ...uint16) func(*ssl.Config) { return func(c *ssl.Config) { c.CipherSuites = s } }
	cache, keys := ssltest.NewServerCache(t, nil),
		ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)})
	for name, build := range map[string]func(*ssl.Config) *ssl.Ctx{
		"cache": func(c *ssl.Config) *ssl.Ctx {
			return ssltest.NewServerCtx(t, ssltest.CopyOf(c, func(c *ssl.Config) { c.SessionCache = cache }))
		},
		"tickets": func(c *ssl.Config) *ssl.Ctx { return ssltest.TicketServer(t, c, keys) },
	} {
		s := ssltest.WantVisit(t, cctx, build(ssltest.CopyOf(srv, suites(cbc))), nil, false)
		strict := build(ssltest.CopyOf(srv, suites(gcm)))
		p := ssltest.Meet(t, cctx, strict, ssltest.Dup(t, s))
		if st := p.Server.ConnectionState(); st.CipherSuite != gcm || st.DidResume {
			t.Errorf("%s: resumed is %t, with %s", name, st.DidResume, st.CipherName)
		}
		p.CloseBoth()
		ssltest.WantVisit(t, cctx, build(ssltest.CopyOf(srv, suites(gcm, cbc))), s, true)
	}
}
