// Command ssl is the contender with package ssl.
package main

import (
	"context"
	"crypto/tls"
	"net"

	"sessl/benchmarks/contender"
	"sessl/ssl"
)

func main() { contender.Main(open, table) }

type library struct {
	o        *contender.Options
	srv, cli *ssl.Ctx
}

func open(o *contender.Options) (contender.Library, error) {
	roots, err := ssl.LoadCertPool(o.Roots())
	if err != nil {
		return nil, err
	}
	cert, err := ssl.LoadX509KeyPair(o.ServerCert())
	if err != nil {
		return nil, err
	}
	cfg := ssl.Config{MinVersion: o.Version, MaxVersion: o.Version, CipherSuites: o.Suites(),
		CurvePreferences: contender.Groups}
	srv, cli := cfg, cfg
	srv.Certificates, srv.NumTickets = []ssl.Certificate{cert}, 1
	cli.RootCAs, cli.ServerName = roots, contender.ServerName
	if o.Mutual {
		mine, err := ssl.LoadX509KeyPair(o.ClientCert())
		if err != nil {
			return nil, err
		}
		cli.Certificates = []ssl.Certificate{mine}
		srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, roots
	}
	if err := keep(o, &srv); err != nil {
		return nil, err
	}
	l := &library{o: o}
	if l.srv, err = ssl.NewServerCtx(&srv); err != nil {
		return nil, err
	}
	l.cli, err = ssl.NewClientCtx(&cli)
	return l, err
}

// keep configures how a server keeps its sessions.
func keep(o *contender.Options, srv *ssl.Config) (err error) {
	switch o.Form {
	case contender.TicketKeys:
		srv.TicketKeys, err = ssl.NewTicketKeys(nil)
	case contender.ID:
		srv.SessionTicketsDisabled = true
	case contender.Cache:
		srv.SessionCache, err = ssl.NewServerSessionCache(nil)
	}
	return err
}

func (l *library) Server(raw net.Conn) (net.Conn, error) { return ssl.Server(raw, l.srv) }

func (l *library) NewClient() (contender.Client, error) {
	kept := &newest{version: l.o.Version}
	c := &client{first: ssl.Dialer{Ctx: l.cli, Sessions: onlyPut{kept}},
		again: ssl.Dialer{Ctx: l.cli, Sessions: kept}}
	if l.o.Transport == "conn" {
		var d net.Dialer
		dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
			raw, err := d.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return l.o.Wrap(raw), nil
		}
		c.first.DialFunc, c.again.DialFunc = dial, dial
	}
	return c, nil
}

type client struct{ first, again ssl.Dialer }

func (c *client) Dial(addr string, resume bool) (net.Conn, error) {
	if resume {
		return c.again.Dial("tcp", addr)
	}
	return c.first.Dial("tcp", addr)
}

func (c *client) Resumed(conn net.Conn) (bool, error) { return conn.(*ssl.Conn).SessionReused(), nil }

func (c *client) State(conn net.Conn) contender.State {
	st := conn.(*ssl.Conn).ConnectionState()
	return contender.State{Version: st.Version, Suite: st.CipherSuite, Group: st.Group}
}

// newest keeps one session.
type newest struct {
	version uint16
	s       *ssl.Session
}

func (n *newest) Put(_ ssl.SessionKey, s *ssl.Session) {
	n.s.Close()
	n.s = s
}

// Take hands a session of TLS 1.3 out once, as its server made it for one use.
func (n *newest) Take(ssl.SessionKey) (*ssl.Session, ssl.ReuseState) {
	s := n.s
	if s == nil {
		return nil, ssl.ReuseNoSession
	}
	if n.version == tls.VersionTLS12 {
		if again, err := s.UpRef(); err == nil {
			return again, ssl.ReuseUnknown
		}
	}
	n.s = nil
	return s, ssl.ReuseUnknown
}

func (n *newest) Remove(ssl.SessionKey, *ssl.Session) {}

type onlyPut struct{ *newest }

func (onlyPut) Take(ssl.SessionKey) (*ssl.Session, ssl.ReuseState) { return nil, ssl.ReuseNoSession }
