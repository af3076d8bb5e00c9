package tickets_test

import (
	"crypto/tls"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// hasTicket tells whether the client has one to come back with.
func hasTicket(t testing.TB, s *ssl.Session) bool { return len(ssltest.TicketOf(t, s)) > 0 }

// Without a current key tickets of all other keys are resumed, and none is issued: a TLS 1.2 client
// keeps the ticket that it has.
func TestNoCurrentTicketKey(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		keys := []ssl.TicketKey{ssltest.NewTicketKey(t), ssltest.NewTicketKey(t), ssltest.NewTicketKey(t)}
		for name, verify := range map[string]func(ssl.ConnectionState) error{
			"by libssl": nil, "after VerifyConnection": func(ssl.ConnectionState) error { return nil },
		} {
			srv.VerifyConnection = verify
			k := ssltest.TicketKeys(t, ssl.TicketKeySet{Next: keys[0], Future: keys[1:2], Old: keys[2:]})
			sctx := ssltest.TicketServer(t, srv, k)
			got := ssltest.NewInbox(t, cli)
			cctx := ssltest.NewClientCtx(t, cli)
			if s := ssltest.WantVisit(t, cctx, sctx, nil, false); hasTicket(t, s) {
				t.Errorf("%s: a full handshake brought a ticket", name)
			}
			if len(got.All()) != 0 {
				t.Errorf("%s: %d sessions", name, len(got.All()))
			}
			for i, key := range keys {
				other := ssltest.TicketServer(t, srv, ssltest.TicketKeys(t, ssl.TicketKeySet{Current: key}))
				s := ssltest.WantVisit(t, cctx, other, nil, false)
				if !isOf(t, s, key) {
					t.Fatal("no ticket from the other server")
				}
				before := len(got.All())
				next := ssltest.WantVisit(t, cctx, sctx, ssltest.Dup(t, s), true)
				if n := len(got.All()) - before; n != 0 {
					t.Errorf("%s: key %d: %d sessions from a resumption", name, i, n)
				}
				if kept := hasTicket(t, next); cli.MaxVersion == ssl.VersionTLS12 && !kept {
					t.Errorf("%s: key %d: the ticket is gone", name, i)
				}
				ssltest.WantVisit(t, cctx, sctx, s, true)
			}
			want := ssl.TicketKeyStats{Resumed: 6, Withheld: 1}
			if cli.MaxVersion == ssl.VersionTLS13 {
				want.Withheld = 7
			}
			if st := k.Stats(); st != want {
				t.Errorf("%s: %+v, want %+v", name, st, want)
			}
		}
	})
}

// A server that knows no key at all does full handshakes, also for clients that have a ticket.
func TestNoTicketKey(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		key := ssltest.NewTicketKey(t)
		k := ssltest.TicketKeys(t, ssl.TicketKeySet{})
		if n := len(k.Infos()); n != 0 {
			t.Errorf("%d keys", n)
		}
		sctx, cctx := ssltest.TicketServer(t, srv, k), ssltest.NewClientCtx(t, cli)
		other := ssltest.TicketServer(t, srv, ssltest.TicketKeys(t, ssl.TicketKeySet{Current: key}))
		s := ssltest.WantVisit(t, cctx, other, nil, false)
		if again := ssltest.WantVisit(t, cctx, sctx, ssltest.Dup(t, s), false); hasTicket(t, again) {
			t.Error("there is a ticket")
		}
		if st := k.Stats(); st != (ssl.TicketKeyStats{Unknown: 1, Withheld: 1}) {
			t.Errorf("%+v", st)
		}
		ssltest.MustSet(t, k, ssl.TicketKeySet{Current: key})
		if s = ssltest.WantVisit(t, cctx, sctx, s, true); !isOf(t, s, key) {
			t.Error("no ticket of the key that has come")
		}
		ssltest.MustSet(t, k, ssl.TicketKeySet{})
		ssltest.WantVisit(t, cctx, sctx, s, false)
	})
}

