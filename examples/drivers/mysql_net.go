package drivers

import (
	"net"
	"time"
)

// These methods of mysqlConn act on the connection as it is now.

func (c *mysqlConn) current() net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn
}

// NetConn returns the connection that is now, the *ssl.Conn from the handshake on.
func (c *mysqlConn) NetConn() net.Conn { return c.current() }

// Close may come during any other call.
func (c *mysqlConn) Close() error { return c.current().Close() }

// LocalAddr is that of the connection underneath.
func (c *mysqlConn) LocalAddr() net.Addr { return c.current().LocalAddr() }

// RemoteAddr is that of the connection underneath.
func (c *mysqlConn) RemoteAddr() net.Addr { return c.current().RemoteAddr() }

// SetDeadline sets that of the connection.
func (c *mysqlConn) SetDeadline(t time.Time) error { return c.current().SetDeadline(t) }

// SetReadDeadline sets that of the connection.
func (c *mysqlConn) SetReadDeadline(t time.Time) error { return c.current().SetReadDeadline(t) }

// SetWriteDeadline sets that of the connection.
func (c *mysqlConn) SetWriteDeadline(t time.Time) error { return c.current().SetWriteDeadline(t) }
