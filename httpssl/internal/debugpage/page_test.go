package debugpage

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

func write(t *testing.T, p *Page, query string, now time.Time) string {
	t.Helper()
	q, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := p.Write(&b, q, now); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Every row that the page can link to is in the document, with the same advice.
func TestRowsAreInTheDocument(t *testing.T) {
	data, err := os.ReadFile("../../../docs/" + resumption)
	if err != nil {
		t.Fatal(err)
	}
	doc := string(data)
	rows := make(map[string]string) // the last cell by the anchor, without the marks of code
	row := regexp.MustCompile(`(?m)^\| <a id="([\w-]+)"></a>.*\| (.*?) ?\|$`)
	for _, m := range row.FindAllStringSubmatch(doc, -1) {
		if _, twice := rows[m[1]]; twice {
			t.Errorf("the anchor %s is there twice", m[1])
		}
		rows[m[1]] = strings.ReplaceAll(m[2], "`", "")
	}
	want := make(map[string]string)
	for anchor, text := range advice {
		want[anchor] = text
	}
	for _, state := range outcomes {
		want[stateAnchor(state)] = states[state]
	}
	for anchor, text := range want {
		got, ok := rows[anchor]
		if got = regexp.MustCompile(`\[(.*?)\]\(.*?\)`).ReplaceAllString(got, "$1"); !ok || got != text {
			t.Errorf("%s: the document has %t %q, the page %q", anchor, ok, got, text)
		}
	}
	for anchor := range rows {
		if _, ok := want[anchor]; !ok {
			t.Errorf("no page links to %s", anchor)
		}
	}
	if !strings.Contains(doc, "\n## Ticket keys\n") {
		t.Error("there is no section on ticket keys")
	}
	for _, table := range []map[string]bool{rowsOf(byAlert), rowsOf(byCode)} {
		for row := range table {
			if advice[row] == "" {
				t.Errorf("%s has no advice", row)
			}
		}
	}
	for _, r := range byReason {
		if advice[r.row] == "" {
			t.Errorf("%s has no advice", r.row)
		}
	}
}

func rowsOf[K comparable](m map[K]string) map[string]bool {
	rows := make(map[string]bool)
	for _, row := range m {
		rows[row] = true
	}
	return rows
}

// A reasonCase is a handshake that fails, and the rows of its ends.
type reasonCase struct {
	name, server, client string
	srv, cli             func(*ssl.Config)
}

// The errors of real handshakes find their rows.
func TestReasons(t *testing.T) {
	leakcheck.Test(t)
	deadline, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	<-deadline.Done()
	cases := []reasonCase{
		{"root", "fail-peer-unknown-ca", "fail-unknown-authority", nil,
			func(c *ssl.Config) { c.RootCAs = ssltest.Roots(t, "other-ca") }},
		{"name", "fail-peer-refused", "fail-name", nil, func(c *ssl.Config) { c.ServerName = "elsewhere.example" }},
		{"certificate", "fail-no-certificate", "", func(c *ssl.Config) {
			c.ClientAuth, c.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
		}, ssltest.Version(ssl.VersionTLS12)},
		{"version", "fail-version", "fail-version", func(c *ssl.Config) { c.MinVersion = ssl.VersionTLS13 },
			ssltest.Version(ssl.VersionTLS12)},
		{"protocol", "fail-protocol", "fail-protocol", func(c *ssl.Config) { c.NextProtos = []string{"h2"} },
			func(c *ssl.Config) { c.NextProtos = []string{"imap"} }},
		{"group", "fail-no-common", "fail-no-common",
			func(c *ssl.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP256} },
			func(c *ssl.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519} }},
	}
	if ssltest.LibraryRelease() >= "3.2" {
		raw := []ssl.CertificateType{ssl.CertificateTypeRawPublicKey}
		cases = append(cases, reasonCase{"type of a client", "fail-peer-refused", "fail-type", nil,
			func(c *ssl.Config) {
				c.RootCAs, c.PeerCertificateTypes = nil, raw
				c.PeerRawPublicKeys = [][]byte{ssltest.KeyPair(t, "client").Leaf().RawSubjectPublicKeyInfo}
			}}, reasonCase{"type of a server", "fail-type", "fail-no-common",
			func(c *ssl.Config) { c.CertificateTypes = raw }, nil})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
			for cfg, change := range map[*ssl.Config]func(*ssl.Config){srv: c.srv, cli: c.cli} {
				if change != nil {
					change(cfg)
				}
			}
			serr, cerr := handshakeErrors(t, ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli))
			if got := reason(serr); got != c.server {
				t.Errorf("the server's %v: %s, want %s", serr, got, c.server)
			}
			if got := reason(cerr); c.client != "" && got != c.client {
				t.Errorf("the client's %v: %s, want %s", cerr, got, c.client)
			}
		})
	}
	srv := ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	for sent, want := range map[string]string{"GET / HTTP/1.0\r\n\r\n": "fail-not-tls", "": "fail-peer-gone",
		"\x16\x03\x01\x01\x00\x01": "fail-peer-gone"} {
		if err := afterBytes(t, srv, sent); reason(err) != want {
			t.Errorf("after %q: %v: %s, want %s", sent, err, reason(err), want)
		}
	}
	for err, want := range map[error]string{
		deadline.Err():           "fail-timeout",
		ssl.ErrHandshakeTimeout:  "fail-timeout",
		context.Canceled:         "fail-closed",
		ssl.ErrClosed:            "fail-closed",
		ssl.ErrPSKDeclined:       "fail-psk",
		ssl.ErrUnverified:        "fail-session-trust",
		ssl.ErrCertificateType:   "fail-type",
		errors.New("of its own"): "fail-other",
		&ssl.VerificationError{Code: 10, Reason: "certificate has expired"}: "fail-time",
		&ssl.VerificationError{Code: 23, Reason: "certificate revoked"}:     "fail-revoked",
		&ssl.VerificationError{Code: 95, PeerRawPublicKey: []byte{1}}:       "fail-raw-key",
		&ssl.VerificationError{Code: 26, Reason: "unsupported purpose"}:     "fail-certificate",
	} {
		if got := reason(fmt.Errorf("wrapped: %w", err)); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
}

