package httpssl_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

func deadline() time.Time { return time.Now().Add(ssltest.Timeout) }

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// Shutdown lets running requests finish, closes idle connections, and accepts no more.
func TestShutdown(t *testing.T) {
	forEachProtocol(t, func(t *testing.T, _ string, cli, srv *ssl.Ctx) {
		inside, release := make(chan struct{}), make(chan struct{})
		s := start(t, srv, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				close(inside)
				<-release
			}
			echo(w, r)
		}))
		idle, busy := client(t, cli), client(t, cli)
		post(t, idle, s.URL, "x")
		got := make(chan error, 1)
		go func() {
			resp, err := busy.Post(s.URL+"slow", "", strings.NewReader("slow"))
			if err == nil {
				var b []byte
				b, err = io.ReadAll(resp.Body)
				resp.Body.Close()
				if err == nil && string(b) != "slow" {
					err = fmt.Errorf("body %q", b)
				}
			}
			got <- err
		}()
		<-inside
		ctx, cancel := context.WithTimeout(t.Context(), ssltest.Timeout)
		defer cancel()
		down := make(chan error, 1)
		go func() { down <- s.Shutdown(ctx) }()
		if err := <-s.ended; err != http.ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
		s.ended <- http.ErrServerClosed // for the cleanup
		select {
		case err := <-down:
			t.Errorf("Shutdown did not wait for a handler: %v", err)
		default:
		}
		close(release)
		if err := <-got; err != nil {
			t.Errorf("the request under way: %v", err)
		}
		if err := <-down; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if _, err := idle.Get(s.URL); err == nil {
			t.Error("a request after Shutdown was answered")
		}
	})
}

// A server that shuts down leaves its clients' sessions resumable, at another server.
func TestShutdownLeavesSessions(t *testing.T) {
	for _, v := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
		t.Run(ssl.VersionName(v), func(t *testing.T) {
			leakcheck.Test(t)
			var session atomic.Pointer[ssl.Session]
			defer func() { session.Load().Close() }()
			cli := clientCtx(t, ssltest.Version(v), func(cfg *ssl.Config) {
				cfg.OnNewSession = func(_ *ssl.Conn, s *ssl.Session) { session.Swap(s).Close() }
			})
			srv := serverCtx(t, ssltest.Version(v))
			first, second := start(t, srv, nil), start(t, srv, nil)
			c := client(t, cli)
			post(t, c, first.URL, "x")
			if err := first.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.CloseIdleConnections()
			d := ssl.Dialer{Ctx: cli}
			conn, err := d.DialSession(t.Context(), "tcp", second.Addr, session.Load())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if !conn.SessionReused() {
				t.Error("the session was not resumed")
			}
		})
	}
}

