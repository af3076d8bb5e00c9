package ssltest

import (
	"sync/atomic"
	"testing"

	"sessl/ssl"
)

// hosts is a server that has a Ctx for a.test and one for b.test.
type hosts struct {
	*Server
	ctx   map[string]*ssl.Ctx
	asked atomic.Int32
}

// StartHosts has open as the Config of a.test, and demanding as that of b.test.
func StartHosts(t testing.TB, listening, open, demanding *ssl.Config) *hosts {
	t.Helper()
	h := &hosts{ctx: map[string]*ssl.Ctx{
		"a.test": NewServerCtx(t, open),
		"b.test": NewServerCtx(t, demanding),
	}}
	listening.GetConfigForClient = func(hello *ssl.ClientHelloInfo) (*ssl.Ctx, error) {
		h.asked.Add(1)
		ctx, ok := h.ctx[hello.ServerName]
		if !ok {
			return nil, ssl.AlertError(112)
		}
		return ctx, nil
	}
	h.Server = StartServer(t, listening)
	return h
}

// HostConfigs are a listener's, and those of a host for all and of one for clients with a certificate.
func HostConfigs(t testing.TB) (listening, open, demanding *ssl.Config) {
	listening = ServerConfig(t)
	open = &ssl.Config{Certificates: []ssl.Certificate{KeyPair(t, "a-test")}}
	demanding = &ssl.Config{Certificates: []ssl.Certificate{KeyPair(t, "b-test")},
		ClientAuth: ssl.RequireAndVerifyClientCert, ClientCAs: Roots(t, "ca")}
	return listening, open, demanding
}

// ClientOf is a client of one version that asks for host.
func ClientOf(t testing.TB, host string, version uint16) *ssl.Config {
	cli := ClientConfig(t)
	cli.ServerName, cli.MaxVersion = host, version
	return cli
}

// RefusedWith is how a server ends a connection that it does not want; in TLS 1.3 the client
// learns of it when it reads.
func RefusedWith(c *ssl.Conn) error {
	if err := c.Handshake(); err != nil {
		return err
	}
	_, err := c.Read(make([]byte, 1))
	return err
}
