package httpssl

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"

	"sessl/ssl"
)

// A started connection has its transport underneath. Its handshake has not been done.
type started struct {
	*ssl.Conn
	t      *Transport
	spoken protocols
	until  time.Time // when the connection must be complete; zero means no limit
}

// start makes a connection without its handshake. If the first request may become early data,
// it returns early. Otherwise early is nil, and the caller does the handshake of c.
func (t *Transport) start(ctx context.Context, network, addr string) (
	early *earlyConn, c *started, err error) {
	spoken := t.protocols
	if ctx.Value(http1Key{}) != nil {
		spoken.http2 = false
	}
	d, rt := t.dialer, routeOf(ctx)
	var failed error
	if rt != nil {
		addr = rt.target
		d.DialFunc = func(ctx context.Context, _, _ string) (c net.Conn, err error) {
			c, failed = t.tunnel(ctx, rt)
			return c, failed
		}
	}
	c, err = t.connect(ctx, &d, network, addr, spoken)
	if failed != nil {
		return nil, nil, failed
	}
	if err != nil {
		return nil, nil, err
	}
	ask, ok := ctx.Value(askKey{}).(*earlyAsk)
	if !ok {
		return nil, c, nil
	}
	if _, proto, err := c.EarlyDataTerms(); err != nil || proto == protoH2 {
		return nil, c, nil
	}
	early = &earlyConn{started: c, ask: ask, ctx: ctx, done: make(chan struct{}), gone: make(chan struct{})}
	return early, nil, nil
}

// connect makes a connection by d without its handshake. It offers the protocols of the Ctx that
// are among those that will be spoken.
func (t *Transport) connect(ctx context.Context, d *ssl.Dialer, network, addr string, spoken protocols) (
	*started, error) {
	until := t.limit()
	conn, err := d.Connect(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if own, differ := spoken.of(d.Ctx.NextProtos()); differ {
		if err := conn.SetNextProtos(own); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return &started{conn, t, spoken, until}, nil
}

// plainAnswer returns err as net/http does if a server has answered the ClientHello by HTTP without
// TLS. A proxy's error says which of the two it is about, and stays.
func plainAnswer(err error) error {
	var head tls.RecordHeaderError
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "proxyconnect" || !errors.As(err, &head) ||
		string(head.RecordHeader[:]) != "HTTP/" {
		return err
	}
	return &schemeError{err}
}

// schemeError is http.ErrSchemeMismatch, with its cause.
type schemeError struct{ err error }

func (*schemeError) Error() string     { return http.ErrSchemeMismatch.Error() }
func (e *schemeError) Unwrap() []error { return []error{http.ErrSchemeMismatch, e.err} }

// http1Key marks requests that HTTP/2 cannot carry.
type http1Key struct{}

// requiresHTTP1 reports whether r is such a request, by net/http's rule.
func requiresHTTP1(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket") &&
		headerHas(r.Header["Connection"], "upgrade")
}

func headerHas(values []string, token string) bool {
	for _, v := range values {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}

// limit returns when a connection that begins now must be complete.
func (t *Transport) limit() (until time.Time) {
	d := t.dialer.NetDialer
	if d.Timeout > 0 {
		until = time.Now().Add(d.Timeout)
	}
	if !d.Deadline.IsZero() && (until.IsZero() || d.Deadline.Before(until)) {
		until = d.Deadline
	}
	return until
}

// handshakeTimeoutError is http.Transport's error of TLSHandshakeTimeout.
type handshakeTimeoutError struct{}

func (handshakeTimeoutError) Error() string   { return "httpssl: TLS handshake timeout" }
func (handshakeTimeoutError) Timeout() bool   { return true }
func (handshakeTimeoutError) Temporary() bool { return true }

// shake does the handshake within the limits, and closes a connection that cannot be used.
func (c *started) shake(ctx context.Context) error {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	err := c.HandshakeContext(ctx)
	if err == nil {
		err = c.spoken.check(c.ConnectionState().NegotiatedProtocol)
	}
	if err != nil {
		c.Close()
	}
	return err
}

// bound returns ctx with the limits of a handshake that begins now.
func (c *started) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	cancel := context.CancelFunc(func() {})
	if !c.until.IsZero() {
		ctx, cancel = context.WithDeadline(ctx, c.until)
	}
	if c.t.handshakeTimeout <= 0 {
		return ctx, cancel
	}
	ctx, end := context.WithTimeoutCause(ctx, c.t.handshakeTimeout, handshakeTimeoutError{})
	return ctx, func() { end(); cancel() }
}

// traced does a handshake that net/http does not see, and reports it to httptrace.
func (c *started) traced(ctx context.Context, handshake func() error) error {
	trace := httptrace.ContextClientTrace(ctx)
	if trace != nil && trace.TLSHandshakeStart != nil {
		trace.TLSHandshakeStart()
	}
	err := handshake()
	if trace != nil && trace.TLSHandshakeDone != nil {
		var s tls.ConnectionState
		if err == nil {
			s = c.ConnectionState().TLS()
		}
		trace.TLSHandshakeDone(s, err)
	}
	return err
}
