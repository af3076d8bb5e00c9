package interop

import (
	"net"
	"path/filepath"
	"testing"

	"golang.org/x/net/nettest"

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

// tcpPipe is a pair of connected sockets.
func tcpPipe() (a, b net.Conn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	a, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	b, err = l.Accept()
	if err != nil {
		a.Close()
		return nil, nil, err
	}
	return a, b, nil
}

// wrapped hides that a conn is a *net.TCPConn.
type wrapped struct{ net.Conn }

func wrappedPipe() (a, b net.Conn, err error) {
	a, b, err = tcpPipe()
	return wrapped{a}, wrapped{b}, err
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
		{"socket", tcpPipe},
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
