package ssl_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// saying makes a connection whose server leaves data before its handshake, unless that is
// nil; it returns what the resumed session brought, and the client's session.
func saying(t testing.TB, cctx, sctx *ssl.Ctx, s *ssl.Session, data []byte, resumed bool) ([]byte, *ssl.Session) {
	t.Helper()
	a, b := tcpPipe(t)
	p := newPair(t, cctx, sctx, a, b)
	defer p.closeBoth()
	if s != nil {
		if err := p.client.SetSession(s); err != nil {
			t.Fatal(err)
		}
	}
	if data != nil {
		if err := p.server.SetTicketData(data); err != nil {
			t.Fatal(err)
		}
	}
	p.mustShake(t)
	p.echo(t)
	st := p.server.ConnectionState()
	if st.DidResume != resumed {
		t.Fatalf("resumed is %t", st.DidResume)
	}
	if got := p.client.ConnectionState().TicketData; got != nil {
		t.Errorf("the client sees %q", got)
	}
	return st.TicketData, sessionOf(t, p.client)
}

// C-24: appdata comes back after resumption, in every form, with client certificates and
// without; it goes on, it is replaced, and it goes.
func TestC24_TicketDataRoundTrip(t *testing.T) {
	for _, fm := range agingForms {
		for _, auth := range []ssl.ClientAuthType{ssl.NoClientCert, ssl.RequireAndVerifyClientCert} {
			t.Run(fm.name+want(auth == ssl.NoClientCert, "", "-mutual"), func(t *testing.T) {
				leakcheck.Test(t)
				srv, cli := serverConfig(t), clientConfig(t)
				mutual(t, srv, cli, auth)
				srv.MaxVersion, cli.MaxVersion = fm.version, fm.version
				a := newAging(t, srv, fm.setup(t, srv))
				cctx := newClientCtx(t, cli)
				first, second := []byte("user 17\x00"), bytes.Repeat([]byte{0xa5}, ssl.MaxTicketData)
				renews := fm.version == ssl.VersionTLS13 // TLS 1.2 goes on with the session that it has
				_, s := saying(t, cctx, a.next(), nil, first, false)
				for i, step := range []struct{ says, brings []byte }{
					{nil, first}, {nil, first}, {second, first}, {nil, want(renews, second, first)}, {[]byte{}, want(renews, second, first)},
					{nil, want(renews, nil, first)},
				} {
					var got []byte
					if got, s = saying(t, cctx, a.next(), s, step.says, true); !bytes.Equal(got, step.brings) {
						t.Errorf("step %d: %d bytes %.20q, want %d", i, len(got), got, len(step.brings))
					}
				}
				if got, _ := saying(t, cctx, a.next(), nil, nil, false); got != nil {
					t.Errorf("a full handshake brings %q", got)
				}
			})
		}
	}
}

// C-24: VerifyConnection sees what was brought, and decides on what the session is to bring.
func TestC24_TicketDataInVerifyConnection(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		late := fm.version == ssl.VersionTLS13 && release() != "1.1.1"
		var server *ssl.Conn
		var seen []string
		srv.VerifyConnection = func(st ssl.ConnectionState) error {
			seen = append(seen, string(st.TicketData))
			return server.SetTicketData(append(bytes.Clone(st.TicketData), 'x'))
		}
		cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
		var s *ssl.Session
		for range 3 {
			a, b := tcpPipe(t)
			p := newPair(t, cctx, sctx, a, b)
			server = p.server
			if s != nil {
				if err := p.client.SetSession(s); err != nil {
					t.Fatal(err)
				}
			}
			p.mustShake(t)
			p.echo(t)
			s = sessionOf(t, p.client)
			p.closeBoth()
		}
		if got, all := strings.Join(seen, ","), want(late, ",x,xx", ",,"); got != all {
			t.Errorf("seen %q, want %q", got, all)
		}
	})
}

