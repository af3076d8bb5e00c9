package ssl

import (
	"cmp"
	"context"
	"net"
)

// A Dialer makes client connections over TCP and Unix stream sockets, as crypto/tls's
// does. It may be used from several goroutines at once, and must not be changed then.
type Dialer struct {
	// NetDialer makes the connection underneath: happy eyeballs, local address, keep-alive
	// and Control are its own. Its Timeout and Deadline bound the handshake too. Nil means
	// the zero net.Dialer, which has no limits.
	NetDialer *net.Dialer

	// Ctx is the client's Ctx that the connections are made from; it stays the caller's.
	Ctx *Ctx

	// Sessions is where sessions come from and go to, so that connections resume: nil means
	// a cache of the Ctx's own, which ends with it. [NoSessionCache] is for none.
	Sessions ClientSessionCache
}

// Dial is DialContext with a context that does not end.
func (d *Dialer) Dial(network, addr string) (*Conn, error) {
	return d.dial(context.Background(), "Dialer.Dial", network, addr, d.fromCache(network, addr))
}

// DialContext connects to addr and does a client's handshake. The host in addr is the name
// that is sent and verified, unless the Ctx has a ServerName; the path of a Unix socket has
// none. If ctx ends first, its error is returned; once the Conn has been returned, ctx does
// nothing any more. On error nothing is left open.
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (*Conn, error) {
	return d.dial(ctx, "Dialer.DialContext", network, addr, d.fromCache(network, addr))
}

// DialSession is DialContext with that session offered, in the place of one from a cache:
// [Conn.SetSession]. s stays the caller's; nil offers none. Sessions of the connection go to
// no cache either.
func (d *Dialer) DialSession(ctx context.Context, network, addr string, s *Session) (*Conn, error) {
	return d.dial(ctx, "Dialer.DialSession", network, addr, offerOf(s))
}

// DialEarly is DialContext with data sent as early data, before the handshake is complete, if
// that can be: if there is a session in the cache that allows as much, from a connection with
// the same name and configuration ([Conn.WriteEarlyData], which has the rules). Once it has
// returned, [Conn.EarlyDataStatus] says what became of data. Unless that is
// EarlyDataAccepted, the server has not seen any of it, and nobody sends it again but the
// caller:
//
//	if c.EarlyDataStatus() != ssl.EarlyDataAccepted {
//		_, err = c.Write(data)
//	}
//
// Anybody on the path can record data and send it to the server again: it must be something
// that may be done more than once. After an error the server may have seen it or not.
func (d *Dialer) DialEarly(ctx context.Context, network, addr string, data []byte) (*Conn, error) {
	return d.dial(ctx, "Dialer.DialEarly", network, addr, func(ctx context.Context, c *Conn) error {
		if err := d.fromCache(network, addr)(ctx, c); err != nil {
			return err
		}
		return c.tryEarly(ctx, data)
	})
}

// Connect is DialContext without the handshake, which Handshake, Read or Write then does: for
// what has to be done before, such as WriteEarlyData of what is not known yet. A session from
// the cache is going to be offered. The limits of the NetDialer and ctx bound no more than this
// call. On error nothing is left open.
func (d *Dialer) Connect(ctx context.Context, network, addr string) (*Conn, error) {
	return d.connect(ctx, "Dialer.Connect", network, addr, d.fromCache(network, addr))
}

// DialTLSContext is DialContext in the form of http.Transport's field of that name. Such a
// transport speaks HTTP/1.1 to what it returns, whatever was negotiated: the Ctx must not
// offer h2. Package httpssl makes transports for both.
func (d *Dialer) DialTLSContext(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := d.dial(ctx, "Dialer.DialTLSContext", network, addr, d.fromCache(network, addr))
	if err != nil {
		return nil, err // not a nil *Conn in an interface
	}
	return c, nil
}

// Dial connects to addr and does a client's handshake. The host in addr is the name that
// is sent and verified, unless ctx has a ServerName. Resources are freed on error. A
// [Dialer] takes timeouts, a context and a cache; here it is the one of ctx.
func Dial(network, addr string, ctx *Ctx) (*Conn, error) {
	d := Dialer{Ctx: ctx}
	return d.dial(context.Background(), "Dial", network, addr, d.fromCache(network, addr))
}

// DialSession is Dial with that session offered, in the place of one from a cache:
// [Conn.SetSession]. s stays the caller's; nil offers none.
func DialSession(network, addr string, ctx *Ctx, s *Session) (*Conn, error) {
	d := Dialer{Ctx: ctx}
	return d.dial(context.Background(), "DialSession", network, addr, offerOf(s))
}

// fromCache and offerOf are what is done about sessions before the handshake.
func (d *Dialer) fromCache(network, addr string) func(context.Context, *Conn) error {
	return func(_ context.Context, c *Conn) error {
		return c.UseSessionCache(d.Sessions, network+" "+addr)
	}
}

func offerOf(s *Session) func(context.Context, *Conn) error {
	return func(_ context.Context, c *Conn) error {
		if s == nil {
			return nil
		}
		return c.SetSession(s)
	}
}

func (d *Dialer) dial(ctx context.Context, op, network, addr string, prepare func(context.Context, *Conn) error) (*Conn, error) {
	return d.connect(ctx, op, network, addr, func(ctx context.Context, c *Conn) error {
		if err := prepare(ctx, c); err != nil {
			return err
		}
		return c.HandshakeContext(ctx)
	})
}

// connect makes a connection and has begin do what is to be done on it.
func (d *Dialer) connect(ctx context.Context, op, network, addr string, begin func(context.Context, *Conn) error) (*Conn, error) {
	host, err := d.check(ctx, op, network, addr)
	if err != nil {
		return nil, err
	}
	nd := d.NetDialer
	if nd == nil {
		nd = &net.Dialer{}
	}
	// net.Dialer's own limits end with the connection underneath.
	if nd.Timeout != 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, nd.Timeout)
		defer cancel()
	}
	if !nd.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, nd.Deadline)
		defer cancel()
	}
	raw, err := nd.DialContext(ctx, network, addr)
	if err != nil {
		return nil, fail(op, err)
	}
	c, err := newConn(op, raw, d.Ctx, false, cmp.Or(d.Ctx.name, host))
	if err != nil {
		raw.Close()
		return nil, err
	}
	if err := c.closeUnless(ctx, begin); err != nil {
		return nil, err
	}
	return c, nil
}

// check refuses what could not work before anybody is disturbed, and returns the name of
// the host in addr.
func (d *Dialer) check(ctx context.Context, op, network, addr string) (host string, err error) {
	if d == nil || d.Ctx == nil || ctx == nil {
		return "", fail(op, ErrNil)
	}
	if d.Ctx.server {
		return "", fail(op, ErrServer)
	}
	if err := d.Ctx.withPtr(op, func(ctxPtr) error { return nil }); err != nil {
		return "", err
	}
	switch network {
	case "tcp", "tcp4", "tcp6":
		if host, _, err = net.SplitHostPort(addr); err != nil {
			return "", fail(op, err)
		}
		if _, err := hostName(cmp.Or(d.Ctx.name, host)); err != nil {
			return "", fail(op, err)
		}
		return host, nil
	case "unix":
		return "", nil
	}
	return "", fail(op, net.UnknownNetworkError(network)) // TLS needs a stream
}

// closeUnless calls begin; on error c is closed, also when the application's code panics.
func (c *Conn) closeUnless(ctx context.Context, begin func(context.Context, *Conn) error) error {
	ok := false
	defer func() {
		if !ok {
			c.Close()
		}
	}()
	err := begin(ctx, c)
	ok = err == nil
	return err
}
