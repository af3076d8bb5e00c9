//go:build !go1.27

package httpssl

import (
	"net/http"
	"sync"
	"time"
)

// limits has the times of http.Server begin where they begin on connections of crypto/tls. net/http
// takes ours for plain ones, and their handshake for a part of the wait for the first request.
type limits struct {
	mu   sync.Mutex
	held bool          // the time for the header has been asked for
	over bool          // the handshake is
	late time.Duration // by how much the time for the first request begins too early
}

// prefaceTimeout is what net/http gives clients of HTTP/2 for their first bytes.
var prefaceTimeout = 10 * time.Second

// SetReadDeadline is net/http's, and the application's.
func (c *conn) SetReadDeadline(t time.Time) error {
	if t, ok := c.limits.deadline(c, t); ok {
		return c.base.SetReadDeadline(t)
	}
	return nil
}

// deadline is when a limit that is set now ends, if it is to be set now. net/http's first is for the
// header: that begins when the handshake is over, which has a limit of its own.
func (l *limits) deadline(c *conn, t time.Time) (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.begun == nil || !time.Now().Before(t) {
		return t, true // the application's own, before net/http has begun, or an end of all waits
	}
	if !l.over && !l.held && readHeaderTimeout(c.srv) > 0 {
		l.held = true
		return t, false
	}
	if l.over && l.late > 0 { // of the first request, which began with the handshake
		t = t.Add(l.late)
		l.late = 0
	}
	return t, true
}

// shaken begins what begins behind the handshake, which took that long.
func (l *limits) shaken(c *conn, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	limit := readHeaderTimeout(c.srv)
	if c.state().NegotiatedProtocol == protoH2 {
		limit = prefaceTimeout
	}
	if limit > 0 {
		c.base.SetReadDeadline(time.Now().Add(limit))
	}
	if c.srv.ReadTimeout > 0 && !c.server.protocols.http2 { // else net/http looks for a preface first
		l.late = took
	}
}

// handshakeTimeout is http.Server's rule: the least of those that are set. Where none is, there is
// still the Ctx's.
func handshakeTimeout(srv *http.Server) time.Duration {
	var least time.Duration
	for _, d := range []time.Duration{srv.ReadHeaderTimeout, srv.ReadTimeout, srv.WriteTimeout} {
		if d > 0 && (least == 0 || d < least) {
			least = d
		}
	}
	return least
}

// readHeaderTimeout is http.Server's rule for it.
func readHeaderTimeout(srv *http.Server) time.Duration {
	if srv.ReadHeaderTimeout != 0 {
		return srv.ReadHeaderTimeout
	}
	return srv.ReadTimeout
}
