package ssl_test

import (
	"encoding/asn1"
	"errors"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// No resumption prolongs the life of a session, in any form: with a limit of
// 100 s it resumes at 60 s and at 95 s, each time as a newer session where there is one, and
// not at 101 s. The session of that full handshake begins anew.
func TestMaxSessionAge(t *testing.T) {
	for _, fm := range ssltest.AgingForms {
		for _, judged := range []bool{false, true} { // tickets are made in the handshake, or after it
			t.Run(fm.Name+ssltest.If(judged, "-judged", ""), func(t *testing.T) {
				leakcheck.Test(t)
				srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
				srv.MaxVersion, cli.MaxVersion = fm.Version, fm.Version
				srv.MaxSessionAge = 100 * time.Second
				if judged {
					srv.VerifyConnection = func(ssl.ConnectionState) error { return nil }
				}
				a := ssltest.NewAging(t, srv, fm.Setup(t, srv))
				cctx := ssltest.NewClientCtx(t, cli)
				s := ssltest.WantVisit(t, cctx, a.Next(), nil, false)
				const s60, s35, s6 = 60 * time.Second, 35 * time.Second, 6 * time.Second
				for i, step := range []struct {
					passed  time.Duration
					left    int64
					resumed bool
				}{{s60, 40, true}, {s35, 5, true}, {s6, 100, false}, {s60, 40, true}} {
					a.Pass(step.passed)
					reused, next := ssltest.Visit(t, cctx, a.Next(), s)
					if reused != step.resumed {
						t.Fatalf("step %d: resumed is %t", i, reused)
					}
					s = next
					if fm.Version == ssl.VersionTLS13 {
						// As the client was told; a second may have passed.
						if d := ssltest.Get(t, s.TicketLifetimeHint); d > time.Duration(step.left)*time.Second ||
							d < time.Duration(step.left-2)*time.Second {
							t.Errorf("step %d: the client may use it for %v, want %d s", i, d, step.left)
						}
					}
				}
			})
		}
	}
}

// A ticket that is issued late is as old as its connection, and one that is issued when
// the time is over resumes nothing.
func TestMaxSessionAgeOfLateTickets(t *testing.T) {
	leakcheck.Test(t)
	if ssltest.LibraryRelease() == "1.1.1" {
		return // issues no tickets after the handshake: see TestIssueTicket
	}
	for _, tickets := range []int{-1, 1} {
		for _, disabled := range []bool{false, true} {
			srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
			srv.MaxSessionAge, srv.NumTickets, srv.SessionTicketsDisabled = 100*time.Second, tickets, disabled
			got := ssltest.NewInbox(t, cli)
			a := ssltest.NewAging(t, srv, nil)
			cctx, sctx := ssltest.NewClientCtx(t, cli), a.Next()
			p := ssltest.Meet(t, cctx, sctx, nil)
			issue := func() *ssl.Session {
				t.Helper()
				if err := p.Server.IssueTicket(); err != nil {
					t.Fatal(err)
				}
				p.Echo(t)
				return got.Last(t)
			}
			a.Pass(70 * time.Second)
			late := issue()
			if d := ssltest.Get(t, late.TicketLifetimeHint); d > 30*time.Second {
				t.Errorf("%d tickets, stateful %t: issued at 70 s of 100 for %v", tickets, disabled, d)
			}
			a.Pass(20 * time.Second)
			ssltest.WantVisit(t, cctx, sctx, late, true)
			again := issue()
			a.Pass(11 * time.Second)
			for what, s := range map[string]*ssl.Session{"issued at 90 s": again, "issued at 101 s": issue()} {
				if reused, _ := ssltest.Visit(t, cctx, sctx, s); reused {
					t.Errorf("%d tickets, stateful %t: %s, and resumed at 101 s of 100", tickets, disabled, what)
				}
			}
			p.CloseBoth()
		}
	}
}

// Servers of one key with other limits. What has no age is not resumed where there is a
// limit; a deadline is kept where there is none, and goes on; of two the sooner counts.
func TestMaxSessionAgeOfOtherServers(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		clock := ssltest.NewClock(t)
		keys := ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)})
		server := func(limit time.Duration) *ssl.Ctx {
			return ssltest.TicketServer(t, ssltest.CopyOf(srv, func(c *ssl.Config) { c.MaxSessionAge = limit }), keys)
		}
		none, short, long := server(0), server(50*time.Second), server(100*time.Second)
		cctx := ssltest.NewClientCtx(t, cli)
		ageless := ssltest.WantVisit(t, cctx, none, nil, false)
		old := ssltest.WantVisit(t, cctx, long, nil, false)
		ssltest.WantVisit(t, cctx, long, ageless, false)

		clock.Pass(45 * time.Second)
		old = ssltest.WantVisit(t, cctx, none, old, true)
		young := ssltest.WantVisit(t, cctx, long, nil, false)
		clock.Pass(7 * time.Second) // old is 52, young 7
		ssltest.WantVisit(t, cctx, short, ssltest.Dup(t, old), false)
		young = ssltest.WantVisit(t, cctx, short, young, true) // from here on its deadline is at 50
		clock.Pass(44 * time.Second)
		old = ssltest.WantVisit(t, cctx, none, old, true) // 96
		// 51, and in TLS 1.2 still the ticket of the first server, because no server has renewed it.
		ssltest.WantVisit(t, cctx, long, young, srv.MaxVersion == ssl.VersionTLS12)
		clock.Pass(5 * time.Second)
		ssltest.WantVisit(t, cctx, none, old, false)
	})
}

