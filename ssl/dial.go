package ssl

import "net"

// Dial connects to addr and does a client's handshake. The host in addr is the name that
// is sent and verified, unless ctx has a ServerName. Resources are freed on error.
func Dial(network, addr string, ctx *Ctx) (*Conn, error) {
	return dial("Dial", network, addr, ctx, nil)
}

// DialSession is Dial with a session offered: [Conn.SetSession]. s stays the caller's; nil
// offers none.
func DialSession(network, addr string, ctx *Ctx, s *Session) (*Conn, error) {
	return dial("DialSession", network, addr, ctx, s)
}

func dial(op, network, addr string, ctx *Ctx, s *Session) (_ *Conn, err error) {
	if ctx == nil {
		return nil, fail(op, ErrNil)
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fail(op, err)
	}
	raw, err := net.Dial(network, addr)
	if err != nil {
		return nil, fail(op, err)
	}
	c, err := newConn(op, raw, ctx, false, host)
	if err != nil {
		raw.Close()
		return nil, err
	}
	ok := false
	defer func() {
		if !ok { // also when the application's code panics
			c.Close()
		}
	}()
	if s != nil {
		if err := c.SetSession(s); err != nil {
			return nil, err
		}
	}
	if err := c.Handshake(); err != nil {
		return nil, err
	}
	ok = true
	return c, nil
}

// Listen listens on addr for TLS connections. Accept returns each as a *Conn without
// waiting for its handshake, so that a slow client does not hold up the others. The
// caller closes the listener; ctx must stay open as long as it accepts.
func Listen(network, addr string, ctx *Ctx) (net.Listener, error) {
	const op = "Listen"
	if ctx == nil {
		return nil, fail(op, ErrNil)
	}
	if !ctx.server {
		return nil, fail(op, ErrClient)
	}
	if err := ctx.withPtr(op, func(ctxPtr) error { return nil }); err != nil {
		return nil, err
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		return nil, fail(op, err)
	}
	return &listener{Listener: l, ctx: ctx}, nil
}

type listener struct {
	net.Listener
	ctx *Ctx
}

// Accept returns the next connection, a *Conn.
func (l *listener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c, err := Server(raw, l.ctx)
	if err != nil {
		raw.Close()
		return nil, err
	}
	return c, nil
}
