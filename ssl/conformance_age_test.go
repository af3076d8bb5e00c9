package ssl_test

import (
	"encoding/asn1"
	"errors"
	"testing"
	"time"

	"sessl/internal/cshim"
	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// aging is a server whose sessions grow old at a word: the clock by which we tell their age
// goes forward, and they have begun earlier by the clock of libssl.
type aging struct {
	t    *testing.T
	made *inbox
	next func() *ssl.Ctx // for the next connection
}

// newAging makes the Ctxs of srv; that are to be other ones for each connection where fresh is
// set.
func newAging(t *testing.T, srv *ssl.Config, fresh func(*ssl.Config)) *aging {
	a := &aging{t: t, made: newInbox(t, srv)}
	if fresh == nil {
		sctx := newServerCtx(t, srv)
		a.next = func() *ssl.Ctx { return sctx }
	} else {
		a.next = func() *ssl.Ctx { return newServerCtx(t, copyOf(srv, fresh)) }
	}
	return a
}

// growOld lets seconds pass for a and its sessions.
func growOld(a *aging, seconds int64) {
	passSeconds(a.t, seconds)
	for _, s := range a.made.all() {
		if err := ssl.Backdate(s, time.Duration(seconds)*time.Second); err != nil {
			a.t.Fatal(err)
		}
	}
}

// passSeconds moves our clock for the rest of the test.
func passSeconds(t *testing.T, seconds int64) {
	cshim.MoveClock(seconds)
	t.Cleanup(func() { cshim.MoveClock(-seconds) })
}

// agingForms are all forms of resumption that a server of this package has.
var agingForms = []struct {
	name    string
	version uint16
	setup   func(t *testing.T, srv *ssl.Config) (fresh func(*ssl.Config))
}{
	{"TLS1.2-id", ssl.VersionTLS12, withoutTickets},
	{"TLS1.2-ticket", ssl.VersionTLS12, nothing},
	{"TLS1.2-cache", ssl.VersionTLS12, inCache},
	{"TLS1.2-store", ssl.VersionTLS12, inStore},
	{"TLS1.2-keys", ssl.VersionTLS12, withKeys},
	{"TLS1.3-stateful", ssl.VersionTLS13, withoutTickets},
	{"TLS1.3-stateless", ssl.VersionTLS13, nothing},
	{"TLS1.3-cache", ssl.VersionTLS13, inCache},
	{"TLS1.3-store", ssl.VersionTLS13, inStore},
	{"TLS1.3-keys", ssl.VersionTLS13, withKeys},
}

// keptByLibssl names the forms whose sessions are in libssl's own cache, which asks nobody.
func keptByLibssl(form string) bool { return form == "TLS1.2-id" || form == "TLS1.3-stateful" }

func nothing(*testing.T, *ssl.Config) func(*ssl.Config) { return nil }

func withoutTickets(_ *testing.T, srv *ssl.Config) func(*ssl.Config) {
	srv.SessionTicketsDisabled = true
	return nil
}

func inCache(t *testing.T, srv *ssl.Config) func(*ssl.Config) {
	srv.SessionCache = newServerCache(t, nil)
	return nil
}

// inStore has nothing in common between two connections but the store.
func inStore(t *testing.T, srv *ssl.Config) func(*ssl.Config) {
	store, keys := newMemStore(), newSealKeys(t, 1)
	return func(c *ssl.Config) {
		if c.SessionCache != nil {
			c.SessionCache.Close() // what it has to write is written
		}
		c.SessionCache = newServerCache(t, &ssl.ServerCacheOptions{Store: store, SealKeys: keys, LookupTimeout: ioTimeout})
		srv.SessionCache = c.SessionCache // to be closed by the next
	}
}

func withKeys(t *testing.T, srv *ssl.Config) func(*ssl.Config) {
	key := newTicketKey(t)
	return func(c *ssl.Config) { c.TicketKeys = ticketKeys(t, ssl.TicketKeySet{Current: key}) }
}

// C-25: no resumption prolongs the life of a session, in any form (probe G): with a limit of
// 100 s it resumes at 60 s and at 95 s, each time as a newer session where there is one, and
// not at 101 s. The session of that full handshake begins anew.
func TestC25_MaxSessionAge(t *testing.T) {
	for _, fm := range agingForms {
		for _, judged := range []bool{false, true} { // tickets are made in the handshake, or after it
			t.Run(fm.name+want(judged, "-judged", ""), func(t *testing.T) {
				leakcheck.Test(t)
				srv, cli := serverConfig(t), clientConfig(t)
				srv.MaxVersion, cli.MaxVersion = fm.version, fm.version
				srv.MaxSessionAge = 100 * time.Second
				if judged {
					srv.VerifyConnection = func(ssl.ConnectionState) error { return nil }
				}
				a := newAging(t, srv, fm.setup(t, srv))
				cctx := newClientCtx(t, cli)
				s := wantVisit(t, cctx, a.next(), nil, false)
				for i, step := range []struct {
					seconds, left int64
					resumed       bool
				}{{60, 40, true}, {35, 5, true}, {6, 100, false}, {60, 40, true}} {
					growOld(a, step.seconds)
					reused, next := visit(t, cctx, a.next(), s)
					if reused != step.resumed {
						t.Fatalf("step %d: resumed is %t", i, reused)
					}
					s = next
					if fm.version == ssl.VersionTLS13 {
						// As the client was told; a second may have passed.
						if d := get(t, s.TicketLifetimeHint); d > time.Duration(step.left)*time.Second || d < time.Duration(step.left-2)*time.Second {
							t.Errorf("step %d: the client may use it for %v, want %d s", i, d, step.left)
						}
					}
				}
			})
		}
	}
}

// C-25: a ticket that is issued late is as old as its connection, and one that is issued when
// the time is over resumes nothing.
func TestC25_LateTickets(t *testing.T) {
	leakcheck.Test(t)
	if release() == "1.1.1" {
		return // issues no tickets after the handshake: see TestIssueTicket
	}
	for _, tickets := range []int{-1, 1} {
		for _, disabled := range []bool{false, true} {
			srv, cli := serverConfig(t), clientConfig(t)
			srv.MaxSessionAge, srv.NumTickets, srv.SessionTicketsDisabled = 100*time.Second, tickets, disabled
			got := newInbox(t, cli)
			a := newAging(t, srv, nil)
			cctx, sctx := newClientCtx(t, cli), a.next()
			p := meet(t, cctx, sctx, nil)
			issue := func() *ssl.Session {
				t.Helper()
				if err := p.server.IssueTicket(); err != nil {
					t.Fatal(err)
				}
				p.echo(t)
				return got.last(t)
			}
			growOld(a, 70)
			late := issue()
			if d := get(t, late.TicketLifetimeHint); d > 30*time.Second {
				t.Errorf("%d tickets, stateful %t: issued at 70 s of 100 for %v", tickets, disabled, d)
			}
			growOld(a, 20)
			wantVisit(t, cctx, sctx, late, true)
			again := issue()
			growOld(a, 11)
			for what, s := range map[string]*ssl.Session{"issued at 90 s": again, "issued at 101 s": issue()} {
				if reused, _ := visit(t, cctx, sctx, s); reused {
					t.Errorf("%d tickets, stateful %t: %s, and resumed at 101 s of 100", tickets, disabled, what)
				}
			}
			p.closeBoth()
		}
	}
}

// C-25: servers of one key with other limits. What has no age is not resumed where there is a
// limit; a deadline is kept where there is none, and goes on; of two the sooner counts.
func TestC25_OtherServersLimits(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		keys := ticketKeys(t, ssl.TicketKeySet{Current: newTicketKey(t)})
		server := func(limit time.Duration) *ssl.Ctx {
			return ticketServer(t, copyOf(srv, func(c *ssl.Config) { c.MaxSessionAge = limit }), keys)
		}
		none, short, long := server(0), server(50*time.Second), server(100*time.Second)
		cctx := newClientCtx(t, cli)
		ageless := wantVisit(t, cctx, none, nil, false)
		old := wantVisit(t, cctx, long, nil, false)
		wantVisit(t, cctx, long, ageless, false)

		passSeconds(t, 45)
		old = wantVisit(t, cctx, none, old, true)
		young := wantVisit(t, cctx, long, nil, false)
		passSeconds(t, 7) // old is 52, young 7
		wantVisit(t, cctx, short, dup(t, old), false)
		young = wantVisit(t, cctx, short, young, true) // from here on its deadline is at 50
		passSeconds(t, 44)
		old = wantVisit(t, cctx, none, old, true) // 96
		// 51, and in TLS 1.2 still the ticket of the first server, for nobody has renewed it.
		wantVisit(t, cctx, long, young, srv.MaxVersion == ssl.VersionTLS12)
		passSeconds(t, 5)
		wantVisit(t, cctx, none, old, false)
	})
}

