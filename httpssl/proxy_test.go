package httpssl_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

var secretive = url.UserPassword("us er", "p@ss/w:rd%é")

// Requests go through proxies as net/http's do: with http and https proxies, with both
// protocols inside. The second connection resumes, with the server and with the proxy.
func TestProxyTunnels(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for _, h2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("TLS %t h2 %t", secure, h2), func(t *testing.T) {
				leakcheck.Test(t)
				s := start(t, serverCtx(t), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					fmt.Fprintln(w, r.Proto, r.Host, r.RequestURI)
				}))
				var front *ssl.Ctx
				if secure {
					front = serverCtx(t, ssltest.Protos())
				}
				p := startProxy(t, s.Addr, front, nil)
				got := map[string]string{}
				for by, c := range proxyClients(t, h2, p.by(secretive)) {
					var out strings.Builder
					for i := range 4 {
						resp, body := post(t, c, "https://server.test/path?q", "")
						fmt.Fprintln(&out, resp.Proto, resp.Request.URL, resp.TLS.DidResume, body, p.takes())
						if i == 1 {
							c.CloseIdleConnections()
						}
					}
					got[by] = out.String()
				}
				if a, b := got["httpssl"], got["net/http"]; a != b {
					t.Errorf("httpssl:\n%s\nnet/http:\n%s", a, b)
				}
				want := "CONNECT server.test:443 host server.test:443 auth us er:p@ss/w:rd%é"
				if n := strings.Count(got["httpssl"], want); n != 2 || !strings.Contains(got["httpssl"], " true ") {
					t.Errorf("%d times %q in\n%s", n, want, got["httpssl"])
				}
				if secure {
					if st, err := front.Stats(); err != nil || st.Resumed.Count != 2 {
						t.Errorf("connections to the proxy: %+v, %v, want one resumption of each client", st, err)
					}
				}
			})
		}
	}
}

// A proxy that would speak HTTP/2 is not offered it, since CONNECT is sent by HTTP/1.1.
func TestProxySpeaksHTTP1(t *testing.T) {
	leakcheck.Test(t)
	s := start(t, serverCtx(t), nil)
	p := startProxy(t, s.Addr, serverCtx(t), nil)
	c := proxyClients(t, true, p.by(nil))["httpssl"]
	for _, u := range []string{"https://server.test/", "http://server.test/"} {
		post(t, c, u, "")
	}
}

// Requests for http go through the proxy as net/http sends them, also with TLS to the proxy.
func TestProxyForPlainURL(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %t", secure), func(t *testing.T) {
			leakcheck.Test(t)
			var front *ssl.Ctx
			if secure {
				front = serverCtx(t, ssltest.Protos())
			}
			p := startProxy(t, "", front, nil)
			for by, c := range proxyClients(t, true, p.by(secretive)) {
				for _, host := range []string{"one.test", "two.test"} {
					resp, body := post(t, c, "http://"+host+"/path", "")
					want := "POST http://" + host + "/path host " + host + " auth us er:p@ss/w:rd%é"
					if got := p.takes(); got != want || body != "proxy" || (resp.TLS != nil) != secure {
						t.Errorf("%s: the proxy was asked %q; %q, %+v", by, got, body, resp.TLS)
					}
				}
				if n := p.conns.Swap(0); n != 1 {
					t.Errorf("%s: %d connections to the proxy", by, n)
				}
			}
		})
	}
}

// The proxy is asked for the server as net/http asks.
func TestProxyTargets(t *testing.T) {
	leakcheck.Test(t)
	p := startProxy(t, "", nil, say("HTTP/1.1 502 Bad Gateway\r\n\r\n"))
	for _, u := range []string{"https://[::1]/", "https://[::1]:8443/", "https://server.test:1234/",
		"https://BÜCHER.example/", "https://Server.Test/", "https://127.0.0.1:443/"} {
		got := map[string]string{}
		for by, c := range proxyClients(t, true, p.by(nil), func(tr *http.Transport) {
			tr.ProxyConnectHeader = http.Header{"X-Asked": {"always"}}
			tr.GetProxyConnectHeader = func(_ context.Context, proxy *url.URL, target string) (http.Header, error) {
				return http.Header{"X-Asked": {proxy.Host + target}}, nil
			}
		}) {
			if _, err := c.Get(u); err == nil || !strings.Contains(err.Error(), "Bad Gateway") {
				t.Errorf("%s, %s: %v", by, u, err)
			}
			got[by] = p.takes()
		}
		if a, b := got["httpssl"], got["net/http"]; a != b || a == "" {
			t.Errorf("%s: httpssl: %s; net/http: %s", u, a, b)
		}
	}
}

