//go:build !go1.27

package httpssl

import (
	"context"
	"crypto/tls"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"

	"sessl/ssl"
)

// twoTransports is for net/http before Go 1.27, where an http.Transport speaks one
// protocol on connections of other makers, settled before there is a connection. It finds
// out which it will be by connecting, and then asks the transport that speaks it, which
// gets that connection as its first.
type twoTransports struct {
	t        *Transport
	one, two *http.Transport // HTTP/1.1 and HTTP/2
	mu       sync.Mutex
	hosts    map[string]*host
}

// maxHosts bounds what is remembered; to find out again costs nothing but a connection.
const maxHosts = 4096

// A host is what is known of an address. The Transport's mutex guards it.
type host struct {
	proto string        // as negotiated last
	known bool          // there has been a connection
	busy  chan struct{} // closed when whoever finds out has; nil if nobody does
	ready []*ssl.Conn   // made, and not yet taken by a transport
}

func newRoundTripper(t *Transport, base *http.Transport) roundTripper {
	tt := &twoTransports{t: t, hosts: map[string]*host{}}
	var p1, p2 http.Protocols
	p1.SetHTTP1(true)
	p2.SetUnencryptedHTTP2(true)
	tt.one = clone(base, &p1, tt.dialFor(""))
	tt.two = clone(base, &p2, tt.dialFor(protoH2))
	return tt
}

// switchError says that a server negotiated another protocol than the last time.
type switchError struct{ proto string }

func (e *switchError) Error() string {
	return "httpssl: the server now negotiates " + e.proto
}

// maxSwitches bounds how often a request follows a server that changes its mind.
const maxSwitches = 3

func (tt *twoTransports) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL == nil || r.URL.Scheme != "https" || !tt.t.protocols.http2 {
		return tt.one.RoundTrip(r) // also for the errors of what is no request
	}
	addr := hostPort(r)
	body := keepBody(r)
	defer body.release()
	for switches := 0; ; switches++ {
		proto, done, err := tt.discover(r.Context(), addr)
		if err != nil {
			body.Close()
			return nil, err
		}
		resp, err := tt.roundTripOnce(r, body, proto, done)
		done()
		var e *switchError
		if !errors.As(err, &e) || switches == maxSwitches {
			return resp, err
		}
		body.again()
	}
}

// roundTripOnce sends r by the transport for proto; done is called as soon as that has a
// connection, which others can then share.
func (tt *twoTransports) roundTripOnce(r *http.Request, body *keptBody, proto string, done func()) (*http.Response, error) {
	rt := tt.one
	if proto == protoH2 {
		if requiresHTTP1(r) {
			body.Close()
			return nil, errors.New("httpssl: the request needs HTTP/1.1, but h2 was negotiated: use a Ctx that does not offer it")
		}
		rt = tt.two
	}
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { done() }}
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), trace))
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = body
	}
	return rt.RoundTrip(r)
}

// discover returns what is spoken with addr. The first to ask connects; the others wait
// until it calls done, which also closes what no transport has taken.
func (tt *twoTransports) discover(ctx context.Context, addr string) (proto string, done func(), err error) {
	for {
		tt.mu.Lock()
		h := tt.host(addr)
		switch {
		case h.busy != nil:
			busy := h.busy
			tt.mu.Unlock()
			select {
			case <-busy:
				continue
			case <-ctx.Done():
				return "", nil, context.Cause(ctx)
			}
		case h.known:
			defer tt.mu.Unlock()
			return h.proto, func() {}, nil
		}
		h.busy = make(chan struct{})
		tt.mu.Unlock()
		return tt.connect(ctx, addr, h)
	}
}

// host returns the entry of addr. mu is held.
func (tt *twoTransports) host(addr string) *host {
	h := tt.hosts[addr]
	if h == nil {
		if len(tt.hosts) >= maxHosts {
			maps.DeleteFunc(tt.hosts, func(_ string, h *host) bool { return h.busy == nil && len(h.ready) == 0 })
		}
		h = &host{}
		tt.hosts[addr] = h
	}
	return h
}

