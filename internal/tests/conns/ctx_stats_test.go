package conns_test

import (
	"encoding/json"
	"errors"
	"expvar"
	"fmt"
	"maps"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

var _ expvar.Var = ssl.StatsVar{}

func statsOf(t testing.TB, c *ssl.Ctx) ssl.Stats {
	t.Helper()
	s, err := c.Stats()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Each end counts what it has seen: a full handshake, one that resumed, one that was declined.
func TestStats(t *testing.T) {
	leakcheck.Test(t)
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		keys, err := ssl.NewTicketKeys(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer keys.Close()
		srv.TicketKeys = keys
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		p := ssltest.Meet(t, cctx, sctx, nil)
		p.Echo(t)
		s := ssltest.SessionOf(t, p.Client)
		p.CloseBoth()
		p = ssltest.Meet(t, cctx, sctx, s)
		p.CloseBoth()
		other := ssltest.NewServerCtx(t, &ssl.Config{Certificates: srv.Certificates})
		p = ssltest.Meet(t, cctx, other, s)
		p.CloseBoth()

		how := ssl.ReusedTicket
		if cli.MaxVersion != ssl.VersionTLS12 {
			how = ssl.ReusedPSK
		}
		for _, end := range []struct {
			name string
			ctx  *ssl.Ctx
			want map[ssl.ReuseState]uint64
		}{
			{"client", cctx, map[ssl.ReuseState]uint64{ssl.ReuseNoSession: 1, how: 1, ssl.ReuseDeclined: 1}},
			{"server", sctx, map[ssl.ReuseState]uint64{ssl.ReuseNoSession: 1, how: 1}},
			{"other server", other, map[ssl.ReuseState]uint64{ssl.ReuseDeclined: 1}},
		} {
			st := statsOf(t, end.ctx)
			if !maps.Equal(st.Handshakes, end.want) || st.Failed != 0 {
				t.Errorf("%s: %v, %d failed, want %v", end.name, st.Handshakes, st.Failed, end.want)
			}
			full := end.want[ssl.ReuseNoSession] + end.want[ssl.ReuseDeclined]
			if st.Full.Count != full || st.Resumed.Count != end.want[how] || full > 0 && st.Full.Sum <= 0 {
				t.Errorf("%s: %d full in %v, %d resumed", end.name, st.Full.Count, st.Full.Sum, st.Resumed.Count)
			}
		}
		st := statsOf(t, sctx)
		if st.TicketKeys == nil || st.TicketKeys.Resumed != 1 || st.OpenSSL.Hits != 1 || st.Cache != nil ||
			st.ClientCache != nil {
			t.Errorf("server: %+v", st)
		}
		if st := statsOf(t, cctx); st.ClientCache == nil || st.TicketKeys != nil {
			t.Errorf("client: %+v", st)
		}
		if n := len(sctx.TicketKeyInfos()); n == 0 || len(cctx.TicketKeyInfos()) != 0 {
			t.Errorf("%d keys", n)
		}
	})
}

// A virtual host's handshakes are counted where they were done.
func TestStatsOfChosenCtx(t *testing.T) {
	leakcheck.Test(t)
	host := ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	cfg := ssltest.ServerConfig(t)
	cfg.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return host, nil }
	front := ssltest.NewServerCtx(t, cfg)
	p := ssltest.Meet(t, ssltest.NewClientCtx(t, ssltest.ClientConfig(t)), front, nil)
	p.CloseBoth()
	if a, b := statsOf(t, front), statsOf(t, host); len(a.Handshakes) != 0 || b.Full.Count != 1 {
		t.Errorf("front %v, host %v", a.Handshakes, b.Handshakes)
	}
}

// Failures are counted once, and remembered with the peer and the reason.
func TestLastFailures(t *testing.T) {
	leakcheck.Test(t)
	refused := errors.New("not this one")
	cfg := ssltest.ClientConfig(t)
	n := 0
	cfg.VerifyConnection = func(ssl.ConnectionState) error {
		n++
		return fmt.Errorf("%w: %d", refused, n)
	}
	cctx, sctx := ssltest.NewClientCtx(t, cfg), ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	const attempts = 20
	for range attempts {
		a, b := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, cctx, sctx, a, b)
		if cerr, _ := p.Shake(); !errors.Is(cerr, refused) {
			t.Fatal(cerr)
		}
		p.Client.Handshake() // the same failure
		p.CloseBoth()
	}
	if st := statsOf(t, cctx); st.Failed != attempts || len(st.Handshakes) != 0 {
		t.Errorf("%d failed, %v completed", st.Failed, st.Handshakes)
	}
	last := cctx.LastFailures()
	if len(last) != 16 {
		t.Fatalf("%d failures", len(last))
	}
	for i, f := range last {
		if !errors.Is(f.Err, refused) || !strings.HasSuffix(f.Err.Error(), fmt.Sprint(attempts-i)) ||
			f.Time.IsZero() || f.Peer == nil {
			t.Errorf("failure %d: %+v", i, f)
		}
	}
}

