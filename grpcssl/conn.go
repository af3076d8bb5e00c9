package grpcssl

import (
	"net"
	"syscall"

	"sessl/ssl"
)

// conn is the connection that gRPC gets.
type conn struct{ *ssl.Conn }

func newConn(c *ssl.Conn) conn { return conn{c} }

// LocalAddr returns an address that leads to the connection.
func (c conn) LocalAddr() net.Addr { return localAddr{c.Conn} }

// socket is a conn with a socket, whose options channelz shows.
type socket struct {
	conn
	sys
}

type sys = syscall.Conn

func wrap(rawConn net.Conn, c *ssl.Conn) net.Conn {
	if s, ok := rawConn.(syscall.Conn); ok {
		return socket{newConn(c), s}
	}
	return newConn(c)
}