func handshakeErrors(t *testing.T, srv, cli *ssl.Ctx) (serr, cerr error) {
	t.Helper()
	a, b := ssltest.TCPPipe(t)
	c, err := ssl.Client(a, cli)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := ssl.Server(b, srv)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	done := make(chan error, 1)
	go func() {
		err := s.Handshake()
		if err == nil {
			_, err = s.Read(make([]byte, 1)) // in TLS 1.3 the client's alert comes after it
		}
		s.Close()
		done <- err
	}()
	if cerr = c.Handshake(); cerr == nil {
		_, cerr = c.Read(make([]byte, 1))
	}
	c.Close()
	return <-done, cerr
}

func afterBytes(t *testing.T, srv *ssl.Ctx, sent string) error {
	t.Helper()
	a, b := net.Pipe()
	s, err := ssl.Server(b, srv)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.WriteString(a, sent)
		a.Close()
	}()
	err = s.Handshake()
	b.Close()
	<-done
	return err
}

// The line of time has what a key has done and what it may still open, in places that follow the clock.
func TestKeysOnTheLine(t *testing.T) {
	leakcheck.Test(t)
	clock := ssltest.NewClock(t)
	keys := ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t),
		Next: ssltest.NewTicketKey(t)})
	clock.Pass(time.Hour)
	if err := keys.Rotate(ssltest.NewTicketKey(t)); err != nil {
		t.Fatal(err)
	}
	clock.Pass(time.Hour)
	cfg := ssltest.ServerConfig(t)
	cfg.TicketKeys, cfg.SessionTimeout = keys, 2*time.Hour
	ctx := ssltest.NewServerCtx(t, cfg)
	stats, err := ctx.Stats()
	if err != nil {
		t.Fatal(err)
	}
	p := New(map[string]*ssl.Ctx{"a": ctx}, "")
	ring := p.keyringOf(ctx, stats, clock.Now())
	kinds := func(k key) (kinds []string) {
		for _, s := range k.Segments {
			kinds = append(kinds, s.Kind)
		}
		return kinds
	}
	if len(ring.Keys) != 3 {
		t.Fatalf("%+v", ring)
	}
	current, next, old := ring.Keys[0], ring.Keys[1], ring.Keys[2]
	if got := kinds(current); !slices.Equal(got, []string{"here", "current", "opens"}) {
		t.Errorf("current: %v", got)
	}
	if got := kinds(next); !slices.Equal(got, []string{"here"}) {
		t.Errorf("next: %v", got)
	}
	if got := kinds(old); !slices.Equal(got, []string{"current", "opens"}) {
		t.Errorf("old: %v", got)
	}
	for _, c := range []struct {
		what      string
		got, want float64 // hours, measured by the first hour of the old key
	}{
		{"now", ring.Now - old.Segments[0].X, 2},
		{"what the old key opens", old.Segments[1].Width, 2},
		{"what the current key will open", current.Segments[2].Width, 2},
		{"how long it has encrypted", current.Segments[1].Width, 1},
	} {
		if hours := c.got / old.Segments[0].Width; hours < c.want-0.05 || hours > c.want+0.05 {
			t.Errorf("%s: %.2f hours, want %.2f", c.what, hours, c.want)
		}
	}
	if !strings.Contains(old.Text, "resume for 59 min more") &&
		!strings.Contains(old.Text, "resume for 1 h more") {
		t.Error(old.Text)
	}
	clock.Pass(3 * time.Hour)
	if ring = p.keyringOf(ctx, stats, clock.Now()); !strings.Contains(ring.Keys[2].Text, "have expired") {
		t.Error(ring.Keys[2].Text)
	}
	for _, tick := range ring.Ticks {
		if tick.X < 0 || tick.X > 100 {
			t.Errorf("%+v", tick)
		}
	}
}

