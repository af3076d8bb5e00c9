package grpcssl

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"sessl/ssl"
)

// conn is what gRPC gets.
type conn struct {
	*ssl.Conn
	end *end
}

// end is how the reading of a connection ended.
type end struct {
	once  sync.Once
	came  chan struct{}
	alert error // if that is why; set before came is closed
}

func newConn(c *ssl.Conn) conn { return conn{c, &end{came: make(chan struct{})}} }

// LocalAddr returns an address that leads to the connection.
func (c conn) LocalAddr() net.Addr { return localAddr{c.Conn} }

// Read is ssl.Conn's.
func (c conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.end.once.Do(func() {
			var e *ssl.Error
			if errors.As(err, &e) {
				if _, ok := e.Alert(); ok {
					c.end.alert = err
				}
			}
			close(c.end.came)
		})
	}
	return n, err
}

// patience is for a Read that is about to end, because the connection has.
const patience = 100 * time.Millisecond

// Write is ssl.Conn's. In TLS 1.3 a client's handshake is over before its certificate has
// been judged. A server that refuses it closes the connection, and what gRPC then reports is
// the first Write that fails, which knows nothing of the alert that waits to be read.
func (c conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if !broken(err) {
		return n, err
	}
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-c.end.came:
		if c.end.alert != nil {
			err = fmt.Errorf("%w: %w", c.end.alert, err)
		}
	case <-t.C: // nobody reads
	}
	return n, err
}

// broken reports whether a Write failed because the connection has ended, and not by our
// side's doing. What it says then differs by version of OpenSSL, which may give no reason.
func broken(err error) bool {
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed)
}

// socket is a conn that has a socket, whose options channelz shows.
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
