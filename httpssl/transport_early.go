package httpssl

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"sessl/ssl"
)

// mayGoEarly reports whether the user wants r to go as early data, and the rules allow it (RFC
// 8470, section 4): a safe method, no body, and nothing that would follow it on the same
// connection.
func (t *Transport) mayGoEarly(r *http.Request) bool {
	if t.EarlyData == nil || !t.protocols.http1 || r.URL == nil || r.URL.Scheme != "https" {
		return false
	}
	switch r.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions:
	default:
		return false
	}
	return (r.Body == nil || r.Body == http.NoBody) && r.Header.Get("Upgrade") == "" && t.EarlyData(r)
}

// An earlyAsk is a request that may go as early data, on at most one connection.
type earlyAsk struct {
	taken   atomic.Bool // a connection has begun to send it early
	outcome atomic.Int32
	chosen  *earlyConn    // the connection that the request goes to, if it is one of ours
	settled chan struct{} // closed when chosen is known
	once    sync.Once
}

// The outcomes of an earlyAsk.
const (
	askOpen    int32 = iota
	askEarly         // the server has accepted it as early data
	askSpoiled       // the connection cannot be used, for a reason that early data may have caused
)

type askKey struct{}

// gotConn notes the connection that a request goes to, before it is written; a is nil if the
// request must not go early.
func (a *earlyAsk) gotConn(nc net.Conn) {
	c, ok := nc.(*earlyConn)
	if ok {
		c.next.Store(a)
	}
	if a != nil {
		a.settle(c)
	}
}

// settle records which connection the request goes to, the first time.
func (a *earlyAsk) settle(c *earlyConn) {
	a.once.Do(func() {
		a.chosen = c
		close(a.settled)
	})
}

// again reports whether the request is to be sent once more, without early data. It drains resp
// in that case. If the request came with the mark of an intermediary, its 425 is the
// intermediary's to answer (RFC 8470, section 5.2).
func (a *earlyAsk) again(r *http.Request, resp *http.Response, err error) bool {
	if err != nil {
		return a.outcome.Load() == askSpoiled && r.Context().Err() == nil
	}
	if resp.StatusCode != http.StatusTooEarly || a.outcome.Load() != askEarly || isMarked(r) {
		return false
	}
	io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
	resp.Body.Close()
	return true
}

// conclude records the outcome of the request after the handshake of c, and reports whether the
// server has the request. a is nil for a request that was not sent early: then only a server's
// change to HTTP/2 matters. A handshake may fail because of early data, as with servers that
// are back at TLS 1.2 (RFC 8446, appendix D.3). If it took too long, another would too.
func (a *earlyAsk) conclude(c *earlyConn) (sent bool) {
	ask := a
	if ask == nil {
		ask = c.next.Load()
	}
	switch {
	case ask == nil:
	case c.err == errNowHTTP2, c.err != nil && a != nil && !errors.Is(c.err, context.DeadlineExceeded):
		ask.outcome.Store(askSpoiled)
	case c.err == nil && a != nil && c.EarlyDataStatus() == ssl.EarlyDataAccepted:
		ask.outcome.Store(askEarly)
		return true
	}
	return false
}