// Both histograms have one axis, from the shortest to the longest of both, and one scale.
func TestDurationsShareAnAxis(t *testing.T) {
	bucket := func(counts ...uint64) (h ssl.Histogram) {
		bounds := []time.Duration{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000}
		for i, b := range bounds {
			if i < len(counts) {
				h.Count += counts[i]
			}
			h.Buckets = append(h.Buckets, ssl.HistogramBucket{UpTo: b * time.Millisecond, Count: h.Count})
		}
		return h
	}
	d := durationsOf(bucket(0, 0, 0, 10, 10), bucket(0, 4))
	if len(d.Full.Columns) != 2 || len(d.Resumed.Columns) != 1 {
		t.Fatalf("%+v", d)
	}
	full, resumed := d.Full.Columns[0], d.Resumed.Columns[0]
	if full.Width != resumed.Width || full.X-resumed.X < full.Width*1.9 || full.X-resumed.X > full.Width*2.2 {
		t.Errorf("two buckets apart: %+v and %+v", full, resumed)
	}
	if resumed.Height != 100 || full.Height != 50 {
		t.Errorf("to one scale: %+v and %+v", full, resumed)
	}
	if d.Full.Median != "10 ms" || d.Resumed.Median != "1.5 ms" {
		t.Errorf("medians %s and %s", d.Full.Median, d.Resumed.Median)
	}
	over := bucket(1)
	over.Count += 9
	if m := durationsOf(over, bucket()).Full.Median; m != "> 1 s" {
		t.Errorf("median over all bounds: %s", m)
	}
	if !durationsOf(bucket(), bucket()).Empty {
		t.Error("nothing is not empty")
	}
}

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		number(0): "0", number(999): "999", number(1000): "1,000",
		number(1234567): "1,234,567", number(-1000): "-1,000",
		percent(1, 2): "50.0 %", percent(0, 0): "–", percent(1, 10000): "< 0.1 %", percent(9999, 10000): "> 99.9 %",
		short(412 * time.Microsecond): "0.41 ms", short(1640 * time.Microsecond): "1.6 ms",
		short(23 * time.Millisecond): "23 ms", short(2500 * time.Millisecond): "2.5 s",
		span(0): "0 s", span(90 * time.Second): "1 min 30 s", span(26 * time.Hour): "1 d 2 h",
		span(40 * time.Minute): "40 min", span(-time.Second): "0 s",
		clean("a\nb\u202ec\x00d"):       "a b\uFFFDc\uFFFDd",
		clean(strings.Repeat("ü", 500)): strings.Repeat("ü", maxText) + "…",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// The query says how often the page is loaded again, and the links keep what it says.
func TestRefresh(t *testing.T) {
	leakcheck.Test(t)
	p := New(nil, "")
	for query, want := range map[string]string{"": `content="5"`, "refresh=60": `content="60"`,
		"refresh=off": "",
		"refresh=0":   "", "refresh=-1": `content="5"`,
		"refresh=99999": `content="5"`, "refresh=x": `content="5"`} {
		page := write(t, p, query, time.Now())
		if has := strings.Contains(page, `http-equiv="refresh" `+want); has != (want != "") {
			t.Errorf("%q: %t", query, has)
		}
		if !strings.Contains(page, "without any") {
			t.Errorf("%q: a page of nothing", query)
		}
	}
	if page := write(t, p, "ctx=a%26b&refresh=off&format=html", time.Now()); !strings.Contains(page,
		`href="?ctx=a%26b&amp;format=html"`) {
		t.Error(page)
	}
}
