//go:build !go1.27

package httpssl

import (
	"net/http"
	"sync"
	"time"
)

// limits makes the time limits of http.Server begin where they begin on connections of
// crypto/tls. net/http takes ours for plain connections, and their handshake for a part of the
// wait for the first request.
type limits struct {
	mu   sync.Mutex
	held bool          // net/http has set the limit for the header
	over bool          // the handshake is over
	late time.Duration // how much too early the limit for the first request begins
}

// prefaceTimeout is how long net/http lets clients of HTTP/2 take for their first bytes.
var prefaceTimeout = 10 * time.Second

// SetReadDeadline is called by net/http, and by the application.
func (c *conn) SetReadDeadline(t time.Time) error {
	if t, ok := c.limits.deadline(c, t); ok {
		return c.base.SetReadDeadline(t)
	}
	return nil
}

// deadline returns when a limit ends that is set now, and whether to set it now. net/http's
// first limit is for the header, and must begin when the handshake is over. The handshake has a
// limit of its own.
func (l *limits) deadline(c *conn, t time.Time) (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.begun == nil || !time.Now().Before(t) {
		return t, true // set by the application, before net/http has begun, or to end all waits
	}
	if !l.over && !l.held && readHeaderTimeout(c.srv) > 0 {
		l.held = true
		return t, false
	}
	if l.over && l.late > 0 { // for the first request, whose limit began with the handshake
		t = t.Add(l.late)
		l.late = 0
	}
	return t, true
}

// shaken starts the limits that begin after the handshake, which took as long as took says.
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

// handshakeTimeout returns the limit of a handshake by http.Server's rule: the least of those
// that are set. If none is set, the Ctx still has its own.
func handshakeTimeout(srv *http.Server) time.Duration {
	var least time.Duration
	for _, d := range []time.Duration{srv.ReadHeaderTimeout, srv.ReadTimeout, srv.WriteTimeout} {
		if d > 0 && (least == 0 || d < least) {
			least = d
		}
	}
	return least
}

// readHeaderTimeout returns the limit for the header by http.Server's rule.
func readHeaderTimeout(srv *http.Server) time.Duration {
	if srv.ReadHeaderTimeout != 0 {
		return srv.ReadHeaderTimeout
	}
	return srv.ReadTimeout
}
