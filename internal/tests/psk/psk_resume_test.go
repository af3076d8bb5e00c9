package psk_test

import (
	"slices"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// forEachPSKForm is forEachPSK for each way of resumption.
func forEachPSKForm(t *testing.T, f func(t *testing.T, srv, cli *ssl.Config)) {
	for _, fm := range ssltest.Forms {
		t.Run(fm.Name, func(t *testing.T) {
			leakcheck.Test(t)
			k := ssltest.NewPSK(t, ssltest.PSKName, ssltest.PSKKey)
			f(t, &ssl.Config{PSKs: []ssl.PSK{k}, MaxVersion: fm.Version, SessionTicketsDisabled: !fm.Tickets},
				&ssl.Config{PSKs: []ssl.PSK{k}, PSKOnly: true, MaxVersion: fm.Version})
		})
	}
}

// A session that began with a key resumes, and both ends still know with which.
func TestPSKResumption(t *testing.T) {
	forEachPSKForm(t, func(t *testing.T, srv, cli *ssl.Config) {
		for _, judged := range []bool{false, true} {
			var seen []string
			if judged { // and what a server knows in its function
				srv.VerifyConnection = func(s ssl.ConnectionState) error {
					seen = append(seen,
						s.PSKIdentity)
					return nil
				}
			}
			cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
			s := ssltest.PSKSession(t, cctx, sctx)
			if hint, err := s.TicketLifetimeHint(); err != nil || hint != 2*time.Hour &&
				!(srv.SessionTicketsDisabled && srv.MaxVersion == ssl.VersionTLS12) {
				t.Errorf("the ticket lives for %v, %v", hint, err)
			}
			p := ssltest.Meet(t, cctx, sctx, s)
			for _, c := range []*ssl.Conn{p.Client, p.Server} {
				state := c.ConnectionState()
				if !state.DidResume || !c.ReuseState().Resumed() || state.PSKIdentity != ssltest.PSKName ||
					state.Verified || len(state.PeerCertificates) > 0 {
					t.Errorf("%v, %+v", c.ReuseState(), state)
				}
			}
			if judged && !slices.Equal(seen, []string{ssltest.PSKName, ssltest.PSKName}) {
				t.Errorf("VerifyConnection saw %q", seen)
			}
			again := ssltest.SessionOf(t, p.Client) // of a resumption
			p.CloseBoth()
			p = ssltest.Meet(t, cctx, sctx, again)
			if s := p.Server.ConnectionState(); !s.DidResume || s.PSKIdentity != ssltest.PSKName {
				t.Errorf("the second time: %+v", s)
			}
			p.CloseBoth()
		}
	})
}

// A session that began with a key is not resumed where that is not configured, or is not
// the same any more, on either end; the handshake is a full one, and succeeds where it can.
func TestPSKSessionsStayWithTheirKey(t *testing.T) {
	forEachPSKForm(t, func(t *testing.T, srv, cli *ssl.Config) {
		if !srv.SessionTicketsDisabled {
			srv.TicketKeys = ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)})
		} else {
			srv.SessionCache = ssltest.NewServerCache(t, nil)
		}
		srv.SessionIDContext = []byte("fleet")
		srv.Certificates = ssltest.KeyPairs(t, []string{"server-ecdsa"})
		both := ssltest.CopyOf(cli, func(c *ssl.Config) {
			c.PSKOnly, c.ServerName, c.RootCAs = false, "localhost",
				ssltest.Roots(t, "ca")
		})
		sctx, bctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, both)
		s := ssltest.PSKSession(t, bctx, sctx)

		// The server's side: the same session id context as configured, and the same keys.
		for name, change := range map[string]func(*ssl.Config){
			"no keys": func(c *ssl.Config) { c.PSKs = nil },
			"another key": func(c *ssl.Config) {
				c.PSKs = []ssl.PSK{ssltest.NewPSK(t, ssltest.PSKName+"2",
					ssltest.OtherKey())}
			},
		} {
			if cli.MaxVersion == ssl.VersionTLS12 && name == "another key" {
				continue // there is no way back from a suite with keys
			}
			p := ssltest.Meet(t, bctx, ssltest.NewServerCtx(t, ssltest.CopyOf(srv, change)), ssltest.Dup(t, s))
			if p.Server.SessionReused() || p.Server.ConnectionState().PSKIdentity != "" ||
				!p.Client.ConnectionState().Verified {
				t.Errorf("%s: the server says %v", name, p.Server.ReuseState())
			}
			p.CloseBoth()
		}
		p := ssltest.Meet(t, bctx, ssltest.NewServerCtx(t, srv), ssltest.Dup(t, s)) // equal, in another Ctx
		if !p.Server.SessionReused() {
			t.Errorf("with the same keys: %v", p.Server.ReuseState())
		}
		p.CloseBoth()

		// The client's side.
		for name, cfg := range map[string]*ssl.Config{
			"no keys": ssltest.CopyOf(both, func(c *ssl.Config) { c.PSKs = nil }),
			"another key": ssltest.CopyOf(both,
				func(c *ssl.Config) { c.PSKs = []ssl.PSK{ssltest.NewPSK(t, ssltest.PSKName, ssltest.OtherKey())} }),
			"other name": ssltest.CopyOf(both, func(c *ssl.Config) { c.ServerName = "example.org" }),
			"PSKOnly":    cli,
		} {
			a, b := ssltest.TCPPipe(t)
			p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cfg), sctx, a, b)
			if err := p.Client.SetSession(s); err != nil || p.Client.SessionOffered() {
				t.Errorf("%s: %v, offered %t", name, err, p.Client.SessionOffered())
			}
		}
		// And a session of a certificate is none of a client that takes only the key.
		certs := ssltest.CopyOf(both, func(c *ssl.Config) { c.PSKs = nil })
		p = ssltest.Meet(t, ssltest.NewClientCtx(t, certs), sctx, nil)
		verified := ssltest.SessionOf(t, p.Client)
		p.CloseBoth()
		a, b := ssltest.TCPPipe(t)
		p = ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), sctx, a, b)
		if err := p.Client.SetSession(verified); err != nil || p.Client.SessionOffered() {
			t.Errorf("a verified session with PSKOnly: %v, offered %t", err, p.Client.SessionOffered())
		}
		reparsed := ssltest.Reparsed(t, s)
		if err := p.Client.SetSession(reparsed); err != nil || p.Client.SessionOffered() {
			t.Errorf("a parsed session with PSKOnly: %v, offered %t", err, p.Client.SessionOffered())
		}
	})
}