// A client of crypto/tls is promised nothing, and has nothing to come back with.
func TestNoCurrentTicketKeyStdClient(t *testing.T) {
	leakcheck.Test(t)
	for _, v := range ssltest.Versions {
		srv, std := ssltest.ServerConfig(t), ssltest.StdConfig(t, v)
		srv.TicketKeys = ssltest.TicketKeys(t, ssl.TicketKeySet{Next: ssltest.NewTicketKey(t)})
		puts := &putCounter{ClientSessionCache: std.ClientSessionCache}
		std.ClientSessionCache = puts
		for range 2 {
			if state, _ := ssltest.StdClient(t, srv, std); state.DidResume || state.Version != v {
				t.Errorf("%s: %+v", ssl.VersionName(v), state)
			}
		}
		if n := puts.n.Load(); n != 0 {
			t.Errorf("%s: %d tickets", ssl.VersionName(v), n)
		}
	}
}

type putCounter struct {
	tls.ClientSessionCache
	n atomic.Int32
}

func (c *putCounter) Put(key string, s *tls.ClientSessionState) {
	if s != nil {
		c.n.Add(1)
	}
	c.ClientSessionCache.Put(key, s)
}

// IssueTicket says that there is no key, and issues as soon as there is one.
func TestIssueTicketWithoutKey(t *testing.T) {
	leakcheck.Test(t)
	if ssltest.LibraryRelease() == "1.1.1" {
		t.Skip("1.1.1 has no SSL_new_session_ticket")
	}
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	k := ssltest.TicketKeys(t, ssl.TicketKeySet{})
	srv.TicketKeys = k
	got := ssltest.NewInbox(t, cli)
	p := ssltest.NewTCPPair(t, cli, srv)
	p.MustShake(t)
	if n := p.Server.NumTickets(); n != 0 {
		t.Errorf("%d tickets are announced", n)
	}
	var e *ssl.Error
	if err := p.Server.IssueTicket(); !errors.Is(err, ssl.ErrNoTicketKey) || !errors.As(err, &e) ||
		e.Op != "Conn.IssueTicket" {
		t.Errorf("without a key: %v", err)
	}
	p.Echo(t)
	if st := k.Stats(); st != (ssl.TicketKeyStats{Withheld: 2}) {
		t.Errorf("%+v", st)
	}
	key := ssltest.NewTicketKey(t)
	ssltest.MustSet(t, k, ssl.TicketKeySet{Current: key})
	if err := p.Server.IssueTicket(); err != nil {
		t.Fatal(err)
	}
	p.Echo(t)
	if s := got.Last(t); !isOf(t, s, key) || len(got.All()) != 1 {
		t.Errorf("%d tickets", len(got.All()))
	}
	p = ssltest.NewTCPPair(t, cli, srv)
	p.MustShake(t)
	key = ssltest.NewTicketKey(t)
	ssltest.MustSet(t, k, ssl.TicketKeySet{Current: key})
	if err := p.Server.IssueTicket(); err != nil {
		t.Fatal(err)
	}
	p.Echo(t)
	if s := got.Last(t); !isOf(t, s, key) {
		t.Error("a ticket of keys that were replaced after the handshake")
	}
	sctx := ssltest.TicketServer(t, srv, k)
	ssltest.WantVisit(t, ssltest.NewClientCtx(t, cli), sctx, ssltest.Dup(t, got.Last(t)), true)
}

