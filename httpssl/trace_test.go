package httpssl_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// traceLog records the calls of httptrace for a request.
type traceLog struct {
	mu     sync.Mutex
	events []string
	read   []string      // calls of the goroutine that reads
	shaken chan struct{} // the handshake is over
}

func (l *traceLog) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, fmt.Sprintf(format, args...))
}

func (l *traceLog) addRead(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.read = append(l.read, fmt.Sprintf(format, args...))
}

func (l *traceLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(append(append(l.events, "--- reading"), l.read...), "\n")
}

func (l *traceLog) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(hostPort string) { l.add("GetConn %s", strings.Split(hostPort, ":")[0]) },
		GotConn: func(i httptrace.GotConnInfo) { l.add("GotConn reused %t, idle %t", i.Reused, i.WasIdle) },
		PutIdleConn: func(err error) {
			if err == nil {
				l.addRead("PutIdleConn")
			}
		},
		GotFirstResponseByte: func() { l.addRead("GotFirstResponseByte") },
		Got100Continue:       func() { l.addRead("Got100Continue") },
		Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
			l.addRead("Got1xxResponse %d", code)
			return nil
		},
		DNSStart:          func(i httptrace.DNSStartInfo) { l.add("DNSStart %s", i.Host) },
		DNSDone:           func(i httptrace.DNSDoneInfo) { l.add("DNSDone %v", i.Err == nil) },
		ConnectStart:      func(network, _ string) { l.add("ConnectStart %s", network) },
		ConnectDone:       func(network, _ string, err error) { l.add("ConnectDone %s %t", network, err == nil) },
		TLSHandshakeStart: func() { l.add("TLSHandshakeStart") },
		TLSHandshakeDone: func(s tls.ConnectionState, err error) {
			l.add("TLSHandshakeDone %q, resumed %t, complete %t, %t",
				s.NegotiatedProtocol, s.DidResume, s.HandshakeComplete, err == nil)
			if l.shaken != nil {
				close(l.shaken)
			}
		},
		WroteHeaderField: func(key string, _ []string) { l.add("WroteHeaderField %s", key) },
		WroteHeaders:     func() { l.add("WroteHeaders") }, // Wait100Continue may be called at any time
		WroteRequest:     func(i httptrace.WroteRequestInfo) { l.add("WroteRequest %t", i.Err == nil) },
	}
}

// tracedClients returns clients whose names are looked up there.
func tracedClients(t *testing.T, h2 bool, change ...func(*http.Transport)) map[string]*http.Client {
	t.Helper()
	n := startNames(t)
	own := []string{"http/1.1"}
	if h2 {
		own = both
	}
	base := &http.Transport{TLSHandshakeTimeout: ssltest.Timeout}
	for _, f := range change {
		f(base)
	}
	tr, err := httpssl.NewTransport(&ssl.Dialer{Ctx: clientCtx(t, ssltest.Protos(own...)),
		NetDialer: n.dialer()}, base)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.CloseIdleConnections)
	std := stdClient(t, h2, func(cfg *tls.Config) {
		cfg.ClientSessionCache = tls.NewLRUClientSessionCache(8)
		if !h2 {
			cfg.NextProtos = own
		}
	})
	for _, f := range change {
		f(std.Transport.(*http.Transport))
	}
	std.Transport.(*http.Transport).DialContext = n.dialer().DialContext
	return map[string]*http.Client{"net/http": std, "httpssl": {Transport: tr, Timeout: ssltest.Timeout}}
}

// tracedRequest sends a request, and returns its outcome.
func tracedRequest(ctx context.Context, c *http.Client, l *traceLog, method, url string,
	body io.Reader, header ...string) error {
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, l.hooks()), method, url, body)
	if err != nil {
		return err
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return err
}

// Every hook of httptrace is called as net/http calls it: on the first connection, on one that
// is used again, and on one that resumes.
func TestTraceAsInNetHTTP(t *testing.T) {
	for _, v := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
		for _, h2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s h2 %t", ssl.VersionName(v), h2), func(t *testing.T) {
				leakcheck.Test(t)
				s := start(t, serverCtx(t, ssltest.Version(v)),
					http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						io.Copy(io.Discard, r.Body)
						io.WriteString(w, "answer")
					}))
				url := "https://server.test:" + s.Addr[strings.LastIndex(s.Addr, ":")+1:]
				got := map[string]string{}
				for by, c := range tracedClients(t, h2, func(tr *http.Transport) {
					tr.ExpectContinueTimeout = ssltest.Timeout
				}) {
					var l traceLog
					for _, step := range []struct {
						name, method string
						body         io.Reader
						header       []string
					}{
						{"first", "GET", nil, nil},
						{"again", "GET", nil, nil},
						{"with a body", "POST", strings.NewReader("body"), nil},
						{"that waits", "POST", strings.NewReader("body"), []string{"Expect", "100-continue"}},
						{"resumed", "GET", nil, nil},
					} {
						l.add("--- %s", step.name)
						if step.name == "resumed" {
							c.CloseIdleConnections()
						}
						if err := tracedRequest(t.Context(), c, &l, step.method, url, step.body, step.header...); err != nil {
							t.Errorf("%s, %s: %v", by, step.name, err)
						}
					}
					got[by] = l.String()
				}
				if a, b := got["httpssl"], got["net/http"]; a != b {
					t.Errorf("httpssl:\n%s\nnet/http:\n%s", a, b)
				}
			})
		}
	}
}