// C-24: each ticket of IssueTicket has what was said before it.
func TestC24_TicketDataOfIssuedTickets(t *testing.T) {
	leakcheck.Test(t)
	if release() == "1.1.1" {
		return // issues no tickets after the handshake: see TestIssueTicket
	}
	for _, disabled := range []bool{false, true} {
		srv, cli := serverConfig(t), clientConfig(t)
		srv.SessionTicketsDisabled = disabled
		got := newInbox(t, cli)
		cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
		p := meet(t, cctx, sctx, nil)
		for _, data := range []string{"one", "two"} {
			if err := p.server.SetTicketData([]byte(data)); err != nil {
				t.Fatal(err)
			}
			if err := p.server.IssueTicket(); err != nil {
				t.Fatal(err)
			}
			p.echo(t)
		}
		p.closeBoth()
		for i, want := range []string{"", "", "one", "two"} {
			if data, _ := saying(t, cctx, sctx, got.all()[i], nil, true); string(data) != want {
				t.Errorf("stateful %t, ticket %d: %q, want %q", disabled, i, data, want)
			}
		}
	}
}

// C-24: what the callbacks answer to libssl: the ticket goes on, the client gets another, or a
// full handshake and another.
func TestC24_ReturnCodes(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		cli.InsecureSkipVerify = true // what is parsed from DER is not the client's concern here
		mutual(t, srv, cli, ssl.RequireAndVerifyClientCert)
		key, old, gone := newTicketKey(t), newTicketKey(t), newTicketKey(t)
		cctx := newClientCtx(t, cli)
		of := func(k ssl.TicketKey) *ssl.Session {
			return wantVisit(t, cctx, ticketServer(t, srv, ticketKeys(t, ssl.TicketKeySet{Current: k})), nil, false)
		}
		sctx := ticketServer(t, srv, ticketKeys(t, ssl.TicketKeySet{Current: key, Old: []ssl.TicketKey{old}}))
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
				before = ticketOf(t, c.s)
			}
			reused, next := visit(t, cctx, sctx, c.s)
			if reused != c.resumes || bytes.Equal(before, ticketOf(t, next)) != c.same || !isOf(t, next, key) {
				t.Errorf("%s: resumed %t, the same ticket %t", c.what, reused, bytes.Equal(before, ticketOf(t, next)))
			}
			wantVisit(t, cctx, sctx, next, true)
		}
	})
}

// C-24: a session that a cache of TLS 1.2 has is not changed by a ticket that is made of it for
// one client, which has come back by id and takes tickets: others have it, too.
func TestC24_TicketOfACachedSession(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := serverConfig(t), clientConfig(t)
	srv.MaxVersion, cli.MaxVersion = ssl.VersionTLS12, ssl.VersionTLS12
	sctx := newServerCtx(t, srv)
	takes := newClientCtx(t, cli)
	cli.SessionTicketsDisabled = true
	var s *ssl.Session
	for _, c := range []struct {
		cctx       *ssl.Ctx
		sets, sees string
	}{{newClientCtx(t, cli), "first", ""}, {takes, "second", "first"}, {newClientCtx(t, cli), "third", "first"}} {
		a, b := tcpPipe(t)
		p := newPair(t, c.cctx, sctx, a, b)
		if s != nil {
			if err := p.client.SetSession(s); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.server.SetTicketData([]byte(c.sets)); err != nil {
			t.Fatal(err)
		}
		p.mustShake(t)
		if p.client.SessionReused() != (s != nil) {
			t.Errorf("%s: %v", c.sets, p.client.ReuseState())
		}
		if got := string(p.server.ConnectionState().TicketData); got != c.sees {
			t.Errorf("%s: the connection sees %q", c.sets, got)
		}
		if has, err := sessionOf(t, p.client).HasTicket(); err != nil || has != (c.cctx == takes) {
			t.Errorf("%s: a ticket: %t, %v", c.sets, has, err)
		}
		if s == nil {
			s = dup(t, sessionOf(t, p.client))
		}
		p.closeBoth()
	}
}

func TestSetTicketDataRefused(t *testing.T) {
	leakcheck.Test(t)
	p := newTCPPair(t, clientConfig(t), serverConfig(t))
	for what, c := range map[string]struct{ err, want error }{
		"a client": {p.client.SetTicketData(nil), ssl.ErrClient},
		"too much": {p.server.SetTicketData(make([]byte, ssl.MaxTicketData+1)), ssl.ErrTooLarge},
		"nil":      {(*ssl.Conn)(nil).SetTicketData(nil), ssl.ErrNil},
		"zero":     {new(ssl.Conn).SetTicketData(nil), ssl.ErrClosed},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", what, c.err, c.want)
		}
	}
	p.server.Close()
	if err := p.server.SetTicketData([]byte("x")); !errors.Is(err, ssl.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
