package promssl_test

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"sessl/internal/ssltest"
	"sessl/promssl"
	"sessl/ssl"
)

// forgetful is a SessionStore that keeps nothing.
type forgetful struct{}

func (forgetful) Put(context.Context, []byte, []byte, time.Time) error { return nil }
func (forgetful) Get(context.Context, []byte) ([]byte, error)          { return nil, nil }
func (forgetful) Remove(context.Context, []byte) error                 { return nil }

func ctxs(t *testing.T) map[string]*ssl.Ctx {
	t.Helper()
	cert, roots := ssltest.KeyPair(t, "server-ecdsa"), ssltest.Roots(t, "ca")
	keys, err := ssl.NewTicketKeys(nil)
	if err != nil {
		t.Fatal(err)
	}
	seal, err := ssl.NewSealKeys([]byte("thirty-two bytes of a test's own"))
	if err != nil {
		t.Fatal(err)
	}
	cache, err := ssl.NewServerSessionCache(&ssl.ServerCacheOptions{Store: forgetful{}, SealKeys: seal})
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]*ssl.Ctx)
	for name, cfg := range map[string]*ssl.Config{
		"tickets": {Certificates: []ssl.Certificate{cert}, TicketKeys: keys},
		"cached":  {Certificates: []ssl.Certificate{cert}, SessionCache: cache},
	} {
		if out[name], err = ssl.NewServerCtx(cfg); err != nil {
			t.Fatal(err)
		}
	}
	if out["client"], err = ssl.NewClientCtx(&ssl.Config{RootCAs: roots, ServerName: "localhost"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, c := range out {
			c.Close()
		}
		keys.Close()
		cache.Close()
		seal.Close()
	})
	return out
}

// visit dials srv twice from cli and reads a byte each time, so that the second resumes.
func visit(t *testing.T, cli, srv *ssl.Ctx) {
	t.Helper()
	l, err := ssl.Listen("tcp", "127.0.0.1:0", srv)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 2 {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("x"))
			c.Read(make([]byte, 1)) // until the client closes
			c.Close()
		}
	}()
	defer func() { l.Close(); <-done }()
	for range 2 {
		c, err := ssl.Dial("tcp", l.Addr().String(), cli)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
		c.Close()
	}
}

// On a server with both forms of session the labels tell them apart, and an unknown id from a ticket
// that is of no use.
func TestBothForms(t *testing.T) {
	both := ssltest.NewServerCtx(t, &ssl.Config{
		Certificates: []ssl.Certificate{ssltest.KeyPair(t, "server-ecdsa")},
		TicketKeys:   ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)}),
		SessionCache: ssltest.NewServerCache(t, nil), PreferSessionCache: true})
	visit(t, ctxs(t)["client"], both)
	cfg := ssltest.StdConfig(t, tls.VersionTLS12) // which makes up an id, and resumes by ticket
	for range 2 {
		a, b := ssltest.TCPPipe(t)
		s, err := ssl.Server(b, both)
		if err != nil {
			t.Fatal(err)
		}
		if cerr, serr := ssltest.Both(tls.Client(a, cfg).Handshake, s.Handshake, b); cerr != nil || serr != nil {
			t.Fatal(cerr, serr)
		}
		s.Close()
	}
	err := testutil.CollectAndCompare(newCollector(t, map[string]*ssl.Ctx{"both": both}), strings.NewReader(`
# HELP ssl_handshakes_total Completed handshakes by the outcome of resumption.
# TYPE ssl_handshakes_total counter
ssl_handshakes_total{ctx="both",reuse="id"} 1
ssl_handshakes_total{ctx="both",reuse="no_session"} 1
ssl_handshakes_total{ctx="both",reuse="ticket"} 1
ssl_handshakes_total{ctx="both",reuse="unknown_id"} 1
`), "ssl_handshakes_total")
	if err != nil {
		t.Error(err)
	}
}

