package ssltest

import (
	"errors"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// ErrNotHim is what a VerifyConnection says of the wrong client.
var ErrNotHim = errors.New("not him")

// LaterConfigs are for a server that asks after the handshake and a client that has a
// certificate for it.
func LaterConfigs(t testing.TB) (srv, cli *ssl.Config) {
	srv, cli = ServerConfig(t), ClientConfig(t)
	srv.PostHandshakeAuth, cli.PostHandshakeAuth = true, true
	srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, Roots(t, "ca")
	cli.Certificates = []ssl.Certificate{KeyPair(t, "client")}
	return srv, cli
}

// ForEachLater runs f for both kinds of ticket and both transports.
func ForEachLater(t *testing.T, f func(t *testing.T, srv, cli *ssl.Config)) {
	defer func() { PlainTCP = false }()
	for name, hide := range map[string]bool{"socket": false, "net.Conn": true} {
		for tickets, disabled := range map[string]bool{"stateless": false, "stateful": true} {
			PlainTCP = hide
			t.Run(name+"/"+tickets, func(t *testing.T) {
				leakcheck.Test(t)
				srv, cli := LaterConfigs(t)
				srv.SessionTicketsDisabled = disabled
				f(t, srv, cli)
			})
		}
	}
}

// WantClient checks whom the server takes the client for; "" is no client.
func WantClient(t testing.TB, c *ssl.Conn, name string) {
	t.Helper()
	s := c.ConnectionState()
	got := ""
	if len(s.PeerCertificates) > 0 {
		got = s.PeerCertificates[0].Subject.CommonName
	}
	if got != name || s.Verified != (name != "") || !s.DidResume && (len(s.VerifiedChain) > 0) != s.Verified {
		t.Errorf("the client is %q, verified %t by a chain of %d, want %q", got, s.Verified, len(s.VerifiedChain),
			name)
	}
}

// ClientName is the common name in testdata/certs/client.pem.
const ClientName = "sessl test client"
