package tickets_test

import (
	"errors"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Two servers with the same keys resume each other's sessions, in both sizes of key.
func TestTicketKeysShared(t *testing.T) {
	for name, make := range map[string]func(testing.TB) ssl.TicketKey{"80 bytes": ssltest.NewTicketKey,
		"48 bytes": ssltest.ShortTicketKey} {
		t.Run(name, func(t *testing.T) {
			ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
				key := make(t)
				set := ssl.TicketKeySet{Current: key}
				k := ssltest.TicketKeys(t, set)
				cctx := ssltest.NewClientCtx(t, cli)
				// Of one TicketKeys, and of another with equal keys, as another process has it.
				a, b, c := ssltest.TicketServer(t, srv, k), ssltest.TicketServer(t, srv, k), ssltest.TicketServer(t, srv,
					ssltest.TicketKeys(t, set))
				s := ssltest.WantVisit(t, cctx, a, nil, false)
				if !isOf(t, s, key) {
					t.Error("the ticket does not begin with the key's name")
				}
				for _, sctx := range []*ssl.Ctx{a, b, c} {
					s = ssltest.WantVisit(t, cctx, sctx, s, true)
				}
				if st := k.Stats(); st.Resumed != 2 || st.Renewed+st.Declined+st.Unknown != 0 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// A key's life. The tickets of a future key resume before it is promoted, those of an
// old key resume and are renewed, those of a key that is gone cost a full handshake.
func TestTicketKeyRotation(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		first, second, third := ssltest.NewTicketKey(t), ssltest.NewTicketKey(t), ssltest.NewTicketKey(t)
		here := ssltest.TicketKeys(t, ssl.TicketKeySet{Current: first, Next: second})
		ahead := ssltest.TicketKeys(t, ssl.TicketKeySet{Current: second, Next: third, Old: []ssl.TicketKey{first}})
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.TicketServer(t, srv, here)

		// Next: made by a machine that has rotated already. Renewed with what is current here.
		s := ssltest.WantVisit(t, cctx, ssltest.TicketServer(t, srv, ahead), nil, false)
		if !isOf(t, s, second) {
			t.Fatal("not a ticket of the second key")
		}
		now := ssltest.WantVisit(t, cctx, sctx, s, true)
		if !isOf(t, now, first) {
			t.Error("a ticket of the next key was not renewed with the current one")
		}

		// Current: TLS 1.3 gets another ticket all the same, TLS 1.2 keeps the one it has.
		again := ssltest.WantVisit(t, cctx, sctx, now, true)
		if same := string(ssltest.TicketOf(t, again)) == string(ssltest.TicketOf(t,
			now)); same != (srv.MaxVersion == ssl.VersionTLS12) || !isOf(t, again, first) {
			t.Errorf("the ticket is the same: %t", same)
		}

		// Old.
		if err := here.Rotate(third); err != nil {
			t.Fatal(err)
		}
		renewed := ssltest.WantVisit(t, cctx, sctx, again, true)
		if !isOf(t, renewed, second) {
			t.Error("a ticket of the old key was not renewed with the current one")
		}

		// Gone.
		if err := here.Rotate(ssl.TicketKey{}); err != nil {
			t.Fatal(err)
		}
		ssltest.WantVisit(t, cctx, sctx, again, false)
		ssltest.WantVisit(t, cctx, sctx, renewed, true)
		if st := here.Stats(); st.Renewed != 3 || st.Resumed != 1 || st.Unknown != 1 || st.Declined != 0 ||
			st.Rotations != 2 {
			t.Errorf("%+v", st)
		}
	})
}

// The renewed ticket of a TLS 1.2 resumption reaches OnNewSession, as those of TLS 1.3
// do.
func TestTicketRenewalIsDelivered(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		old, current := ssltest.NewTicketKey(t), ssltest.NewTicketKey(t)
		k := ssltest.TicketKeys(t, ssl.TicketKeySet{Current: old})
		got := ssltest.NewInbox(t, cli)
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.TicketServer(t, srv, k)
		ssltest.WantVisit(t, cctx, sctx, nil, false)
		s := got.Last(t)
		ssltest.MustSet(t, k, ssl.TicketKeySet{Current: current, Old: []ssl.TicketKey{old}})
		n := len(got.All())
		ssltest.WantVisit(t, cctx, sctx, s, true)
		if len(got.All()) != n+1 || !isOf(t, got.Last(t), current) {
			t.Errorf("%d sessions were delivered by the renewal", len(got.All())-n)
		}
		ssltest.WantVisit(t, cctx, sctx, got.Last(t), true)
	})
}

// A length that no key has is refused, and so is a key of no worth.
func TestTicketKeyOfWrongLength(t *testing.T) {
	leakcheck.Test(t)
	good := ssltest.SecretBytes(t, ssltest.NewTicketKey(t))
	for n := range 200 {
		b := make([]byte, n)
		copy(b, good)
		if n > len(good) {
			copy(b[len(good):], good)
		}
		k, err := ssl.ParseTicketKey(b)
		if ok := n == 80 || n == 48; ok != (err == nil) || !ok && !errors.Is(err, ssl.ErrMalformed) {
			t.Errorf("%d bytes: %v, %v", n, k, err)
		}
	}
	for _, n := range []int{48, 80} {
		if _, err := ssl.ParseTicketKey(make([]byte, n)); !errors.Is(err, ssl.ErrMalformed) {
			t.Errorf("%d zeros: %v", n, err)
		}
	}
	if string(ssltest.SecretBytes(t, mustParseTicketKey(t, good))) != string(good) {
		t.Error("the key is not what was parsed")
	}
	if string(ssltest.SecretBytes(t, mustParseTicketKey(t, good[:48]))) != string(good[:48]) {
		t.Error("the short key is not what was parsed")
	}
}

func mustParseTicketKey(t testing.TB, b []byte) ssl.TicketKey {
	t.Helper()
	k, err := ssl.ParseTicketKey(b)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Two hosts with the same keys and the same configured context, of which one demands
// client certificates: the session of the other is no way in, and the client gets a full
// handshake, not an alert; without a certificate it is refused as ever.
func TestTicketKeysAcrossHosts(t *testing.T) {
	for _, v := range ssltest.Versions {
		t.Run(ssl.VersionName(v), func(t *testing.T) {
			leakcheck.Test(t)
			k := ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)})
			listening, open, demanding := ssltest.HostConfigs(t)
			for _, cfg := range []*ssl.Config{listening, open, demanding} {
				cfg.TicketKeys, cfg.SessionIDContext = k, []byte("fleet")
			}
			h := ssltest.StartHosts(t, listening, open, demanding)
			anonymous := ssltest.ClientOf(t, "a.test", v)
			anonymous.InsecureSkipVerify = true // one client for both names: only the servers are looked at
			known := ssltest.CopyOf(anonymous,
				func(c *ssl.Config) { c.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client")} })
			to := func(cfg *ssl.Config, host string) *ssl.Ctx {
				return ssltest.NewClientCtx(t, ssltest.CopyOf(cfg, func(c *ssl.Config) { c.ServerName = host }))
			}
			c := ssltest.Dial(t, h.Server, to(anonymous, "a.test"), nil)
			s := ssltest.SessionOf(t, c)
			c.Close()

			c = ssltest.ClientConn(t, h.Server, to(anonymous, "b.test"))
			if err := c.SetSession(s); err != nil {
				t.Fatal(err)
			}
			if err := ssltest.RefusedWith(c); ssltest.AlertOf(err) != 116 &&
				ssltest.AlertOf(err) != 40 { // certificate_required, handshake_failure
				t.Errorf("without a certificate: %v", err)
			}
			c.Close()

			c = ssltest.Dial(t, h.Server, to(known, "b.test"), s)
			if c.SessionReused() || h.LastReused() {
				t.Error("a session of the open host was resumed at the one that demands a certificate")
			}
			own := ssltest.SessionOf(t, c)
			c.Close()
			c = ssltest.Dial(t, h.Server, to(known, "b.test"), own)
			if !c.SessionReused() || !h.LastReused() {
				t.Error("its own was not")
			}
			c.Close()
			if st := k.Stats(); st.Declined != 1 || st.Resumed != 1 || st.Unknown != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// Options that contradict each other are refused before there is a server.
func TestTicketKeysConflicts(t *testing.T) {
	leakcheck.Test(t)
	cfg := ssltest.ServerConfig(t)
	cfg.TicketKeys = ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)})
	if err := cfg.CheckServer(); err != nil {
		t.Error(err)
	}
	cfg.SessionTicketsDisabled = true
	if _, err := ssl.NewServerCtx(cfg); !errors.Is(err, ssl.ErrConfig) {
		t.Errorf("keys for tickets that are disabled: %v", err)
	}
	cfg.SessionTicketsDisabled = false
	cfg.TicketKeys.Close()
	if err := cfg.CheckServer(); !errors.Is(err, ssl.ErrConfig) {
		t.Errorf("closed keys: %v", err)
	}
}

// Counters are zero at the start, and right after each case.
func TestTicketKeyStats(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		old, gone, current := ssltest.NewTicketKey(t), ssltest.NewTicketKey(t), ssltest.NewTicketKey(t)
		k := ssltest.TicketKeys(t, ssl.TicketKeySet{Current: old, Old: []ssl.TicketKey{gone}})
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.TicketServer(t, srv, k)
		ended := ssltest.TicketServer(t, srv, ssltest.TicketKeys(t, ssl.TicketKeySet{Current: gone}))
		var full, again uint64 = 1, 0 // tickets of a full handshake, and of a resumption with the current key
		if srv.MaxVersion == ssl.VersionTLS13 {
			full, again = 2, 1
		}
		want := ssl.TicketKeyStats{}
		check := func(what string) {
			t.Helper()
			if got := k.Stats(); got != want {
				t.Errorf("%s: %+v, want %+v", what, got, want)
			}
		}
		check("at the start")
		s := ssltest.WantVisit(t, cctx, sctx, nil, false)
		want.Issued += full
		check("full")
		s = ssltest.WantVisit(t, cctx, sctx, s, true)
		want.Issued, want.Resumed = want.Issued+again, 1
		check("current")
		ssltest.MustSet(t, k, ssl.TicketKeySet{Current: current, Old: []ssl.TicketKey{old}})
		ssltest.WantVisit(t, cctx, sctx, s, true)
		want.Issued, want.Renewed = want.Issued+1, 1
		check("old")
		ssltest.WantVisit(t, cctx, sctx, ssltest.WantVisit(t, cctx, ended, nil, false), false)
		want.Issued, want.Unknown = want.Issued+full, 1
		check("unknown")
	})
}