// C-25: a ticket that TLS 1.2 renews keeps the time at which its session began, and ends when
// the first one would have.
func TestC25_RenewedTickets(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		cli.InsecureSkipVerify = true // what is parsed from DER is not the client's concern here
		srv.MaxSessionAge = 100 * time.Second
		old, current := newTicketKey(t), newTicketKey(t)
		cctx := newClientCtx(t, cli)
		s := wantVisit(t, cctx, ticketServer(t, srv, ticketKeys(t, ssl.TicketKeySet{Current: old})), nil, false)
		sctx := ticketServer(t, srv, ticketKeys(t, ssl.TicketKeySet{Current: current, Old: []ssl.TicketKey{old}}))
		key := old
		for _, step := range []struct {
			seconds int64
			resumed bool
		}{{60, true}, {35, true}, {6, false}} {
			passSeconds(t, step.seconds)
			s = forge(t, key, s, func(inner *ssl.Session) {
				if err := ssl.Backdate(inner, time.Duration(step.seconds)*time.Second); err != nil {
					t.Fatal(err)
				}
			})
			s = wantVisit(t, cctx, sctx, s, step.resumed)
			key = current
		}
	})
}

// Into libssl's own cache, which asks nobody before it resumes, nothing comes that would last
// too long there.
func TestMaxSessionAgeOfAddedSessions(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.SessionTicketsDisabled = true
		made := newInbox(t, srv)
		meet(t, newClientCtx(t, cli), newServerCtx(t, srv), nil)
		limited := copyOf(srv, func(c *ssl.Config) { c.MaxSessionAge = time.Minute })
		meet(t, newClientCtx(t, cli), newServerCtx(t, limited), nil)
		all := made.all()
		ageless, aged, longer := reparsed(t, all[0]), reparsed(t, all[len(all)-1]), reparsed(t, all[len(all)-1])
		if err := longer.SetTimeout(2 * time.Minute); err != nil {
			t.Fatal(err)
		}
		sctx := newServerCtx(t, limited)
		endless, err := ssl.ParseSession(withTimeout(t, get(t, aged.MarshalBinary), 1<<63-1))
		if err != nil {
			t.Fatal(err)
		}
		defer endless.Close()
		for what, s := range map[string]*ssl.Session{"ageless": ageless, "with a longer timeout": longer, "without end": endless} {
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
		srv := serverConfig(t)
		srv.MaxSessionAge = d
		refuses(t, d.String(), srv.CheckServer(), ssl.ErrConfig)
	}
	for _, d := range []time.Duration{time.Second, 10 * 365 * 24 * time.Hour} {
		srv := serverConfig(t)
		srv.MaxSessionAge = d
		if err := srv.CheckServer(); err != nil {
			t.Errorf("%v: %v", d, err)
		}
	}
	cli := clientConfig(t)
	cli.MaxSessionAge = time.Hour
	refuses(t, "a client", cli.CheckClient(), ssl.ErrConfig)
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
	for _, fm := range agingForms {
		if keptByLibssl(fm.name) {
			continue
		}
		t.Run(fm.name, func(t *testing.T) {
			leakcheck.Test(t)
			srv, cli := serverConfig(t), clientConfig(t)
			srv.MaxVersion, cli.MaxVersion = fm.version, fm.version
			srv.MaxSessionAge = 100 * time.Second
			a := newAging(t, srv, fm.setup(t, srv))
			cctx := newClientCtx(t, cli)
			for fast, want := range map[int64]bool{50: true, 90: false, 864000: false} {
				cshim.MoveClock(fast)
				s := wantVisit(t, cctx, a.next(), nil, false)
				cshim.MoveClock(-fast)
				if reused, _ := visit(t, cctx, a.next(), s); reused != want {
					t.Errorf("made %d s ahead: resumed is %t", fast, reused)
				}
			}
		})
	}
}
