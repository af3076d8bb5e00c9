package ssl

import (
	"cmp"
	"context"
	"net"
)

// A Dialer makes client connections over TCP and Unix stream sockets, like that of crypto/tls.
// It may be used from several goroutines at once, and must not be changed while it is.
type Dialer struct {
	// NetDialer makes the connection underneath, with its happy eyeballs, local address,
	// keep-alive and Control. Its Timeout and Deadline also bound the handshake, even if
	// DialFunc makes the connection. nil means the zero net.Dialer, which has no limits.
	NetDialer *net.Dialer

	// DialFunc, if not nil, makes the connection underneath instead of NetDialer:
	// through a proxy (SOCKS, CONNECT, ssh) or in memory. network and addr are those of
	// the call; network need not be one of package net. addr is the server's address,
	// whatever RemoteAddr the connection has: the host in addr is verified, and
	// sessions belong to it. The function must return when ctx ends, and may be called
	// from several goroutines at once. The Conn closes the connection that it returns.
	DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

	// Ctx is the client's Ctx that the connections are made from; it stays the caller's.
	Ctx *Ctx

	// Sessions is the cache that connections resume from and put new sessions into; nil
	// means a cache of the Ctx's own, which ends with it. [NoSessionCache] means none.
	Sessions ClientSessionCache

	// SessionGroup, if not empty, replaces the server's port or address in the [SessionKey] of
	// all connections of the Dialer. By default a session that was verified for a name is
	// offered to all addresses of that name with the same port. If one name stands for services
	// that do not resume each other's sessions, a group for each keeps them apart. If services
	// with several ports, paths or addresses do resume each other's, one group joins them.
	SessionGroup string
}

// Dial is DialContext with a context that does not end.
func (d *Dialer) Dial(network, addr string) (*Conn, error) {
	return d.dial(context.Background(), "Dialer.Dial", network, addr, d.fromCache(network, addr))
}

// DialContext connects to addr and does a client's handshake. The host in addr is the
// name that is sent and verified, unless the Ctx has a ServerName; the path of a Unix
// socket has no name. If ctx ends first, DialContext returns its error. After the Conn
// has been returned, ctx has no effect any more. After an error nothing is left open.
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (*Conn, error) {
	return d.dial(ctx, "Dialer.DialContext", network, addr, d.fromCache(network, addr))
}

// DialSession is DialContext with s offered, instead of a session from a cache: see
// [Conn.SetSession]. s stays the caller's; nil offers none. The connection's new
// sessions go to no cache.
func (d *Dialer) DialSession(ctx context.Context, network, addr string, s *Session) (*Conn, error) {
	return d.dial(ctx, "Dialer.DialSession", network, addr, offerOf(s))
}

// DialEarly is DialContext with data sent as early data, before the handshake is complete,
// if that is possible: if the cache has a session that allows that much, from a connection
// with the same name and configuration ([Conn.WriteEarlyData] has the rules). After it has
// returned, [Conn.EarlyDataStatus] says what became of data. Unless that is
// EarlyDataAccepted, the server has not seen any of it, and the caller must send it again:
//
//	if c.EarlyDataStatus() != ssl.EarlyDataAccepted {
//		_, err = c.Write(data)
//	}
//
// An attacker on the path can record data and send it to the server again: data must be a request
// that may be carried out more than once. After an error, the server may or may not have seen it.
func (d *Dialer) DialEarly(ctx context.Context, network, addr string, data []byte) (*Conn, error) {
	return d.dial(ctx, "Dialer.DialEarly", network, addr, func(ctx context.Context, c *Conn) error {
		if err := d.fromCache(network, addr)(ctx, c); err != nil {
			return err
		}
		return c.tryEarly(ctx, data)
	})
}

// Connect is DialContext without the handshake, which Handshake, Read or Write then
// does. It is for what must be done before, such as a WriteEarlyData of data that is
// not known yet. A session from the cache will be offered. The limits of the NetDialer
// and ctx bound only this call. After an error nothing is left open.
func (d *Dialer) Connect(ctx context.Context, network, addr string) (*Conn, error) {
	return d.connect(ctx, "Dialer.Connect", network, addr, d.fromCache(network, addr))
}

// Client does a client's handshake over conn, which was connected by other means, such as
// STARTTLS or a proxy, with the Dialer's Ctx and sessions (SSL_new, SSL_do_handshake). ctx and
// the Timeout and Deadline of the NetDialer bound it. DialFunc is not called. network and addr
// are the server's, as in DialContext, whatever addresses conn has: the host in addr is verified,
// unless the Ctx has a ServerName, and sessions belong to it. network may have any value; only
// for "tcp" networks must addr have a port. The Conn owns conn; after an error conn is closed.
func (d *Dialer) Client(ctx context.Context, conn net.Conn, network, addr string) (*Conn, error) {
	const op = "Dialer.Client"
	given := func(context.Context, string, string) (net.Conn, error) { return conn, nil }
	if isNil(conn) {
		return nil, fail(op, nilArgument("the net.Conn"))
	}
	c, err := d.connectBy(ctx, op, given, network, addr, handshakeAfter(d.fromCache(network, addr)))
	if err != nil {
		conn.Close() // also if the arguments were refused; a second Close does nothing
		return nil, err
	}
	return c, nil
}

