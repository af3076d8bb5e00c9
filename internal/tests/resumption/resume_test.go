package resumption_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A TLS 1.3 server's N tickets are N calls of OnNewSession with N different
// sessions; in TLS 1.2 there is one session, whatever N is.
func TestEachTicketIsOneCall(t *testing.T) {
	for _, n := range []int{-1, 0, 1, 2, 6} {
		ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
			srv.NumTickets = n
			got := ssltest.NewInbox(t, cli)
			s := ssltest.StartServer(t, srv)
			c := ssltest.Dial(t, s, ssltest.NewClientCtx(t, cli), nil)
			want := 1
			if fm.Version == ssl.VersionTLS13 {
				want = map[int]int{-1: 0, 0: 2, 1: 1, 2: 2, 6: 6}[n]
			}
			if len(got.All()) != want {
				t.Errorf("NumTickets %d: %d sessions, want %d", n, len(got.All()), want)
			}
			seen := map[string]bool{}
			for _, s := range got.All() {
				der, err := s.MarshalBinary()
				if err != nil {
					t.Fatal(err)
				}
				seen[string(der)] = true
			}
			if len(seen) != want {
				t.Errorf("NumTickets %d: %d different sessions, want %d", n, len(seen), want)
			}
			if current := ssltest.SessionOf(t, c); want > 0 && !current.Same(got.Last(t)) {
				t.Error("Session is not the newest that was delivered")
			} else if ssltest.Resumable(t, current) != (want > 0) {
				t.Errorf("NumTickets %d: resumable is %t", n, want == 0)
			}
		})
	}
}

// Each of the tickets resumes, and each TLS 1.3 resumption yields one more.
func TestEachTicketResumes(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		srv.NumTickets = 3
		got := ssltest.NewInbox(t, cli)
		s := ssltest.StartServer(t, srv)
		ctx := ssltest.NewClientCtx(t, cli)
		ssltest.Dial(t, s, ctx, nil).Close()
		for i, old := range got.All() {
			before := len(got.All())
			c := ssltest.Dial(t, s, ctx, old)
			if !c.SessionReused() || !s.LastReused() {
				t.Errorf("session %d does not resume", i)
			}
			want := 0
			if fm.Version == ssl.VersionTLS13 {
				want = 1
			}
			if n := len(got.All()) - before; n != want {
				t.Errorf("session %d: %d new ones from its resumption, want %d", i, n, want)
			}
			c.Close()
		}
	})
}

// A session resumes its own version only; otherwise the handshake is a full one of
// the version that the two agree on.
func TestSessionsKeepTheirVersion(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		srv.MaxVersion = 0
		sctx := ssltest.NewServerCtx(t, srv)
		s := ssltest.MadeWith(t, cli, sctx)
		if v, err := s.ProtocolVersion(); v != fm.Version || err != nil {
			t.Fatalf("version %s, %v", ssl.VersionName(v), err)
		}
		for _, v := range ssltest.Versions {
			for _, onlyIt := range []bool{true, false} {
				c := ssltest.CopyOf(cli, func(c *ssl.Config) {
					c.MaxVersion = v
					if onlyIt {
						c.MinVersion = v
					}
				})
				a, b := ssltest.TCPPipe(t)
				p := ssltest.NewPair(t, ssltest.NewClientCtx(t, c), sctx, a, b)
				if err := p.Client.SetSession(s); err != nil {
					t.Fatal(err)
				}
				p.MustShake(t)
				p.Echo(t)
				if got := p.Client.ConnectionState(); got.Version != v || got.DidResume != (v == fm.Version) ||
					p.Server.SessionReused() != got.DidResume {
					t.Errorf("client of %s (only it: %t): version %s, resumed %t",
						ssl.VersionName(v), onlyIt, ssl.VersionName(got.Version), got.DidResume)
				}
				p.CloseBoth()
			}
		}
	})
}

// A server that no longer speaks the session's version does a full handshake.
func TestServerLeftTheVersion(t *testing.T) {
	leakcheck.Test(t)
	cli, srv := ssltest.ClientConfig(t), ssltest.ServerConfig(t)
	s := ssltest.Session(t, cli, srv)
	srv.MaxVersion = ssl.VersionTLS12
	got := ssltest.Try(t, cli, ssltest.NewServerCtx(t, srv), s)
	if got.Client != nil || got.Server != nil || got.Reused {
		t.Errorf("%+v", got)
	}
}