// The same for requests that fail.
func TestTraceOfErrors(t *testing.T) {
	other := func(cfg *ssl.Config) { cfg.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "other-server")} }
	for _, h2 := range []bool{false, true} {
		for _, tc := range []struct {
			name string
			addr func(t *testing.T) (host, port string)
		}{
			{"no such name", func(*testing.T) (string, string) { return "server.nowhere", "1" }},
			{"nothing listens", func(t *testing.T) (string, string) { return "server.test", port(closedPort(t)) }},
			{"not trusted", func(t *testing.T) (string, string) {
				return "server.test", port(start(t, serverCtx(t, other), nil).Addr)
			}},
			{"breaks off", func(t *testing.T) (string, string) { return "server.test", port(breaksOff(t)) }},
		} {
			t.Run(fmt.Sprintf("%s h2 %t", tc.name, h2), func(t *testing.T) {
				leakcheck.Test(t)
				host, port := tc.addr(t)
				got := map[string]string{}
				for by, c := range tracedClients(t, h2) {
					var l traceLog
					if err := tracedRequest(t.Context(), c, &l, "GET", "https://"+host+":"+port, nil); err == nil {
						t.Errorf("%s: no error", by)
					}
					got[by] = l.String()
				}
				if a, b := got["httpssl"], got["net/http"]; a != b {
					t.Errorf("httpssl:\n%s\nnet/http:\n%s", a, b)
				}
			})
		}
	}
}

// A handshake that takes too long ends as TLSHandshakeTimeout demands, whatever the dialer
// allows.
func TestTraceHandshakeTimeout(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("h2 %t", h2), func(t *testing.T) {
			leakcheck.Test(t)
			addr := silence(t)
			got := map[string]string{}
			for by, c := range tracedClients(t, h2, func(tr *http.Transport) {
				tr.TLSHandshakeTimeout = 50 * time.Millisecond
			}) {
				l := traceLog{shaken: make(chan struct{})}
				err := tracedRequest(t.Context(), c, &l, "GET", "https://server.test:"+port(addr), nil)
				var e net.Error
				if !errors.As(err, &e) || !e.Timeout() || !strings.Contains(err.Error(), "TLS handshake timeout") {
					t.Errorf("%s: %v", by, err)
				}
				<-l.shaken
				got[by] = l.String()
			}
			if a, b := got["httpssl"], got["net/http"]; a != b {
				t.Errorf("httpssl:\n%s\nnet/http:\n%s", a, b)
			}
		})
	}
}

// A request that is canceled during the handshake.
func TestTraceGivenUp(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("h2 %t", h2), func(t *testing.T) {
			leakcheck.Test(t)
			addr := silence(t)
			got := map[string]string{}
			for by, c := range tracedClients(t, h2) {
				ctx, cancel := context.WithCancel(t.Context())
				l := traceLog{shaken: make(chan struct{})}
				hooks := l.hooks()
				hooks.TLSHandshakeStart = func() { l.add("TLSHandshakeStart"); cancel() }
				r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, hooks), "GET",
					"https://server.test:"+port(addr), nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := c.Do(r); !errors.Is(err, context.Canceled) {
					t.Errorf("%s: %v", by, err)
				}
				c.CloseIdleConnections() // which ends dials that have no request
				<-l.shaken
				got[by] = l.String()
			}
			if a, b := got["httpssl"], got["net/http"]; a != b {
				t.Errorf("httpssl:\n%s\nnet/http:\n%s", a, b)
			}
		})
	}
}

func port(addr string) string { return addr[strings.LastIndex(addr, ":")+1:] }

// closedPort returns an address where nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// each calls f for each connection to an address, until the end of the test.
func each(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var busy sync.WaitGroup
	busy.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			busy.Go(func() { defer c.Close(); f(c) })
		}
	})
	t.Cleanup(func() { l.Close(); busy.Wait() })
	return l.Addr().String()
}

// breaksOff is a server that closes after the first byte; silence is a server that sends
// nothing.
func breaksOff(t *testing.T) string { return each(t, func(c net.Conn) { c.Read(make([]byte, 1)) }) }
func silence(t *testing.T) string   { return each(t, func(c net.Conn) { io.Copy(io.Discard, c) }) }

// The hooks see the way through a proxy as net/http shows it.
func TestTraceOfProxies(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for _, h2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("TLS %t h2 %t", secure, h2), func(t *testing.T) {
				leakcheck.Test(t)
				s := start(t, serverCtx(t), nil)
				var front *ssl.Ctx
				if secure {
					front = serverCtx(t, ssltest.Protos())
				}
				p := startProxy(t, s.Addr, front, nil)
				p.URL.Host = "a.wild.test" + p.URL.Host[strings.LastIndex(p.URL.Host, ":"):]
				got := map[string]string{}
				for by, c := range proxyClients(t, h2, p.by(nil), func(tr *http.Transport) {
					tr.DialContext = startNames(t).dialer().DialContext
				}) {
					var l traceLog
					for _, step := range []string{"first", "again", "resumed"} {
						l.add("--- %s", step)
						if step == "resumed" {
							c.CloseIdleConnections()
						}
						if err := tracedRequest(t.Context(), c, &l, "GET", "https://server.test/", nil); err != nil {
							t.Errorf("%s, %s: %v", by, step, err)
						}
					}
					got[by] = l.String()
				}
				a, b := got["httpssl"], got["net/http"]
				if h2 { // net/http looks for a connection of HTTP/2 before it looks for the proxy's
					b = strings.ReplaceAll(b, "GetConn server.test\n", "GetConn a.wild.test\n")
				}
				if a != b {
					t.Errorf("httpssl:\n%s\nnet/http:\n%s", a, b)
				}
			})
		}
	}
}
