//go:build !go1.27

package httpssl

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"sessl/ssl"
)

// conn is opaque to net/http, which before Go 1.27 speaks HTTP/2 only on crypto/tls's
// connections and on those that it takes for plain ones. There it goes by the client's
// first bytes; here they are checked against what was negotiated.
type conn struct {
	base
	srv     *http.Server
	begun   context.Context
	checked atomic.Bool // the handshake is over, and the first bytes are what they should be
	err     error       // why not
	seen    int         // bytes of the preface that have come
	limits  limits
}

func newConn(c *ssl.Conn, ctx *ssl.Ctx) *conn { return &conn{base: base{Conn: c, ctx: ctx}} }

// begin keeps what the handshake will need, which net/http starts with its first Read.
func (c *conn) begin(ctx context.Context, srv *http.Server) { c.begun, c.srv = ctx, srv }

// Read does the handshake, and reads. Until the first bytes have been checked it is for
// one goroutine at a time, which is how net/http reads.
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

// shakeOnce does the handshake with net/http's limits, and logs a failure as it would.
func (c *conn) shakeOnce() error {
	if c.state().HandshakeComplete {
		return nil // done before, with only a part of the preface since
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
		logf := log.Printf
		if c.srv.ErrorLog != nil {
			logf = c.srv.ErrorLog.Printf
		}
		logf("http: TLS handshake error from %s: %v", c.RemoteAddr(), err)
	}
	return c.readError(err)
}

// checkSecurity is what net/http demands of HTTP/2 where it knows of the TLS (RFC 9113, section 9.2):
// TLS 1.2, and in that an ephemeral key and an AEAD.
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

// readError has the form to which net/http does not answer.
func (c *conn) readError(err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

const (
	preface     = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	prefaceLine = len("PRI * HTTP/2.0") // what net/http goes by
)

var (
	errNotHTTP2 = errors.New("httpssl: h2 was negotiated, but the client does not speak it")
	errHTTP2    = errors.New("httpssl: the client speaks HTTP/2, which was not negotiated")
)

// checkPreface looks at the next bytes of the client's first.
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

// netHTTPProtocols is what net/http is to be told that it speaks.
func netHTTPProtocols(p protocols) *http.Protocols {
	var out http.Protocols
	out.SetHTTP1(p.http1)
	out.SetUnencryptedHTTP2(p.http2)
	return &out
}