// A handshake goes on with the keys that were there when its ClientHello had been answered for,
// whether its server loses the current key meanwhile or gets one.
func TestTicketKeysChangeInHandshake(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		key := ssltest.NewTicketKey(t)
		with, without := ssl.TicketKeySet{Current: key}, ssl.TicketKeySet{}
		for name, c := range map[string]struct {
			before, after ssl.TicketKeySet
			issued        bool
		}{"lost": {with, without, true}, "found": {without, with, false}} {
			k := ssltest.TicketKeys(t, c.before)
			calls := 0
			sctx := ssltest.TicketServer(t, ssltest.CopyOf(srv, func(cfg *ssl.Config) {
				cfg.GetCertificate = func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) {
					calls++
					return nil, k.SetKeys(c.after)
				}
			}), k)
			cctx := ssltest.NewClientCtx(t, cli)
			s := ssltest.WantVisit(t, cctx, sctx, nil, false)
			if calls != 1 || hasTicket(t, s) != c.issued {
				t.Errorf("%s: a ticket is %t, want %t; %d calls", name, hasTicket(t, s), c.issued, calls)
			}
			if st := k.Stats(); (st.Issued > 0) != c.issued || (st.Withheld > 0) == c.issued {
				t.Errorf("%s: %+v", name, st)
			}
			if !c.issued {
				continue
			}
			ssltest.MustSet(t, k, ssl.TicketKeySet{Old: []ssl.TicketKey{key}})
			ssltest.WantVisit(t, cctx, sctx, s, true)
		}
	})
}

// While keys come and go, every ticket is of a key that was there, and no handshake fails.
func TestTicketKeysComeAndGo(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		key := ssltest.NewTicketKey(t)
		k := ssltest.TicketKeys(t, ssl.TicketKeySet{})
		sets := []ssl.TicketKeySet{{Current: key}, {Old: []ssl.TicketKey{key}}}
		full := loadTickets(t, srv, cli, k, func(i int) error { return k.SetKeys(sets[i%2]) })
		if st := k.Stats(); st.Unknown+st.Declined != 0 {
			t.Errorf("%d full handshakes, %+v", full, st)
		}
	})
}

// A client that VerifyConnection refuses hears why, also where its server could make no ticket.
func TestRefusalWithoutTicketKey(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.TicketKeys = ssltest.TicketKeys(t, ssl.TicketKeySet{})
	srv.VerifyConnection = func(ssl.ConnectionState) error { return ssl.AlertError(49) }
	p := ssltest.NewTCPPair(t, cli, srv)
	cerr, serr := p.Shake()
	if !errors.Is(serr, ssl.AlertError(49)) {
		t.Errorf("server: %v", serr)
	}
	p.Server.Close()
	if cerr == nil {
		_, cerr = p.Client.Read(make([]byte, 1))
	}
	want := ssltest.If(ssltest.LibraryRelease() == "1.1.1", -1, 49)
	if cerr == nil || ssltest.AlertOf(cerr) != want {
		t.Errorf("client: %v, want alert %d", cerr, want)
	}
}

// A client that shows its certificate after the handshake gets no ticket then either.
func TestPostHandshakeAuthWithoutTicketKey(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.LaterConfigs(t)
	k := ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)})
	srv.TicketKeys = k
	got := ssltest.NewInbox(t, cli)
	p := ssltest.NewTCPPair(t, cli, srv)
	p.MustShake(t)
	p.Echo(t)
	had := len(got.All())
	ssltest.MustSet(t, k, ssl.TicketKeySet{})
	if err := p.Request(t); err != nil {
		t.Fatal(err)
	}
	ssltest.WantClient(t, p.Server, ssltest.ClientName)
	p.Echo(t)
	if n := len(got.All()); had == 0 || n != had {
		t.Errorf("%d tickets, then %d", had, n)
	}
}

