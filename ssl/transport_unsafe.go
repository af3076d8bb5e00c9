package ssl

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// ErrNotSocket says that a net.Conn has no stream socket that could be used directly.
var ErrNotSocket = errors.New("not a stream socket")

// UnsafeSocket returns conn for Client or Server to read and write its socket directly
// (recv and send in the step of SSL_read_ex and SSL_write_ex), past conn's own Read and
// Write, as they do by themselves for a *net.TCPConn and a *net.UnixConn. It saves a type
// that embeds one of these the way of all others, where Go moves the bytes.
//
// It is unsafe unless conn adds nothing to its socket. What conn has read ahead, as one that
// parses a PROXY header may have, is lost; limits and counts in its Read and Write see
// nothing; bytes that it would change are not. Deadlines, CloseWrite and Close remain
// conn's, and must be the socket's. Nothing is done to conn; NetConn returns it.
//
// It fails with ErrNotSocket if conn is no syscall.Conn of a stream socket.
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
	err = rc.Control(func(fd uintptr) { kind, bad = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_TYPE) })
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

// unsafeSocket is the promise of UnsafeSocket's caller. It is no interface that a type
// could have: one that embeds such a type would inherit a promise that it breaks.
type unsafeSocket struct {
	net.Conn
	rc syscall.RawConn
}

// isNil also finds the nil pointers that transports would follow.
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
