package names_test

import (
	"fmt"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Where one Ctx answers for several hosts, and the session id context does not keep them
// apart, the name does: the session of one is a full handshake at the other, with no alert. A
// client that names no host resumes it. Not in libssl's own cache, which asks no function; its
// sessions do not leave their Ctx.
func TestSessionsKeepTheirHost(t *testing.T) {
	for _, fm := range ssltest.AgingForms {
		if ssltest.KeptByLibssl(fm.Name) {
			continue
		}
		t.Run(fm.Name, func(t *testing.T) {
			leakcheck.Test(t)
			srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
			srv.MaxVersion, cli.MaxVersion = fm.Version, fm.Version
			srv.SessionIDContext = []byte("both")
			cli.InsecureSkipVerify = true // only the server is looked at
			a := ssltest.NewAging(t, srv, fm.Setup(t, srv))
			to := func(host string) *ssl.Ctx {
				return ssltest.NewClientCtx(t, ssltest.CopyOf(cli, func(c *ssl.Config) { c.ServerName = host }))
			}
			s := ssltest.WantVisit(t, to("a.test"), a.Next(), nil, false)
			for _, c := range []struct {
				host    string
				resumes bool
			}{{"a.test", true}, {"A.Test", true}, {"b.test", false}, {"a.tes", false}, {"a.test.b.test", false},
				{"", true}} {
				offer := ssltest.Dup(t, s)
				p := ssltest.Meet(t, to(c.host), a.Next(), offer)
				if p.Client.SessionReused() != c.resumes || p.Server.SessionReused() != c.resumes {
					t.Errorf("at %q: resumed is %t", c.host, p.Client.SessionReused())
				}
				if name := p.Server.ConnectionState().ServerName; c.resumes && name != "a.test" && name != c.host ||
					!c.resumes && name != c.host {
					t.Errorf("at %q: the server takes it for %q", c.host, name)
				}
				if c.resumes {
					s = ssltest.SessionOf(t, p.Client)
				}
				p.CloseBoth()
			}
			ssltest.WantVisit(t, to("a.test"), a.Next(), s, true)
			// A session of no host is of all, as those of servers that note none are.
			s = ssltest.WantVisit(t, to(""), a.Next(), nil, false)
			ssltest.WantVisit(t, to("b.test"), a.Next(), s, true)
		})
	}
}

// And it stays the session's name where a client without one has resumed it in between.
func TestSessionsKeepTheirHostWithoutNames(t *testing.T) {
	for _, early := range []uint32{0, 1 << 10} {
		for name, build := range ssltest.Fleets {
			t.Run(fmt.Sprint(name, " ", early), func(t *testing.T) {
				leakcheck.Test(t)
				srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
				srv.SessionIDContext, cli.InsecureSkipVerify = []byte("both"), true
				if srv.MaxEarlyData = early; early > 0 {
					srv.ReplayGuard = ssltest.NewSpyGuard(t)
				}
				sctx, _ := build(t, srv)
				to := func(host string) *ssl.Ctx {
					return ssltest.NewClientCtx(t, ssltest.CopyOf(cli, func(c *ssl.Config) { c.ServerName = host }))
				}
				s := ssltest.WantVisit(t, to("a.test"), sctx, nil, false)
				s = ssltest.WantVisit(t, to(""), sctx, s, true)
				ssltest.WantVisit(t, to("b.test"), sctx, s, false)
			})
		}
	}
}

// A session that began with an external key has a host as well.
func TestPSKSessionsKeepTheirHost(t *testing.T) {
	for _, fm := range ssltest.Forms {
		if fm.Version == ssl.VersionTLS12 {
			continue // whoever has no key has none of the suites
		}
		t.Run(fm.Name, func(t *testing.T) {
			leakcheck.Test(t)
			k := ssltest.NewPSK(t, ssltest.PSKName, ssltest.PSKKey)
			srv := &ssl.Config{PSKs: []ssl.PSK{k}, Certificates: ssltest.ServerConfig(t).Certificates,
				MaxVersion: fm.Version, SessionIDContext: []byte("both")}
			if fm.Tickets {
				srv.TicketKeys = ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)})
			} else {
				srv.SessionCache = ssltest.NewServerCache(t, nil)
			}
			sctx := ssltest.NewServerCtx(t, srv)
			p := ssltest.Meet(t, ssltest.NewClientCtx(t, &ssl.Config{PSKs: []ssl.PSK{k}, PSKOnly: true,
				MaxVersion: fm.Version, ServerName: "a.test"}), sctx, nil)
			s := ssltest.SessionOf(t, p.Client)
			for host, want := range map[string]bool{"b.test": false, "a.test": true} {
				// Only a client that verifies nothing offers it, and only what has lost its stamp.
				cctx := ssltest.NewClientCtx(t, &ssl.Config{InsecureSkipVerify: true, MaxVersion: fm.Version,
					ServerName: host})
				ssltest.WantVisit(t, cctx, sctx, ssltest.Reparsed(t, s), want)
			}
		})
	}
}
