package tickets_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// isOf tells whether s has a ticket of k.
func isOf(t testing.TB, s *ssl.Session, k ssl.TicketKey) bool {
	t.Helper()
	b := ssltest.TicketOf(t, s)
	return len(b) > 16 && hex.EncodeToString(b[:16]) == k.Name()
}

// Without TicketKeys a ticket is good for the Ctx that made it and for no other.
func TestTicketKeysDefault(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		cctx, a, b := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), ssltest.NewServerCtx(t, srv)
		s := ssltest.WantVisit(t, cctx, a, nil, false)
		ssltest.WantVisit(t, cctx, b, s, false)
		ssltest.WantVisit(t, cctx, a, s, true)
	})
}

// A ticket of another session id context is declined by a full handshake, and counted.
func TestTicketKeysOtherContext(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		set := ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)}
		k := ssltest.TicketKeys(t, set)
		cctx := ssltest.NewClientCtx(t, cli)
		srv.SessionIDContext = []byte("one")
		a := ssltest.TicketServer(t, srv, k)
		s := ssltest.WantVisit(t, cctx, a, nil, false)
		srv.SessionIDContext = []byte("two")
		ssltest.WantVisit(t, cctx, ssltest.TicketServer(t, srv, k), s, false)
		if st := k.Stats(); st.Declined != 1 || st.Resumed != 0 || st.Unknown != 0 {
			t.Errorf("%+v", st)
		}
		srv.SessionIDContext = []byte("one")
		ssltest.WantVisit(t, cctx, ssltest.TicketServer(t, srv, ssltest.TicketKeys(t, set)), s, true)
	})
}

// Equal keys are no way around a demand: a session that a server made without a client's
// certificate, or under other roots, is not resumed by one that demands it.
func TestTicketKeysDemands(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		k := ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)})
		srv.SessionIDContext = []byte("fleet")
		cli.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client")}
		cctx := ssltest.NewClientCtx(t, cli)
		demands := func(ca string) *ssl.Ctx {
			return ssltest.TicketServer(t, ssltest.CopyOf(srv, func(c *ssl.Config) {
				c.ClientAuth, c.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, ca)
			}), k)
		}
		open, strict := ssltest.TicketServer(t, srv, k), demands("ca")
		ssltest.WantVisit(t, cctx, strict, ssltest.WantVisit(t, cctx, open, nil, false), false)
		s := ssltest.WantVisit(t, cctx, strict, nil, false)
		ssltest.WantVisit(t, cctx, demands("ca"), s, true)
		got := tryWith2(t, cctx, demands("other-ca"), s)
		if got.Reused || ssltest.VerifyCode(got.Server) != ssltest.NoIssuer {
			t.Errorf("under other roots: %+v", got)
		}
		if st := k.Stats(); st.Declined != 1 || st.Resumed+st.Renewed != 1 {
			t.Errorf("%+v", st) // a handshake that failed counts as nothing
		}
	})
}

// tryWith2 offers s and returns what came of it, without a round trip.
func tryWith2(t testing.TB, cctx, sctx *ssl.Ctx, s *ssl.Session) (got ssltest.Attempt) {
	t.Helper()
	a, b := ssltest.TCPPipe(t)
	p := ssltest.NewPair(t, cctx, sctx, a, b)
	defer p.CloseBoth()
	if err := p.Client.SetSession(s); err != nil {
		t.Fatal(err)
	}
	got.Client, got.Server = p.Shake()
	got.Reused = p.Server.SessionReused()
	return got
}