// Each limit ends a connection that would otherwise stay for ever. The client waits for the
// end.
func TestTimeouts(t *testing.T) {
	const soon = 100 * time.Millisecond
	for _, tc := range []struct {
		name  string
		limit func(*http.Server)
		tls   bool   // after the handshake
		send  string // then this
	}{
		{"handshake, ReadHeaderTimeout", func(s *http.Server) { s.ReadHeaderTimeout = soon }, false, ""},
		{"handshake, WriteTimeout", func(s *http.Server) { s.WriteTimeout = soon }, false, ""},
		{"headers, ReadHeaderTimeout", func(s *http.Server) {
			s.ReadHeaderTimeout = soon
		}, true, "GET / HTTP/1.1\r\nHost: "},
		{"body, ReadTimeout", func(s *http.Server) {
			s.ReadTimeout = soon
		}, true, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n123"},
		{"between requests, IdleTimeout", func(s *http.Server) {
			s.IdleTimeout = soon
		}, true, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			leakcheck.Test(t)
			s := start(t, serverCtx(t), nil, tc.limit)
			var c net.Conn
			var err error
			if tc.tls {
				c, err = ssl.Dial("tcp", s.Addr, clientCtx(t, ssltest.Protos("http/1.1")))
			} else {
				c, err = net.Dial("tcp", s.Addr)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			talk(t, c, tc.send)
		})
	}
}

// A handler takes over the connection, and both sides speak another protocol on it.
func TestHijackAndUpgrade(t *testing.T) {
	for _, v := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
		t.Run(ssl.VersionName(v), func(t *testing.T) {
			leakcheck.Test(t)
			done := make(chan error, 1)
			s := start(t, serverCtx(t), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				done <- shout(w, r)
			}))
			req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Connection", "Upgrade")
			req.Header.Set("Upgrade", "websocket")
			c := client(t, clientCtx(t, ssltest.Version(v), ssltest.Protos("http/1.1")))
			c.Timeout = 0 // it hides the Body's Write; the server's deadline bounds the test
			resp, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusSwitchingProtocols {
				t.Fatal(resp.Status)
			}
			rw := resp.Body.(io.ReadWriteCloser)
			in := bufio.NewReader(rw)
			for _, word := range []string{"one", "two"} {
				fmt.Fprintln(rw, word)
				if line, err := in.ReadString('\n'); line != strings.ToUpper(word)+"\n" || err != nil {
					t.Errorf("%q, %v", line, err)
				}
			}
			rw.Close()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// shout answers each line with the same line in capitals.
func shout(w http.ResponseWriter, r *http.Request) error {
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return err
	}
	defer nc.Close()
	nc.SetDeadline(deadline())
	own, ok := httpssl.Unwrap(nc)
	if c, _ := ssl.ConnFromContext(r.Context()); !ok || own != c {
		return fmt.Errorf("Unwrap gives %v, the context %v", own, c)
	}
	fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	rw.Flush()
	for {
		line, err := rw.ReadString('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := io.WriteString(nc, strings.ToUpper(line)); err != nil {
			return err
		}
	}
}

// The negotiated protocol is spoken, whatever the client sends.
func TestClientSpeaksTheOtherProtocol(t *testing.T) {
	const (
		preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
		one     = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
	)
	for _, tc := range []struct {
		name  string
		proto []string
		send  string
		want  string // in what comes
		not   string
	}{
		{"1.1 as negotiated", []string{"http/1.1"}, one, "HTTP/1.1 200", "\x00\x00"},
		{"1.1 without ALPN", nil, one, "HTTP/1.1 200", "\x00\x00"},
		{"h2 where 1.1 was negotiated", []string{"http/1.1"}, preface, "", "\x04\x00\x00"},
		{"h2 without ALPN", nil, preface, "", "\x04\x00\x00"},
		{"1.1 where h2 was negotiated", []string{"h2"}, one, "", "200 OK"},
	} {
		for _, step := range []int{1, 14, 1 << 10} {
			t.Run(fmt.Sprintf("%s, %d bytes at a time", tc.name, step), func(t *testing.T) {
				leakcheck.Test(t)
				s := start(t, serverCtx(t), nil)
				c, err := ssl.Dial("tcp", s.Addr, clientCtx(t, ssltest.Protos(tc.proto...)))
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				c.SetDeadline(deadline())
				rest := tc.send
				for len(rest) > step {
					if _, err := io.WriteString(c, rest[:step]); err != nil {
						break
					}
					rest = rest[step:]
				}
				got := talk(t, c, rest)
				if !strings.Contains(got, tc.want) || strings.Contains(got, tc.not) {
					t.Errorf("the server answered %q", got)
				}
			})
		}
	}
}

func TestPlainHTTPIsToldSo(t *testing.T) {
	leakcheck.Test(t)
	s := start(t, serverCtx(t), nil)
	c, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := talk(t, c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.0 400") {
		t.Errorf("the answer is %q", got)
	}
}

// A failed handshake is one line in the server's log, as with crypto/tls.
func TestFailedHandshakeIsLogged(t *testing.T) {
	leakcheck.Test(t)
	closed := make(chan struct{})
	var once sync.Once
	s := start(t, serverCtx(t), nil, func(srv *http.Server) {
		srv.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				once.Do(func() { close(closed) })
			}
		}
	})
	distrustful := clientCtx(t, func(cfg *ssl.Config) { cfg.RootCAs = ssltest.Roots(t, "other-ca") })
	if c, err := ssl.Dial("tcp", s.Addr, distrustful); err == nil {
		c.Close()
		t.Fatal("the client trusts the server")
	}
	<-closed
	if log := s.log.String(); !strings.HasPrefix(log, "http: TLS handshake error from 127.0.0.1:") {
		t.Errorf("the log has %q", log)
	}
}