// A ticket that TLS 1.2 renews keeps the time at which its session began, and ends when
// the first one would have.
func TestMaxSessionAgeOfRenewedTickets(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.MaxSessionAge = 100 * time.Second
		old, current := ssltest.NewTicketKey(t), ssltest.NewTicketKey(t)
		cctx := ssltest.NewClientCtx(t, cli)
		s := ssltest.WantVisit(t, cctx,
			ssltest.TicketServer(t, srv, ssltest.TicketKeys(t, ssl.TicketKeySet{Current: old})), nil, false)
		sctx := ssltest.TicketServer(t, srv,
			ssltest.TicketKeys(t, ssl.TicketKeySet{Current: current, Old: []ssl.TicketKey{old}}))
		clock := ssltest.NewClock(t)
		for _, step := range []struct {
			passed  time.Duration
			resumed bool
		}{{60 * time.Second, true}, {35 * time.Second, true}, {6 * time.Second, false}} {
			clock.Pass(step.passed)
			s = ssltest.WantVisit(t, cctx, sctx, s, step.resumed)
		}
	})
}

// libssl's own cache resumes a session without asking a callback. It therefore gets no session
// that would last too long there.
func TestMaxSessionAgeOfAddedSessions(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.SessionTicketsDisabled = true
		made := ssltest.NewInbox(t, srv)
		ssltest.Meet(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), nil)
		limited := ssltest.CopyOf(srv, func(c *ssl.Config) { c.MaxSessionAge = time.Minute })
		ssltest.Meet(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, limited), nil)
		all := made.All()
		ageless, aged, longer := ssltest.Reparsed(t, all[0]), ssltest.Reparsed(t, all[len(all)-1]),
			ssltest.Reparsed(t, all[len(all)-1])
		if err := longer.SetTimeout(2 * time.Minute); err != nil {
			t.Fatal(err)
		}
		sctx := ssltest.NewServerCtx(t, limited)
		endless, err := ssl.ParseSession(withTimeout(t, ssltest.Get(t, aged.MarshalBinary), 1<<63-1))
		if err != nil {
			t.Fatal(err)
		}
		defer endless.Close()
		for what, s := range map[string]*ssl.Session{"ageless": ageless, "with a longer timeout": longer,
			"without end": endless} {
			if added, err := sctx.AddSession(s); added || !errors.Is(err, ssl.ErrNotResumable) {
				t.Errorf("%s: %t, %v", what, added, err)
			}
		}
		if added, err := sctx.AddSession(aged); !added || err != nil {
			t.Errorf("as it was made: %t, %v", added, err)
		}
	})
}