// What cannot work is a typed error, and does no harm: the connection goes on, and
// the session stays as it was.
func TestWrongSessionsAreTypedErrors(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
		foreign := ssltest.MadeWith(t, cli, sctx) // of another Ctx
		a, b := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, cctx, sctx, a, b)
		empty, err := ssl.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		defer empty.Close()
		expect := func(what string, err, want error) {
			t.Helper()
			var e *ssl.Error
			if !errors.Is(err, want) || !errors.As(err, &e) || e.Op == "" {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		expect("nil session", p.Client.SetSession(nil), ssl.ErrNil)
		expect("empty session", p.Client.SetSession(empty), ssl.ErrNotResumable)
		expect("empty shared session", p.Client.SetSharedSession(empty), ssl.ErrNotResumable)
		expect("server", p.Server.SetSession(foreign), ssl.ErrServer)
		expect("server, shared", p.Server.SetSharedSession(foreign), ssl.ErrServer)
		expect("another Ctx", p.Client.SetSharedSession(foreign), ssl.ErrSessionCtx)
		expect("add to a client", ssltest.ErrorOf(cctx.AddSession(foreign)), ssl.ErrClient)
		expect("add an empty one", ssltest.ErrorOf(sctx.AddSession(empty)), ssl.ErrNotResumable)
		expect("add another Ctx's", ssltest.ErrorOf(sctx.AddSession(foreign)), ssl.ErrSessionCtx)
		expect("remove from another Ctx", ssltest.ErrorOf(cctx.RemoveSession(foreign)), ssl.ErrSessionCtx)
		expect("WithSession(nil)", p.Client.WithSession(nil), ssl.ErrNil)
		expect("client of a server's Ctx", ssltest.ErrorOf(ssl.Client(a, sctx)), ssl.ErrServer)
		expect("server of a client's Ctx", ssltest.ErrorOf(ssl.Server(b, cctx)), ssl.ErrClient)
		expect("client of nothing", ssltest.ErrorOf(ssl.Client(nil, cctx)), ssl.ErrNil)
		expect("CloseWrite", p.Client.CloseWrite(), ssl.ErrHandshakeIncomplete)
		if p.Client.SessionOffered() {
			t.Error("one of these sessions is offered")
		}
		p.MustShake(t)
		expect("after the handshake", p.Client.SetSession(foreign), ssl.ErrHandshakeStarted)
		expect("shared, after the handshake", p.Client.SetSharedSession(ssltest.Dup(t, foreign)),
			ssl.ErrHandshakeStarted)
		expect("setter", foreign.SetID([]byte("x")), ssl.ErrSessionShared)
		p.Echo(t)
		p.CloseBoth()
		ssltest.WantResumed(t, ssltest.Try(t, cli, sctx, foreign))
	})
}

// Many connections need no more memory than a few: what the process has resident
// stays flat, and every counter comes back.
func TestMemoryStaysFlat(t *testing.T) {
	leakcheck.Test(t)
	warm, total := ssltest.Rounds(500, 1000, 200), ssltest.Rounds(2500, 10_000, 1000)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	s := ssltest.StartServer(t, srv)
	ctx := ssltest.NewClientCtx(t, cli)
	first := ssltest.Dial(t, s, ctx, nil)
	offer := ssltest.SessionOf(t, first)
	first.Close()
	before := ssl.ReadCounters()
	var flat int
	for i := range total {
		if i == warm {
			flat = resident(t)
		}
		next := resumeOnce(t, s, ctx, offer)
		offer.Close()
		offer = next
	}
	defer offer.Close()
	// A tenth and 4 MiB: what the allocators of C and Go keep for themselves varies.
	if now := resident(t); now > flat+flat/10+4<<20 {
		t.Errorf("resident memory: %d KiB after %d connections, %d KiB after %d", flat>>10, warm, now>>10, total)
	}
	after := ssl.ReadCounters()
	if n := after.Conns.Opened - before.Conns.Opened; n != uint64(2*total) {
		t.Errorf("%d Conns were made, want %d", n, 2*total)
	}
	if after.Sessions.Live != before.Sessions.Live {
		t.Errorf("%d sessions live, then %d", before.Sessions.Live, after.Sessions.Live)
	}
	if after.Sessions.Collected != before.Sessions.Collected || after.Conns.Collected != before.Conns.Collected {
		t.Error("the collector had to close something")
	}
}

// resumeOnce resumes offer and returns what to offer next. It registers no cleanups: ten
// thousand of them would be a leak of their own.
func resumeOnce(t *testing.T, s *ssltest.Server, ctx *ssl.Ctx, offer *ssl.Session) *ssl.Session {
	t.Helper()
	raw, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	c, err := ssl.Client(raw, ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(ssltest.Timeout))
	if err := c.SetSession(offer); err != nil {
		t.Fatal(err)
	}
	ssltest.RoundTrip(t, c)
	if !c.SessionReused() {
		t.Fatal("not resumed")
	}
	next, err := c.Session()
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// resident is the memory that the process has resident, in bytes.
func resident(t *testing.T) int {
	t.Helper()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	if err != nil {
		t.Fatal(fmt.Errorf("statm: %w", err))
	}
	return pages * os.Getpagesize()
}
