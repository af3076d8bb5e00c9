package httpssl

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"sessl/ssl"
)

// A Transport is an http.RoundTripper whose https connections are made by an ssl.Dialer. Like
// http.Transport, it keeps connections for reuse, so make one and share it. It may be used from
// several goroutines at once.
type Transport struct {
	// EarlyData, if not nil, is called for each request that could be sent as early data
	// (0-RTT, RFC 8470), with the first flight of a connection that resumes a session. It
	// reports whether the request may be sent so. It must be set before the first request.
	//
	// Anyone on the path can record early data and send it to the server again, also to several
	// servers, and someone who gets the key of the ticket later can read it. A request must not
	// be sent early, whatever its method, if it changes or counts something, or has secrets
	// that others should not be able to use again.
	//
	// EarlyData is called only for GET, HEAD and OPTIONS over https without a body and without
	// Upgrade. A request that it allows is sent early if it is the first on its connection, if
	// the offered session allows as many bytes, and if net/http writes it in one piece:
	// base.WriteBufferSize, 4 KiB by default. In all other cases, and when the server rejects
	// it, it is sent after the handshake: the server's application gets it once.
	//
	// If the server answers an early request with 425 (Too Early), the request is sent again,
	// once, without early data, and the second answer is returned. A 425 to a request that has
	// the header Early-Data is returned too: intermediaries set that header, this package never
	// does. The request is also sent again if a handshake with early data fails.
	//
	// httptrace sees such a connection before its handshake, which comes with the request.
	//
	// Early data is for HTTP/1.1: nothing is sent early if the session was made with HTTP/2.
	EarlyData func(*http.Request) bool

	dialer           ssl.Dialer
	handshakeTimeout time.Duration // of the base transport
	protocols        protocols
	proxy            func(*http.Request) (*url.URL, error) // of the base transport
	hooks            proxyHooks
	seed             []byte // hides which proxy and server an address stands for
	rt               roundTripper
	own              *ssl.Ctx // that NewClientTransport has made
}

// roundTripper is the part that differs by Go version.
type roundTripper interface {
	http.RoundTripper
	CloseIdleConnections()
}

// NewTransport returns a Transport that dials with d, by its DialFunc if it has one. The Ctx of
// d stays the caller's. All other settings are those of a copy of base; nil means those of
// http.DefaultTransport. If d has neither DialFunc nor NetDialer, base's DialContext dials, and
// without that a dialer with http.DefaultTransport's limits: 30 seconds, the handshake
// included.
//
// HTTP/2 is spoken if the Ctx has "h2" among its NextProtos and the server agrees. A Ctx without
// NextProtos is reported to slog.Default: NewClientTransport makes one that has them. Protocols
// that the transport does not speak are not offered, whatever turns them off: base.Protocols, a
// base.TLSNextProto without "h2", GODEBUG=http2client=0.
//
// NewTransport refuses settings of base for the TLS of net/http with ssl.ErrConfig, because
// they would have no effect: TLSClientConfig, DialTLS, DialTLSContext.
//
// Requests go through the proxy that base.Proxy names, as in net/http: http, https, socks5 and
// socks5h proxies, with the user and password of their URL, ProxyConnectHeader,
// GetProxyConnectHeader and OnProxyConnectResponse. The default transport has the proxy of
// http.ProxyFromEnvironment. TLS to an https proxy is that of d too: its sessions are resumed, and
// the proxy must prove the name in its URL, or the ServerName of the Ctx if there is one, as in
// net/http. A proxy of another scheme, and a variable of the environment that is not a URL, are
// ssl.ErrConfig: no request goes around a proxy. An error of a proxy is a *net.OpError whose Op is
// "proxyconnect" or "socks connect", and no error has a password. Connections are kept apart by
// proxy and user. The sessions of a server are not: a server recognizes a client that returns by
// another proxy, unless d has [ssl.NoSessionCache].
//
// Of the other fields:
//   - TLSHandshakeTimeout bounds each handshake, besides d's own limits, which bound the way to
//     a proxy, too.
//   - If d has a NetDialer or a DialFunc, Dial and DialContext are for http URLs only. Like them,
//     a DialFunc is given the address of the proxy, if there is one.
//   - ForceAttemptHTTP2 has no effect.
//   - Before Go 1.27, MaxIdleConns and MaxConnsPerHost count the connections of HTTP/1.1 and
//     those of HTTP/2 separately, and with DisableKeepAlives the first request to a server of
//     HTTP/2 uses two connections.
//   - Implementations that register themselves in TLSNextProto, as golang.org/x/net/http2 does,
//     are not used: HTTP/2 is net/http's own, with the settings in HTTP2.
//
// A host with letters beyond ASCII is looked up, sent and verified in the ASCII form of
// net/http (IDNA2008, profile Lookup: lower case, composed). The server gets the same form in
// Host, unless the request has a Host of its own.
func NewTransport(d *ssl.Dialer, base *http.Transport) (*Transport, error) {
	if d == nil || d.Ctx == nil {
		return nil, &ssl.Error{Op: "httpssl.NewTransport", Err: ssl.ErrNil}
	}
	if d.Ctx.IsServer() {
		return nil, &ssl.Error{Op: "httpssl.NewTransport",
			Err: fmt.Errorf("the Ctx is a server's, and a client's is needed: %w", ssl.ErrServer)}
	}
	if base == nil {
		base = defaultTransport()
	} else {
		base = base.Clone()
	}
	if err := checkProxy(base.Proxy); err != nil {
		return nil, err
	}
	p, err := clientProtocols(d.Ctx.NextProtos(), base)
	if err != nil {
		return nil, err
	}
	t := &Transport{dialer: *d, handshakeTimeout: base.TLSHandshakeTimeout, protocols: p,
		proxy: base.Proxy, hooks: proxyHooksOf(base), seed: make([]byte, 32)}
	rand.Read(t.seed)
	if t.dialer.NetDialer == nil {
		t.dialer.NetDialer = &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
		if f := dialFunc(base); f != nil && d.DialFunc == nil {
			t.dialer.NetDialer, t.dialer.DialFunc = &net.Dialer{}, f // f has its own limits
		}
	}
	t.rt = newRoundTripper(t, base)
	return t, nil
}

