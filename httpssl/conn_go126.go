//go:build !go1.27

package httpssl

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"sessl/ssl"
)

// conn is opaque to net/http. Before Go 1.27, net/http speaks HTTP/2 only on connections of
// crypto/tls and on connections that it takes for plain ones. On the latter it decides by the
// client's first bytes, so conn compares these bytes with the negotiated protocol.
type conn struct {
	base
	srv     *http.Server
	begun   context.Context
	checked atomic.Bool // the handshake is over, and the first bytes fit the protocol
	err     error       // why the connection cannot be used
	seen    int         // bytes of the preface that have arrived
	limits  limits
}

func newConn(c *ssl.Conn, ctx *ssl.Ctx) *conn { return &conn{base: base{Conn: c, ctx: ctx}} }

// begin keeps the arguments of the handshake, which net/http starts with its first Read.
func (c *conn) begin(ctx context.Context, srv *http.Server) { c.begun, c.srv = ctx, srv }

// Read does the handshake, and reads. Until the first bytes have been checked, only one
// goroutine at a time may call it, as net/http does.
func (c *conn) Read(b []byte) (int, error) {
	if c.checked.Load() {
		return c.base.Read(b)
	}
	if c.err == nil {
		c.err = c.shakeOnce()
	}
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.base.Read(b)
	if c.err = c.readError(c.checkPreface(string(b[:n]))); c.err != nil {
		return 0, c.err
	}
	return n, err
}

// shakeOnce does the handshake with net/http's limits, and logs a failure as net/http does.
func (c *conn) shakeOnce() error {
	if c.state().HandshakeComplete {
		return nil // it was done before, and only a part of the preface has arrived since
	}
	ctx := c.begun
	if ctx == nil {
		return c.readError(errUnconfigured)
	}
	if limit := handshakeTimeout(c.srv); limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	begun := time.Now()
	err := c.shake(ctx)
	if err == nil {
		err = c.checkSecurity()
	}
	if err == nil {
		c.limits.shaken(c, time.Since(begun))
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		logf(c.srv)("http: TLS handshake error from %s: %v", c.RemoteAddr(), err)
	}
	return c.readError(err)
}

// checkSecurity makes the demands of net/http on HTTP/2 over TLS (RFC 9113, section 9.2): at
// least TLS 1.2, and in TLS 1.2 an ephemeral key and an AEAD.
func (c *conn) checkSecurity() error {
	s := c.state()
	if s.NegotiatedProtocol != protoH2 || !s.HandshakeComplete || s.Version >= tls.VersionTLS13 {
		return nil
	}
	name := c.Conn.ConnectionState().CipherName
	ephemeral := strings.HasPrefix(name, "ECDHE-") || strings.HasPrefix(name, "DHE-")
	aead := strings.Contains(name, "GCM") || strings.Contains(name, "CCM") || strings.Contains(name, "CHACHA20")
	if s.Version == tls.VersionTLS12 &&
		(ephemeral && aead || c.srv.HTTP2 != nil && c.srv.HTTP2.PermitProhibitedCipherSuites) {
		return nil
	}
	return fmt.Errorf("httpssl: HTTP/2 is not spoken over %s with %s", tls.VersionName(s.Version), name)
}

// readError returns err in the form to which net/http does not answer.
func (c *conn) readError(err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

const (
	preface     = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	prefaceLine = len("PRI * HTTP/2.0") // the part that net/http looks at
)

var (
	errNotHTTP2 = errors.New("httpssl: h2 was negotiated, but the client does not speak it")
	errHTTP2    = errors.New("httpssl: the client speaks HTTP/2, which was not negotiated")
)

// checkPreface checks b, the next of the client's first bytes.
func (c *conn) checkPreface(b string) error {
	rest := preface[c.seen:]
	n := min(len(b), len(rest))
	same := strings.HasPrefix(rest, b[:n])
	c.seen += n
	switch h2 := c.state().NegotiatedProtocol == protoH2; {
	case h2 && !same:
		return errNotHTTP2
	case !h2 && same && c.seen >= prefaceLine:
		return errHTTP2
	case !same || c.seen == len(preface):
		c.checked.Store(true)
	}
	return nil
}

// netHTTPProtocols returns the protocols that net/http is told to speak.
func netHTTPProtocols(p protocols) *http.Protocols {
	var out http.Protocols
	out.SetHTTP1(p.http1)
	out.SetUnencryptedHTTP2(p.http2)
	return &out
}
