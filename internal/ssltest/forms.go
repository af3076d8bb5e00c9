package ssltest

import (
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// ForEachSocket runs f on both ways to a socket.
func ForEachSocket(t *testing.T, f func(t *testing.T)) {
	defer func() { PlainTCP = false }()
	for name, hide := range map[string]bool{"socket": false, "net.Conn": true} {
		PlainTCP = hide
		t.Run(name, f)
	}
}

// Form is one way of resumption; most tests run for each.
type Form struct {
	Name    string
	Version uint16
	Tickets bool
}

// Forms are all four ways of resumption.
var Forms = []Form{
	{"TLS1.2-id", ssl.VersionTLS12, false},
	{"TLS1.2-ticket", ssl.VersionTLS12, true},
	{"TLS1.3-stateful", ssl.VersionTLS13, false},
	{"TLS1.3-stateless", ssl.VersionTLS13, true},
}

// ForEachForm runs f with configurations for both ends of each form.
func ForEachForm(t *testing.T, f func(t *testing.T, fm Form, srv, cli *ssl.Config)) {
	for _, fm := range Forms {
		t.Run(fm.Name, func(t *testing.T) {
			leakcheck.Test(t)
			srv, cli := ServerConfig(t), ClientConfig(t)
			srv.SessionTicketsDisabled = !fm.Tickets
			cli.MaxVersion, srv.MaxVersion = fm.Version, fm.Version
			f(t, fm, srv, cli)
		})
	}
}

// PlainTCP makes TCPPipe hide its sockets; see ForEachTransport.
var PlainTCP bool

// Versions are those that this package speaks.
var Versions = []uint16{ssl.VersionTLS12, ssl.VersionTLS13}

// ForEachVersion runs f with configurations for both ends of each version.
func ForEachVersion(t *testing.T, f func(t *testing.T, srv, cli *ssl.Config)) {
	for _, v := range Versions {
		t.Run(ssl.VersionName(v), func(t *testing.T) {
			leakcheck.Test(t)
			srv, cli := ServerConfig(t), ClientConfig(t)
			srv.MaxVersion, cli.MaxVersion = v, v
			f(t, srv, cli)
		})
	}
}

// ForEachTransport is ForEachVersion for both ways to a socket. No two tests run at the
// same time, so a variable will do.
func ForEachTransport(t *testing.T, f func(t *testing.T, srv, cli *ssl.Config)) {
	defer func() { PlainTCP = false }()
	for name, hide := range map[string]bool{"socket": false, "net.Conn": true} {
		PlainTCP = hide
		t.Run(name, func(t *testing.T) { ForEachVersion(t, f) })
	}
}
