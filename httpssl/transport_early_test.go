package httpssl_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// earlyLog records what a handler has seen: for each request its method, the mark, and the
// outcome of the early data of its connection.
type earlyLog struct {
	mu    sync.Mutex
	seen  []string
	codes []int // of the answers; 200 after the last one
}

func (l *earlyLog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, _ := ssl.ConnFromContext(r.Context())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, fmt.Sprintf("%s%s %v", r.Method, r.Header.Get("Early-Data"), c.EarlyDataStatus()))
	if len(l.codes) > 0 {
		w.WriteHeader(l.codes[0])
		l.codes = l.codes[1:]
	}
	io.WriteString(w, "answer")
}

// want compares the log, and clears it.
func (l *earlyLog) want(t testing.TB, seen ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if got := strings.Join(l.seen, ", "); got != strings.Join(seen, ", ") {
		t.Errorf("the server has handled %q, want %q", got, seen)
	}
	l.seen = nil
}

// earlyTransport returns a transport that sends every allowed request early.
func earlyTransport(t testing.TB, ctx *ssl.Ctx, change ...func(*http.Transport)) (
	*httpssl.Transport, *http.Client) {
	t.Helper()
	c := client(t, ctx, change...)
	tr := c.Transport.(*httpssl.Transport)
	tr.EarlyData = func(*http.Request) bool { return true }
	return tr, c
}

// do sends a request on a connection of its own, and returns the status.
func do(t testing.TB, c *http.Client, method, url string, body io.Reader, header ...string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	defer c.CloseIdleConnections()
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || method != "HEAD" && string(b) != "answer" {
		t.Errorf("%s: %q, %v", method, b, err)
	}
	if resp.TLS == nil || !resp.TLS.HandshakeComplete || len(resp.TLS.VerifiedChains) == 0 {
		t.Errorf("%s: resp.TLS %+v", method, resp.TLS)
	}
	return resp.StatusCode
}

const (
	notSent  = " not sent"
	accepted = " accepted"
	rejected = " rejected"
)

// Safe requests are sent early if there is a session, and no others are.
func TestTransportEarly(t *testing.T) {
	leakcheck.Test(t)
	var l earlyLog
	s := start(t, serverCtx(t, allowEarlySome), earlyForAll(&l))
	tr, c := earlyTransport(t, clientCtx(t, ssltest.Protos("http/1.1")))
	do(t, c, "GET", s.URL, nil)
	l.want(t, "GET"+notSent)
	for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
		do(t, c, method, s.URL, nil)
		l.wantAny(t, method+"1"+accepted, method+accepted)
	}
	for _, tt := range []struct {
		method string
		body   io.Reader
		header []string
	}{
		{"POST", nil, nil}, {"PUT", nil, nil}, {"DELETE", nil, nil}, {"TRACE", nil, nil},
		{"PATCH", strings.NewReader("x"), nil},
		{"GET", strings.NewReader("x"), nil}, {"GET", io.MultiReader(), nil}, // a body that may be empty
		{"GET", nil, []string{"Upgrade", "some"}},
		{"GET", nil, []string{"Large", strings.Repeat("x", 3000)}},  // more than the session allows
		{"GET", nil, []string{"Large", strings.Repeat("x", 20000)}}, // more than net/http writes at once
	} {
		do(t, c, tt.method, s.URL, tt.body, tt.header...)
		l.want(t, tt.method+notSent)
	}
	tr.EarlyData = func(r *http.Request) bool { return r.URL.Path == "/twice" }
	do(t, c, "GET", s.URL, nil)
	l.want(t, "GET"+notSent)
	var events []string
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) {
			c, ok := httpssl.Unwrap(i.Conn)
			events = append(events, fmt.Sprint("connection ", ok && !c.HandshakeComplete()))
		},
		TLSHandshakeStart: func() { events = append(events, "start") },
		TLSHandshakeDone: func(s tls.ConnectionState, err error) {
			events = append(events, fmt.Sprint("done ", s.DidResume, err))
		},
	}), "GET", s.URL+"twice", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	l.wantAny(t, "GET1"+accepted, "GET"+accepted)
	if got := strings.Join(events, ", "); got != "connection true, start, done true <nil>" {
		t.Errorf("the trace has %s", got)
	}
}

func allowEarlySome(cfg *ssl.Config) { cfg.MaxEarlyData = 2048 }

// earlyForAll passes every request on.
func earlyForAll(h http.Handler) http.Handler {
	return httpssl.EarlyData(h, func(*http.Request) bool { return true })
}

// wantAny is want for outcomes that depend on which is faster: the server, or the client's
// Finished.
func (l *earlyLog) wantAny(t testing.TB, either, or string) {
	t.Helper()
	l.mu.Lock()
	if len(l.seen) == 1 && l.seen[0] == or {
		either = or
	}
	l.mu.Unlock()
	l.want(t, either)
}

