package ssl_test

import (
	"slices"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// forEachPSKForm is forEachPSK for each way of resumption.
func forEachPSKForm(t *testing.T, f func(t *testing.T, srv, cli *ssl.Config)) {
	for _, fm := range forms {
		t.Run(fm.name, func(t *testing.T) {
			leakcheck.Test(t)
			k := newPSK(t, pskName, pskKey)
			f(t, &ssl.Config{PSKs: []ssl.PSK{k}, MaxVersion: fm.version, SessionTicketsDisabled: !fm.tickets},
				&ssl.Config{PSKs: []ssl.PSK{k}, PSKOnly: true, MaxVersion: fm.version})
		})
	}
}

// pskSession makes a connection with the key, and returns the session to resume.
func pskSession(t *testing.T, cctx, sctx *ssl.Ctx) *ssl.Session {
	t.Helper()
	p := meet(t, cctx, sctx, nil)
	defer p.closeBoth()
	wantPSK(t, p.client, pskName)
	return sessionOf(t, p.client)
}

// C-27: a session that began with a key resumes, and both ends still know with which.
func TestC27_PSKResumption(t *testing.T) {
	forEachPSKForm(t, func(t *testing.T, srv, cli *ssl.Config) {
		for _, judged := range []bool{false, true} {
			var seen []string
			if judged { // and what a server knows in its function
				srv.VerifyConnection = func(s ssl.ConnectionState) error { seen = append(seen, s.PSKIdentity); return nil }
			}
			cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
			s := pskSession(t, cctx, sctx)
			if hint, err := s.TicketLifetimeHint(); err != nil || hint != 2*time.Hour && !(srv.SessionTicketsDisabled && srv.MaxVersion == ssl.VersionTLS12) {
				t.Errorf("the ticket lives for %v, %v", hint, err)
			}
			p := meet(t, cctx, sctx, s)
			for _, c := range []*ssl.Conn{p.client, p.server} {
				state := c.ConnectionState()
				if !state.DidResume || !c.ReuseState().Resumed() || state.PSKIdentity != pskName || state.Verified || len(state.PeerCertificates) > 0 {
					t.Errorf("%v, %+v", c.ReuseState(), state)
				}
			}
			if judged && !slices.Equal(seen, []string{pskName, pskName}) {
				t.Errorf("VerifyConnection saw %q", seen)
			}
			again := sessionOf(t, p.client) // of a resumption
			p.closeBoth()
			p = meet(t, cctx, sctx, again)
			if s := p.server.ConnectionState(); !s.DidResume || s.PSKIdentity != pskName {
				t.Errorf("the second time: %+v", s)
			}
			p.closeBoth()
		}
	})
}

// C-27: a session that began with a key is not resumed where that is not configured, or is not
// the same any more, on either end; the handshake is a full one, and succeeds where it can.
func TestC27_PSKSessionsStayWithTheirKey(t *testing.T) {
	forEachPSKForm(t, func(t *testing.T, srv, cli *ssl.Config) {
		if !srv.SessionTicketsDisabled {
			srv.TicketKeys = ticketKeys(t, ssl.TicketKeySet{Current: newTicketKey(t)})
		} else {
			srv.SessionCache = newServerCache(t, nil)
		}
		srv.SessionIDContext = []byte("fleet")
		srv.Certificates = keyPairs(t, []string{"server-ecdsa"})
		both := copyOf(cli, func(c *ssl.Config) { c.PSKOnly, c.ServerName, c.RootCAs = false, "localhost", roots(t, "ca") })
		sctx, bctx := newServerCtx(t, srv), newClientCtx(t, both)
		s := pskSession(t, bctx, sctx)

		// The server's side: the same session id context as configured, and the same keys.
		for name, change := range map[string]func(*ssl.Config){
			"no keys":     func(c *ssl.Config) { c.PSKs = nil },
			"another key": func(c *ssl.Config) { c.PSKs = []ssl.PSK{newPSK(t, pskName+"2", otherKey())} },
		} {
			if cli.MaxVersion == ssl.VersionTLS12 && name == "another key" {
				continue // there is no way back from a suite with keys
			}
			p := meet(t, bctx, newServerCtx(t, copyOf(srv, change)), dup(t, s))
			if p.server.SessionReused() || p.server.ConnectionState().PSKIdentity != "" || !p.client.ConnectionState().Verified {
				t.Errorf("%s: the server says %v", name, p.server.ReuseState())
			}
			p.closeBoth()
		}
		p := meet(t, bctx, newServerCtx(t, srv), dup(t, s)) // equal, in another Ctx
		if !p.server.SessionReused() {
			t.Errorf("with the same keys: %v", p.server.ReuseState())
		}
		p.closeBoth()

		// The client's side.
		for name, cfg := range map[string]*ssl.Config{
			"no keys":     copyOf(both, func(c *ssl.Config) { c.PSKs = nil }),
			"another key": copyOf(both, func(c *ssl.Config) { c.PSKs = []ssl.PSK{newPSK(t, pskName, otherKey())} }),
			"other name":  copyOf(both, func(c *ssl.Config) { c.ServerName = "example.org" }),
			"PSKOnly":     cli,
		} {
			a, b := tcpPipe(t)
			p := newPair(t, newClientCtx(t, cfg), sctx, a, b)
			if err := p.client.SetSession(s); err != nil || p.client.SessionOffered() {
				t.Errorf("%s: %v, offered %t", name, err, p.client.SessionOffered())
			}
		}
		// And a session of a certificate is none of a client that takes only the key.
		certs := copyOf(both, func(c *ssl.Config) { c.PSKs = nil })
		p = meet(t, newClientCtx(t, certs), sctx, nil)
		verified := sessionOf(t, p.client)
		p.closeBoth()
		a, b := tcpPipe(t)
		p = newPair(t, newClientCtx(t, cli), sctx, a, b)
		if err := p.client.SetSession(verified); err != nil || p.client.SessionOffered() {
			t.Errorf("a verified session with PSKOnly: %v, offered %t", err, p.client.SessionOffered())
		}
		reparsed := reparsed(t, s)
		if err := p.client.SetSession(reparsed); err != nil || p.client.SessionOffered() {
			t.Errorf("a parsed session with PSKOnly: %v, offered %t", err, p.client.SessionOffered())
		}
	})
}

// C-27: GetPSK is not asked for tickets that this server can open, in no form that they have.
func TestC27_GetPSKAndTickets(t *testing.T) {
	leakcheck.Test(t)
	k := newPSK(t, pskName, pskKey)
	for name, keep := range map[string]func(*ssl.Config){
		"own keys":   func(*ssl.Config) {},
		"TicketKeys": func(c *ssl.Config) { c.TicketKeys = ticketKeys(t, ssl.TicketKeySet{Current: newTicketKey(t)}) },
		"cache":      func(c *ssl.Config) { c.SessionCache = newServerCache(t, nil) },
	} {
		var asked []string
		srv := &ssl.Config{MinVersion: ssl.VersionTLS13, GetPSK: func(_ *ssl.ClientHelloInfo, identity string) (ssl.PSK, error) {
			asked = append(asked, identity)
			if identity != pskName {
				return ssl.PSK{}, nil
			}
			return k, nil
		}}
		keep(srv)
		cctx, sctx := newClientCtx(t, &ssl.Config{PSKs: []ssl.PSK{k}, PSKOnly: true}), newServerCtx(t, srv)
		s := pskSession(t, cctx, sctx)
		for range 2 {
			p := meet(t, cctx, sctx, s)
			if !p.client.SessionReused() || !p.server.SessionReused() || p.server.ConnectionState().PSKIdentity != pskName {
				t.Errorf("%s: %v", name, p.server.ReuseState())
			}
			s = sessionOf(t, p.client)
			p.closeBoth()
		}
		// The ticket and, after it, the key: that is what clients send. The key is asked for
		// each time, for the ticket may turn out to be no good.
		if slices.ContainsFunc(asked, func(id string) bool { return id != pskName }) {
			t.Errorf("%s: asked for tickets: %d questions", name, len(asked))
		}
		// A ticket of somebody else may be an identity.
		asked = nil
		p := meet(t, cctx, newServerCtx(t, copyOf(srv, func(c *ssl.Config) { c.TicketKeys, c.SessionCache = nil, nil })), s)
		if p.client.SessionReused() || len(asked) != 2 || asked[1] != pskName || p.client.ReuseState() != ssl.ReuseDeclined || p.server.ReuseState() != ssl.ReuseDeclined {
			t.Errorf("%s: a foreign ticket: %v, %v, %d questions", name, p.client.ReuseState(), p.server.ReuseState(), len(asked))
		}
		p.closeBoth()
	}
}

// C-27: where a certificate is demanded, a key is enough only if the Config says so by its
// frightening name, and that goes for the sessions that begin with it.
func TestC27_PSKInsteadOfClientCert(t *testing.T) {
	forEachPSKForm(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.ClientAuth, srv.ClientCAs, srv.InsecurePSKInsteadOfClientCert = ssl.RequireAndVerifyClientCert, roots(t, "ca"), true
		cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
		s := pskSession(t, cctx, sctx)
		p := meet(t, cctx, sctx, s)
		if !p.server.SessionReused() || p.server.ConnectionState().PSKIdentity != pskName {
			t.Errorf("%v", p.server.ReuseState())
		}
		p.closeBoth()
	})
}

