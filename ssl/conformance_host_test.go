package ssl_test

import (
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// C-31: where one Ctx answers for several hosts, and the session id context does not keep them
// apart, the name does: the session of one is a full handshake at the other, with no alert, and
// so it is for a client that names no host. Not in libssl's own cache, which asks nobody; its
// sessions do not leave their Ctx.
func TestC31_SessionsKeepTheirHost(t *testing.T) {
	for _, fm := range agingForms {
		if fm.name == "TLS1.2-id" || fm.name == "TLS1.3-stateful" {
			continue
		}
		t.Run(fm.name, func(t *testing.T) {
			leakcheck.Test(t)
			srv, cli := serverConfig(t), clientConfig(t)
			srv.MaxVersion, cli.MaxVersion = fm.version, fm.version
			srv.SessionIDContext = []byte("both")
			cli.InsecureSkipVerify = true // only the server is looked at
			a := newAging(t, srv, fm.setup(t, srv))
			to := func(host string) *ssl.Ctx {
				return newClientCtx(t, copyOf(cli, func(c *ssl.Config) { c.ServerName = host }))
			}
			s := wantVisit(t, to("a.test"), a.next(), nil, false)
			for _, c := range []struct {
				host    string
				resumes bool
			}{{"a.test", true}, {"A.Test", true}, {"b.test", false}, {"a.tes", false}, {"a.test.b.test", false}, {"", true}} {
				offer := dup(t, s)
				p := meet(t, to(c.host), a.next(), offer)
				if p.client.SessionReused() != c.resumes || p.server.SessionReused() != c.resumes {
					t.Errorf("at %q: resumed is %t", c.host, p.client.SessionReused())
				}
				if name := p.server.ConnectionState().ServerName; c.resumes && name != "a.test" && name != c.host || !c.resumes && name != c.host {
					t.Errorf("at %q: the server takes it for %q", c.host, name)
				}
				if c.resumes {
					s = sessionOf(t, p.client)
				}
				p.closeBoth()
			}
			wantVisit(t, to("a.test"), a.next(), s, true)
			// A session of no host is of all, as those of servers that note none are.
			s = wantVisit(t, to(""), a.next(), nil, false)
			wantVisit(t, to("b.test"), a.next(), s, true)
		})
	}
}
