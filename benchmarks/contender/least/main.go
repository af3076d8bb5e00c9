// Command least is the contender with the least that a binding over package net can be: one call of
// libssl for a step, on the socket that package net has. It has no errors but numbers, no deadlines
// and no order among goroutines, owns nothing safely, and trusts a session as libssl does: what it
// costs is how much of package ssl's cost is that of calling libssl from Go.
package main

/*
#cgo pkg-config: libssl libcrypto
#cgo CFLAGS: -Wall -Wextra
#cgo noescape least_handshake
#cgo nocallback least_handshake
#cgo noescape least_read
#cgo nocallback least_read
#cgo noescape least_write
#cgo nocallback least_write
#include <stdlib.h>

#include "least.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"unsafe"

	"sessl/benchmarks/contender"
)

func main() { contender.Main(open, nil) }

type library struct{ srv, cli *C.SSL_CTX }

var name = C.CString(contender.ServerName)

func open(o *contender.Options) (contender.Library, error) {
	switch {
	case o.Form == contender.TicketKeys || o.Form == contender.Cache:
		return nil, contender.Unsupported("has no ticket keys and no cache of its own")
	case o.Transport != "socket":
		return nil, contender.Unsupported("uses sockets alone")
	}
	cert, key := o.ServerCert()
	srv, err := newCtx(o, 1, cert, key, o.Mutual)
	if err != nil {
		return nil, err
	}
	cert, key = "", ""
	if o.Mutual {
		cert, key = o.ClientCert()
	}
	cli, err := newCtx(o, 0, cert, key, true)
	return &library{srv, cli}, err
}

func newCtx(o *contender.Options, server C.int, cert, key string, verify bool) (*C.SSL_CTX, error) {
	var chain *C.char
	if cert != "" {
		chain = C.CString(cert)
	}
	ctx := C.least_ctx(server, C.int(o.Version), chain, C.CString(key), C.CString(o.Roots()), number(verify),
		number(o.Form == contender.ID))
	if ctx == nil {
		return nil, errors.New("no SSL_CTX")
	}
	return ctx, nil
}

func number(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

func (l *library) Server(raw net.Conn) (net.Conn, error) { return newConn(raw, l.srv, 1, nil) }

func (l *library) NewClient() (contender.Client, error) {
	return &client{l.cli, (**C.SSL_SESSION)(C.calloc(1, C.size_t(unsafe.Sizeof(uintptr(0)))))}, nil
}

type client struct {
	ctx  *C.SSL_CTX
	kept **C.SSL_SESSION
}

func (c *client) Dial(addr string, resume bool) (net.Conn, error) {
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	if resume {
		return newConn(raw, c.ctx, 0, *c.kept)
	}
	return newConn(raw, c.ctx, 0, nil)
}

func (c *client) Resumed(nc net.Conn) (bool, error) {
	return C.least_keep(nc.(*conn).ssl, c.kept) != 0, nil
}

func (c *client) State(nc net.Conn) contender.State {
	ssl := nc.(*conn).ssl
	id := C.SSL_CIPHER_get_protocol_id(C.SSL_get_current_cipher(ssl))
	return contender.State{Version: uint16(C.SSL_version(ssl)), Suite: uint16(id)}
}

type conn struct {
	*net.TCPConn
	fd    syscall.RawConn
	ssl   *C.SSL
	shook bool
}

func newConn(raw net.Conn, ctx *C.SSL_CTX, server C.int, s *C.SSL_SESSION) (net.Conn, error) {
	c := &conn{TCPConn: raw.(*net.TCPConn)}
	var err error
	if c.fd, err = c.SyscallConn(); err != nil {
		return nil, err
	}
	err = c.fd.Control(func(fd uintptr) { c.ssl = C.least_new(ctx, C.int(fd), server, name, s) })
	if err == nil && c.ssl == nil {
		err = errors.New("no SSL")
	}
	return c, err
}

// A step does something until libssl need not wait for the socket.
func (c *conn) step(wait func(func(uintptr) bool) error, until C.int, do func() C.int) (n int, err error) {
	var got C.int
	err = wait(func(uintptr) bool {
		got = do()
		return got != until
	})
	switch {
	case err != nil:
		return 0, err
	case got == -C.SSL_ERROR_ZERO_RETURN:
		return 0, io.EOF
	case got < 0:
		return 0, fmt.Errorf("SSL_get_error: %d", -got)
	}
	return int(got), nil
}

func (c *conn) handshake() error {
	if c.shook {
		return nil
	}
	_, err := c.step(c.fd.Read, -C.SSL_ERROR_WANT_READ, func() C.int { return C.least_handshake(c.ssl) })
	c.shook = err == nil
	return err
}

func (c *conn) Read(b []byte) (int, error) {
	if err := c.handshake(); err != nil {
		return 0, err
	}
	return c.step(c.fd.Read, -C.SSL_ERROR_WANT_READ, func() C.int {
		return C.least_read(c.ssl, unsafe.Pointer(unsafe.SliceData(b)), C.int(len(b)))
	})
}

func (c *conn) Write(b []byte) (n int, err error) {
	if err := c.handshake(); err != nil {
		return 0, err
	}
	for n < len(b) {
		more := b[n:]
		put, err := c.step(c.fd.Write, -C.SSL_ERROR_WANT_WRITE, func() C.int {
			return C.least_write(c.ssl, unsafe.Pointer(unsafe.SliceData(more)), C.int(len(more)))
		})
		if err != nil {
			return n, err
		}
		n += put
	}
	return n, nil
}

func (c *conn) Close() error {
	C.least_close(c.ssl)
	return c.TCPConn.Close()
}