// Connections are kept by proxy and user, too: a request never uses another proxy's.
func TestProxyKeepsConnectionsApart(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("h2 %t", h2), func(t *testing.T) {
			leakcheck.Test(t)
			s := start(t, serverCtx(t), nil)
			one, two := startProxy(t, s.Addr, nil, nil), startProxy(t, s.Addr, nil, nil)
			as := func(p *proxy, user string) *url.URL {
				u := *p.URL
				u.User = url.User(user)
				return &u
			}
			ways := map[string]*url.URL{"/one": as(one, ""), "/two": as(two, ""), "/user": as(one, "user"),
				"/none": nil}
			c := proxyClients(t, h2, func(tr *http.Transport) {
				tr.Proxy = func(r *http.Request) (*url.URL, error) { return ways[r.URL.Path], nil }
				tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
					if addr == "server.test:443" {
						addr = s.Addr
					}
					return new(net.Dialer).DialContext(ctx, network, addr)
				}
			})["httpssl"]
			for range 3 {
				for path := range ways {
					if _, body := post(t, c, "https://server.test"+path, path); body != path {
						t.Errorf("%s: %q", path, body)
					}
				}
			}
			if a, b := one.takes(), two.takes(); strings.Count(a, "CONNECT") != 2 || strings.Count(b, "CONNECT") != 1 {
				t.Errorf("the proxies were asked %q and %q", a, b)
			}
			if n := s.conns.Load(); n != 4 {
				t.Errorf("%d connections, want one for each way", n)
			}
		})
	}
}

// Requests fail with a proxy as net/http's do. No password is in an error.
func TestProxyFails(t *testing.T) {
	other := func(cfg *ssl.Config) {
		cfg.NextProtos, cfg.Certificates = nil, []ssl.Certificate{ssltest.KeyPair(t, "other-server")}
	}
	errOwn := errors.New("the application's own")
	long := "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 9000) + "\r\n\r\n"
	for name, tc := range map[string]struct {
		proxy func(*testing.T) *proxy
		set   func(*http.Transport)
		want  string // in the error
		is    error
	}{
		"407": {proxy: answers(say("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")),
			want: "Proxy Authentication Required"},
		"502 with a body": {proxy: answers(say("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\nbody")),
			want: "Bad Gateway"},
		"202":     {proxy: answers(say("HTTP/1.1 202 Accepted\r\n\r\n")), want: "Accepted"},
		"closes":  {proxy: answers(say("")), is: io.ErrUnexpectedEOF},
		"garbage": {proxy: answers(say("garbage\r\n\r\n")), want: "malformed HTTP"},
		"half":    {proxy: answers(say("HTTP/1.1 200 OK\r\nX: ")), is: io.ErrUnexpectedEOF},
		"not TLS": {proxy: answers(say("HTTP/1.1 200 OK\r\n\r\n"))},
		"long header": {proxy: answers(say(long)), is: io.ErrUnexpectedEOF,
			set: func(tr *http.Transport) { tr.MaxResponseHeaderBytes = 1000 }},
		"nothing listens":  {proxy: at("http", closedPort), want: "proxyconnect tcp: "},
		"not trusted":      {proxy: secured(other), want: "proxyconnect tcp: "},
		"plain, not https": {proxy: at("https", breaksOff), want: "proxyconnect tcp: "},
		"https, not plain": {proxy: func(t *testing.T) *proxy {
			p := secured(nil)(t)
			p.URL.Scheme = "http"
			return p
		}},
		"stalls": {proxy: answers(stall), is: context.DeadlineExceeded},
		"stalls TLS": {proxy: at("https", silence), want: "TLS handshake timeout",
			set: func(tr *http.Transport) { tr.TLSHandshakeTimeout = 50 * time.Millisecond }},
		"GetProxyConnectHeader": {proxy: answers(nil), is: errOwn, set: func(tr *http.Transport) {
			tr.GetProxyConnectHeader = func(context.Context, *url.URL, string) (http.Header, error) {
				return nil, errOwn
			}
		}},
		"OnProxyConnectResponse": {proxy: answers(say("HTTP/1.1 407 No\r\nX: y\r\n\r\n")),
			want: "http server.test:443 407 y", is: errOwn, set: func(tr *http.Transport) {
				tr.OnProxyConnectResponse = func(_ context.Context, u *url.URL, r *http.Request,
					resp *http.Response) error {
					return fmt.Errorf("%w: %s %s %d %s", errOwn, u.Scheme, r.Host, resp.StatusCode, resp.Header.Get("X"))
				}
			}},
		"Proxy": {proxy: answers(nil), is: errOwn, set: func(tr *http.Transport) {
			tr.Proxy = func(*http.Request) (*url.URL, error) { return nil, errOwn }
		}},
	} {
		for _, h2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s h2 %t", name, h2), func(t *testing.T) {
				leakcheck.Test(t)
				p := tc.proxy(t)
				set := []func(*http.Transport){p.by(secretive)}
				if tc.set != nil {
					set = append(set, tc.set)
				}
				for by, c := range proxyClients(t, h2, set...) {
					body := &closeCounter{Reader: strings.NewReader("x")}
					if name == "stalls" {
						c.Timeout = 50 * time.Millisecond
					}
					_, err := c.Post("https://server.test/", "", body)
					c.CloseIdleConnections()
					if err == nil || !strings.Contains(err.Error(), tc.want) || !errors.Is(err, cmp.Or(tc.is, err)) {
						t.Errorf("%s: %v", by, err)
					}
					if strings.Contains(fmt.Sprintf("%v %+v", err, err), "p@ss") {
						t.Errorf("%s: %v", by, err)
					}
					var e net.Error
					timeout := strings.HasPrefix(name, "stalls")
					if got := errors.As(err, &e) && e.Timeout(); got != timeout {
						t.Errorf("%s: a timeout: %t (%v)", by, got, err)
					}
					if body.closes.Load() == 0 {
						t.Errorf("%s: the body was not closed", by)
					}
				}
			})
		}
	}
}

