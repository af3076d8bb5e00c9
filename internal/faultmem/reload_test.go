package faultmem_test

import (
	"errors"
	"fmt"
	"net"
	"testing"

	"sessl/internal/faultmem"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// reloading is a link whose ends have certificates that can be replaced.
func reloading(t *testing.T, version uint16) (l *link, server, client *ssl.ReloadableCertificates) {
	t.Helper()
	make := func(names ...string) *ssl.ReloadableCertificates {
		var certs []ssl.Certificate
		for _, name := range names {
			certs = append(certs, ssltest.KeyPair(t, name))
		}
		r, err := ssl.NewReloadableCertificates(certs...)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	server, client = make("server-rsa", "server-ecdsa"), make("client-chain")
	l = newLink(t, version, setup{mutual: true})
	l.server = ssltest.NewServerCtx(t, &ssl.Config{ReloadableCertificates: server, MaxVersion: version,
		ClientAuth: ssl.RequireAndVerifyClientCert, ClientCAs: ssltest.Roots(t, "ca")})
	var err error
	l.client, err = ssl.NewClientCtx(&ssl.Config{ReloadableCertificates: client, MaxVersion: version,
		RootCAs:    ssltest.Roots(t, "ca"),
		ServerName: "localhost", OnNewSession: l.keep})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.client.Close() })
	return l, server, client
}

// If a set cannot be tried for want of memory, the old set stays.
func TestReplaceOutOfMemory(t *testing.T) {
	leakcheck.Test(t)
	_, server, _ := reloading(t, ssl.VersionTLS13)
	old, next := ssltest.KeyPair(t, "server-ecdsa"), ssltest.KeyPair(t, "server-rsa")
	every(t, func(op func(string)) (err, wrong error) {
		if wrong := faultmem.Aside(func() error { return server.Replace(old) }); wrong != nil {
			return nil, wrong
		}
		op("ReloadableCertificates.Replace")
		err = server.Replace(next)
		want := next
		if err != nil {
			want = old
		}
		if got := server.Certificates(); len(got) != 1 || got[0] != want {
			wrong = fmt.Errorf("%v are in use", got)
		}
		return err, wrong
	})
}

// Each connection takes its certificates. Without memory for them there is no connection.
func TestReloadedHandshakeOutOfMemory(t *testing.T) {
	forEachVersion(t, func(t *testing.T, version uint16) {
		l, _, _ := reloading(t, version)
		for _, s := range []side{l.serverEnd(), l.clientEnd(nil)} {
			perSite(t, func(op func(string)) (err, wrong error) {
				s.op = op
				peer := l.clientEnd(nil)
				if !s.server {
					peer = l.serverEnd()
				}
				return drive(s.run, peer.run)
			})
		}
	})
}

// The chosen host gives its own certificates.
func TestReloadedHostOutOfMemory(t *testing.T) {
	forEachVersion(t, func(t *testing.T, version uint16) {
		l, server, _ := reloading(t, version)
		host, set := l.server, server.Certificates()
		l.server = ssltest.NewServerCtx(t,
			&ssl.Config{GetConfigForClient: func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return host, nil }})
		perSite(t, func(op func(string)) (err, wrong error) {
			op("Conn.Handshake")
			err, wrong = drive(serve(l), func(raw net.Conn) (err, wrong error) {
				c, err := ssl.Client(raw, l.client)
				if err != nil {
					return nil, err
				}
				defer c.Close()
				if err := offerNothing(c); err != nil {
					return nil, err
				}
				if err := c.Handshake(); err != nil {
					return err, nil
				}
				// 3.5 leaves out algorithms that it could not fetch, and may show its second
				// choice.
				if got := c.ConnectionState().PeerCertificates[0]; !got.Equal(set[0].Leaf()) &&
					!got.Equal(set[1].Leaf()) {
					return nil, errors.New("a certificate that is not the host's was shown")
				}
				return nil, nil
			})
			faultmem.Aside(func() error { l.take().Close(); return nil })
			return err, wrong
		})
	})
}