// With client certificates, r.TLS has them and their chain.
func TestClientCertificate(t *testing.T) {
	forEachProtocol(t, func(t *testing.T, proto string, _, _ *ssl.Ctx) {
		names := both
		if proto == "HTTP/1.1" {
			names = []string{"http/1.1"}
		}
		srv := serverCtx(t, func(cfg *ssl.Config) {
			cfg.ClientAuth, cfg.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
		})
		cli := clientCtx(t, ssltest.Protos(names...), func(cfg *ssl.Config) {
			cfg.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client")}
		})
		s := start(t, srv, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, r.TLS.PeerCertificates[0].Subject.CommonName, " ", len(r.TLS.VerifiedChains))
		}))
		resp, got := post(t, client(t, cli), s.URL, "")
		if want := clientName(t) + " 1"; got != want || resp.Proto != proto {
			t.Errorf("%q by %s, want %q", got, resp.Proto, want)
		}
	})
}

func clientName(t *testing.T) string {
	t.Helper()
	c := ssltest.StdKeyPair(t, "client")
	return c.Leaf.Subject.CommonName
}

// One http.Server on two listeners, whose Serve calls come at the same time.
func TestServeTwice(t *testing.T) {
	leakcheck.Test(t)
	ctx := serverCtx(t)
	srv := &http.Server{Handler: http.HandlerFunc(echo)}
	var wg sync.WaitGroup
	c := client(t, clientCtx(t))
	var urls []string
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		urls = append(urls, "https://"+l.Addr().String())
		wg.Go(func() {
			if err := httpssl.Serve(srv, l, ctx); err != http.ErrServerClosed {
				t.Errorf("Serve: %v", err)
			}
		})
	}
	for _, u := range urls {
		if resp, body := post(t, c, u, "x"); resp.ProtoMajor != 2 || body != "x" {
			t.Errorf("%s: %q", resp.Proto, body)
		}
	}
	srv.Close()
	wg.Wait()
}

func TestServerRefuses(t *testing.T) {
	leakcheck.Test(t)
	ctx := serverCtx(t)
	two, none := new(http.Protocols), new(http.Protocols)
	two.SetHTTP2(true)
	serve := func(srv *http.Server, ctx *ssl.Ctx) error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		err = httpssl.Serve(srv, l, ctx)
		if _, again := l.Accept(); !errors.Is(again, net.ErrClosed) {
			t.Errorf("Serve has left its listener open: %v", again)
			l.Close()
		}
		return err
	}
	for _, tc := range []struct {
		name string
		err  error
		want error
	}{
		{"nil server", httpssl.ListenAndServe(nil, ctx), ssl.ErrNil},
		{"nil Ctx", httpssl.ListenAndServe(&http.Server{}, nil), ssl.ErrNil},
		{"Serve without a listener", httpssl.Serve(&http.Server{}, nil, ctx), ssl.ErrNil},
		{"Configure of nil", httpssl.Configure(nil), ssl.ErrNil},
		{"client's Ctx", serve(&http.Server{}, clientCtx(t)), ssl.ErrClient},
		{"TLSConfig", serve(&http.Server{TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13}}, ctx),
			ssl.ErrConfig},
		{"only h2, which the Ctx does not accept",
			serve(&http.Server{Protocols: two}, serverCtx(t, ssltest.Protos("http/1.1"))), ssl.ErrConfig},
		{"only h2, and a Ctx without ALPN", serve(&http.Server{Protocols: two}, serverCtx(t, ssltest.Protos())),
			ssl.ErrConfig},
		{"no protocol", serve(&http.Server{Protocols: none}, ctx), ssl.ErrConfig},
	} {
		if !errors.Is(tc.err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, tc.err, tc.want)
		}
	}
}

// A listener of this package on a server without Configure answers nothing.
func TestUnconfiguredServer(t *testing.T) {
	leakcheck.Test(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(echo)}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(httpssl.NewListener(l, serverCtx(t))) }()
	defer func() { srv.Close(); <-ended }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := talk(t, c, ""); got != "" {
		t.Errorf("the server answered %q", got)
	}
}
