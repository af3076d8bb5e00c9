package valkeystore

import (
	"context"
	"crypto/tls"
	"net"
)

// dial makes a connection to a node, for valkey-go. It has a deadline of its own, because that of the
// call for which it is made may be too short for a handshake.
func (c *Client) dial(ctx context.Context, addr string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.opts.Timeout)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	if c.dialer == nil {
		return d.DialContext(ctx, "tcp", addr)
	}
	return c.dialer.DialContext(ctx, "tcp", addr)
}
