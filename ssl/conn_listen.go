package ssl

import (
	"errors"
	"net"
)

// Listen listens on addr for TLS connections. Accept returns each as a *Conn without
// waiting for its handshake, so that a slow client does not hold up the others. The
// handshake has [Config].HandshakeTimeout, 30 seconds by default. After it the server
// must set deadlines: otherwise a client that stalls holds the Conn. The caller closes
// the listener; ctx must stay open as long as it accepts.
func Listen(network, addr string, ctx *Ctx) (net.Listener, error) {
	const op = "Listen"
	if err := ctx.checkServer(op); err != nil {
		return nil, err
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		return nil, fail(op, err)
	}
	return NewListener(l, ctx), nil
}

// NewListener returns a listener whose Accept makes a *Conn of each connection that inner
// accepts. Accept does not wait for the handshake, which has [Config].HandshakeTimeout,
// as with Listen. Close closes inner. ctx stays the caller's and must stay open as long
// as the listener accepts. If ctx cannot serve, Accept returns the error.
//
// http.Server's Serve is not for this listener: up to Go 1.26 it takes the connections for plain ones, speaks
// HTTP/1.1 also where h2 was negotiated, and leaves the requests' TLS nil. Package httpssl serves HTTP.
//
// If memory is too short to make a Conn, the connection is closed. Accept then returns
// a net.Error whose Temporary is true, as package net does when files are short:
// http.Server waits a moment and goes on.
func NewListener(inner net.Listener, ctx *Ctx) net.Listener {
	return &listener{inner: inner, ctx: ctx}
}

type listener struct {
	inner net.Listener
	ctx   *Ctx
}

// Accept returns the next connection, a *Conn.
func (l *listener) Accept() (net.Conn, error) {
	const op = "Listener.Accept"
	if l.inner == nil {
		return nil, fail(op, nilArgument("the net.Listener"))
	}
	if err := l.ctx.checkServer(op); err != nil {
		return nil, err // before a client is made to wait for nothing
	}
	raw, err := l.inner.Accept()
	if err != nil {
		return nil, err // unchanged: servers look for net.Error and net.ErrClosed
	}
	if isNil(raw) {
		return nil, fail(op, nilArgument("the net.Conn of the net.Listener"))
	}
	c, err := Server(raw, l.ctx)
	if err == nil {
		return c, nil
	}
	raw.Close()
	if errors.Is(err, ErrClosed) {
		return nil, err // the Ctx has been closed meanwhile: no later call can succeed
	}
	return nil, passingError{err}
}

// passingError is a failure to accept one connection that does not concern the next.
type passingError struct{ err error }

func (e passingError) Error() string { return e.err.Error() }
func (e passingError) Unwrap() error { return e.err }

// Timeout is false: no deadline has passed.
func (passingError) Timeout() bool { return false }

// Temporary tells servers that the listener goes on.
func (passingError) Temporary() bool { return true }

// Close closes the listener underneath; connections that were accepted go on.
func (l *listener) Close() error {
	if l.inner == nil {
		return fail("Listener.Close", ErrNil)
	}
	return l.inner.Close()
}

// Addr returns the address of the listener underneath.
func (l *listener) Addr() net.Addr {
	if l.inner == nil {
		return nil
	}
	return l.inner.Addr()
}

// checkServer returns why no server can be made from the Ctx.
func (c *Ctx) checkServer(op string) error {
	if c == nil {
		return fail(op, nilArgument("the Ctx"))
	}
	if !c.server {
		return fail(op, errClientsCtx)
	}
	return c.withPtr(op, func(ctxPtr) error { return nil })
}
