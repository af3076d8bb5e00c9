package tickets_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A connection whose session is vetoed gives its client nothing to resume, in every form and
// by each way to say so; others of the same Ctx do.
func TestSetNotResumable(t *testing.T) {
	for _, fm := range ssltest.AgingForms {
		for _, when := range []string{"before", "GetConfigForClient", "VerifyConnection"} {
			if when == "VerifyConnection" && (fm.Version == ssl.VersionTLS12 || ssltest.LibraryRelease() == "1.1.1") {
				continue // too late there: see TestSetNotResumableTooLate
			}
			t.Run(fm.Name+" "+when, func(t *testing.T) {
				leakcheck.Test(t)
				srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
				srv.MaxVersion, cli.MaxVersion = fm.Version, fm.Version
				var server *ssl.Conn
				veto := func(at string) error {
					if server != nil && when == at {
						return server.SetNotResumable()
					}
					return nil
				}
				srv.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) {
					return nil,
						veto("GetConfigForClient")
				}
				if when == "VerifyConnection" {
					srv.VerifyConnection = func(ssl.ConnectionState) error { return veto("VerifyConnection") }
				}
				a := ssltest.NewAging(t, srv, fm.Setup(t, srv))
				got := ssltest.NewInbox(t, cli)
				cctx := ssltest.NewClientCtx(t, cli)
				good := ssltest.WantVisit(t, cctx, a.Next(), nil, false)
				for _, s := range []*ssl.Session{nil, good} {
					x, y := ssltest.TCPPipe(t)
					p := ssltest.NewPair(t, cctx, a.Next(), x, y)
					server = p.Server
					if s != nil {
						if err := p.Client.SetSession(s); err != nil {
							t.Fatal(err)
						}
					}
					if err := veto("before"); err != nil {
						t.Fatal(err)
					}
					made, issued := len(a.Made.All()), len(got.All())
					p.MustShake(t)
					p.Echo(t)
					if p.Client.SessionReused() != (s != nil) {
						t.Errorf("resumed is %t", p.Client.SessionReused())
					}
					if s == nil && ssltest.Resumable(t, ssltest.SessionOf(t, p.Client)) {
						t.Error("the client has a session that it could resume")
					}
					// A client of TLS 1.2 is told of a session that it cannot use.
					if len(a.Made.All()) != made || fm.Version == ssl.VersionTLS13 && len(got.All()) != issued {
						t.Errorf("%d sessions at the server, %d at the client", len(a.Made.All())-made, len(got.All())-issued)
					}
					if err := server.IssueTicket(); fm.Version == ssl.VersionTLS13 && !errors.Is(err, ssl.ErrNotResumable) {
						t.Errorf("IssueTicket: %v", err)
					}
					p.CloseBoth()
				}
				server = nil
				good = ssltest.WantVisit(t, cctx, a.Next(), nil, false)
				ssltest.WantVisit(t, cctx, a.Next(), good, true)
			})
		}
	}
}

// Nor does a ticket of an old key, which resumes, bring another one.
func TestSetNotResumableOldKey(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		keys := ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t),
			Next: ssltest.NewTicketKey(t)})
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.TicketServer(t, srv, keys)
		s := ssltest.WantVisit(t, cctx, sctx, nil, false)
		if err := keys.Rotate(ssl.TicketKey{}); err != nil {
			t.Fatal(err)
		}
		issued := keys.Stats().Issued
		a, b := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, cctx, sctx, a, b)
		if err := errors.Join(p.Client.SetSession(s), p.Server.SetNotResumable()); err != nil {
			t.Fatal(err)
		}
		p.MustShake(t)
		p.Echo(t)
		if st := keys.Stats(); !p.Client.SessionReused() || st.Issued != issued {
			t.Errorf("%v, %d tickets", p.Client.ReuseState(), st.Issued-issued)
		}
		p.CloseBoth()
	})
}

// When the client has its session there is nothing left to forbid.
func TestSetNotResumableTooLate(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		var server *ssl.Conn
		var inVerify error
		srv.VerifyConnection = func(ssl.ConnectionState) error {
			inVerify = server.SetNotResumable()
			return nil
		}
		p := ssltest.NewTCPPair(t, cli, srv)
		server = p.Server
		p.MustShake(t)
		if late := srv.MaxVersion == ssl.VersionTLS12 ||
			ssltest.LibraryRelease() == "1.1.1"; late != errors.Is(inVerify, ssl.ErrHandshakeStarted) || !late &&
			inVerify != nil {
			t.Errorf("in VerifyConnection: %v", inVerify)
		}
		for what, c := range map[string]struct{ err, want error }{
			"after the handshake": {p.Server.SetNotResumable(), ssl.ErrHandshakeStarted},
			"a client":            {p.Client.SetNotResumable(), ssl.ErrClient},
			"nil":                 {(*ssl.Conn)(nil).SetNotResumable(), ssl.ErrNil},
		} {
			if !errors.Is(c.err, c.want) {
				t.Errorf("%s: %v, want %v", what, c.err, c.want)
			}
		}
		p.CloseBoth()
		if err := p.Server.SetNotResumable(); !errors.Is(err, ssl.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}

// Ids begin as they should, where there are any, are all different, and resume.
func TestSessionIDPrefix(t *testing.T) {
	for _, prefix := range []string{"x", "server-17 in ams"} {
		for _, fm := range ssltest.AgingForms {
			t.Run(fm.Name, func(t *testing.T) {
				leakcheck.Test(t)
				srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
				srv.MaxVersion, cli.MaxVersion = fm.Version, fm.Version
				if strings.HasSuffix(fm.Name, "-store") {
					prefix = prefix[:min(len(prefix), 8)] // a MAC needs the room
				}
				srv.SessionIDPrefix = []byte(prefix)
				a := ssltest.NewAging(t, srv, fm.Setup(t, srv))
				cctx := ssltest.NewClientCtx(t, cli)
				seen := map[string]bool{}
				for range 3 {
					s := ssltest.WantVisit(t, cctx, a.Next(), nil, false)
					ssltest.WantVisit(t, cctx, a.Next(), s, true)
				}
				for _, s := range a.Made.All() {
					id := ssltest.Get(t, s.ID)
					if seen[string(id)] && len(id) > 0 {
						t.Error("an id is there twice")
					}
					seen[string(id)] = true
					if ticket := fm.Name == "TLS1.2-ticket" || fm.Name == "TLS1.2-keys"; ticket != (len(id) == 0) ||
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
	ssltest.ForEachCached(t, func(t *testing.T, _ *ssl.ServerSessionCache, srv, cli *ssl.Config) {
		srv.SessionIDPrefix = []byte("shard 3 ")
		s := ssltest.WantVisit(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), nil, false)
		sent := ssltest.Get(t, s.ID)
		if cli.MaxVersion == ssl.VersionTLS13 {
			sent = ssltest.TicketOf(t, s)
		}
		if len(sent) != 32 || !bytes.HasPrefix(sent, srv.SessionIDPrefix) {
			t.Errorf("%q", sent)
		}
	})
}

func TestSessionIDPrefixRefused(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.SessionIDPrefix, cli.SessionIDPrefix = make([]byte, 17), []byte("x")
	ssltest.Refuses(t, "17 bytes", srv.CheckServer(), ssl.ErrConfig)
	ssltest.Refuses(t, "a client", cli.CheckClient(), ssl.ErrConfig)
}