// A ticket that has been cut off or changed anywhere is a full handshake, and no error.
func TestTicketKeysDamaged(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		cli.InsecureSkipVerify = true // what is parsed from DER is not the client's concern here
		k := ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)})
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.TicketServer(t, srv, k)
		s := ssltest.WantVisit(t, cctx, sctx, nil, false)
		ticket := ssltest.TicketOf(t, s)
		offer := func(what string, damaged []byte) {
			t.Helper()
			if len(damaged) == 0 {
				t.Fatalf("%s: no ticket is left", what)
			}
			if reused, _ := ssltest.Visit(t, cctx, sctx, ssltest.WithTicket(t, s, damaged)); reused {
				t.Errorf("%s: resumed", what)
			}
		}
		if reused, _ := ssltest.Visit(t, cctx, sctx, ssltest.WithTicket(t, s, bytes.Clone(ticket))); !reused {
			t.Fatal("the ticket as it was does not resume: the test shows nothing")
		}
		for _, i := range []int{0, 15, 16, 31, 32, len(ticket) / 2, len(ticket) - 33, len(ticket) - 32,
			len(ticket) - 1} {
			flipped := bytes.Clone(ticket)
			flipped[i] ^= 1
			offer(fmt.Sprintf("bit flipped in byte %d of %d", i, len(ticket)), flipped)
		}
		for _, n := range []int{1, 15, 16, 31, 32, 33, 64, len(ticket) - 32, len(ticket) - 16, len(ticket) - 1} {
			offer(fmt.Sprintf("cut to %d bytes of %d", n, len(ticket)), ticket[:n])
		}
		st := k.Stats()
		if st.Resumed != 1 || st.Unknown != 2 || st.Declined < 7 {
			t.Errorf("%+v", st)
		}
	})
}

// 1,000 tickets have 1,000 IVs, and the name of the key at their front.
func TestTicketKeysIVs(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		key := ssltest.NewTicketKey(t)
		k := ssltest.TicketKeys(t, ssl.TicketKeySet{Current: key})
		srv.NumTickets = 250
		seen := map[string]bool{}
		add := func(s *ssl.Session) {
			b := ssltest.TicketOf(t, s)
			if hex.EncodeToString(b[:16]) != key.Name() {
				t.Fatalf("the ticket begins with %x, the key is %s", b[:16], key.Name())
			}
			seen[string(b[16:32])] = true
		}
		cli.OnNewSession = func(_ *ssl.Conn, s *ssl.Session) { add(s); s.Close() }
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.TicketServer(t, srv, k)
		n := 1000
		if srv.MaxVersion == ssl.VersionTLS13 {
			n = 4
		}
		for range n {
			visitQuickly(t, cctx, sctx)
		}
		if len(seen) != 1000 || k.Stats().Issued != 1000 {
			t.Errorf("%d IVs in 1,000 tickets: %+v", len(seen), k.Stats())
		}
	})
}

// visitQuickly is a visit that registers no cleanups.
func visitQuickly(t testing.TB, cctx, sctx *ssl.Ctx) {
	t.Helper()
	_, s, err := loadVisit(cctx, sctx, nil)
	s.Close()
	if err != nil {
		t.Fatal(err)
	}
}

// Keys are replaced while handshakes run: no client sees an error, and in the end all keys but
// those in use are gone. Where the two keys only change places, no session is lost.
func TestTicketKeysReplacedUnderLoad(t *testing.T) {
	t.Run("rotated", func(t *testing.T) {
		ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
			k := ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t),
				Next: ssltest.NewTicketKey(t)})
			loadTickets(t, srv, cli, k, func(int) error { return k.Rotate(ssl.TicketKey{}) })
			if st := k.Stats(); st.Rotations == 0 || len(k.Infos()) != 3 {
				t.Errorf("%d keys are left after %+v", len(k.Infos()), st)
			}
		})
	})
	t.Run("in turn", func(t *testing.T) {
		ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
			a, b := ssltest.NewTicketKey(t), ssltest.NewTicketKey(t)
			sets := []ssl.TicketKeySet{{Current: a, Next: b}, {Current: b, Old: []ssl.TicketKey{a}}}
			k := ssltest.TicketKeys(t, sets[0])
			full := loadTickets(t, srv, cli, k, func(i int) error { return k.SetKeys(sets[i%2]) })
			if st := k.Stats(); full != loadClients || st.Unknown+st.Declined != 0 {
				t.Errorf("%d full handshakes of %d clients, %+v", full, loadClients, st)
			}
		})
	})
}

const loadClients = 4

