package httpssl_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Our server and our client: the handler and the caller see the same TLS.
func TestRequestAndResponse(t *testing.T) {
	forEachProtocol(t, func(t *testing.T, proto string, cli, srv *ssl.Ctx) {
		s := start(t, srv, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, ok := ssl.ConnFromContext(r.Context())
			if !ok || r.TLS == nil {
				http.Error(w, "no connection or no r.TLS", http.StatusInternalServerError)
				return
			}
			own := c.ConnectionState()
			if !r.TLS.HandshakeComplete || r.TLS.Version != own.Version || r.TLS.CipherSuite != own.CipherSuite ||
				r.TLS.ServerName != "localhost" || r.TLS.NegotiatedProtocol != own.NegotiatedProtocol {
				http.Error(w, fmt.Sprintf("r.TLS %+v, the connection %+v", r.TLS, own), http.StatusInternalServerError)
				return
			}
			if err := c.WithSession(func(*ssl.BorrowedSession) error { return nil }); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.Header().Set("Proto", r.Proto)
			echo(w, r)
		}))
		c := client(t, cli)
		for range 3 {
			resp, body := post(t, c, s.URL, "hello")
			if resp.StatusCode != http.StatusOK || body != "hello" {
				t.Fatalf("%s: %s", resp.Status, body)
			}
			if resp.Proto != proto || resp.Header.Get("Proto") != proto {
				t.Errorf("client speaks %s, server %s, want %s", resp.Proto, resp.Header.Get("Proto"), proto)
			}
			if tls := resp.TLS; tls == nil || !tls.HandshakeComplete || len(tls.VerifiedChains) != 1 ||
				tls.ServerName != "localhost" {
				t.Errorf("resp.TLS %+v", tls)
			}
			if resp.Request == nil || resp.Request.URL.String() != s.URL {
				t.Errorf("resp.Request %v", resp.Request)
			}
		}
		if n := s.conns.Load(); n != 1 {
			t.Errorf("three requests in a row took %d connections", n)
		}
	})
}

// HTTP/2 is spoken if both sides name it, and HTTP/1.1 in all other cases that work.
func TestNegotiation(t *testing.T) {
	for _, tc := range []struct {
		name     string
		cli, srv []string
		http     string
	}{
		{"both", both, both, "HTTP/2.0"},
		{"client prefers 1.1, the server decides", []string{"http/1.1", "h2"}, both, "HTTP/2.0"},
		{"server prefers 1.1", both, []string{"http/1.1", "h2"}, "HTTP/1.1"},
		{"client names only 1.1", []string{"http/1.1"}, both, "HTTP/1.1"},
		{"server names only 1.1", both, []string{"http/1.1"}, "HTTP/1.1"},
		{"client names none", nil, both, "HTTP/1.1"},
		{"server names none", both, nil, "HTTP/1.1"},
		{"only h2", []string{"h2"}, []string{"h2"}, "HTTP/2.0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			leakcheck.Test(t)
			s := start(t, serverCtx(t, ssltest.Protos(tc.srv...)), nil)
			resp, _ := post(t, client(t, clientCtx(t, ssltest.Protos(tc.cli...))), s.URL, "x")
			if resp.Proto != tc.http {
				t.Errorf("spoke %s, want %s", resp.Proto, tc.http)
			}
		})
	}
}

// A protocol that the Ctx accepts and net/http does not speak ends the connection.
func TestForeignProtocol(t *testing.T) {
	leakcheck.Test(t)
	s := start(t, serverCtx(t, ssltest.Protos("h2", "acme-tls/1")), nil)
	c := client(t, clientCtx(t, ssltest.Protos("acme-tls/1")))
	if resp, err := c.Get(s.URL); err == nil || !strings.Contains(err.Error(), "acme-tls/1") {
		t.Errorf("the client: %v, %v", resp, err)
	}
	conn, err := ssl.Dial("tcp", s.Addr, clientCtx(t, ssltest.Protos("acme-tls/1")))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := talk(t, conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); got != "" {
		t.Errorf("the server answered %q", got)
	}
}

// talk sends what, and returns everything that arrives until the end.
func talk(t *testing.T, conn net.Conn, what string) string {
	t.Helper()
	conn.SetDeadline(deadline())
	io.WriteString(conn, what)
	b, err := io.ReadAll(conn)
	if isTimeout(err) {
		t.Errorf("the server neither answers nor closes: %v", err)
	}
	return string(b)
}

func TestLargeBodies(t *testing.T) {
	forEachProtocol(t, func(t *testing.T, _ string, cli, srv *ssl.Ctx) {
		const size = 16 << 20
		s := start(t, srv, nil)
		sent, got := sha256.New(), sha256.New()
		body := io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{}), size), sent)
		resp, err := client(t, cli).Post(s.URL, "", body)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if n, err := io.Copy(got, resp.Body); n != size || err != nil {
			t.Fatalf("%d bytes, %v, want %d", n, err, size)
		}
		if a, b := sent.Sum(nil), got.Sum(nil); string(a) != string(b) {
			t.Errorf("sent %x, got %x", a, b)
		}
	})
}