// The result of a scrape is well formed, also by Prometheus's own linter, and has the right
// counts.
func TestCollector(t *testing.T) {
	ctxs := ctxs(t)
	visit(t, ctxs["client"], ctxs["tickets"])
	visit(t, ctxs["client"], ctxs["cached"])
	c := newCollector(t, ctxs)
	if problems, err := testutil.CollectAndLint(c); err != nil || len(problems) != 0 {
		t.Error(err, problems)
	}
	if err := prometheus.NewPedanticRegistry().Register(c); err != nil {
		t.Error(err)
	}
	if err := testutil.CollectAndCompare(c, strings.NewReader(`
# HELP ssl_handshakes_total Completed handshakes by the outcome of resumption.
# TYPE ssl_handshakes_total counter
ssl_handshakes_total{ctx="cached",reuse="no_session"} 1
ssl_handshakes_total{ctx="cached",reuse="ticket"} 1
ssl_handshakes_total{ctx="client",reuse="no_session"} 2
ssl_handshakes_total{ctx="client",reuse="ticket"} 2
ssl_handshakes_total{ctx="tickets",reuse="no_session"} 1
ssl_handshakes_total{ctx="tickets",reuse="ticket"} 1
# HELP ssl_handshake_failures_total Handshakes that failed.
# TYPE ssl_handshake_failures_total counter
ssl_handshake_failures_total{ctx="cached"} 0
ssl_handshake_failures_total{ctx="client"} 0
ssl_handshake_failures_total{ctx="tickets"} 0
# HELP ssl_ticket_key_rotations_total Rotations of the ticket keys.
# TYPE ssl_ticket_key_rotations_total counter
ssl_ticket_key_rotations_total{ctx="tickets",result="done"} 0
ssl_ticket_key_rotations_total{ctx="tickets",result="failed"} 0
# HELP ssl_ticket_key_catch_ups_total Calls for unknown ticket keys, and failed ones.
# TYPE ssl_ticket_key_catch_ups_total counter
ssl_ticket_key_catch_ups_total{ctx="tickets",event="called"} 0
ssl_ticket_key_catch_ups_total{ctx="tickets",event="failed"} 0
`), "ssl_handshakes_total", "ssl_handshake_failures_total", "ssl_ticket_key_rotations_total",
		"ssl_ticket_key_catch_ups_total"); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]int{"ssl_handshake_duration_seconds": 6,
		"ssl_session_store_events_total": 13, "ssl_session_cache_sessions": 2} {
		if n := testutil.CollectAndCount(c, name); n != want {
			t.Errorf("%s: %d metrics, want %d", name, n, want)
		}
	}
}

// deniedStore is a SessionStore that does not accept the password.
type deniedStore struct{ ssl.SessionStore }

func (deniedStore) Remove(context.Context, []byte) error { return errors.New("NOAUTH") }

// What stores and guards did not answer is counted, with the time of the last error.
func TestCollectorOfErrors(t *testing.T) {
	before := time.Now()
	cache := ssltest.NewServerCache(t, &ssl.ServerCacheOptions{Store: deniedStore{},
		SealKeys: ssltest.NewSealKeys(t, 1)})
	if err := cache.RemoveContext(t.Context(), []byte("id")); err == nil {
		t.Fatal("removed")
	}
	cached := ssltest.ServerConfig(t)
	cached.SessionCache = cache
	srv, cli := ssltest.EarlyConfigs(t)
	guard := ssltest.NewSpyGuard(t)
	guard.OnClaim = func(context.Context, []byte) (bool, error) { return false, errors.New("NOAUTH") }
	srv.ReplayGuard, srv.ReplayGuardTimeout = guard, ssltest.Timeout
	set := ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)}
	early := ssltest.TicketServer(t, srv, ssltest.TicketKeys(t, set))
	cctx := ssltest.NewClientCtx(t, cli)
	session := ssltest.EarlySession(t, cctx, early)
	for range 2 {
		ssltest.EarlyPair(t, cctx, early, session).WantEarly(t, ssl.EarlyDataRejected)
		guard.OnClaim = func(context.Context, []byte) (bool, error) { return false, nil }
	}
	c := newCollector(t, map[string]*ssl.Ctx{"cached": ssltest.NewServerCtx(t, cached), "early": early})
	if problems, err := testutil.CollectAndLint(c); err != nil || len(problems) != 0 {
		t.Error(err, problems)
	}
	if err := testutil.CollectAndCompare(c, strings.NewReader(`
# HELP ssl_early_data_connections_total Connections with early data by what became of it.
# TYPE ssl_early_data_connections_total counter
ssl_early_data_connections_total{ctx="cached",status="accepted"} 0
ssl_early_data_connections_total{ctx="cached",status="rejected"} 0
ssl_early_data_connections_total{ctx="early",status="accepted"} 0
ssl_early_data_connections_total{ctx="early",status="rejected"} 2
# HELP ssl_replay_guard_refusals_total Claims that did not admit early data, by the reason.
# TYPE ssl_replay_guard_refusals_total counter
ssl_replay_guard_refusals_total{ctx="early",reason="busy"} 0
ssl_replay_guard_refusals_total{ctx="early",reason="clock"} 0
ssl_replay_guard_refusals_total{ctx="early",reason="error"} 1
ssl_replay_guard_refusals_total{ctx="early",reason="late"} 0
ssl_replay_guard_refusals_total{ctx="early",reason="replayed"} 1
`), "ssl_early_data_connections_total", "ssl_replay_guard_refusals_total"); err != nil {
		t.Error(err)
	}
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(c); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, f := range families {
		first := f.GetMetric()[0]
		good := false
		switch f.GetName() {
		case "ssl_session_store_last_error_timestamp_seconds", "ssl_replay_guard_last_error_timestamp_seconds":
			at := first.GetGauge().GetValue()
			good = at >= float64(before.Unix()) && at <= float64(time.Now().Unix()+1)
		case "ssl_replay_guard_claim_duration_seconds":
			good = first.GetHistogram().GetSampleCount() == 2
		case "ssl_session_store_duration_seconds":
			good = len(f.GetMetric()) == 2 && first.GetLabel()[1].GetValue() == "get" &&
				len(first.GetHistogram().GetBucket()) == 16
		default:
			continue
		}
		seen++
		if !good {
			t.Error(f)
		}
	}
	if seen != 4 {
		t.Errorf("%d families of four", seen)
	}
}