func TestMaxSessionAgeRefused(t *testing.T) {
	leakcheck.Test(t)
	for _, d := range []time.Duration{-1, 1, time.Second - 1, 10*365*24*time.Hour + 1, 1<<63 - 1, -1 << 63} {
		srv := ssltest.ServerConfig(t)
		srv.MaxSessionAge = d
		ssltest.Refuses(t, d.String(), srv.CheckServer(), ssl.ErrConfig)
	}
	for _, d := range []time.Duration{time.Second, 10 * 365 * 24 * time.Hour} {
		srv := ssltest.ServerConfig(t)
		srv.MaxSessionAge = d
		if err := srv.CheckServer(); err != nil {
			t.Errorf("%v: %v", d, err)
		}
	}
	cli := ssltest.ClientConfig(t)
	cli.MaxSessionAge = time.Hour
	ssltest.Refuses(t, "a client", cli.CheckClient(), ssl.ErrConfig)
}

// withTimeout replaces the timeout, field 2, in a session's encoding.
func withTimeout(t testing.TB, der []byte, timeout int64) []byte {
	t.Helper()
	var all asn1.RawValue
	if _, err := asn1.Unmarshal(der, &all); err != nil {
		t.Fatal(err)
	}
	var body []byte
	for rest := all.Bytes; len(rest) > 0; {
		var v asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &v); err != nil {
			t.Fatal(err)
		}
		if v.Class == asn1.ClassContextSpecific && v.Tag == 2 {
			v.Bytes, _ = asn1.Marshal(timeout)
			v.FullBytes = nil
		}
		field, err := asn1.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		body = append(body, field...)
	}
	out, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: body})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A session that was made while a clock was fast does not last until then. libssl's own cache,
// which does not leave its machine, goes by that clock alone.
func TestMaxSessionAgeOfTheFuture(t *testing.T) {
	for _, fm := range ssltest.AgingForms {
		if ssltest.KeptByLibssl(fm.Name) {
			continue
		}
		t.Run(fm.Name, func(t *testing.T) {
			leakcheck.Test(t)
			srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
			srv.MaxVersion, cli.MaxVersion = fm.Version, fm.Version
			for limit, cases := range map[time.Duration]map[time.Duration]bool{
				100 * time.Second: {50 * time.Second: true, 90 * time.Second: false, 240 * time.Hour: false},
				time.Hour:         {290 * time.Second: true, 340 * time.Second: false},
				24 * time.Hour:    {290 * time.Second: true, 340 * time.Second: false},
			} {
				srv.MaxSessionAge = limit
				madeAhead(t, ssltest.NewAging(t, srv, fm.Setup(t, srv)), ssltest.NewClientCtx(t, cli), cases)
			}
		})
	}
}

// madeAhead has sessions made by a clock that is fast by so much, and resumed by one that is right, or not.
func madeAhead(t *testing.T, a *ssltest.Aging, cctx *ssl.Ctx, cases map[time.Duration]bool) {
	t.Helper()
	for fast, want := range cases {
		a.Pass(fast)
		s := ssltest.Dup(t, ssltest.WantVisit(t, cctx, a.Next(), nil, false))
		a.Pass(-fast)
		if err := s.SetTime(a.Now()); err != nil { // the client's clock was right
			t.Fatal(err)
		}
		if reused, _ := ssltest.Visit(t, cctx, a.Next(), s); reused != want {
			t.Errorf("made %v ahead: resumed is %t", fast, reused)
		}
	}
}
