//go:build !go1.27

package httpssl

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"sessl/ssl"
)

// twoTransports is for net/http before Go 1.27, where an http.Transport speaks only one
// protocol on connections that are not crypto/tls's, and the protocol is fixed before there is
// a connection. A request goes to the transport of HTTP/1.1, whose dials find out which
// protocol is negotiated. If it is h2, the connection is handed over to the other transport.
// The request follows, and so do all requests that wait for a connection to the same address.
type twoTransports struct {
	t        *Transport
	one, two *http.Transport // HTTP/1.1 and HTTP/2
	hosts    hosts
}

func newRoundTripper(t *Transport, base *http.Transport) roundTripper {
	tt := &twoTransports{t: t}
	var p1, p2 http.Protocols
	p1.SetHTTP1(true)
	p2.SetUnencryptedHTTP2(true)
	tt.one = t.clone(base, &p1, tt.dialOne)
	tt.two = t.clone(base, &p2, tt.dialTwo)
	return tt
}

// switchError says that a server has negotiated the protocol of the other transport.
type switchError struct{ proto string }

func (e *switchError) Error() string {
	return "httpssl: the server now negotiates " + e.proto
}

// maxSwitches bounds how often a request follows a server that changes its mind.
const maxSwitches = 4

func (tt *twoTransports) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL == nil || r.URL.Scheme != "https" || !tt.t.protocols.http2 {
		return tt.one.RoundTrip(r) // also for the errors of invalid requests
	}
	addr := hostPort(r.URL, "443")
	body := bodyOf(r)
	defer body.kept.release()
	for switches := 0; ; switches++ {
		resp, err := tt.attempt(r, addr, body, switches == 0)
		var e *switchError
		if !errors.As(err, &e) || switches == maxSwitches {
			return resp, err
		}
	}
}

// attempt sends r by the transport that fits the known protocol of addr.
func (tt *twoTransports) attempt(r *http.Request, addr string, body body,
	first bool) (*http.Response, error) {
	out := r.WithContext(attemptTrace(r.Context(), first, body.kept.release))
	if first {
		body.first(out)
	} else if err := body.again(out); err != nil {
		return nil, err
	}
	if tt.t.protocols.http1 && (!tt.hosts.speakH2(addr) || requiresHTTP1(r)) {
		return tt.one.RoundTrip(out)
	}
	return tt.two.RoundTrip(out)
}

// A clientConn is a connection of HTTP/2, opaque to net/http.
type clientConn struct {
	*ssl.Conn
	handedOver atomic.Bool // and no request has used it
}

func (c *clientConn) unwrap() *ssl.Conn { return c.Conn }

// dialOne makes a connection for HTTP/1.1. It returns as soon as this dial or another shows
// that the server speaks HTTP/2. The dial then goes on, for later requests.
func (tt *twoTransports) dialOne(ctx context.Context, network, addr string) (net.Conn, error) {
	h, leave := tt.hosts.enter(addr)
	defer leave()
	if ctx.Value(http1Key{}) != nil {
		return tt.dialAndTell(ctx, network, addr, h) // h2 is not offered
	}
	select {
	case <-h.h2:
		return nil, &switchError{protoH2}
	default:
	}
	type result struct {
		c   net.Conn
		err error
	}
	made := make(chan result, 1)
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		c, err := tt.dialAndTell(ctx, network, addr, h)
		made <- result{c, err}
	}()
	select {
	case r := <-made:
		return r.c, r.err
	case <-h.h2:
	}
	go func() {
		defer tt.hosts.whileWanted(cancel)()
		if r := <-made; r.c != nil {
			r.c.Close() // HTTP/1.1, which the server chose for this connection only
		}
	}()
	return nil, &switchError{protoH2}
}

// dialAndTell is dialOne without waiting for other dials. It hands a connection of HTTP/2 over
// before it wakes other dials.
func (tt *twoTransports) dialAndTell(ctx context.Context, network, addr string, h *host) (net.Conn, error) {
	early, c, err := tt.t.start(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if early != nil {
		return early, nil
	}
	if err := c.traced(ctx, func() error { return c.shake(ctx) }); err != nil {
		return nil, err
	}
	if c.ConnectionState().NegotiatedProtocol != protoH2 {
		return c.Conn, nil
	}
	tt.handOver(addr, c.Conn)
	tt.hosts.found(h)
	return nil, &switchError{protoH2}
}

// dialTwo makes a connection for HTTP/2, or takes one that is handed over.
func (tt *twoTransports) dialTwo(ctx context.Context, network, addr string) (net.Conn, error) {
	if hand, ok := ctx.Value(handKey{}).(*hand); ok {
		return hand.take()
	}
	_, c, err := tt.t.start(context.WithValue(ctx, askKey{}, nil), network, addr) // HTTP/2 has no early data
	if err != nil {
		return nil, err
	}
	if err := c.traced(ctx, func() error { return c.shake(ctx) }); err != nil {
		return nil, err
	}
	proto := c.ConnectionState().NegotiatedProtocol
	if proto == protoH2 {
		return &clientConn{Conn: c.Conn}, nil
	}
	c.Close() // the other transport dials anew: no request may be left for this connection
	tt.hosts.forget(addr)
	return nil, &switchError{proto}
}

// A hand holds a connection for the transport of HTTP/2.
type hand struct {
	mu sync.Mutex
	c  *ssl.Conn
}

type handKey struct{}

var errTaken = errors.New("httpssl: the connection has been taken")

func (h *hand) take() (net.Conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.c == nil {
		return nil, errTaken
	}
	c := &clientConn{Conn: h.c}
	c.handedOver.Store(true)
	h.c = nil
	return c, nil
}

// handOver gives c to the transport of HTTP/2, which then keeps it among its own. That
// transport takes a connection only for a request, so handOver makes one, of which nothing is
// sent: HTTP/2 forbids its header, and net/http refuses it when it has the connection. If that
// transport has another connection for further requests, c is closed, as net/http does.
func (tt *twoTransports) handOver(addr string, c *ssl.Conn) {
	hand := &hand{c: c}
	u := &http.Request{Method: "GET", URL: httpsURL(addr), Host: addr,
		Header: http.Header{"Connection": {"none"}}}
	resp, err := tt.two.RoundTrip(u.WithContext(context.WithValue(context.Background(), handKey{}, hand)))
	if err == nil {
		resp.Body.Close()
	}
	if c, err := hand.take(); err == nil {
		c.Close()
	}
}

func (tt *twoTransports) CloseIdleConnections() {
	tt.one.CloseIdleConnections()
	tt.two.CloseIdleConnections()
	tt.hosts.unwanted()
}