// connect finds out what is spoken with a host.
func (tt *twoTransports) connect(ctx context.Context, addr string, h *host) (proto string, done func(), err error) {
	leave := sync.OnceFunc(func() {
		tt.mu.Lock()
		defer tt.mu.Unlock()
		close(h.busy)
		h.busy = nil
	})
	ok := false
	defer func() {
		if !ok { // also when the application's code panics
			leave()
		}
	}()
	c, err := traced(ctx, func() (*ssl.Conn, error) { return tt.t.dial(ctx, "tcp", addr) })
	if err != nil {
		return "", nil, err
	}
	proto = c.ConnectionState().NegotiatedProtocol
	tt.mu.Lock()
	h.known, h.proto = true, proto
	h.ready = append(h.ready, c)
	tt.mu.Unlock()
	ok = true
	return proto, func() {
		leave()
		tt.drop(h, c)
	}, nil
}

// drop closes c if it is still nobody's.
func (tt *twoTransports) drop(h *host, c *ssl.Conn) {
	tt.mu.Lock()
	i := slices.Index(h.ready, c)
	if i >= 0 {
		h.ready = slices.Delete(h.ready, i, i+1)
	}
	tt.mu.Unlock()
	if i >= 0 {
		c.Close()
	}
}

// dialFor is the dial function of the transport that speaks proto; "" is HTTP/1.1.
func (tt *twoTransports) dialFor(proto string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if c := tt.takeReady(addr, proto); c != nil {
			return c, nil
		}
		shake := func() (*ssl.Conn, error) { return tt.t.dial(ctx, network, addr) }
		if proto != protoH2 {
			var early *earlyConn
			var err error
			if early, shake, err = tt.t.start(ctx, network, addr); err != nil {
				return nil, err
			}
			if early != nil {
				return early, nil
			}
		}
		c, err := traced(ctx, shake)
		if err != nil {
			return nil, err
		}
		got := c.ConnectionState().NegotiatedProtocol
		if speaks(got, proto) {
			return c, nil
		}
		c.Close() // the transport for it dials anew: nobody may be left to take this one
		tt.mu.Lock()
		h := tt.host(addr)
		h.known, h.proto = true, got
		tt.mu.Unlock()
		return nil, &switchError{got}
	}
}

// speaks reports whether the transport for proto can use what was negotiated.
func speaks(got, proto string) bool { return (got == protoH2) == (proto == protoH2) }

// takeReady takes a connection to addr that was made to find out what is spoken.
func (tt *twoTransports) takeReady(addr, proto string) *ssl.Conn {
	tt.mu.Lock()
	defer tt.mu.Unlock()
	h := tt.host(addr)
	for i, c := range h.ready {
		if speaks(c.ConnectionState().NegotiatedProtocol, proto) {
			h.ready = slices.Delete(h.ready, i, i+1)
			return c
		}
	}
	return nil
}

// traced tells httptrace of the handshake, which net/http does not see.
func traced(ctx context.Context, shake func() (*ssl.Conn, error)) (*ssl.Conn, error) {
	trace := httptrace.ContextClientTrace(ctx)
	if trace != nil && trace.TLSHandshakeStart != nil {
		trace.TLSHandshakeStart()
	}
	c, err := shake()
	if trace != nil && trace.TLSHandshakeDone != nil {
		var s tls.ConnectionState
		if err == nil {
			s = c.ConnectionState().TLS()
		}
		trace.TLSHandshakeDone(s, err)
	}
	return c, err
}

func (tt *twoTransports) CloseIdleConnections() {
	tt.one.CloseIdleConnections()
	tt.two.CloseIdleConnections()
}

// hostPort is the address that net/http will dial.
func hostPort(r *http.Request) string {
	port := r.URL.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(r.URL.Hostname(), port)
}

func requiresHTTP1(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}