// DialTLSContext is DialContext in the form of http.Transport's field of that name.
// Such a transport speaks HTTP/1.1 over the connection, whatever protocol was
// negotiated: the Ctx must not offer h2. Package httpssl makes transports for both.
func (d *Dialer) DialTLSContext(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := d.dial(ctx, "Dialer.DialTLSContext", network, addr, d.fromCache(network, addr))
	if err != nil {
		return nil, err // not a nil *Conn in an interface
	}
	return c, nil
}

// Dial connects to addr and does a client's handshake. The host in addr is the name that is
// sent and verified, unless ctx has a ServerName. It uses the session cache of ctx. After
// an error nothing is left open. Use a [Dialer] for timeouts, a context or another cache.
func Dial(network, addr string, ctx *Ctx) (*Conn, error) {
	d := Dialer{Ctx: ctx}
	return d.dial(context.Background(), "Dial", network, addr, d.fromCache(network, addr))
}

// DialSession is Dial with s offered, instead of a session from a cache: see
// [Conn.SetSession]. s stays the caller's; nil offers none.
func DialSession(network, addr string, ctx *Ctx, s *Session) (*Conn, error) {
	d := Dialer{Ctx: ctx}
	return d.dial(context.Background(), "DialSession", network, addr, offerOf(s))
}

// fromCache and offerOf return what is done about sessions before the handshake.
func (d *Dialer) fromCache(network, addr string) func(context.Context, *Conn) error {
	return func(_ context.Context, c *Conn) error {
		where := c.placeOf(network, addr)
		if d.SessionGroup != "" {
			where = "group " + d.SessionGroup
		}
		return c.UseSessionCache(d.Sessions, where)
	}
}

func offerOf(s *Session) func(context.Context, *Conn) error {
	return func(_ context.Context, c *Conn) error {
		if s == nil {
			return c.offerNone("DialSession")
		}
		return c.SetSession(s)
	}
}

func handshakeAfter(prepare func(context.Context, *Conn) error) func(context.Context, *Conn) error {
	return func(ctx context.Context, c *Conn) error {
		if err := prepare(ctx, c); err != nil {
			return err
		}
		return c.HandshakeContext(ctx)
	}
}

// A connStep does something with a new connection.
type connStep = func(context.Context, *Conn) error

func (d *Dialer) dial(ctx context.Context, op, network, addr string, prepare connStep) (*Conn, error) {
	return d.connect(ctx, op, network, addr, handshakeAfter(prepare))
}

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// connect dials, and calls begin with the connection.
func (d *Dialer) connect(ctx context.Context, op, network, addr string, begin connStep) (*Conn, error) {
	var dial dialFunc
	if d != nil {
		dial = d.DialFunc
	}
	return d.connectBy(ctx, op, dial, network, addr, begin)
}

// connectBy makes the connection underneath with dial, or with the NetDialer if dial is nil.
func (d *Dialer) connectBy(
	ctx context.Context, op string, dial dialFunc, network, addr string, begin connStep,
) (*Conn, error) {
	host, err := d.check(ctx, op, dial != nil, network, addr)
	if err != nil {
		return nil, err
	}
	nd := d.NetDialer
	if nd == nil {
		nd = &net.Dialer{}
	}
	if dial == nil {
		dial = nd.DialContext
	}
	// net.Dialer's own limits end when the connection underneath is made.
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
	raw, err := dial(ctx, network, addr)
	if err != nil {
		return nil, fail(op, err)
	}
	if isNil(raw) {
		return nil, fail(op, nilArgument("the net.Conn of DialFunc"))
	}
	if ctx.Err() != nil { // the function came too late
		raw.Close()
		return nil, fail(op, context.Cause(ctx))
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

// check refuses arguments that could not work before any connection is made, and returns the
// name of the host in addr. With others, package net does not dial, and any network may be used.
func (d *Dialer) check(
	ctx context.Context, op string, others bool, network, addr string,
) (host string, err error) {
	switch {
	case d == nil:
		return "", fail(op, nilArgument("the Dialer"))
	case d.Ctx == nil:
		return "", fail(op, nilArgument("the Dialer's Ctx"))
	case ctx == nil:
		return "", fail(op, nilArgument("the context"))
	}
	if d.Ctx.server {
		return "", fail(op, errServersCtx)
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
	if !others {
		return "", fail(op, net.UnknownNetworkError(network)) // TLS needs a stream
	}
	host, _, _ = net.SplitHostPort(addr) // without one, the Ctx's ServerName counts
	return host, nil
}

// closeUnless calls begin. After an error it closes c, also if the application's code panics.
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
