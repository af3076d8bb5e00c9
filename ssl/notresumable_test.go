package ssl_test

import (
	"bytes"
	"errors"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// A connection whose session is vetoed gives its client nothing to resume, in every form and
// by each way to say so; others of the same Ctx do.
func TestSetNotResumable(t *testing.T) {
	for _, fm := range agingForms {
		for _, when := range []string{"before", "GetConfigForClient", "VerifyConnection"} {
			if when == "VerifyConnection" && (fm.version == ssl.VersionTLS12 || release() == "1.1.1") {
				continue // too late there: see TestSetNotResumableTooLate
			}
			t.Run(fm.name+" "+when, func(t *testing.T) {
				leakcheck.Test(t)
				srv, cli := serverConfig(t), clientConfig(t)
				srv.MaxVersion, cli.MaxVersion = fm.version, fm.version
				var server *ssl.Conn
				veto := func(at string) error {
					if server != nil && when == at {
						return server.SetNotResumable()
					}
					return nil
				}
				srv.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return nil, veto("GetConfigForClient") }
				if when == "VerifyConnection" {
					srv.VerifyConnection = func(ssl.ConnectionState) error { return veto("VerifyConnection") }
				}
				a := newAging(t, srv, fm.setup(t, srv))
				got := newInbox(t, cli)
				cctx := newClientCtx(t, cli)
				good := wantVisit(t, cctx, a.next(), nil, false)
				for _, s := range []*ssl.Session{nil, good} {
					x, y := tcpPipe(t)
					p := newPair(t, cctx, a.next(), x, y)
					server = p.server
					if s != nil {
						if err := p.client.SetSession(s); err != nil {
							t.Fatal(err)
						}
					}
					if err := veto("before"); err != nil {
						t.Fatal(err)
					}
					made, issued := len(a.made.all()), len(got.all())
					p.mustShake(t)
					p.echo(t)
					if p.client.SessionReused() != (s != nil) {
						t.Errorf("resumed is %t", p.client.SessionReused())
					}
					if s == nil && resumable(t, sessionOf(t, p.client)) {
						t.Error("the client has a session that it could resume")
					}
					// A client of TLS 1.2 is told of a session that it cannot use.
					if len(a.made.all()) != made || fm.version == ssl.VersionTLS13 && len(got.all()) != issued {
						t.Errorf("%d sessions at the server, %d at the client", len(a.made.all())-made, len(got.all())-issued)
					}
					if err := server.IssueTicket(); fm.version == ssl.VersionTLS13 && !errors.Is(err, ssl.ErrNotResumable) {
						t.Errorf("IssueTicket: %v", err)
					}
					p.closeBoth()
				}
				server = nil
				good = wantVisit(t, cctx, a.next(), nil, false)
				wantVisit(t, cctx, a.next(), good, true)
			})
		}
	}
}

// Nor does a ticket of an old key, which resumes, bring another one.
func TestSetNotResumableOldKey(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		keys := ticketKeys(t, ssl.TicketKeySet{Current: newTicketKey(t), Next: newTicketKey(t)})
		cctx, sctx := newClientCtx(t, cli), ticketServer(t, srv, keys)
		s := wantVisit(t, cctx, sctx, nil, false)
		if err := keys.Rotate(ssl.TicketKey{}); err != nil {
			t.Fatal(err)
		}
		issued := keys.Stats().Issued
		a, b := tcpPipe(t)
		p := newPair(t, cctx, sctx, a, b)
		if err := errors.Join(p.client.SetSession(s), p.server.SetNotResumable()); err != nil {
			t.Fatal(err)
		}
		p.mustShake(t)
		p.echo(t)
		if st := keys.Stats(); !p.client.SessionReused() || st.Issued != issued {
			t.Errorf("%v, %d tickets", p.client.ReuseState(), st.Issued-issued)
		}
		p.closeBoth()
	})
}

// When the client has its session there is nothing left to forbid.
func TestSetNotResumableTooLate(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		var server *ssl.Conn
		var inVerify error
		srv.VerifyConnection = func(ssl.ConnectionState) error {
			inVerify = server.SetNotResumable()
			return nil
		}
		p := newTCPPair(t, cli, srv)
		server = p.server
		p.mustShake(t)
		if late := srv.MaxVersion == ssl.VersionTLS12 || release() == "1.1.1"; late != errors.Is(inVerify, ssl.ErrHandshakeStarted) || !late && inVerify != nil {
			t.Errorf("in VerifyConnection: %v", inVerify)
		}
		for what, c := range map[string]struct{ err, want error }{
			"after the handshake": {p.server.SetNotResumable(), ssl.ErrHandshakeStarted},
			"a client":            {p.client.SetNotResumable(), ssl.ErrClient},
			"nil":                 {(*ssl.Conn)(nil).SetNotResumable(), ssl.ErrNil},
		} {
			if !errors.Is(c.err, c.want) {
				t.Errorf("%s: %v, want %v", what, c.err, c.want)
			}
		}
		p.closeBoth()
		if err := p.server.SetNotResumable(); !errors.Is(err, ssl.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}

// Ids begin as they should, where there are any, are all different, and resume.
func TestSessionIDPrefix(t *testing.T) {
	for _, prefix := range []string{"x", "server-17 in ams"} {
		for _, fm := range agingForms {
			t.Run(fm.name, func(t *testing.T) {
				leakcheck.Test(t)
				srv, cli := serverConfig(t), clientConfig(t)
				srv.MaxVersion, cli.MaxVersion = fm.version, fm.version
				srv.SessionIDPrefix = []byte(prefix)
				a := newAging(t, srv, fm.setup(t, srv))
				cctx := newClientCtx(t, cli)
				seen := map[string]bool{}
				for range 3 {
					s := wantVisit(t, cctx, a.next(), nil, false)
					wantVisit(t, cctx, a.next(), s, true)
				}
				for _, s := range a.made.all() {
					id := get(t, s.ID)
					if seen[string(id)] && len(id) > 0 {
						t.Error("an id is there twice")
					}
					seen[string(id)] = true
					if ticket := fm.name == "TLS1.2-ticket" || fm.name == "TLS1.2-keys"; ticket != (len(id) == 0) ||
						!ticket && (len(id) != 32 || !bytes.HasPrefix(id, []byte(prefix))) {
						t.Errorf("id %q", id)
					}
				}
			})
		}
	}
}

// What the client sends is the id, in TLS 1.3 as a ticket.
func TestSessionIDPrefixIsSent(t *testing.T) {
	forEachCached(t, func(t *testing.T, _ *ssl.ServerSessionCache, srv, cli *ssl.Config) {
		srv.SessionIDPrefix = []byte("shard 3 ")
		s := wantVisit(t, newClientCtx(t, cli), newServerCtx(t, srv), nil, false)
		sent := get(t, s.ID)
		if cli.MaxVersion == ssl.VersionTLS13 {
			sent = ticketOf(t, s)
		}
		if len(sent) != 32 || !bytes.HasPrefix(sent, srv.SessionIDPrefix) {
			t.Errorf("%q", sent)
		}
	})
}

func TestSessionIDPrefixRefused(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := serverConfig(t), clientConfig(t)
	srv.SessionIDPrefix, cli.SessionIDPrefix = make([]byte, 17), []byte("x")
	refuses(t, "17 bytes", srv.CheckServer(), ssl.ErrConfig)
	refuses(t, "a client", cli.CheckClient(), ssl.ErrConfig)
}
