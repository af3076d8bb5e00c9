// Command tls is the contender with crypto/tls.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"

	"sessl/benchmarks/contender"
)

func main() { contender.Main(open, nil) }

type library struct {
	o        *contender.Options
	srv, cli *tls.Config
}

func open(o *contender.Options) (contender.Library, error) {
	if o.Form == contender.TicketKeys || o.Form == contender.ID || o.Form == contender.Cache {
		return nil, contender.Unsupported("servers resume with tickets only, sealed with their own keys")
	}
	if o.Transport != "socket" {
		return nil, contender.Unsupported("uses every net.Conn alike")
	}
	cert, err := tls.LoadX509KeyPair(o.ServerCert())
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(o.Roots())
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("no certificate in " + o.Roots())
	}
	cfg := tls.Config{MinVersion: o.Version, MaxVersion: o.Version, CipherSuites: o.Suites(),
		CurvePreferences: contender.Groups}
	l := &library{o: o, srv: cfg.Clone(), cli: cfg.Clone()}
	l.srv.Certificates = []tls.Certificate{cert}
	l.cli.RootCAs, l.cli.ServerName = roots, contender.ServerName
	if o.Mutual {
		mine, err := tls.LoadX509KeyPair(o.ClientCert())
		if err != nil {
			return nil, err
		}
		l.cli.Certificates = []tls.Certificate{mine}
		l.srv.ClientAuth, l.srv.ClientCAs = tls.RequireAndVerifyClientCert, roots
	}
	return l, nil
}

func (l *library) Server(raw net.Conn) (net.Conn, error) { return tls.Server(raw, l.srv), nil }

func (l *library) NewClient() (contender.Client, error) {
	kept := &newest{}
	c := &client{first: l.cli.Clone(), again: l.cli.Clone()}
	// A client of crypto/tls offers whatever its cache has.
	c.first.ClientSessionCache, c.again.ClientSessionCache = onlyPut{kept}, kept
	return c, nil
}

type client struct{ first, again *tls.Config }

func (c *client) Dial(addr string, resume bool) (net.Conn, error) {
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	if resume {
		return tls.Client(raw, c.again), nil
	}
	return tls.Client(raw, c.first), nil
}

func (c *client) Resumed(conn net.Conn) (bool, error) {
	return conn.(*tls.Conn).ConnectionState().DidResume, nil
}

func (c *client) State(conn net.Conn) contender.State {
	st := conn.(*tls.Conn).ConnectionState()
	group := ""
	if st.CurveID != 0 {
		group = st.CurveID.String()
	}
	return contender.State{Version: st.Version, Suite: st.CipherSuite, Group: group}
}

// newest keeps one session.
type newest struct{ s *tls.ClientSessionState }

func (n *newest) Get(string) (*tls.ClientSessionState, bool) { return n.s, n.s != nil }
func (n *newest) Put(_ string, s *tls.ClientSessionState)    { n.s = s }

type onlyPut struct{ *newest }

func (onlyPut) Get(string) (*tls.ClientSessionState, bool) { return nil, false }