// loadTickets has clients go from one server to the other, 60 times each, while replace is
// called all the time; it returns how many handshakes were full ones.
func loadTickets(t *testing.T, srv, cli *ssl.Config, k *ssl.TicketKeys, replace func(i int) error) int64 {
	servers := []*ssl.Ctx{ssltest.TicketServer(t, srv, k), ssltest.TicketServer(t, srv, k)}
	cctx := ssltest.NewClientCtx(t, cli)
	var resumed, full atomic.Int64
	var clients, turns sync.WaitGroup
	for range loadClients {
		clients.Go(func() {
			var offer *ssl.Session
			defer func() { offer.Close() }()
			for i := range 60 {
				reused, next, err := loadVisit(cctx, servers[i%2], offer)
				if err != nil {
					t.Error(err)
					return
				}
				offer.Close()
				offer = next
				if reused {
					resumed.Add(1)
				} else {
					full.Add(1)
				}
			}
		})
	}
	stop := make(chan struct{})
	replaced := 0
	turns.Go(func() {
		for {
			if err := replace(replaced); err != nil {
				t.Error(err)
				return
			}
			replaced++
			k.Infos()
			k.Stats()
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	clients.Wait()
	close(stop)
	turns.Wait()
	st := k.Stats()
	if !t.Failed() && int64(st.Resumed+st.Renewed) != resumed.Load() {
		t.Errorf("%d resumed, %+v", resumed.Load(), st)
	}
	t.Logf("%d resumed, %d full, keys replaced %d times", resumed.Load(), full.Load(), replaced)
	return full.Load()
}

func loadVisit(cctx, sctx *ssl.Ctx, offer *ssl.Session) (reused bool, next *ssl.Session, err error) {
	a, b, err := ssltest.Loopback()
	if err != nil {
		return false, nil, err
	}
	defer a.Close()
	defer b.Close()
	c, err := ssl.Client(a, cctx)
	if err != nil {
		return false, nil, err
	}
	defer c.Close()
	if err := c.UseSessionCache(ssl.NoSessionCache{}, ""); err != nil {
		return false, nil, err
	}
	s, err := ssl.Server(b, sctx)
	if err != nil {
		return false, nil, err
	}
	defer s.Close()
	c.SetDeadline(time.Now().Add(ssltest.Timeout))
	s.SetDeadline(time.Now().Add(ssltest.Timeout))
	if offer != nil {
		if err := c.SetSession(offer); err != nil && !errors.Is(err, ssl.ErrNotResumable) {
			return false, nil, err
		}
	}
	done := make(chan error, 1)
	go func() { done <- ssltest.EchoOnce(s) }()
	if _, err = c.Write([]byte("ping")); err == nil {
		_, err = io.ReadFull(c, make([]byte, 4))
	}
	if err = errors.Join(err, <-done); err != nil {
		return false, nil, err
	}
	next, err = c.Session()
	return c.SessionReused(), next, err
}

// NewTicketKeys replaces its keys as time passes, whether or not a client connects, and stops
// with Close, or when it is no longer referred to.
func TestTicketKeysRotateByTime(t *testing.T) {
	leakcheck.Test(t)
	synctest.Test(t, func(t *testing.T) {
		k, err := ssl.NewTicketKeys(&ssl.TicketKeysOptions{RotateEvery: time.Hour, KeepFor: 90 * time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		uses := func() (s string) {
			for _, i := range k.Infos() {
				s += i.Use + " "
			}
			return s
		}
		before := k.Infos()
		for i, want := range []string{"current next ", "current next old ", "current next old old ",
			"current next old old "} {
			if got := uses(); got != want {
				t.Errorf("after %d hours: %s", i, got)
			}
			<-time.After(time.Hour)
			synctest.Wait()
		}
		after := k.Infos()
		if k.Stats().Rotations != 4 || after[0].Name == before[0].Name || time.Since(after[1].Since) != 0 {
			t.Errorf("%d rotations; %v, then %v", k.Stats().Rotations, before, after)
		}
		k.Close()
		<-time.After(24 * time.Hour)
		if k.Infos() != nil || k.Stats() != (ssl.TicketKeyStats{}) {
			t.Error("closed keys have something to tell")
		}
	})
}

// A value that was dropped is collected, its timer notwithstanding.
func TestTicketKeysCollected(t *testing.T) {
	leakcheck.Test(t)
	before := ssl.ReadCounters()
	func() {
		if _, err := ssl.NewTicketKeys(nil); err != nil {
			t.Fatal(err)
		}
	}()
	leakcheck.Collect()
	after := ssl.ReadCounters()
	if after.TicketKeys.Collected != before.TicketKeys.Collected+1 {
		t.Errorf("collected %d, then %d", before.TicketKeys.Collected, after.TicketKeys.Collected)
	}
}

// A Ctx keeps its keys from being collected, and works on after their Close.
func TestTicketKeysOutlived(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.TicketKeys = ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)})
		weakly := srv.TicketKeys
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		srv.TicketKeys = nil
		s := ssltest.WantVisit(t, cctx, sctx, nil, false)
		leakcheck.Collect()
		s = ssltest.WantVisit(t, cctx, sctx, s, true)
		weakly.Close()
		ssltest.WantVisit(t, cctx, sctx, s, true)
	})
}