// A request whose early data the server rejects, for whatever reason, is handled once.
func TestTransportEarlyRejected(t *testing.T) {
	t.Run("session", func(t *testing.T) {
		leakcheck.Test(t)
		var l earlyLog
		flushable := func(cfg *ssl.Config) { cfg.MaxEarlyData, cfg.SessionTicketsDisabled = 4096, true }
		srv, cli := serverCtx(t, flushable), clientCtx(t, ssltest.Protos("http/1.1"))
		s := start(t, srv, earlyForAll(&l))
		_, c := earlyTransport(t, cli)
		do(t, c, "GET", s.URL, nil)
		if err := srv.FlushSessions(time.Time{}); err != nil {
			t.Fatal(err)
		}
		do(t, c, "GET", s.URL, nil)
		l.want(t, "GET"+notSent, "GET"+rejected)
		if st := cli.EarlyDataStats(); st.Rejected != 1 || st.Accepted != 0 {
			t.Errorf("the client: %+v", st)
		}
	})
	t.Run("replay guard", func(t *testing.T) {
		leakcheck.Test(t)
		keys, err := ssl.NewTicketKeys(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer keys.Close()
		var l earlyLog
		srv := serverCtx(t, allowEarly, func(cfg *ssl.Config) { cfg.TicketKeys, cfg.ReplayGuard = keys, seenAll{} })
		s := start(t, srv, earlyForAll(&l))
		_, c := earlyTransport(t, clientCtx(t, ssltest.Protos("http/1.1")))
		do(t, c, "GET", s.URL, nil)
		do(t, c, "GET", s.URL, nil)
		l.want(t, "GET"+notSent, "GET"+rejected)
		if st := srv.EarlyDataStats(); st.Replayed != 1 {
			t.Errorf("the server: %+v", st)
		}
	})
	t.Run("not read", func(t *testing.T) {
		leakcheck.Test(t)
		var l earlyLog
		s := start(t, serverCtx(t, allowEarly), &l)
		_, c := earlyTransport(t, clientCtx(t, ssltest.Protos("http/1.1")))
		do(t, c, "GET", s.URL, nil)
		do(t, c, "GET", s.URL, nil)
		l.want(t, "GET"+notSent, "GET"+rejected)
	})
}

// seenAll is a ReplayGuard that has seen every id.
type seenAll struct{}

func (seenAll) Claim(context.Context, []byte, time.Time) (bool, error) { return false, nil }

// After a 425 an early request is sent once more, not early; every other 425 is the caller's.
func TestTransportTooEarly(t *testing.T) {
	const tooEarly = http.StatusTooEarly
	for _, tt := range []struct {
		name, method string
		header       []string
		answers      []int
		want         int
		seen         []string
	}{
		{"once", "GET", nil, []int{tooEarly}, 200, []string{"GET", "GET"}},
		{"twice", "GET", nil, []int{tooEarly, tooEarly}, tooEarly, []string{"GET", "GET"}},
		{"not early", "POST", nil, []int{tooEarly}, tooEarly, []string{"POST"}},
		{"an intermediary's", "GET", []string{"Early-Data", "1"}, []int{tooEarly}, tooEarly, []string{"GET1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			leakcheck.Test(t)
			l := earlyLog{codes: append([]int{200}, tt.answers...)}
			srv := serverCtx(t, allowEarly)
			s := start(t, srv, earlyForAll(&l))
			_, c := earlyTransport(t, clientCtx(t, ssltest.Protos("http/1.1")))
			do(t, c, "GET", s.URL, nil)
			l.want(t, "GET"+notSent)
			if code := do(t, c, tt.method, s.URL, nil, tt.header...); code != tt.want {
				t.Errorf("status %d, want %d", code, tt.want)
			}
			l.mu.Lock()
			for i := range l.seen { // the first may have the mark: another test checks that
				method, _, _ := strings.Cut(l.seen[i], " ")
				if i == 0 && tt.header == nil {
					method = strings.TrimSuffix(method, "1")
				}
				l.seen[i] = method
			}
			l.mu.Unlock()
			l.want(t, tt.seen...)
			if st := srv.EarlyDataStats(); st.Accepted != 1 && tt.method == "GET" || st.Rejected != 0 {
				t.Errorf("the server: %+v", st)
			}
		})
	}
}

// A 425 to a request that could have been early and was not is the caller's, too.
func TestTransportTooEarlyWithoutEarlyData(t *testing.T) {
	leakcheck.Test(t)
	l := earlyLog{codes: []int{http.StatusTooEarly}}
	s := start(t, serverCtx(t, allowEarly), earlyForAll(&l))
	_, c := earlyTransport(t, clientCtx(t, ssltest.Protos("http/1.1")))
	if code := do(t, c, "GET", s.URL, nil); code != http.StatusTooEarly {
		t.Errorf("status %d", code)
	}
	l.want(t, "GET"+notSent)
}

// The request is the same on the wire as always: the mark is for intermediaries. Without an
// answer it is not sent again.
func TestTransportEarlyBytes(t *testing.T) {
	leakcheck.Test(t)
	l, err := ssl.Listen("tcp", "127.0.0.1:0", serverCtx(t, allowEarly, ssltest.Protos("http/1.1")))
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 4)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			c := nc.(*ssl.Conn)
			c.SetDeadline(deadline())
			b := make([]byte, 4096)
			n, err := c.ReadEarlyData(b)
			if err != nil {
				n, _ = c.Read(b)
			}
			got <- string(b[:n])
			if strings.HasPrefix(string(b), "GET /silence") {
				c.Handshake()
				c.Close()
				continue
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nanswer")
			c.Close()
		}
	}()
	defer func() { l.Close(); <-ended }()
	cli := clientCtx(t, ssltest.Protos("http/1.1"))
	_, c := earlyTransport(t, cli)
	url := "https://" + l.Addr().String() + "/"
	do(t, c, "GET", url, nil)
	do(t, c, "GET", url, nil)
	if st := cli.EarlyDataStats(); st.Accepted != 1 {
		t.Errorf("the client: %+v", st)
	}
	if late, early := <-got, <-got; early != late || !strings.HasPrefix(early, "GET / HTTP/1.1\r\n") ||
		strings.Contains(early, "Early-Data") {
		t.Errorf("early %q, late %q", early, late)
	}
	if resp, err := c.Get(url + "silence"); err == nil {
		t.Errorf("%s of a server that has it and says nothing", resp.Status)
	}
	<-got
	if len(got) > 0 {
		t.Errorf("it was sent again: %q", <-got)
	}
}
