package httpssl_test

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

var both = []string{"h2", "http/1.1"}

func serverCtx(t testing.TB, change ...func(*ssl.Config)) *ssl.Ctx {
	t.Helper()
	cfg := &ssl.Config{Certificates: []ssl.Certificate{ssltest.KeyPair(t, "server-ecdsa")}, NextProtos: both}
	for _, f := range change {
		f(cfg)
	}
	ctx, err := ssl.NewServerCtx(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ctx.Close() })
	return ctx
}

func clientCtx(t testing.TB, change ...func(*ssl.Config)) *ssl.Ctx {
	t.Helper()
	cfg := &ssl.Config{RootCAs: ssltest.Roots(t, "ca"), ServerName: "localhost", NextProtos: both}
	for _, f := range change {
		f(cfg)
	}
	ctx, err := ssl.NewClientCtx(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ctx.Close() })
	return ctx
}

// server is an http.Server over ssl on loopback that ends with its test.
type server struct {
	*http.Server
	URL, Addr string
	conns     atomic.Int32 // that were accepted
	ended     chan error   // what Serve returned
	log       logBuffer
}

// start serves h, or an echo of the body.
func start(t testing.TB, ctx *ssl.Ctx, h http.Handler, change ...func(*http.Server)) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if h == nil {
		h = http.HandlerFunc(echo)
	}
	s := &server{URL: "https://" + l.Addr().String() + "/", Addr: l.Addr().String(), ended: make(chan error, 1)}
	s.Server = &http.Server{Handler: h, ErrorLog: log.New(&s.log, "", 0)}
	for _, f := range change {
		f(s.Server)
	}
	hook := s.ConnState
	s.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.conns.Add(1)
		}
		if hook != nil {
			hook(c, state)
		}
	}
	go func() { s.ended <- httpssl.Serve(s.Server, l, ctx) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-s.ended; err != http.ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
	})
	return s
}

// echo answers with the request's body, while the body arrives.
func echo(w http.ResponseWriter, r *http.Request) {
	http.NewResponseController(w).EnableFullDuplex()
	io.Copy(w, r.Body)
}

// logBuffer is a log that tests read.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// client returns an http.Client over ssl that has no idle connections after the test.
func client(t testing.TB, ctx *ssl.Ctx, change ...func(*http.Transport)) *http.Client {
	t.Helper()
	base := &http.Transport{MaxIdleConnsPerHost: 100}
	for _, f := range change {
		f(base)
	}
	tr, err := httpssl.NewTransport(&ssl.Dialer{Ctx: ctx}, base)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: ssltest.Timeout}
}

// stdClient returns an http.Client over crypto/tls.
func stdClient(t testing.TB, h2 bool, change ...func(*tls.Config)) *http.Client {
	t.Helper()
	cfg := &tls.Config{RootCAs: ssltest.StdRoots(t, "ca"), ServerName: "localhost"}
	for _, f := range change {
		f(cfg)
	}
	tr := &http.Transport{TLSClientConfig: cfg, ForceAttemptHTTP2: h2}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: ssltest.Timeout}
}

// post sends body and returns the response with its body.
func post(t testing.TB, c *http.Client, url, body string) (*http.Response, string) {
	t.Helper()
	resp, err := c.Post(url, "text/plain", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// forEachProtocol runs f with a client for HTTP/1.1 and one for HTTP/2, on TLS 1.2 and 1.3.
func forEachProtocol(t *testing.T, f func(t *testing.T, proto string, cli, srv *ssl.Ctx)) {
	for _, v := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
		for proto, names := range map[string][]string{"HTTP/1.1": {"http/1.1"}, "HTTP/2.0": both} {
			t.Run(proto+" over "+ssl.VersionName(v), func(t *testing.T) {
				leakcheck.Test(t)
				f(t, proto, clientCtx(t, ssltest.Version(v), ssltest.Protos(names...)), serverCtx(t, ssltest.Version(v)))
			})
		}
	}
}
