//go:build go1.27

package httpssl

import (
	"context"
	"crypto/tls"
	"net/http"

	"sessl/ssl"
)

// conn has the methods that net/http looks for on a TLS connection since Go 1.27, by name and
// type: ConnectionState of crypto/tls and HandshakeContext.
type conn struct {
	base
	dialed *started // a client's
}

func newConn(c *ssl.Conn, ctx *ssl.Ctx) *conn { return &conn{base: base{Conn: c, ctx: ctx}} }

func newDialed(c *started) *conn { return &conn{base: base{Conn: c.Conn}, dialed: c} }

// begin has nothing to prepare: net/http bounds the handshake.
func (c *conn) begin(context.Context, *http.Server) {}

// ConnectionState returns the outcome of the handshake in the type of crypto/tls.
func (c *conn) ConnectionState() tls.ConnectionState { return *c.state() }

// HandshakeContext does the handshake, after net/http has told httptrace that it begins.
func (c *conn) HandshakeContext(ctx context.Context) error {
	if c.dialed != nil {
		return c.dialed.shake(ctx)
	}
	return c.shake(ctx)
}

// netHTTPProtocols returns the protocols that net/http is told to speak.
func netHTTPProtocols(p protocols) *http.Protocols {
	var out http.Protocols
	out.SetHTTP1(p.http1)
	out.SetHTTP2(p.http2)
	return &out
}
