package ssl

import (
	"context"
	"net"
)

type connKey struct{}

// ConnContext returns a copy of ctx in which [ConnFromContext] finds c. It has the form
// of http.Server's field ConnContext, for a server whose listener returns *Conns. For
// another net.Conn it returns ctx unchanged. Package httpssl sets it.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	if conn, ok := c.(*Conn); ok && conn != nil {
		return context.WithValue(ctx, connKey{}, conn)
	}
	return ctx
}

// ConnFromContext returns the connection that ConnContext put into ctx. In a handler,
// ConnFromContext(r.Context()) is the connection of the request. The Conn belongs to the server,
// which closes it: take sessions and states from it, but do not read, write or close it.
func ConnFromContext(ctx context.Context) (*Conn, bool) {
	if ctx == nil {
		return nil, false
	}
	c, ok := ctx.Value(connKey{}).(*Conn)
	return c, ok
}