// A server whose application has the last word issues its tickets afterwards, with the same
// keys.
func TestTicketKeysWithVerifyConnection(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		old, current := ssltest.NewTicketKey(t), ssltest.NewTicketKey(t)
		srv.VerifyConnection = func(ssl.ConnectionState) error { return nil }
		cctx := ssltest.NewClientCtx(t, cli)
		a := ssltest.TicketServer(t, srv, ssltest.TicketKeys(t, ssl.TicketKeySet{Current: old}))
		b := ssltest.TicketServer(t, srv, ssltest.TicketKeys(t, ssl.TicketKeySet{Current: current,
			Old: []ssl.TicketKey{old}}))
		s := ssltest.WantVisit(t, cctx, b, ssltest.WantVisit(t, cctx, a, nil, false), true)
		if !isOf(t, s, current) {
			t.Error("the ticket was not renewed")
		}
		ssltest.WantVisit(t, cctx, b, s, true)
	})
}

// The ciphers for tickets come from the Ctx's own providers; two that want different ones
// resume each other's sessions.
func TestTicketKeysWithPropertyQuery(t *testing.T) {
	leakcheck.Test(t)
	wanting := func(c *ssl.Config) { c.PropertyQuery = "provider=default" }
	if ssltest.Without3(t, ssltest.CopyOf(ssltest.ClientConfig(t), wanting)) {
		return
	}
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		for _, key := range []ssl.TicketKey{ssltest.NewTicketKey(t), ssltest.ShortTicketKey(t)} {
			k := ssltest.TicketKeys(t, ssl.TicketKeySet{Current: key})
			cctx, a, b := ssltest.NewClientCtx(t, cli), ssltest.TicketServer(t, ssltest.CopyOf(srv, wanting), k),
				ssltest.TicketServer(t, srv, k)
			ssltest.WantVisit(t, cctx, a, ssltest.WantVisit(t, cctx, b, ssltest.WantVisit(t, cctx, a, nil, false),
				true), true)
		}
	})
}

// With FIPS the ciphers are the FIPS provider's, from its own library context: tickets of both
// sizes of key resume there and across. Where there is no provider, TestFIPS has its error.
func TestTicketKeysWithFIPS(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		for _, key := range []ssl.TicketKey{ssltest.NewTicketKey(t), ssltest.ShortTicketKey(t)} {
			k := ssltest.TicketKeys(t, ssl.TicketKeySet{Current: key})
			strict := ssltest.CopyOf(srv, func(c *ssl.Config) { c.FIPS, c.TicketKeys = true, k })
			if err := strict.CheckServer(); err != nil {
				if os.Getenv("SESSL_EXPECT_FIPS") == "yes" || !errors.Is(err, ssl.ErrNoProvider) && !errors.Is(err,
					ssl.ErrUnsupported) {
					t.Fatal(err)
				}
				t.Log("no FIPS provider here:", err)
				return
			}
			cctx, a, b := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, strict), ssltest.TicketServer(t, srv,
				k)
			ssltest.WantVisit(t, cctx, a, ssltest.WantVisit(t, cctx, b, ssltest.WantVisit(t, cctx, a, nil, false),
				true), true)
		}
	})
}

