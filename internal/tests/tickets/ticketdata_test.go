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

// saying makes a connection whose server leaves data before its handshake, unless that is
// nil; it returns what the resumed session brought, and the client's session.
func saying(t testing.TB, cctx, sctx *ssl.Ctx, s *ssl.Session, data []byte, resumed bool) ([]byte,
	*ssl.Session) {
	t.Helper()
	a, b := ssltest.TCPPipe(t)
	p := ssltest.NewPair(t, cctx, sctx, a, b)
	defer p.CloseBoth()
	if s != nil {
		if err := p.Client.SetSession(s); err != nil {
			t.Fatal(err)
		}
	}
	if data != nil {
		if err := p.Server.SetTicketData(data); err != nil {
			t.Fatal(err)
		}
	}
	p.MustShake(t)
	p.Echo(t)
	st := p.Server.ConnectionState()
	if st.DidResume != resumed {
		t.Fatalf("resumed is %t", st.DidResume)
	}
	if got := p.Client.ConnectionState().TicketData; got != nil {
		t.Errorf("the client sees %q", got)
	}
	return st.TicketData, ssltest.SessionOf(t, p.Client)
}

// Appdata comes back after resumption, in every form, with client certificates and
// without; it goes on, it is replaced, and it goes.
func TestTicketDataRoundTrip(t *testing.T) {
	for _, fm := range ssltest.AgingForms {
		for _, auth := range []ssl.ClientAuthType{ssl.NoClientCert, ssl.RequireAndVerifyClientCert} {
			t.Run(fm.Name+ssltest.If(auth == ssl.NoClientCert, "", "-mutual"), func(t *testing.T) {
				leakcheck.Test(t)
				srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
				mutual(t, srv, cli, auth)
				srv.MaxVersion, cli.MaxVersion = fm.Version, fm.Version
				a := ssltest.NewAging(t, srv, fm.Setup(t, srv))
				cctx := ssltest.NewClientCtx(t, cli)
				first, second := []byte("user 17\x00"), bytes.Repeat([]byte{0xa5}, ssl.MaxTicketData)
				renews := fm.Version == ssl.VersionTLS13 // TLS 1.2 goes on with the session that it has
				_, s := saying(t, cctx, a.Next(), nil, first, false)
				for i, step := range []struct{ says, brings []byte }{
					{nil, first}, {nil, first}, {second, first}, {nil, ssltest.If(renews, second, first)},
					{[]byte{}, ssltest.If(renews, second, first)},
					{nil, ssltest.If(renews, nil, first)},
				} {
					var got []byte
					if got, s = saying(t, cctx, a.Next(), s, step.says, true); !bytes.Equal(got, step.brings) {
						t.Errorf("step %d: %d bytes %.20q, want %d", i, len(got), got, len(step.brings))
					}
				}
				if got, _ := saying(t, cctx, a.Next(), nil, nil, false); got != nil {
					t.Errorf("a full handshake brings %q", got)
				}
			})
		}
	}
}

// VerifyConnection sees what was brought, and decides on what the session is to bring.
func TestTicketDataInVerifyConnection(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		late := fm.Version == ssl.VersionTLS13 && ssltest.LibraryRelease() != "1.1.1"
		var server *ssl.Conn
		var seen []string
		srv.VerifyConnection = func(st ssl.ConnectionState) error {
			seen = append(seen, string(st.TicketData))
			return server.SetTicketData(append(bytes.Clone(st.TicketData), 'x'))
		}
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		var s *ssl.Session
		for range 3 {
			a, b := ssltest.TCPPipe(t)
			p := ssltest.NewPair(t, cctx, sctx, a, b)
			server = p.Server
			if s != nil {
				if err := p.Client.SetSession(s); err != nil {
					t.Fatal(err)
				}
			}
			p.MustShake(t)
			p.Echo(t)
			s = ssltest.SessionOf(t, p.Client)
			p.CloseBoth()
		}
		if got, all := strings.Join(seen, ","), ssltest.If(late, ",x,xx", ",,"); got != all {
			t.Errorf("seen %q, want %q", got, all)
		}
	})
}

// Each ticket of IssueTicket has what was said before it.
func TestTicketDataOfIssuedTickets(t *testing.T) {
	leakcheck.Test(t)
	if ssltest.LibraryRelease() == "1.1.1" {
		return // issues no tickets after the handshake: see TestIssueTicket
	}
	for _, disabled := range []bool{false, true} {
		srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
		srv.SessionTicketsDisabled = disabled
		got := ssltest.NewInbox(t, cli)
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		p := ssltest.Meet(t, cctx, sctx, nil)
		for _, data := range []string{"one", "two"} {
			if err := p.Server.SetTicketData([]byte(data)); err != nil {
				t.Fatal(err)
			}
			if err := p.Server.IssueTicket(); err != nil {
				t.Fatal(err)
			}
			p.Echo(t)
		}
		p.CloseBoth()
		for i, want := range []string{"", "", "one", "two"} {
			if data, _ := saying(t, cctx, sctx, got.All()[i], nil, true); string(data) != want {
				t.Errorf("stateful %t, ticket %d: %q, want %q", disabled, i, data, want)
			}
		}
	}
}