// GetPSK is not asked for tickets that this server can open, in no form that they have.
func TestGetPSKAndTickets(t *testing.T) {
	leakcheck.Test(t)
	k := ssltest.NewPSK(t, ssltest.PSKName, ssltest.PSKKey)
	for name, keep := range map[string]func(*ssl.Config){
		"own keys": func(*ssl.Config) {},
		"TicketKeys": func(c *ssl.Config) {
			c.TicketKeys = ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)})
		},
		"cache": func(c *ssl.Config) { c.SessionCache = ssltest.NewServerCache(t, nil) },
	} {
		var asked []string
		srv := &ssl.Config{MinVersion: ssl.VersionTLS13, GetPSK: func(_ *ssl.ClientHelloInfo,
			identity string) (ssl.PSK, error) {
			asked = append(asked, identity)
			if identity != ssltest.PSKName {
				return ssl.PSK{}, nil
			}
			return k, nil
		}}
		keep(srv)
		cctx, sctx := ssltest.NewClientCtx(t, &ssl.Config{PSKs: []ssl.PSK{k}, PSKOnly: true}),
			ssltest.NewServerCtx(t, srv)
		s := ssltest.PSKSession(t, cctx, sctx)
		for range 2 {
			p := ssltest.Meet(t, cctx, sctx, s)
			if !p.Client.SessionReused() || !p.Server.SessionReused() ||
				p.Server.ConnectionState().PSKIdentity != ssltest.PSKName {
				t.Errorf("%s: %v", name, p.Server.ReuseState())
			}
			s = ssltest.SessionOf(t, p.Client)
			p.CloseBoth()
		}
		// The ticket and, after it, the key: that is what clients send. The key is asked for
		// each time, for the ticket may turn out to be no good.
		if slices.ContainsFunc(asked, func(id string) bool { return id != ssltest.PSKName }) {
			t.Errorf("%s: asked for tickets: %d questions", name, len(asked))
		}
		// A ticket of another server may be an identity.
		asked = nil
		p := ssltest.Meet(t, cctx, ssltest.NewServerCtx(t, ssltest.CopyOf(srv, func(c *ssl.Config) {
			c.TicketKeys,
				c.SessionCache = nil, nil
		})), s)
		if p.Client.SessionReused() || len(asked) != 2 || asked[1] != ssltest.PSKName ||
			p.Client.ReuseState() != ssl.ReuseDeclined || p.Server.ReuseState() != ssl.ReuseDeclined {
			t.Errorf("%s: a foreign ticket: %v, %v, %d questions", name, p.Client.ReuseState(), p.Server.ReuseState(),
				len(asked))
		}
		p.CloseBoth()
	}
}