// Rotate and the other ways to keys, from a set without a current one.
func TestRotateWithoutCurrent(t *testing.T) {
	leakcheck.Test(t)
	keys := make([]ssl.TicketKey, 7)
	for i := range keys {
		keys[i] = ssltest.NewTicketKey(t)
	}
	want := func(what string, k *ssl.TicketKeys, list ...any) {
		t.Helper()
		var names, used []string
		for i := 0; i < len(list); i += 2 {
			used = append(used, list[i].(string))
			names = append(names, keys[list[i+1].(int)].Name())
		}
		if gotNames, got := namesOf(k); !slices.Equal(gotNames, names) || !slices.Equal(got, used) {
			t.Errorf("%s: %v %v, want %v %v", what, got, gotNames, used, names)
		}
	}
	rotate := func(k *ssl.TicketKeys, next int) {
		t.Helper()
		if err := k.Rotate(keys[next]); err != nil {
			t.Fatal(err)
		}
	}
	k := ssltest.TicketKeys(t, ssl.TicketKeySet{Next: keys[1], Future: keys[2:3], Old: keys[:1]})
	want("at first", k, "next", 1, "future", 2, "old", 0)
	rotate(k, 3)
	want("the next key is current", k, "current", 1, "next", 2, "future", 3, "old", 0)
	rotate(k, 4)
	want("as always", k, "current", 2, "next", 3, "future", 4, "old", 1)

	k = ssltest.TicketKeys(t, ssl.TicketKeySet{Old: keys[:1]})
	want("old ones only", k, "old", 0)
	rotate(k, 1)
	want("one to come", k, "next", 1, "old", 0)
	rotate(k, 2)
	want("it has come", k, "current", 1, "next", 2, "old", 0)

	k = ssltest.TicketKeys(t, ssl.TicketKeySet{})
	rotate(k, 5)
	rotate(k, 6)
	want("from nothing", k, "current", 5, "next", 6)
	if st := k.Stats(); st.Rotations != 2 {
		t.Errorf("%+v", st)
	}
	behind := ssl.TicketKeySet{Next: keys[1], Old: keys[:1]}
	if _, err := behind.SecretHAProxy(); !errors.Is(err, ssl.ErrConfig) {
		t.Errorf("haproxy without a current key: %v", err)
	}
	if _, err := ssl.NewTicketKeysFrom(ssl.TicketKeySet{Future: keys[:1]}); !errors.Is(err, ssl.ErrConfig) {
		t.Errorf("a future key without a next one: %v", err)
	}
}

// When a key was made goes where the key goes.
func TestTicketKeysMade(t *testing.T) {
	leakcheck.Test(t)
	day := time.Date(2024, 5, 6, 7, 8, 9, 10, time.UTC)
	begun := time.Now()
	random := ssltest.NewTicketKey(t)
	if m := random.Made(); m.Before(begun.Round(0)) || m.After(time.Now()) {
		t.Errorf("a new key was made at %v", m)
	}
	parsed := ssltest.Must[ssl.TicketKey](t)(ssl.ParseTicketKey(ssltest.SecretBytes(t, random)))
	if !parsed.Made().IsZero() {
		t.Errorf("a parsed key was made at %v", parsed.Made())
	}
	dated := ssltest.NewTicketKey(t).WithMade(day)
	k := ssltest.TicketKeys(t, ssl.TicketKeySet{Current: parsed, Next: dated})
	made := func(i int) time.Time { return k.Infos()[i].Made }
	if !made(0).IsZero() || !made(1).Equal(day) || k.Infos()[1].Since.Before(begun) {
		t.Errorf("%v", k.Infos())
	}
	if err := k.Rotate(ssltest.NewTicketKey(t).WithMade(day.Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	if !made(0).Equal(day) || !made(1).Equal(day.Add(time.Hour)) || !made(2).IsZero() {
		t.Errorf("%v", k.Infos())
	}
	before := time.Now()
	if err := k.Rotate(ssl.TicketKey{}); err != nil {
		t.Fatal(err)
	}
	if made(1).Before(before) {
		t.Errorf("a random key was made at %v", made(1))
	}
	if !dated.WithMade(time.Time{}).Made().IsZero() || dated.WithMade(day) != dated {
		t.Error("WithMade cannot be undone, or makes another key")
	}
	derived := derive(t, time.Hour, 0).Infos()
	if m := derived[0].Made; !m.Equal(m.Truncate(time.Hour)) || time.Since(m) > 2*time.Hour ||
		!derived[1].Made.Equal(m.Add(time.Hour)) || !derived[2].Made.Equal(m.Add(-time.Hour)) {
		t.Errorf("%v", derived)
	}
}
