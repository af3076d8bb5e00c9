//go:build libp2p

// Command libp2p is the contender with github.com/libp2p/go-openssl, a fork of the binding that
// most others come from. It has a build tag, because it need not build with each OpenSSL.
//
// Its DialSession passes C a pointer to a pointer of Go, and panics unless GODEBUG=cgocheck=0.
// It cannot set the suites and the groups of TLS 1.3 nor the number of tickets: its openssl.cnf
// does.
package main

import (
	"crypto/tls"
	"net"
	"strings"

	"github.com/libp2p/go-openssl"

	"sessl/benchmarks/contender"
)

func main() { contender.Main(open, nil) }

type library struct {
	o        *contender.Options
	srv, cli *openssl.Ctx
}

func open(o *contender.Options) (contender.Library, error) {
	switch {
	case o.Form == contender.TicketKeys || o.Form == contender.Cache:
		return nil, contender.Unsupported("its ticket keys are for one process, and its cache is libssl's")
	case o.Transport != "socket":
		return nil, contender.Unsupported("uses every net.Conn alike")
	}
	cert, key := o.ServerCert()
	srv, err := newCtx(o, cert, key)
	if err != nil {
		return nil, err
	}
	cert, key = "", ""
	if o.Mutual {
		cert, key = o.ClientCert()
		srv.SetVerifyMode(openssl.VerifyPeer | openssl.VerifyFailIfNoPeerCert)
	}
	if err := srv.SetSessionId([]byte("contender")); err != nil {
		return nil, err
	}
	if o.Form == contender.ID {
		srv.SetOptions(openssl.NoTicket)
	}
	cli, err := newCtx(o, cert, key)
	if err != nil {
		return nil, err
	}
	cli.SetVerifyMode(openssl.VerifyPeer)
	return &library{o: o, srv: srv, cli: cli}, nil
}

func newCtx(o *contender.Options, cert, key string) (ctx *openssl.Ctx, err error) {
	if cert == "" {
		ctx, err = openssl.NewCtx()
	} else {
		ctx, err = openssl.NewCtxFromFiles(cert, key)
	}
	if err != nil {
		return nil, err
	}
	if err := ctx.LoadVerifyLocations(o.Roots(), ""); err != nil {
		return nil, err
	}
	ctx.SetMinProtoVersion(openssl.Version(o.Version))
	ctx.SetMaxProtoVersion(openssl.Version(o.Version))
	return ctx, ctx.SetCipherList("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256")
}

func (l *library) Server(raw net.Conn) (net.Conn, error) { return openssl.Server(raw, l.srv) }

func (l *library) NewClient() (contender.Client, error) { return &client{ctx: l.cli}, nil }

type client struct {
	ctx     *openssl.Ctx
	session []byte // the newest, in DER
}

func (c *client) Dial(addr string, resume bool) (net.Conn, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	session := c.session
	if !resume {
		session = nil
	}
	return openssl.DialSession("tcp4", net.JoinHostPort(contender.ServerName, port), c.ctx, 0, session)
}

func (c *client) Resumed(conn net.Conn) (resumed bool, err error) {
	c.session, err = conn.(*openssl.Conn).GetSession()
	return conn.(*openssl.Conn).SessionReused(), err
}

// State knows the suite alone: the versions are bounded.
func (c *client) State(conn net.Conn) contender.State {
	st := contender.State{Version: tls.VersionTLS13, Suite: tls.TLS_AES_128_GCM_SHA256}
	switch name, _ := conn.(*openssl.Conn).CurrentCipher(); {
	case strings.HasPrefix(name, "ECDHE-ECDSA-AES128-GCM"):
		st = contender.State{Version: tls.VersionTLS12, Suite: tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
	case strings.HasPrefix(name, "ECDHE-RSA-AES128-GCM"):
		st = contender.State{Version: tls.VersionTLS12, Suite: tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	case name != "TLS_AES_128_GCM_SHA256":
		st.Suite = 0
	}
	return st
}
