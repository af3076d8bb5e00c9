package ssl_test

import (
	"fmt"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

func TestZeroCertificate(t *testing.T) {
	leakcheck.Test(t)
	var c ssl.Certificate
	if c.Leaf() != nil || c.String() != "ssl.Certificate{}" || fmt.Sprintf("%#v", c) != c.String() {
		t.Errorf("%v %v", c.Leaf(), c)
	}
	p := ssltest.NewTCPPair(t, ssltest.ClientConfig(t), ssltest.ServerConfig(t))
	ssltest.Refuses(t, "a connection with none", ssl.UseCertificate(p.Server, c), ssl.ErrClosed)
	p.MustShake(t)
}

// A connection's own certificate takes the place of all that its Ctx has.
func TestUseCertificate(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.Certificates = append(srv.Certificates, ssltest.KeyPair(t, "server-rsa"))
		srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
		server, client := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
		for _, own := range []string{"server-chain", "server-rsa"} {
			a, b := ssltest.TCPPipe(t)
			p := ssltest.NewPair(t, client, server, a, b)
			if err := ssl.UseCertificate(p.Server, ssltest.KeyPair(t, own)); err != nil {
				t.Fatal(err)
			}
			if err := ssl.UseCertificate(p.Client, ssltest.KeyPair(t, "client-chain")); err != nil {
				t.Fatal(err)
			}
			p.MustShake(t)
			if got := ssltest.CommonNames(p.Client.ConnectionState().PeerCertificates); !strings.HasPrefix(got, own) {
				t.Errorf("%s is %q", own, got)
			}
			if got := ssltest.CommonNames(p.Server.ConnectionState().
				PeerCertificates); got != "client-chain intermediate" {
				t.Errorf("the client is %q", got)
			}
			p.CloseBoth()
		}
	})
}