// clientProtocols returns the protocols to speak, and refuses a base that contradicts them.
// base is a copy, whose TLSNextProto is nil if net/http alone has filled that of the original.
func clientProtocols(offered []string, base *http.Transport) (p protocols, err error) {
	switch {
	case base.DialTLSContext != nil || base.DialTLS != nil: //lint:ignore SA1019 it is refused
		return p, badConfig("the http.Transport has a TLS dialer of its own")
	case !emptyTLS(base.TLSClientConfig):
		return p, badConfig("the http.Transport's TLSClientConfig would be ignored: configure the Ctx")
	}
	p = protocols{http1: true, http2: base.TLSNextProto == nil || base.TLSNextProto[protoH2] != nil}
	if base.Protocols != nil {
		p = protocols{http1: base.Protocols.HTTP1(), http2: base.Protocols.HTTP2()}
	}
	p.http2 = p.http2 && clientSpeaksH2()
	if p.http2 && len(offered) == 0 {
		slog.Warn(fmt.Sprintf(noHTTP2, "httpssl.NewClientTransport"))
	}
	p.http2 = p.http2 && slices.Contains(offered, protoH2)
	if !p.http1 && !p.http2 {
		return p,
			badConfig("the http.Transport speaks only HTTP/2, which the Ctx does not offer or GODEBUG turns off")
	}
	return p, nil
}

// RoundTrip sends a request; see http.RoundTripper. For https the response's TLS field is set.
// A websocket's upgrade needs HTTP/1.1, so it gets a connection on which h2 is not offered.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if t == nil || t.rt == nil {
		if r != nil && r.Body != nil {
			r.Body.Close()
		}
		return nil, &ssl.Error{Op: "httpssl.Transport.RoundTrip", Err: ssl.ErrNil}
	}
	way, err := t.routeFor(r)
	if err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	if !t.mayGoEarly(r) {
		return t.roundTrip(r, way, nil)
	}
	ask := &earlyAsk{settled: make(chan struct{})}
	resp, err := t.roundTrip(r, way, ask)
	ask.settle(nil) // if there was no connection
	if ask.again(r, resp, err) {
		return t.roundTrip(r, way, nil)
	}
	return resp, err
}

// roundTrip is RoundTrip; ask is nil if the request must not go early.
func (t *Transport) roundTrip(r *http.Request, way *route, ask *earlyAsk) (*http.Response, error) {
	var got atomic.Pointer[ssl.Conn]
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		if c, ok := Unwrap(i.Conn); ok {
			got.Store(c)
		}
		ask.gotConn(i.Conn)
	}}
	ctx := way.traced(r.Context())
	if way != nil {
		ctx = context.WithValue(ctx, routeKey{}, way)
	}
	if ask != nil {
		ctx = context.WithValue(ctx, askKey{}, ask)
	}
	if requiresHTTP1(r) {
		if !t.protocols.http1 {
			if r.Body != nil {
				r.Body.Close()
			}
			return nil, errNeedsHTTP1
		}
		ctx = context.WithValue(ctx, http1Key{}, true)
	}
	out := t.through(way, asciiHost(r)).WithContext(httptrace.WithClientTrace(ctx, trace))
	resp, err := t.rt.RoundTrip(out)
	if err != nil {
		return nil, plainAnswer(err)
	}
	resp.Request = r
	if c := got.Load(); c != nil && resp.TLS == nil {
		s := c.ConnectionState().TLS()
		resp.TLS = &s
	}
	return resp, nil
}

var errNeedsHTTP1 = errors.New("httpssl: the request needs HTTP/1.1, which the transport does not speak")

// CloseIdleConnections closes the connections that no request uses. http.Client has a method of
// the same name that calls it.
func (t *Transport) CloseIdleConnections() {
	if t != nil && t.rt != nil {
		t.rt.CloseIdleConnections()
	}
}

// dialFunc returns the function with which base dials, if it has one.
func dialFunc(base *http.Transport) func(context.Context, string, string) (net.Conn, error) {
	dial := base.Dial //lint:ignore SA1019 it is obeyed
	if base.DialContext != nil || dial == nil {
		return base.DialContext
	}
	return func(_ context.Context, network, addr string) (net.Conn, error) {
		return dial(network, addr)
	}
}

// clone returns a copy of base for TLS connections that dial makes, which speaks the protocols
// p. net/http also asks for TLS connections to https proxies of http URLs.
func (t *Transport) clone(base *http.Transport, p *http.Protocols,
	dial func(ctx context.Context, network, addr string) (net.Conn, error)) *http.Transport {
	tr := base.Clone()
	tr.Proxy = plainProxy
	tr.TLSClientConfig = nil
	tr.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	tr.DialTLSContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if rt := routeOf(ctx); rt != nil && rt.target == "" {
			return t.dialProxy(ctx, rt)
		}
		return dial(ctx, network, addr)
	}
	tr.Protocols = p
	return tr
}
