package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"sessl/ssl"
)

const (
	tls12 = tls.VersionTLS12
	tls13 = tls.VersionTLS13
)

func versionName(v uint16) string { return tls.VersionName(v) }

// A library makes both ends of connections. All libraries use one cipher suite, AES-128-GCM
// with SHA-256, one group, X25519, an ECDSA certificate that the client verifies, and one
// ticket for each handshake.
type library interface {
	name() string
	client(raw net.Conn, resume bool) (net.Conn, error)
	server(raw net.Conn) (net.Conn, error)
	check(c net.Conn, resume bool) error
	close()
}

func suite(version uint16) uint16 {
	if version == tls13 {
		return tls.TLS_AES_128_GCM_SHA256
	}
	return tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
}

// groups has P-256 for the certificate only: in TLS 1.2 OpenSSL applies the list to the curves
// of keys too. The key exchange uses the first group.
var groups = []tls.CurveID{tls.X25519, tls.CurveP256}

func libraries(version uint16, certs string) ([2]library, error) {
	ours, err := newOurs(version, certs, "ssl", func(*ssl.Config) error { return nil })
	if err != nil {
		return [2]library{}, err
	}
	theirs, err := newTheirs(version, certs)
	return [2]library{ours, theirs}, err
}

type ours struct {
	title    string
	version  uint16
	cli, srv *ssl.Ctx
	session  *ssl.Session // the newest
}

// newOurs lets serve configure how its server keeps sessions.
func newOurs(version uint16, certs, title string, serve func(*ssl.Config) error) (*ours, error) {
	roots, err := ssl.LoadCertPool(filepath.Join(certs, "ca.pem"))
	if err != nil {
		return nil, err
	}
	cert, err := ssl.LoadX509KeyPair(filepath.Join(certs, "server-ecdsa.pem"),
		filepath.Join(certs, "server-ecdsa.key"))
	if err != nil {
		return nil, err
	}
	o := &ours{title: title, version: version}
	cfg := ssl.Config{MinVersion: version, MaxVersion: version, CipherSuites: []uint16{suite(version)},
		CurvePreferences: groups}
	srv := cfg
	srv.Certificates, srv.NumTickets = []ssl.Certificate{cert}, 1
	if err := serve(&srv); err != nil {
		return nil, err
	}
	cli := cfg
	cli.RootCAs, cli.ServerName = roots, "localhost"
	cli.OnNewSession = func(_ *ssl.Conn, s *ssl.Session) { o.session.Close(); o.session = s }
	if o.srv, err = ssl.NewServerCtx(&srv); err != nil {
		return nil, err
	}
	o.cli, err = ssl.NewClientCtx(&cli)
	return o, err
}

func (o *ours) name() string { return o.title }

func (o *ours) server(raw net.Conn) (net.Conn, error) { return ssl.Server(raw, o.srv) }

func (o *ours) client(raw net.Conn, resume bool) (net.Conn, error) {
	c, err := ssl.Client(raw, o.cli)
	switch {
	case err != nil:
	case resume:
		err = c.SetSession(o.session)
	default:
		err = c.UseSessionCache(ssl.NoSessionCache{}, "")
	}
	return c, err
}

func (o *ours) check(c net.Conn, resume bool) error {
	st := c.(*ssl.Conn).ConnectionState()
	if st.Group != "" && !strings.EqualFold(st.Group, "x25519") {
		return fmt.Errorf("group %s", st.Group)
	}
	return checkState(o.version, st.Version, st.CipherSuite, st.DidResume, resume)
}

func (o *ours) close() {
	o.session.Close()
	o.cli.Close()
	o.srv.Close()
}

type theirs struct {
	version         uint16
	cli, again, srv *tls.Config
}

func newTheirs(version uint16, certs string) (*theirs, error) {
	cert, err := tls.LoadX509KeyPair(filepath.Join(certs, "server-ecdsa.pem"),
		filepath.Join(certs, "server-ecdsa.key"))
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(filepath.Join(certs, "ca.pem"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("no certificate in ca.pem")
	}
	cfg := func() *tls.Config {
		return &tls.Config{MinVersion: version, MaxVersion: version, CipherSuites: []uint16{suite(version)},
			CurvePreferences: groups, ServerName: "localhost", RootCAs: roots}
	}
	t := &theirs{version: version, cli: cfg(), again: cfg(), srv: cfg()}
	t.srv.Certificates = []tls.Certificate{cert}
	// One cache is only filled, the other only looked up: a client of crypto/tls offers
	// whatever its cache has.
	cache := &newest{}
	t.cli.ClientSessionCache, t.again.ClientSessionCache = onlyPut{cache}, cache
	return t, nil
}

func (t *theirs) name() string { return "crypto/tls" }

func (t *theirs) server(raw net.Conn) (net.Conn, error) { return tls.Server(raw, t.srv), nil }

func (t *theirs) client(raw net.Conn, resume bool) (net.Conn, error) {
	if resume {
		return tls.Client(raw, t.again), nil
	}
	return tls.Client(raw, t.cli), nil
}

func (t *theirs) check(c net.Conn, resume bool) error {
	st := c.(*tls.Conn).ConnectionState()
	if st.CurveID != tls.X25519 && !(resume && t.version == tls12) {
		return fmt.Errorf("group %s", st.CurveID)
	}
	return checkState(t.version, st.Version, st.CipherSuite, st.DidResume, resume)
}

func (t *theirs) close() {}

func checkState(want, version, cipher uint16, did, resume bool) error {
	if version != want || cipher != suite(want) || did != resume {
		return fmt.Errorf("not what was to be measured: %s, suite %#04x, resumed %t",
			versionName(version), cipher, did)
	}
	return nil
}

// newest keeps one session.
type newest struct{ s *tls.ClientSessionState }

func (n *newest) Get(string) (*tls.ClientSessionState, bool) { return n.s, n.s != nil }
func (n *newest) Put(_ string, s *tls.ClientSessionState)    { n.s = s }

type onlyPut struct{ *newest }

func (onlyPut) Get(string) (*tls.ClientSessionState, bool) { return nil, false }