// answers, secured and at return what makes a proxy: one that answers so, one that demands TLS,
// and an address where there is none.
func answers(a answer) func(*testing.T) *proxy {
	return func(t *testing.T) *proxy { return startProxy(t, "", nil, a) }
}

func secured(change func(*ssl.Config)) func(*testing.T) *proxy {
	return func(t *testing.T) *proxy {
		if change == nil {
			return startProxy(t, "", serverCtx(t), nil)
		}
		return startProxy(t, "", serverCtx(t, change), nil)
	}
}

func at(scheme string, addr func(*testing.T) string) func(*testing.T) *proxy {
	return func(t *testing.T) *proxy { return &proxy{URL: &url.URL{Scheme: scheme, Host: addr(t)}} }
}

// stall answers nothing.
func stall(c net.Conn, _ *http.Request) bool { io.Copy(io.Discard, c); return true }

// The Dialer's limits hold for a proxy that says nothing, and its bytes are never lost.
func TestProxyLimits(t *testing.T) {
	leakcheck.Test(t)
	for name, tc := range map[string]struct {
		answer answer
		want   string
	}{
		"stalls":       {stall, "proxyconnect tcp: context deadline exceeded"},
		"too much":     {say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"), "sent 4 bytes behind its answer"},
		"answers, 407": {say("HTTP/1.1 407 No \"x\r\n\r\n"), `the proxy 127.0.0.1:`},
	} {
		p := startProxy(t, "", nil, tc.answer)
		base := &http.Transport{}
		p.by(secretive)(base)
		limit := ssltest.Timeout
		if name == "stalls" {
			limit = 50 * time.Millisecond
		}
		d := &ssl.Dialer{Ctx: clientCtx(t), NetDialer: &net.Dialer{Timeout: limit}}
		tr, err := httpssl.NewTransport(d, base)
		if err != nil {
			t.Fatal(err)
		}
		_, err = (&http.Client{Transport: tr}).Get("https://server.test/")
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
		var e *net.OpError
		if !errors.As(err, &e) || e.Op != "proxyconnect" {
			t.Errorf("%s: %v", name, err)
		}
		tr.CloseIdleConnections()
	}
}

// Proxies that are no proxies are refused, and nothing is dialed instead.
func TestProxyRefused(t *testing.T) {
	leakcheck.Test(t)
	s := start(t, serverCtx(t), nil)
	for _, proxy := range []string{"ftp://user:secret@proxy.test", "//proxy.test", "http://user:secret@:80",
		"http:"} {
		u, err := url.Parse(proxy)
		if err != nil {
			t.Fatal(err)
		}
		c := client(t, clientCtx(t), func(tr *http.Transport) { tr.Proxy = http.ProxyURL(u) })
		_, err = c.Get(s.URL)
		if !errors.Is(err, ssl.ErrConfig) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", proxy, err)
		}
	}
	if s.conns.Load() > 0 {
		t.Error("the server was asked")
	}
	for _, v := range []string{"http://user:secret@[::1:80", "[::1:80", "secret@10.0.0.1:x"} {
		t.Setenv("HTTPS_PROXY", v)
		tr, err := httpssl.NewTransport(&ssl.Dialer{Ctx: clientCtx(t)}, nil)
		if tr != nil || !errors.Is(err, ssl.ErrConfig) || strings.Contains(err.Error(), "secret") ||
			!strings.Contains(err.Error(), "HTTPS_PROXY") {
			t.Errorf("HTTPS_PROXY=%s: %v, %v", v, tr, err)
		}
	}
}

// Early data goes through proxies.
func TestProxyEarlyData(t *testing.T) {
	leakcheck.Test(t)
	s := start(t, serverCtx(t, allowEarly), earlyForAll(http.HandlerFunc(echo)))
	p := startProxy(t, s.Addr, serverCtx(t), nil)
	ctx := clientCtx(t, ssltest.Protos("http/1.1"))
	c := client(t, ctx, p.by(nil))
	ownTransport(c).EarlyData = func(*http.Request) bool { return true }
	for range 2 {
		resp, err := c.Get("https://server.test/")
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		c.CloseIdleConnections()
	}
	if n := ctx.EarlyDataStats().Accepted; n != 1 {
		t.Errorf("%d of 2 went early", n)
	}
}