// A Ctx that was closed is no longer reported, and the others are.
func TestClosedCtx(t *testing.T) {
	ctxs := ctxs(t)
	c := newCollector(t, ctxs)
	before := testutil.CollectAndCount(c, "ssl_handshake_failures_total")
	ctxs["tickets"].Close()
	if after := testutil.CollectAndCount(c, "ssl_handshake_failures_total"); before != 3 || after != 2 {
		t.Errorf("%d, then %d", before, after)
	}
}

func newCollector(t *testing.T, ctxs map[string]*ssl.Ctx) *promssl.Collector {
	t.Helper()
	c, err := promssl.NewCollector(ctxs)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Several Collectors go into one registry, together with the process's own. Collectors that
// could not be told apart are refused.
func TestSeveralCollectors(t *testing.T) {
	ctxs := ctxs(t)
	registry := prometheus.NewPedanticRegistry()
	for _, c := range []prometheus.Collector{
		newCollector(t, map[string]*ssl.Ctx{"a": ctxs["tickets"], "b": ctxs["client"]}),
		newCollector(t, map[string]*ssl.Ctx{"c": ctxs["cached"]}),
		newCollector(t, nil),
		promssl.NewProcessCollector(),
	} {
		if err := registry.Register(c); err != nil {
			t.Error(err)
		}
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, f := range families {
		found[f.GetName()] = len(f.GetMetric())
	}
	if found["ssl_handshake_failures_total"] != 3 || found["ssl_session_objects"] != 1 ||
		found["ssl_handles"] == 0 {
		t.Errorf("gathered %v", found)
	}
	if err := registry.Register(newCollector(t, map[string]*ssl.Ctx{"c": ctxs["client"]})); err == nil {
		t.Error("two Ctxs of one name are registered")
	}
	if problems, err := testutil.CollectAndLint(promssl.NewProcessCollector()); err != nil ||
		len(problems) != 0 {
		t.Error(err, problems)
	}
}

// A name that cannot be a label is an error here, and not at each scrape.
func TestNamesOfCtxs(t *testing.T) {
	ctxs := ctxs(t)
	for name, ctx := range map[string]*ssl.Ctx{"\xff": ctxs["client"], "a\xc3": ctxs["client"], "nil": nil} {
		if c, err := promssl.NewCollector(map[string]*ssl.Ctx{"good": ctxs["client"], name: ctx}); err == nil ||
			c != nil {
			t.Errorf("%q: %v, %v", name, c, err)
		}
	}
	for _, name := range []string{"", "bücher", "with \"quotes\"\nand a line", "\x00"} {
		c := newCollector(t, map[string]*ssl.Ctx{name: ctxs["client"]})
		registry := prometheus.NewPedanticRegistry()
		if err := registry.Register(c); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := registry.Gather(); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}
