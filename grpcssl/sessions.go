package grpcssl

import (
	"context"
	"errors"
	"net"

	"sessl/ssl"
)

// A SessionFunc chooses the session that a client offers to a server, or nil for none. It
// gets the context of the handshake, the name that is demanded of the server, and its
// address. It runs before each handshake, on gRPC's goroutine for that, several at a time.
//
// The Session becomes the credentials', which close it: give an UpRef of one that is
// kept. TLS 1.3 wants each session offered once. One that is not resumable, or that this
// connection may not trust, costs a full handshake and nothing else; see
// ssl.Conn.SetSession.
type SessionFunc func(ctx context.Context, serverName string, addr net.Addr) *ssl.Session

// A ClientOption changes a client's credentials.
type ClientOption func(*Credentials)

// WithSessions makes a client ask f for the sessions that it offers. They come from
// OnNewSession of the ssl.Config.
func WithSessions(f SessionFunc) ClientOption {
	return func(c *Credentials) { c.sessions = f }
}

func (c *Credentials) apply(opts []ClientOption) {
	for _, opt := range opts {
		if opt != nil {
			opt(c)
		}
	}
}

// offer gives conn the session that f chooses.
func (c *Credentials) offer(ctx context.Context, serverName string, conn *ssl.Conn) error {
	if c.sessions == nil {
		return nil
	}
	s := c.sessions(ctx, serverName, conn.RemoteAddr())
	if s == nil {
		return nil
	}
	defer s.Close() // conn has its own reference
	if err := conn.SetSession(s); err != nil && !errors.Is(err, ssl.ErrNotResumable) {
		return err
	}
	return nil
}