// The key that libssl has made for a Ctx opens its tickets in another one.
func TestBuiltinTicketKey(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		cctx, before := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		key, err := before.BuiltinTicketKey()
		if err != nil {
			t.Fatal(err)
		}
		s := ssltest.WantVisit(t, cctx, before, nil, false)
		if !isOf(t, s, key) {
			t.Error("the ticket has another name")
		}
		current := ssltest.NewTicketKey(t)
		k := ssltest.TicketKeys(t, ssl.TicketKeySet{Current: current, Old: []ssl.TicketKey{key}})
		if s = ssltest.WantVisit(t, cctx, ssltest.TicketServer(t, srv, k), s, true); !isOf(t, s, current) {
			t.Error("the ticket was not renewed")
		}
		if _, err := cctx.BuiltinTicketKey(); !errors.Is(err, ssl.ErrClient) {
			t.Errorf("of a client: %v", err)
		}
		if _, err := ssltest.TicketServer(t, srv, k).BuiltinTicketKey(); !errors.Is(err, ssl.ErrConfig) {
			t.Errorf("with TicketKeys: %v", err)
		}
		before.Close()
		if _, err := before.BuiltinTicketKey(); !errors.Is(err, ssl.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}

// A Ctx that is given its predecessor's key opens and makes tickets of that key; it must be one
// that libssl can take, and have an effect.
func TestConfigBuiltinTicketKey(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		cctx, before := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		key, err := before.BuiltinTicketKey()
		if err != nil {
			t.Fatal(err)
		}
		s := ssltest.WantVisit(t, cctx, before, nil, false)
		after := ssltest.NewServerCtx(t, ssltest.CopyOf(srv, func(c *ssl.Config) { c.BuiltinTicketKey = key }))
		if s = ssltest.WantVisit(t, cctx, after, s, true); !isOf(t, s, key) {
			t.Error("the ticket has another name")
		}
		short, err := ssl.ParseTicketKey([]byte("sixteen of name, sixteen of AES, sixteen of HMAC"))
		if err != nil {
			t.Fatal(err)
		}
		for name, change := range map[string]func(*ssl.Config){
			"80 bytes":  func(c *ssl.Config) { c.BuiltinTicketKey = short },
			"no effect": func(c *ssl.Config) { c.BuiltinTicketKey, c.SessionTicketsDisabled = key, true },
			"without TicketKey": func(c *ssl.Config) {
				c.BuiltinTicketKey, c.SessionCache = key,
					ssltest.NewServerCache(t, nil)
			},
		} {
			if err := ssltest.CopyOf(srv, change).CheckServer(); !errors.Is(err, ssl.ErrConfig) ||
				!strings.Contains(err.Error(), name) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// No way of printing shows a secret.
func TestTicketKeysPrintNoSecrets(t *testing.T) {
	leakcheck.Test(t)
	key := ssltest.NewTicketKey(t)
	k := ssltest.TicketKeys(t, ssl.TicketKeySet{Current: key, Next: ssltest.NewTicketKey(t)})
	secret := ssltest.SecretBytes(t, key)[16:]
	var out strings.Builder
	for _, v := range []any{key, k, ssl.TicketKeySet{Current: key}, k.Infos(), k.Stats()} {
		fmt.Fprintf(&out, "%v %+v %#v %s %x %d\n", v, v, v, v, v, v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
	}
	if _, err := ssl.ParseTicketKey(secret); err != nil {
		out.WriteString(err.Error())
	}
	if !strings.Contains(out.String(), key.Name()) {
		t.Error("not even the name is printed")
	}
	for i := 0; i+4 <= len(secret); i++ {
		for _, form := range []string{"%s", "%x", "%X", "%v", "%d"} {
			if s := strings.Trim(fmt.Sprintf(form, secret[i:i+4]), "[]"); strings.Contains(out.String(), s) {
				t.Fatalf("a secret is printed: %s", out.String())
			}
		}
	}
}

// What cannot work is a typed error that names the operation, and changes nothing.
func TestTicketKeysRefused(t *testing.T) {
	leakcheck.Test(t)
	key, other := ssltest.NewTicketKey(t), ssltest.NewTicketKey(t)
	k := ssltest.TicketKeys(t, ssl.TicketKeySet{Current: key})
	auto, err := ssl.NewTicketKeys(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer auto.Close()
	closed := ssltest.TicketKeys(t, ssl.TicketKeySet{Current: key})
	closed.Close()
	many := ssl.TicketKeySet{Current: key}
	for range 64 {
		many.Old = append(many.Old, ssltest.NewTicketKey(t))
	}
	var none *ssl.TicketKeys
	opts := func(every, keep time.Duration) error {
		return ssltest.ErrorOf(ssl.NewTicketKeys(&ssl.TicketKeysOptions{RotateEvery: every, KeepFor: keep}))
	}
	from := func(set ssl.TicketKeySet) error { return ssltest.ErrorOf(ssl.NewTicketKeysFrom(set)) }
	with := func(change func(*ssl.Config)) error {
		return ssltest.CopyOf(ssltest.ServerConfig(t), change).CheckServer()
	}
	before := fmt.Sprint(k.Infos())
	for what, c := range map[string]struct{ err, want error }{
		"an empty old": {from(ssl.TicketKeySet{Current: key, Old: []ssl.TicketKey{{}}}), ssl.ErrConfig},
		"a name twice": {from(ssl.TicketKeySet{Current: key, Next: other, Old: []ssl.TicketKey{key}}),
			ssl.ErrConfig},
		"too many":             {from(many), ssl.ErrConfig},
		"set too many":         {k.SetKeys(many), ssl.ErrConfig},
		"set none to follow":   {k.SetKeys(ssl.TicketKeySet{Future: []ssl.TicketKey{key}}), ssl.ErrConfig},
		"rotate to what is in": {k.Rotate(key), ssl.ErrConfig},
		"reload without files": {k.Reload(), ssl.ErrConfig},
		"set where time does":  {auto.SetKeys(ssl.TicketKeySet{Current: key}), ssl.ErrConfig},
		"too often":            {opts(time.Millisecond, 0), ssl.ErrConfig},
		"negative":             {opts(-time.Hour, 0), ssl.ErrConfig},
		"negative keeping":     {opts(0, -1), ssl.ErrConfig},
		"kept too long":        {opts(time.Second, time.Hour), ssl.ErrConfig},
		"closed, set":          {closed.SetKeys(ssl.TicketKeySet{Current: key}), ssl.ErrClosed},
		"closed, rotate":       {closed.Rotate(other), ssl.ErrClosed},
		"closed, config":       {with(func(c *ssl.Config) { c.TicketKeys = closed }), ssl.ErrConfig},
		"zero, config":         {with(func(c *ssl.Config) { c.TicketKeys = &ssl.TicketKeys{} }), ssl.ErrConfig},
		"zero, rotate":         {(&ssl.TicketKeys{}).Rotate(other), ssl.ErrClosed},
		"nil, rotate":          {none.Rotate(other), ssl.ErrNil},
		"tickets are disabled": {with(func(c *ssl.Config) { c.TicketKeys, c.SessionTicketsDisabled = k, true }),
			ssl.ErrConfig},
		"bytes of a zero value": {ssltest.ErrorOf(ssl.TicketKey{}.SecretBytes()), ssl.ErrConfig},
	} {
		var e *ssl.Error
		if !errors.Is(c.err, c.want) || !errors.As(c.err, &e) || e.Op == "" {
			t.Errorf("%s: %v, want %v", what, c.err, c.want)
		}
	}
	if after := fmt.Sprint(k.Infos()); after != before {
		t.Errorf("%s, then %s", before, after)
	}
	if err := none.Close(); err != nil || none.Infos() != nil {
		t.Error("nil is no harm")
	}
	if opts(0, time.Nanosecond) != nil || opts(time.Hour, 62*time.Hour) != nil {
		t.Error("what is just possible is refused")
	}
}