// What the callbacks answer to libssl: the ticket goes on, the client gets another, or a
// full handshake and another.
func TestTicketDataReturnCodes(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		cli.InsecureSkipVerify = true // what is parsed from DER is not the client's concern here
		mutual(t, srv, cli, ssl.RequireAndVerifyClientCert)
		key, old, gone := ssltest.NewTicketKey(t), ssltest.NewTicketKey(t), ssltest.NewTicketKey(t)
		cctx := ssltest.NewClientCtx(t, cli)
		of := func(k ssl.TicketKey) *ssl.Session {
			return ssltest.WantVisit(t, cctx, ssltest.TicketServer(t, srv,
				ssltest.TicketKeys(t, ssl.TicketKeySet{Current: k})), nil, false)
		}
		sctx := ssltest.TicketServer(t, srv, ssltest.TicketKeys(t, ssl.TicketKeySet{Current: key,
			Old: []ssl.TicketKey{old}}))
		good := of(key)
		for _, c := range []struct {
			what          string
			s             *ssl.Session
			resumes, same bool
		}{
			{"SUCCESS: USE", good, true, srv.MaxVersion == ssl.VersionTLS12}, // TLS 1.3 renews always
			{"SUCCESS_RENEW: USE_RENEW", of(old), true, false},
			{"SUCCESS, refused: IGNORE_RENEW", withFrame(t, key, good, nil), false, false},
			{"NO_DECRYPT: IGNORE_RENEW", of(gone), false, false},
			{"EMPTY: IGNORE_RENEW", nil, false, false},
		} {
			before := []byte(nil)
			if c.s != nil {
				before = ssltest.TicketOf(t, c.s)
			}
			reused, next := ssltest.Visit(t, cctx, sctx, c.s)
			if reused != c.resumes || bytes.Equal(before, ssltest.TicketOf(t, next)) != c.same || !isOf(t, next, key) {
				t.Errorf("%s: resumed %t, the same ticket %t", c.what, reused,
					bytes.Equal(before, ssltest.TicketOf(t, next)))
			}
			ssltest.WantVisit(t, cctx, sctx, next, true)
		}
	})
}

// A session that a cache of TLS 1.2 has is not changed by a ticket that is made of it for
// one client, which has come back by id and takes tickets: others have it, too.
func TestTicketDataOfACachedSession(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.MaxVersion, cli.MaxVersion = ssl.VersionTLS12, ssl.VersionTLS12
	sctx := ssltest.NewServerCtx(t, srv)
	takes := ssltest.NewClientCtx(t, cli)
	cli.SessionTicketsDisabled = true
	var s *ssl.Session
	for _, c := range []struct {
		cctx       *ssl.Ctx
		sets, sees string
	}{{ssltest.NewClientCtx(t, cli), "first", ""}, {takes, "second", "first"}, {ssltest.NewClientCtx(t, cli),
		"third", "first"}} {
		a, b := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, c.cctx, sctx, a, b)
		if s != nil {
			if err := p.Client.SetSession(s); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Server.SetTicketData([]byte(c.sets)); err != nil {
			t.Fatal(err)
		}
		p.MustShake(t)
		if p.Client.SessionReused() != (s != nil) {
			t.Errorf("%s: %v", c.sets, p.Client.ReuseState())
		}
		if got := string(p.Server.ConnectionState().TicketData); got != c.sees {
			t.Errorf("%s: the connection sees %q", c.sets, got)
		}
		if has, err := ssltest.SessionOf(t, p.Client).HasTicket(); err != nil || has != (c.cctx == takes) {
			t.Errorf("%s: a ticket: %t, %v", c.sets, has, err)
		}
		if s == nil {
			s = ssltest.Dup(t, ssltest.SessionOf(t, p.Client))
		}
		p.CloseBoth()
	}
}

func TestSetTicketDataRefused(t *testing.T) {
	leakcheck.Test(t)
	p := ssltest.NewTCPPair(t, ssltest.ClientConfig(t), ssltest.ServerConfig(t))
	for what, c := range map[string]struct{ err, want error }{
		"a client": {p.Client.SetTicketData(nil), ssl.ErrClient},
		"too much": {p.Server.SetTicketData(make([]byte, ssl.MaxTicketData+1)), ssl.ErrTooLarge},
		"nil":      {(*ssl.Conn)(nil).SetTicketData(nil), ssl.ErrNil},
		"zero":     {new(ssl.Conn).SetTicketData(nil), ssl.ErrClosed},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", what, c.err, c.want)
		}
	}
	p.Server.Close()
	if err := p.Server.SetTicketData([]byte("x")); !errors.Is(err, ssl.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
