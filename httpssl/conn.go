package httpssl

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	"sessl/ssl"
)

// base is the common part of the connections that net/http gets. *ssl.Conn is embedded for its
// methods. net/http must not see the *ssl.Conn itself: see the files for each Go version.
type base struct {
	*ssl.Conn
	ctx     *ssl.Ctx // a server's
	server  *handler // a server's, set before net/http uses the connection
	settled atomic.Pointer[tls.ConnectionState]
	first   []byte // early data that has been read
	more    bool   // there may be more of it
}

// state returns the outcome of the handshake. It is made once: requests of net/http share
// theirs too.
func (b *base) state() *tls.ConnectionState {
	if s := b.settled.Load(); s != nil {
		return s
	}
	s := b.Conn.ConnectionState().TLS()
	if s.HandshakeComplete {
		b.settled.Store(&s)
	}
	return &s
}

func (b *base) unwrap() *ssl.Conn { return b.Conn }

// Unwrap returns the *ssl.Conn of a connection that this package has given to net/http: a
// connection that a handler has hijacked, or that http.Server's ConnState and ConnContext or
// httptrace's GotConn get.
func Unwrap(c net.Conn) (*ssl.Conn, bool) {
	switch c := c.(type) {
	case *ssl.Conn:
		return c, c != nil
	case interface{ unwrap() *ssl.Conn }:
		return c.unwrap(), true
	}
	return nil, false
}

// errUnconfigured reports a listener of NewListener that serves an http.Server without
// Configure.
var errUnconfigured = errors.New("httpssl: Configure has not been called for this http.Server")

// limit restricts the handshake to the protocols that the server speaks. Its error is ignored,
// because the handshake fails with the same reason.
func (b *base) limit() {
	if own, differ := b.server.protocols.of(b.ctx.NextProtos()); differ {
		b.SetNextProtos(own)
	}
}

// shake does a server's handshake, and refuses protocols that net/http would not speak.
func (b *base) shake(ctx context.Context) error {
	if b.server == nil {
		return errUnconfigured
	}
	err := b.readEarly(ctx)
	if err == nil && !b.isEarly() {
		err = b.Conn.HandshakeContext(ctx)
	}
	if err != nil {
		return b.answerPlain(err)
	}
	return b.server.protocols.check(b.state().NegotiatedProtocol)
}

// answerPlain answers a client that speaks HTTP without TLS, as net/http does.
func (b *base) answerPlain(err error) error {
	var e *ssl.Error
	if !errors.As(err, &e) || len(e.Entries) == 0 || e.Entries[0].Reason != "http request" {
		return err
	}
	raw := b.NetConn()
	fmt.Fprint(raw, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
	raw.Close()
	return errors.New("client sent an HTTP request to an HTTPS server")
}

// badConfig returns an error about the arguments of a caller of this package.
func badConfig(format string, args ...any) error {
	return fmt.Errorf("httpssl: %w: %s", ssl.ErrConfig, fmt.Sprintf(format, args...))
}
