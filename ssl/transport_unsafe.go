package ssl

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// ErrNotSocket says that a net.Conn has no stream socket that could be used directly.
var ErrNotSocket = errors.New("not a stream socket")

// UnsafeSocket returns conn in a form whose socket Client and Server read and write
// directly (recv and send in the step of SSL_read_ex and SSL_write_ex), bypassing conn's
// own Read and Write. For a *net.TCPConn and a *net.UnixConn they do so by themselves. For
// a type that embeds one of these it avoids the slower way, in which Go moves the bytes.
//
// It is unsafe unless conn adds nothing to its socket. Bytes that conn has read ahead,
// for example when it parses a PROXY header, are lost; limits and counters in its Read
// and Write see nothing; it cannot change any bytes. Deadlines, CloseWrite and Close are
// still conn's, and must be the socket's. conn itself is not changed; NetConn returns it.
//
// UnsafeSocket returns ErrNotSocket if conn is not a syscall.Conn of a stream socket.
func UnsafeSocket(conn net.Conn) (net.Conn, error) {
	const op = "UnsafeSocket"
	if isNil(conn) {
		return nil, fail(op, ErrNil)
	}
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return nil, fail(op, fmt.Errorf("%w: %T has no SyscallConn", ErrNotSocket, conn))
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return nil, fail(op, err)
	}
	kind, bad := 0, error(nil)
	err = rc.Control(func(fd uintptr) {
		kind, bad = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_TYPE)
	})
	switch {
	case err != nil:
		return nil, fail(op, err)
	case bad != nil:
		return nil, fail(op, fmt.Errorf("%w: %w", ErrNotSocket, bad))
	case kind != syscall.SOCK_STREAM:
		return nil, fail(op, fmt.Errorf("%w: SO_TYPE is %d", ErrNotSocket, kind))
	}
	return &unsafeSocket{conn, rc}, nil
}

// unsafeSocket carries the promise of UnsafeSocket's caller. It is not an interface that a type
// could have, because a type that embeds such a type would inherit a promise that it breaks.
type unsafeSocket struct {
	net.Conn
	rc syscall.RawConn
}

// isNil reports whether conn is nil, or a nil pointer that a transport would follow.
func isNil(conn net.Conn) bool {
	switch conn := conn.(type) {
	case nil:
		return true
	case *net.TCPConn:
		return conn == nil
	case *net.UnixConn:
		return conn == nil
	}
	return false
}