// C-27: a Dialer's cache keeps sessions of different keys apart, and resumes those of a key.
func TestC27_PSKClientCache(t *testing.T) {
	leakcheck.Test(t)
	k, other := newPSK(t, pskName, pskKey), newPSK(t, "other", otherKey())
	s := startServer(t, &ssl.Config{PSKs: []ssl.PSK{k, other}})
	cache := ssl.NewClientSessionCache(8)
	defer cache.Close()
	visit := func(k ssl.PSK) ssl.ReuseState {
		ctx := newClientCtx(t, &ssl.Config{PSKs: []ssl.PSK{k}, PSKOnly: true})
		c, err := (&ssl.Dialer{Ctx: ctx, Sessions: cache}).Dial("tcp", s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		roundTrip(t, c)
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

// C-27: with MaxSessionAge, a handshake with a key is where a session begins, as any full
// handshake is; what is too old is another one, with the key.
func TestC27_PSKSessionsAge(t *testing.T) {
	forEachPSKForm(t, func(t *testing.T, srv, cli *ssl.Config) {
		if srv.SessionTicketsDisabled {
			srv.SessionCache = newServerCache(t, nil) // libssl's own cache goes by its own clock
		}
		srv.MaxSessionAge = time.Hour
		cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
		s := pskSession(t, cctx, sctx)
		passSeconds(t, 3599-60)
		p := meet(t, cctx, sctx, s)
		if !p.server.SessionReused() {
			t.Fatalf("within the hour: %v", p.server.ReuseState())
		}
		s = sessionOf(t, p.client)
		p.closeBoth()
		passSeconds(t, 61+60)
		p = meet(t, cctx, sctx, s)
		wantPSK(t, p.server, pskName)
		wantPSK(t, p.client, pskName)
		p.closeBoth()
	})
}
