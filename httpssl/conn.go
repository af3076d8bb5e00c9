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

// base is what the connections given to net/http have in common. *ssl.Conn is embedded for
// its methods; net/http must not see it as it is, see the files by Go version.
type base struct {
	*ssl.Conn
	ctx     *ssl.Ctx // a server's
	server  *handler // the same, set before net/http uses the connection
	settled atomic.Pointer[tls.ConnectionState]
	first   []byte // early data that has been read
	more    bool   // there may be more of it
}

// state is what the handshake settled, made once: net/http's requests share theirs too.
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

// Unwrap returns the *ssl.Conn of a connection that this package has given to net/http:
// what a handler has hijacked, what http.Server's ConnState and ConnContext get, and
// what httptrace's GotConn reports.
func Unwrap(c net.Conn) (*ssl.Conn, bool) {
	switch c := c.(type) {
	case *ssl.Conn:
		return c, c != nil
	case interface{ unwrap() *ssl.Conn }:
		return c.unwrap(), true
	}
	return nil, false
}

// errUnconfigured is the mistake of giving NewListener's listener to a server as it is.
var errUnconfigured = errors.New("httpssl: Configure has not been called for this http.Server")

// limit has the handshake negotiate what the server speaks. An error has the same reason as the one
// that the handshake will meet.
func (b *base) limit() {
	if own, differ := b.server.protocols.of(b.ctx.NextProtos()); differ {
		b.SetNextProtos(own)
	}
}

// shake does a server's handshake, and refuses what net/http would not speak.
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

// answerPlain tells a client that speaks HTTP without TLS so, as net/http does.
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

// badConfig is an error of this package's callers.
func badConfig(format string, args ...any) error {
	return fmt.Errorf("httpssl: %w: %s", ssl.ErrConfig, fmt.Sprintf(format, args...))
}
