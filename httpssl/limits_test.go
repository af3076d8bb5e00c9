package httpssl_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// deadlines is a connection that remembers its read deadlines.
type deadlines struct {
	net.Conn
	mu      sync.Mutex
	last    time.Time // that is not zero
	reading chan struct{}
	once    sync.Once
}

func (d *deadlines) Read(b []byte) (int, error) {
	d.once.Do(func() { close(d.reading) })
	return d.Conn.Read(b)
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t.After(time.Now()) {
		d.last = t
	}
	return d.Conn.SetReadDeadline(t)
}

func (d *deadlines) SetDeadline(t time.Time) error {
	d.SetReadDeadline(t)
	return d.Conn.SetWriteDeadline(t)
}

func (d *deadlines) latest() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

// watched is a listener of such connections.
type watched struct {
	net.Listener
	conns chan *deadlines
}

func (w watched) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	d := &deadlines{Conn: c, reading: make(chan struct{})}
	w.conns <- d
	return d, nil
}

// The limits for a header and for a request begin after the handshake, however long that takes.
func TestLimitsBeginBehindTheHandshake(t *testing.T) {
	const limit = time.Hour
	for name, set := range map[string]func(*http.Server){
		"ReadHeaderTimeout": func(s *http.Server) { s.ReadHeaderTimeout = limit },
		"ReadTimeout":       func(s *http.Server) { s.ReadTimeout = limit },
		"both":              func(s *http.Server) { s.ReadHeaderTimeout, s.ReadTimeout = limit, 2*limit },
	} {
		for _, v := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
			for _, accepted := range [][]string{both, {"http/1.1"}} {
				t.Run(fmt.Sprint(name, " ", ssl.VersionName(v), accepted), func(t *testing.T) {
					leakcheck.Test(t)
					for _, by := range []string{"net/http", "httpssl"} {
						limitsBegin(t, by, v, accepted, set)
					}
				})
			}
		}
	}
}

func limitsBegin(t *testing.T, by string, version_ uint16, accepted []string, set func(*http.Server)) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := watched{l, make(chan *deadlines, 1)}
	seen := make(chan time.Time, 1)
	var d atomic.Pointer[deadlines]
	srv := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		seen <- d.Load().latest()
	})}
	srv.Protocols = only(func(p *http.Protocols) { p.SetHTTP1(true); p.SetHTTP2(len(accepted) > 1) })
	set(srv)
	ended := make(chan error, 1)
	ctx := serverCtx(t, ssltest.Version(version_), ssltest.Protos(accepted...))
	go func() {
		if by == "httpssl" {
			ended <- httpssl.Serve(srv, w, ctx)
			return
		}
		srv.TLSConfig = &tls.Config{MaxVersion: version_}
		ended <- srv.ServeTLS(w, ssltest.CertFile("server-ecdsa.pem"), ssltest.CertFile("server-ecdsa.key"))
	}()
	defer func() { srv.Close(); <-ended }()
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := ssl.Client(raw, clientCtx(t, ssltest.Version(version_), ssltest.Protos("http/1.1")))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(deadline())
	watching := <-w.conns
	d.Store(watching)
	<-watching.reading // the server waits for the handshake
	before := time.Now()
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	io.Copy(io.Discard, c)
	if got := <-seen; got.Before(before.Add(time.Hour)) {
		t.Errorf("%s: the time ends %v early", by, before.Add(time.Hour).Sub(got))
	}
}

// If the server has no limit, its Ctx still limits the handshake, and nothing after it.
func TestHandshakeLimitOfTheCtx(t *testing.T) {
	leakcheck.Test(t)
	s := start(t, serverCtx(t, func(cfg *ssl.Config) { cfg.HandshakeTimeout = 50 * time.Millisecond }), nil)
	c, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := talk(t, c, ""); got != "" {
		t.Errorf("the server said %q", got)
	}
	if _, body := post(t, client(t, clientCtx(t)), s.URL, "x"); body != "x" {
		t.Errorf("%q", body)
	}
}

// The handshake's context is the one that ConnContext returned.
func TestHandshakeSeesConnContext(t *testing.T) {
	leakcheck.Test(t)
	type key struct{}
	got := make(chan any, 1)
	ctx := serverCtx(t, func(cfg *ssl.Config) {
		cfg.GetConfigForClient = func(h *ssl.ClientHelloInfo) (*ssl.Ctx, error) {
			got <- h.Context().Value(key{})
			return nil, nil
		}
	})
	s := start(t, ctx, nil, func(s *http.Server) {
		s.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, key{}, "value")
		}
	})
	post(t, client(t, clientCtx(t)), s.URL, "x")
	if v := <-got; v != "value" {
		t.Errorf("the handshake's context has %v", v)
	}
}

// HTTP/2 over TLS 1.2 demands a suite with an ephemeral key and an AEAD (RFC 9113, section
// 9.2.2), unless the server permits others.
func TestHTTP2ProhibitsSuites(t *testing.T) {
	for _, permit := range []bool{false, true} {
		t.Run(fmt.Sprintf("permit %t", permit), func(t *testing.T) {
			leakcheck.Test(t)
			s := start(t, serverCtx(t, ssltest.Version(ssl.VersionTLS12), func(cfg *ssl.Config) {
				cfg.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
					tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
			}), nil, func(s *http.Server) {
				s.HTTP2 = &http.HTTP2Config{PermitProhibitedCipherSuites: permit}
			})
			suite := func(id uint16) func(*ssl.Config) {
				return func(cfg *ssl.Config) { cfg.CipherSuites = []uint16{id} }
			}
			for id, good := range map[uint16]bool{
				tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:       true,
				tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: true,
				tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA:          permit,
			} {
				resp, err := client(t, clientCtx(t, ssltest.Version(ssl.VersionTLS12), suite(id))).Get(s.URL)
				if (err == nil) != good {
					t.Errorf("%s: %v", tls.CipherSuiteName(id), err)
				}
				if err == nil {
					resp.Body.Close()
				}
				resp, err = client(t,
					clientCtx(t, ssltest.Version(ssl.VersionTLS12), suite(id), ssltest.Protos("http/1.1"))).Get(s.URL)
				if err != nil {
					t.Errorf("%s: HTTP/1.1: %v", tls.CipherSuiteName(id), err)
					continue
				}
				resp.Body.Close()
			}
		})
	}
}
