package interop

import (
	"net"
	"path/filepath"
	"testing"

	"golang.org/x/net/nettest"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

const certs = "../testdata/certs"

func contexts(t testing.TB, version uint16) (cli, srv *ssl.Ctx) {
	t.Helper()
	roots, err := ssl.LoadCertPool(filepath.Join(certs, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ssl.LoadX509KeyPair(filepath.Join(certs, "server-ecdsa.pem"),
		filepath.Join(certs, "server-ecdsa.key"))
	if err != nil {
		t.Fatal(err)
	}
	cli, err = ssl.NewClientCtx(&ssl.Config{RootCAs: roots, ServerName: "localhost", MaxVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	srv, err = ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}})
	if err != nil {
		cli.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() { cli.Close(); srv.Close() })
	return cli, srv
}

func wrappedPipe() (a, b net.Conn, err error) {
	a, b, err = ssltest.Loopback()
	return ssltest.Plain{Conn: a}, ssltest.Plain{Conn: b}, err
}

func memoryPipe() (a, b net.Conn, err error) {
	a, b = net.Pipe()
	return a, b, nil
}

// Both transports and both versions behave as a net.Conn must.
func TestNetConnSemantics(t *testing.T) {
	pipes := []struct {
		name string
		make func() (a, b net.Conn, err error)
	}{
		{"socket", ssltest.Loopback},
		{"wrapped", wrappedPipe},
		{"memory", memoryPipe},
	}
	for _, version := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
		for _, p := range pipes {
			t.Run(p.name+"/"+ssl.VersionName(version), func(t *testing.T) {
				cli, srv := contexts(t, version)
				nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
					a, b, err := p.make()
					if err != nil {
						return nil, nil, nil, err
					}
					s1, err := ssl.Client(a, cli)
					if err != nil {
						return nil, nil, nil, err
					}
					s2, err := ssl.Server(b, srv)
					if err != nil {
						return nil, nil, nil, err
					}
					done := make(chan error, 1)
					go func() { done <- s2.Handshake() }()
					if err := s1.Handshake(); err != nil {
						return nil, nil, nil, err
					}
					if err := <-done; err != nil {
						return nil, nil, nil, err
					}
					return s1, s2, func() { s1.Close(); s2.Close() }, nil
				})
			})
		}
	}
}
