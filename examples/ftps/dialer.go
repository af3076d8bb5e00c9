package main

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/jlaffaye/ftp"

	"sessl/ssl"
	"sessl/starttls"
)

// dialer makes the connections of one FTP session. The first is the control connection, the
// others are data connections, which offer the control connection's session. Servers with
// require_ssl_reuse or the like take this as proof that both come from the same client. Make
// one dialer for each login.
type dialer struct {
	ssl      *ssl.Ctx
	explicit bool // AUTH TLS after a greeting in the clear, instead of TLS from the first byte

	// noReuse makes data connections offer no session, to show that the server refuses them.
	noReuse bool

	host    string // the dialed name, which is verified on data connections too
	control *ssl.Conn
}

// connect dials addr. All connections of the session are closed when ctx ends.
func (d *dialer) connect(ctx context.Context, addr string) (*ftp.ServerConn, error) {
	dial := func(network, addr string) (net.Conn, error) {
		if d.control == nil {
			return d.dialControl(ctx, network, addr)
		}
		return d.dialData(ctx, network, addr)
	}
	// If there is a dial function, the library only checks whether its tls.Config is set: then
	// it sends PBSZ 0 and PROT P after the login.
	conn, err := ftp.Dial(addr, ftp.DialWithDialFunc(dial), ftp.DialWithTLS(&tls.Config{}))
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err() // and not the error of a closed connection
	}
	return conn, err
}

func (d *dialer) dialControl(ctx context.Context, network, addr string) (conn net.Conn, err error) {
	if d.host, _, err = net.SplitHostPort(addr); err != nil {
		return nil, err
	}
	control := ssl.Dialer{Ctx: d.ssl}
	if d.explicit {
		control.DialFunc = starttls.FTP.DialContext
	}
	c, err := control.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { c.Close() })
	d.control = c
	if d.explicit {
		return starttls.FTP.WithGreeting(c), nil // the server has greeted in the clear
	}
	return c, nil
}

// dialData leaves the handshake to the first Read or Write, because servers begin theirs after
// the command of the transfer.
func (d *dialer) dialData(ctx context.Context, network, addr string) (net.Conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c, err := ssl.ClientWithServerName(raw, d.ssl, d.host)
	if err != nil {
		raw.Close()
		return nil, err
	}
	if d.noReuse {
		err = c.UseSessionCache(ssl.NoSessionCache{}, "")
	} else {
		err = offerSessionOf(c, d.control)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	context.AfterFunc(ctx, func() { c.Close() })
	return c, nil
}

// offerSessionOf lets data offer the current session of control: in TLS 1.3 the newest ticket
// that control has read. SetSession takes a copy, so any number of connections may offer the
// same session.
func offerSessionOf(data, control *ssl.Conn) error {
	s, err := control.Session()
	if err != nil {
		return err
	}
	defer s.Close()
	return data.SetSession(s)
}
