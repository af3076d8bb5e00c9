package httpssl_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// earlyClient returns a connection that offers a session from cache.
func earlyClient(t testing.TB, cli *ssl.Ctx, cache ssl.ClientSessionCache, addr string) *ssl.Conn {
	t.Helper()
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ssl.Client(raw, cli)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(deadline())
	if err := c.UseSessionCache(cache, addr); err != nil {
		t.Fatal(err)
	}
	return c
}

// request sends a request on c, early if early is true. It returns the status and the body of
// the answer, once handled has sent something.
func request(t testing.TB, c *ssl.Conn, early bool, method string, handled <-chan string) (int, string) {
	t.Helper()
	write := c.Write
	if early {
		write = c.WriteEarlyData
	}
	question := method + " / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
	if _, err := write([]byte(question)); err != nil {
		t.Fatal(err)
	}
	if handled != nil {
		<-handled
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func allowEarly(cfg *ssl.Config) { cfg.MaxEarlyData = 4096 }

// Requests in early data are marked while the client may be a recording, and unsafe ones are
// refused. Later requests on the same connection are neither.
func TestEarlyRequests(t *testing.T) {
	leakcheck.Test(t)
	handled := make(chan string, 1) // before the client goes on
	s := start(t, serverCtx(t, allowEarly),
		httpssl.EarlyData(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, r.Method+" early "+r.Header.Get("Early-Data"))
		}), func(r *http.Request) bool {
			handled <- r.Method
			return r.Method == "GET"
		}))
	cli := clientCtx(t, ssltest.Protos("http/1.1"))
	cache := ssl.NewClientSessionCache(10)
	defer cache.Close()
	if code, body := request(t, earlyClient(t, cli, cache, s.Addr), false, "GET", nil); code != 200 ||
		body != "GET early " {
		t.Fatalf("not early: %d %q", code, body)
	}
	for method, want := range map[string]string{"GET": "GET early 1", "POST": "Too Early\n"} {
		c := earlyClient(t, cli, cache, s.Addr)
		code, body := request(t, c, true, method, handled)
		if body != want || (code == http.StatusTooEarly) != (method == "POST") {
			t.Errorf("%s: %d %q", method, code, body)
		}
		if got := c.EarlyDataStatus(); got != ssl.EarlyDataAccepted {
			t.Errorf("%s: %v", method, got)
		}
		// The client's Finished is sent before this.
		if code, body := request(t, c, false, "POST", nil); code != 200 || body != "POST early " {
			t.Errorf("POST behind a %s: %d %q", method, code, body)
		}
	}
}

// A server without early data rejects it, and the client asks again.
func TestEarlyRequestsNotWanted(t *testing.T) {
	leakcheck.Test(t)
	s := start(t, serverCtx(t, allowEarly), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Method+" early "+r.Header.Get("Early-Data"))
	}))
	cli := clientCtx(t, ssltest.Protos("http/1.1"))
	cache := ssl.NewClientSessionCache(10)
	defer cache.Close()
	request(t, earlyClient(t, cli, cache, s.Addr), false, "GET", nil)
	c := earlyClient(t, cli, cache, s.Addr)
	if _, err := c.WriteEarlyData([]byte("POST / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if err := c.Handshake(); err != nil || c.EarlyDataStatus() != ssl.EarlyDataRejected {
		t.Fatalf("%v, %v", c.EarlyDataStatus(), err)
	}
	if code, body := request(t, c, false, "GET", nil); code != 200 || body != "GET early " {
		t.Errorf("%d %q", code, body)
	}
}

// A server with early data gets a connection without any, and one without TLS.
func TestEarlyServerForOthers(t *testing.T) {
	forEachProtocol(t, func(t *testing.T, _ string, cli, _ *ssl.Ctx) {
		s := start(t, serverCtx(t, allowEarly), httpssl.EarlyData(http.HandlerFunc(echo), func(*http.Request) bool {
			return true
		}))
		for range 2 {
			c := client(t, cli)
			if resp, body := post(t, c, s.URL, "hello"); resp.StatusCode != 200 || body != "hello" {
				t.Errorf("%d %q", resp.StatusCode, body)
			}
			c.CloseIdleConnections()
		}
	})
}

// A handler may refuse later; a header that a proxy has set counts as well, also if it is another than
// the client's, which could say anything (RFC 8470, section 5.1).
func TestTooEarly(t *testing.T) {
	leakcheck.Test(t)
	h := httpssl.EarlyData(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/twice" || !httpssl.TooEarly(w, r) {
			io.WriteString(w, "done")
		}
	}), nil)
	s := start(t, serverCtx(t), h)
	for _, tt := range []struct {
		method, path string
		marks        []string
		want         int
	}{
		{"GET", "", nil, 200}, {"GET", "", []string{"1"}, 425}, {"GET", "twice", []string{"1"}, 200},
		{"POST", "twice", []string{"1"}, 425}, {"POST", "", nil, 200},
		{"POST", "twice", []string{"0", "1"}, 425}, {"GET", "", []string{"0", "1"}, 425},
		{"POST", "twice", []string{"0, 1"}, 425}, {"POST", "twice", []string{""}, 425},
		{"GET", "", []string{"?1"}, 425}, {"GET", "twice", []string{"1", "1"}, 200},
	} {
		r, err := http.NewRequest(tt.method, s.URL+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, mark := range tt.marks {
			r.Header.Add("Early-Data", mark)
		}
		c := client(t, clientCtx(t))
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.want {
			t.Errorf("%s %q: %d", tt.method, tt.marks, resp.StatusCode)
		}
		c.CloseIdleConnections()
	}
}
