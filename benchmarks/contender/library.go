package contender

import (
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"
)

// ServerName is the name in the server's certificate, which clients verify.
const ServerName = "localhost"

// A Library makes connections. All use one cipher suite, one group, a certificate that the
// client verifies, and one ticket for each handshake.
type Library interface {
	// Server returns the server's end of an accepted connection; the first Read does the handshake.
	Server(raw net.Conn) (net.Conn, error)

	// NewClient returns a client with sessions of its own.
	NewClient() (Client, error)
}

// A Client makes one connection after another.
type Client interface {
	// Dial connects, with the newest session if resume is true. The handshake may be left to
	// the first Write.
	Dial(addr string, resume bool) (net.Conn, error)

	// Resumed is called for each connection, after the first Read.
	Resumed(c net.Conn) (bool, error)

	// State is called for connections that do not count: some libraries decode the peer's chain.
	State(c net.Conn) State
}

// A State is what is checked of a connection.
type State struct {
	Version, Suite uint16
	Group          string // "" where the library does not say
}

func (o *Options) check(st State) error {
	if o.Version == 0 {
		return nil
	}
	if st.Version != o.Version || !slices.Contains(o.Suites(), st.Suite) ||
		st.Group != "" && !strings.EqualFold(st.Group, "x25519") {
		return fmt.Errorf("not what was to be measured: %s, suite %#04x, group %s",
			tls.VersionName(st.Version), st.Suite, st.Group)
	}
	return nil
}

// Unsupported is the error of a library that lacks what the options ask for.
type Unsupported string

func (u Unsupported) Error() string { return string(u) }

// hidden hides what a net.Conn has besides the methods of the interface.
type hidden struct{ net.Conn }

// Wrap returns raw, or with -transport conn a net.Conn that hides its socket.
func (o *Options) Wrap(raw net.Conn) net.Conn {
	if o.Transport == "conn" {
		return hidden{raw}
	}
	return raw
}