// Where a certificate is demanded, a key is enough only if the Config says so by its
// frightening name, and that goes for the sessions that begin with it.
func TestPSKInsteadOfClientCert(t *testing.T) {
	forEachPSKForm(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.ClientAuth, srv.ClientCAs, srv.InsecurePSKInsteadOfClientCert = ssl.RequireAndVerifyClientCert,
			ssltest.Roots(t, "ca"), true
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		s := ssltest.PSKSession(t, cctx, sctx)
		p := ssltest.Meet(t, cctx, sctx, s)
		if !p.Server.SessionReused() || p.Server.ConnectionState().PSKIdentity != ssltest.PSKName {
			t.Errorf("%v", p.Server.ReuseState())
		}
		p.CloseBoth()
	})
}

// A Dialer's cache keeps sessions of different keys apart, and resumes those of a key.
func TestPSKClientCache(t *testing.T) {
	leakcheck.Test(t)
	k, other := ssltest.NewPSK(t, ssltest.PSKName, ssltest.PSKKey), ssltest.NewPSK(t, "other",
		ssltest.OtherKey())
	s := ssltest.StartServer(t, &ssl.Config{PSKs: []ssl.PSK{k, other}})
	cache := ssl.NewClientSessionCache(8)
	defer cache.Close()
	visit := func(k ssl.PSK) ssl.ReuseState {
		ctx := ssltest.NewClientCtx(t, &ssl.Config{PSKs: []ssl.PSK{k}, PSKOnly: true})
		c, err := (&ssl.Dialer{Ctx: ctx, Sessions: cache}).Dial("tcp", s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ssltest.RoundTrip(t, c)
		if id := c.ConnectionState().PSKIdentity; id != k.Identity() {
			t.Errorf("%q instead of %q", id, k.Identity())
		}
		return c.ReuseState()
	}
	got := []ssl.ReuseState{visit(k), visit(k), visit(other), visit(other)}
	want := []ssl.ReuseState{ssl.ReuseExternalPSK, ssl.ReusedPSK, ssl.ReuseOtherConfig, ssl.ReusedPSK}
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// With MaxSessionAge, a handshake with a key is where a session begins, as any full
// handshake is; what is too old is another one, with the key.
func TestPSKSessionsAge(t *testing.T) {
	forEachPSKForm(t, func(t *testing.T, srv, cli *ssl.Config) {
		if srv.SessionTicketsDisabled {
			srv.SessionCache = ssltest.NewServerCache(t, nil) // libssl's own cache goes by its own clock
		}
		srv.MaxSessionAge = time.Hour
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		s := ssltest.PSKSession(t, cctx, sctx)
		clock := ssltest.NewClock(t)
		clock.Pass(time.Hour - 61*time.Second)
		p := ssltest.Meet(t, cctx, sctx, s)
		if !p.Server.SessionReused() {
			t.Fatalf("within the hour: %v", p.Server.ReuseState())
		}
		s = ssltest.SessionOf(t, p.Client)
		p.CloseBoth()
		clock.Pass(121 * time.Second)
		p = ssltest.Meet(t, cctx, sctx, s)
		ssltest.WantPSK(t, p.Server, ssltest.PSKName)
		ssltest.WantPSK(t, p.Client, ssltest.PSKName)
		p.CloseBoth()
	})
}
