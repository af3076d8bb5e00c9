package ssltest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"testing"
	"time"

	"sessl/ssl"
)

// StdConfig is a configuration of crypto/tls for either side, with the keys in its log.
func StdConfig(t testing.TB, version uint16) *tls.Config {
	t.Helper()
	cert := StdKeyPair(t, "server-ecdsa")
	return &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: version, InsecureSkipVerify: true,
		ClientSessionCache: tls.NewLRUClientSessionCache(0), ServerName: "localhost", KeyLogWriter: &bytes.Buffer{}}
}

// StdServer is an end of crypto/tls, which reports what OpenSSL 1.1.1 does not.
func StdServer(t *testing.T, cli *ssl.Config, srv *tls.Config) (client *ssl.Conn, hello *tls.ClientHelloInfo,
	server *tls.Conn, cerr, serr error) {
	t.Helper()
	cert := StdKeyPair(t, "server-ecdsa")
	srv.Certificates = []tls.Certificate{cert}
	srv.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		hello = h
		return nil, nil
	}
	a, b := TCPPipe(t)
	client, err := ssl.Client(a, NewClientCtx(t, cli))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	client.SetDeadline(time.Now().Add(Timeout))
	b.SetDeadline(time.Now().Add(Timeout))
	server = tls.Server(b, srv)
	cerr, serr = Both(client.Handshake, server.Handshake, b)
	return client, hello, server, cerr, serr
}

// Both runs the handshakes of two ends, and closes b when the first has failed.
func Both(first, second func() error, b net.Conn) (err1, err2 error) {
	done := make(chan error)
	go func() { done <- second() }()
	if err1 = first(); err1 != nil {
		b.Close()
	}
	return err1, <-done
}

// StdClient does a handshake of crypto/tls's client with a server of ours, and returns the
// client's state and our end.
func StdClient(t *testing.T, srv *ssl.Config, cfg *tls.Config) (tls.ConnectionState, *ssl.Conn) {
	t.Helper()
	pem, err := os.ReadFile(CertFile("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.RootCAs = x509.NewCertPool()
	cfg.RootCAs.AppendCertsFromPEM(pem)
	a, b := TCPPipe(t)
	s, err := ssl.Server(b, NewServerCtx(t, srv))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	done := make(chan error, 1)
	go func() { done <- s.Handshake() }()
	c := tls.Client(a, cfg)
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return c.ConnectionState(), s
}