func TestTrailers(t *testing.T) {
	forEachProtocol(t, func(t *testing.T, _ string, cli, srv *ssl.Ctx) {
		s := start(t, srv, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "Sum")
			n, _ := io.Copy(w, r.Body)
			w.Header().Set("Sum", fmt.Sprint(n, r.Trailer.Get("Count")))
		}))
		req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL,
			struct{ io.Reader }{strings.NewReader("12345")})
		if err != nil {
			t.Fatal(err)
		}
		req.Trailer = http.Header{"Count": {"five"}}
		resp, err := client(t, cli).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		io.Copy(io.Discard, resp.Body)
		if got, want := resp.Trailer.Get("Sum"), fmt.Sprint(5, "five"); got != want {
			t.Errorf("trailer %q, want %q", got, want)
		}
	})
}

// Server push is not offered by the client, so the server cannot.
func TestNoPush(t *testing.T) {
	leakcheck.Test(t)
	s := start(t, serverCtx(t), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p, ok := w.(http.Pusher)
		fmt.Fprint(w, !ok || p.Push("/x", nil) == http.ErrNotSupported)
	}))
	if resp, body := post(t, client(t, clientCtx(t)), s.URL, ""); resp.ProtoMajor != 2 || body != "true" {
		t.Errorf("%s, push not supported: %s", resp.Proto, body)
	}
}

// A thousand requests that all wait in their handlers at the same time.
func TestThousandAtOnce(t *testing.T) {
	const requests = 1000
	forEachProtocol(t, func(t *testing.T, proto string, cli, srv *ssl.Ctx) {
		// On HTTP/1.1, one for each possible connection. On HTTP/2, all of them: four
		// connections are enough, but net/http makes some that it then closes unused.
		limit, together, perHost := int32(100), 100, 100
		if proto == "HTTP/2.0" {
			together, perHost = requests, 8
		}
		var wg sync.WaitGroup
		gather := newGathering(together)
		s := start(t, srv, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			gather.wait()
			echo(w, r)
		}))
		c := client(t, cli, func(base *http.Transport) { base.MaxConnsPerHost = perHost })
		for i := range requests {
			wg.Go(func() {
				want := fmt.Sprint("request ", i)
				resp, err := c.Post(s.URL, "", strings.NewReader(want))
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close()
				if b, err := io.ReadAll(resp.Body); string(b) != want || err != nil || resp.Proto != proto {
					t.Errorf("%q, %v, %s, want %q", b, err, resp.Proto, want)
				}
			})
		}
		wg.Wait()
		if n := s.conns.Load(); n > limit {
			t.Errorf("%d connections, the limit is %d", n, limit)
		}
	})
}

// gathering holds requests until there are n of them, again and again.
type gathering struct {
	mu   sync.Mutex
	n    int
	size int
	full chan struct{}
}

func newGathering(n int) *gathering { return &gathering{size: n, full: make(chan struct{})} }

func (g *gathering) wait() {
	g.mu.Lock()
	full := g.full
	if g.n++; g.n == g.size {
		close(full)
		g.n, g.full = 0, make(chan struct{})
	}
	g.mu.Unlock()
	<-full
}

// The second connection resumes the session of the first, whichever the client.
func TestResumption(t *testing.T) {
	reused := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := ssl.ConnFromContext(r.Context())
		fmt.Fprint(w, c.SessionReused(), " ", r.TLS.DidResume)
	})
	for _, v := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
		t.Run(ssl.VersionName(v), func(t *testing.T) {
			leakcheck.Test(t)
			var session atomic.Pointer[ssl.Session]
			defer func() { session.Load().Close() }()
			cli := clientCtx(t, ssltest.Version(v), ssltest.Protos("http/1.1"), func(cfg *ssl.Config) {
				cfg.OnNewSession = func(_ *ssl.Conn, s *ssl.Session) { session.Swap(s).Close() }
			})
			s := start(t, serverCtx(t, ssltest.Version(v)), reused)
			d := &ssl.Dialer{Ctx: cli}
			tr := &http.Transport{DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				return d.DialSession(ctx, network, addr, session.Load())
			}}
			for i, want := range []string{"false false", "true true"} {
				if _, got := post(t, &http.Client{Transport: tr, Timeout: ssltest.Timeout}, s.URL, ""); got != want {
					t.Errorf("request %d resumed: %s, want %s", i+1, got, want)
				}
				tr.CloseIdleConnections()
			}
		})
	}
}
