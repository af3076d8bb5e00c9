package grpcssl

import (
	"context"
	"errors"
	"io"
	"net"

	"google.golang.org/grpc/credentials"

	"sessl/ssl"
)

// ClientHandshake does a client's handshake on rawConn, with the host in authority as the
// server's name. It offers a session of an earlier connection to the same authority. When ctx
// ends, it closes rawConn and returns the context's error. On error rawConn has been closed.
func (c *Credentials) ClientHandshake(ctx context.Context, authority string, rawConn net.Conn) (
	net.Conn, credentials.AuthInfo, error) {
	name := c.hostOf(authority)
	conn, err := c.begin(rawConn, func(x *ssl.Ctx) (*ssl.Conn, error) {
		return ssl.ClientWithServerName(rawConn, x, name)
	})
	if err != nil {
		return nil, nil, err
	}
	return shake(rawConn, conn, func() error {
		if err := conn.UseSessionCache(c.sessions, "tcp "+authority); err != nil {
			return err
		}
		return conn.HandshakeContext(ctx)
	})
}

// ServerHandshake does a server's handshake on rawConn, within the deadline of rawConn (gRPC
// sets one) and the HandshakeTimeout of the ssl.Config. On error rawConn has been closed. If a
// client goes away before the end, the error is io.EOF itself, which gRPC takes for a load
// balancer's health check.
func (c *Credentials) ServerHandshake(rawConn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, err := c.begin(rawConn, func(x *ssl.Ctx) (*ssl.Conn, error) {
		return ssl.Server(rawConn, x)
	})
	if err != nil {
		return nil, nil, err
	}
	return shake(rawConn, conn, func() error {
		err := conn.Handshake()
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return io.EOF
		}
		return err
	})
}

// hostOf returns the host in an authority, or the configured name if the authority is empty.
func (c *Credentials) hostOf(authority string) string {
	if authority == "" {
		return c.serverName()
	}
	if host, _, err := net.SplitHostPort(authority); err == nil {
		return host
	}
	return authority // it has no port
}

// begin makes the ssl.Conn over rawConn. On error it closes rawConn.
func (c *Credentials) begin(rawConn net.Conn, open func(*ssl.Ctx) (*ssl.Conn, error)) (*ssl.Conn, error) {
	if rawConn == nil {
		return nil, fail("handshake", ssl.ErrNil)
	}
	if c == nil || c.ctx == nil {
		rawConn.Close()
		return nil, fail("handshake", ssl.ErrNil)
	}
	conn, err := open(c.ctx)
	if err != nil {
		if !errors.Is(err, ssl.ErrNil) { // a nil pointer in the interface
			rawConn.Close()
		}
		return nil, err
	}
	return conn, nil
}

// shake does the handshake, and demands that it negotiates h2. On error it closes conn, also if
// the application's code panics.
func shake(rawConn net.Conn, conn *ssl.Conn, handshake func() error) (net.Conn, credentials.AuthInfo, error) {
	ok := false
	defer func() {
		if !ok {
			conn.Close()
		}
	}()
	if err := handshake(); err != nil {
		return nil, nil, explain(err)
	}
	state := conn.ConnectionState()
	if err := checkH2(state.NegotiatedProtocol); err != nil {
		return nil, nil, err
	}
	ok = true
	return wrap(rawConn, conn), authInfo(state), nil
}
