package ssl_test

import (
	"fmt"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// C-31: where one Ctx answers for several hosts, and the session id context does not keep them
// apart, the name does: the session of one is a full handshake at the other, with no alert. A
// client that names no host resumes it. Not in libssl's own cache, which asks nobody; its
// sessions do not leave their Ctx.
func TestC31_SessionsKeepTheirHost(t *testing.T) {
	for _, fm := range agingForms {
		if keptByLibssl(fm.name) {
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

// And it stays the session's name where a client without one has resumed it in between.
func TestC31_SessionsKeepTheirHostWithoutNames(t *testing.T) {
	for _, early := range []uint32{0, 1 << 10} {
		for name, build := range fleets {
			t.Run(fmt.Sprint(name, " ", early), func(t *testing.T) {
				leakcheck.Test(t)
				srv, cli := serverConfig(t), clientConfig(t)
				srv.SessionIDContext, cli.InsecureSkipVerify = []byte("both"), true
				if srv.MaxEarlyData = early; early > 0 {
					srv.ReplayGuard = newSpyGuard(t)
				}
				sctx, _ := build(t, srv)
				to := func(host string) *ssl.Ctx {
					return newClientCtx(t, copyOf(cli, func(c *ssl.Config) { c.ServerName = host }))
				}
				s := wantVisit(t, to("a.test"), sctx, nil, false)
				s = wantVisit(t, to(""), sctx, s, true)
				wantVisit(t, to("b.test"), sctx, s, false)
			})
		}
	}
}

// A session that began with an external key has a host as well.
func TestC31_PSKSessionsKeepTheirHost(t *testing.T) {
	for _, fm := range forms {
		if fm.version == ssl.VersionTLS12 {
			continue // whoever has no key has none of the suites
		}
		t.Run(fm.name, func(t *testing.T) {
			leakcheck.Test(t)
			k := newPSK(t, pskName, pskKey)
			srv := &ssl.Config{PSKs: []ssl.PSK{k}, Certificates: serverConfig(t).Certificates, MaxVersion: fm.version, SessionIDContext: []byte("both")}
			if fm.tickets {
				srv.TicketKeys = ticketKeys(t, ssl.TicketKeySet{Current: newTicketKey(t)})
			} else {
				srv.SessionCache = newServerCache(t, nil)
			}
			sctx := newServerCtx(t, srv)
			p := meet(t, newClientCtx(t, &ssl.Config{PSKs: []ssl.PSK{k}, PSKOnly: true, MaxVersion: fm.version, ServerName: "a.test"}), sctx, nil)
			s := sessionOf(t, p.client)
			for host, want := range map[string]bool{"b.test": false, "a.test": true} {
				// Only a client that verifies nothing offers it, and only what has lost its stamp.
				cctx := newClientCtx(t, &ssl.Config{InsecureSkipVerify: true, MaxVersion: fm.version, ServerName: host})
				wantVisit(t, cctx, sctx, reparsed(t, s), want)
			}
		})
	}
}