// A fatal error after the handshake is remembered, but the handshake did not fail.
func TestLastFailuresAfterHandshake(t *testing.T) {
	leakcheck.Test(t)
	cctx, sctx := ssltest.NewClientCtx(t, ssltest.ClientConfig(t)),
		ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	a, b := ssltest.TCPPipe(t)
	p := ssltest.NewPair(t, cctx, sctx, a, b)
	defer p.CloseBoth()
	p.MustShake(t)
	if _, err := p.Server.NetConn().Write([]byte("this is no record of TLS")); err != nil {
		t.Fatal(err)
	}
	_, err := p.Client.Read(make([]byte, 1))
	last := cctx.LastFailures()
	if err == nil || len(last) != 1 || last[0].Peer.String() != p.Client.RemoteAddr().String() {
		t.Fatalf("%v; %+v", err, last)
	}
	var e *ssl.Error
	if !errors.As(last[0].Err, &e) || len(e.Entries) == 0 {
		t.Errorf("%#v", last[0].Err)
	}
	if st := statsOf(t, cctx); st.Failed != 0 || st.Full.Count != 1 {
		t.Errorf("%+v", st)
	}
}

// A handshake that ends with a panic of the application's counts as one that failed.
func TestStatsOfPanic(t *testing.T) {
	leakcheck.Test(t)
	cfg := ssltest.ClientConfig(t)
	cfg.VerifyConnection = func(ssl.ConnectionState) error { panic("boo") }
	cctx := ssltest.NewClientCtx(t, cfg)
	a, b := ssltest.TCPPipe(t)
	p := ssltest.NewPair(t, cctx, ssltest.NewServerCtx(t, ssltest.ServerConfig(t)), a, b)
	defer p.CloseBoth()
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Server.Handshake()
	}()
	func() {
		defer func() { recover() }()
		p.Client.Handshake()
	}()
	p.Client.Close()
	<-done
	if st := statsOf(t, cctx); st.Failed != 1 || len(st.Handshakes) != 0 {
		t.Errorf("%d failed, %v", st.Failed, st.Handshakes)
	}
}

// What is published is JSON, with the states by name, and null after Close.
func TestStatsVar(t *testing.T) {
	leakcheck.Test(t)
	cctx, sctx := ssltest.NewClientCtx(t, ssltest.ClientConfig(t)),
		ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	p := ssltest.Meet(t, cctx, sctx, nil)
	p.CloseBoth()
	v := sctx.StatsVar()
	var got struct {
		Handshakes map[string]int
		Full       ssl.Histogram
		OpenSSL    ssl.SessionStats
	}
	if err := json.Unmarshal([]byte(v.String()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Handshakes["no_session"] != 1 || got.Full.Count != 1 || got.OpenSSL.AcceptGood != 1 {
		t.Error(v.String())
	}
	sctx.Close()
	if v.String() != "null" {
		t.Error(v.String())
	}
	if _, err := sctx.Stats(); !errors.Is(err, ssl.ErrClosed) {
		t.Error(err)
	}
	var none *ssl.Ctx
	if _, err := none.Stats(); !errors.Is(err, ssl.ErrNil) {
		t.Error(err)
	}
	if none.LastFailures() != nil || none.TicketKeyInfos() != nil || none.StatsVar().String() != "null" {
		t.Error("a nil Ctx has something to tell")
	}
}

// A handshake that meets its deadline is not over; once it is closed it is, and counts with the
// deadline as the reason.
func TestStatsOfDeadline(t *testing.T) {
	leakcheck.Test(t)
	sctx := ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	_, b := ssltest.TCPPipe(t)
	c, err := ssl.Server(b, sctx)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(time.Millisecond))
	if err := c.Handshake(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	if st := statsOf(t, sctx); st.Failed != 0 {
		t.Errorf("%d failed, and one may go on", st.Failed)
	}
	c.Close()
	if st := statsOf(t, sctx); st.Failed != 1 {
		t.Errorf("%d failed", st.Failed)
	}
	if last := sctx.LastFailures(); len(last) != 1 || !errors.Is(last[0].Err, os.ErrDeadlineExceeded) {
		t.Errorf("%+v", last)
	}
}

// Caches that no function of the package has made, and nil ones, keep nothing and do no harm.
func TestCachesOfNobody(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	for _, c := range []*ssl.LRUClientSessionCache{nil, {}} {
		c.Put(ssl.SessionKey{}, ssltest.Dup(t, ssltest.Session(t, cli, srv)))
		if s, why := c.Take(ssl.SessionKey{}); s != nil || why != ssl.ReuseNoSession {
			t.Errorf("%v, %v", s, why)
		}
		c.Remove(ssl.SessionKey{}, nil)
		c.Flush()
		if c.Stats() != (ssl.ClientCacheStats{}) || c.Close() != nil {
			t.Error("a client's cache of nobody has something")
		}
		if err := c.Save("x", ssltest.NewSealKeys(t, 1)); !errors.Is(err, ssl.ErrNil) {
			t.Error(err)
		}
	}
	for _, c := range []*ssl.ServerSessionCache{nil, {}} {
		if c.Put(ssltest.Dup(t, ssltest.Session(t, cli, srv))) || c.Get(make([]byte, 32)) != nil ||
			c.Remove(make([]byte, 32)) {
			t.Error("a server's cache of nobody has something")
		}
		c.Flush(time.Time{})
		if c.Stats() != (ssl.ServerCacheStats{}) || !reflect.DeepEqual(c.StoreStats(), ssl.StoreStats{}) ||
			c.StoreError() != nil ||
			c.Close() != nil {
			t.Error("a server's cache of nobody has something")
		}
	}
}
