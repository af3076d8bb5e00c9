package httpssl

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"reflect"
	"strings"
	"time"
)

// defaultTransport returns a copy of http.DefaultTransport, or, if a program has replaced that,
// a transport with its original settings.
func defaultTransport() *http.Transport {
	if tr, ok := http.DefaultTransport.(*http.Transport); ok {
		return tr.Clone()
	}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		MaxIdleConns:          100,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// checkProxy returns an error if proxy is http.ProxyFromEnvironment and a variable has no URL:
// that function would then name no proxy, or a wrong one. The value may have a password, so the
// error does not contain it.
func checkProxy(proxy func(*http.Request) (*url.URL, error)) error {
	if reflect.ValueOf(proxy).Pointer() != reflect.ValueOf(http.ProxyFromEnvironment).Pointer() {
		return nil
	}
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"} {
		v := os.Getenv(name)
		_, err := url.Parse(v)
		if err != nil && !strings.Contains(v, "://") {
			_, err = url.Parse("http://" + v) // just a host and a port
		}
		if err != nil {
			return badConfig("the environment variable %s is not the URL of a proxy", name)
		}
	}
	return nil
}

// A route is the way of one request through a proxy.
type route struct {
	proxy  *url.URL
	addr   string // the proxy's host and port
	target string // the server's host and port; empty for http, where net/http asks the proxy
}

type routeKey struct{}

// routeOf returns the route of the request that ctx belongs to, or nil.
func routeOf(ctx context.Context) *route {
	rt, _ := ctx.Value(routeKey{}).(*route)
	return rt
}

// routeFor returns the way of r, nil without a proxy. It asks for the proxy once for each
// request, so that all attempts to send it go the same way.
func (t *Transport) routeFor(r *http.Request) (*route, error) {
	if t.proxy == nil || r.URL == nil || r.URL.Host == "" {
		return nil, nil
	}
	proxy, err := t.proxy(r)
	if err != nil || proxy == nil {
		return nil, err
	}
	port := map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[proxy.Scheme]
	if port == "" {
		return nil, badConfig("a proxy whose scheme is %q; known are http, https, socks5 and socks5h", proxy.Scheme)
	}
	if proxy.Hostname() == "" {
		return nil, badConfig("the URL of a proxy has no host")
	}
	rt := &route{proxy: proxy, addr: hostPort(asciiURL(proxy), port)}
	if r.URL.Scheme == "https" {
		rt.target = hostPort(asciiHost(r).URL, "443")
	}
	return rt, nil
}

// plainProxy is the Proxy of net/http's transports, for http URLs alone: they must take our
// connections to https servers for direct ones.
func plainProxy(r *http.Request) (*url.URL, error) {
	if rt := routeOf(r.Context()); rt != nil && rt.target == "" {
		return rt.proxy, nil
	}
	return nil, nil
}

// through returns r, whose host is in ASCII, with an address that stands for the proxy and the
// server together, because net/http keeps connections by the address. The address tells nothing
// about either, and cannot be looked up: nothing goes around the proxy.
func (t *Transport) through(rt *route, r *http.Request) *http.Request {
	if rt == nil || rt.target == "" {
		return r
	}
	id := hmac.New(sha256.New, t.seed)
	id.Write([]byte(rt.proxy.String() + "\x00" + rt.target))
	out, u := r.WithContext(r.Context()), *r.URL
	if out.Host == "" {
		out.Host = u.Host
	}
	u.Host = hex.EncodeToString(id.Sum(nil)[:16]) + ".invalid:443"
	out.URL = &u
	return out
}

// traced returns ctx whose httptrace is told the address of the proxy, as net/http tells it.
func (rt *route) traced(ctx context.Context) context.Context {
	user := httptrace.ContextClientTrace(ctx)
	if rt == nil || rt.target == "" || user == nil || user.GetConn == nil {
		return ctx
	}
	trace := *user
	trace.GetConn = func(string) { user.GetConn(rt.addr) }
	return httptrace.WithClientTrace(traceless{ctx}, &trace)
}

// hostPort returns the address of u, whose host is in ASCII.
func hostPort(u *url.URL, port string) string {
	if p := u.Port(); p != "" {
		port = p
	}
	return net.JoinHostPort(u.Hostname(), port)
}
