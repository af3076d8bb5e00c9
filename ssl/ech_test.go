package ssl_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A key of ours is one for crypto/tls at both ends, before and after it was in a file.
func TestECHKeyIsCryptoTLSs(t *testing.T) {
	leakcheck.Test(t)
	made, err := ssl.NewEncryptedClientHelloKey("A.test.")
	if err != nil {
		t.Fatal(err)
	}
	file, err := ssl.MarshalEncryptedClientHelloKeyPEM(made)
	if err != nil {
		t.Fatal(err)
	}
	read, err := ssl.ParseEncryptedClientHelloKeyPEM(append([]byte("a comment\n"), file...))
	if err != nil || !bytes.Equal(read.Config, made.Config) || !bytes.Equal(read.PrivateKey, made.PrivateKey) {
		t.Fatalf("read %x, %v; want %x", read.Config, err, made.Config)
	}
	list := append([]byte{0, byte(len(made.Config))}, made.Config...)
	a, b := net.Pipe()
	client := tls.Client(a, &tls.Config{EncryptedClientHelloConfigList: list, ServerName: "localhost",
		RootCAs: ssltest.StdRoots(t, "ca")})
	server := tls.Server(b, &tls.Config{EncryptedClientHelloKeys: []tls.EncryptedClientHelloKey{read},
		Certificates: []tls.Certificate{ssltest.StdKeyPair(t, "server-ecdsa")}, SessionTicketsDisabled: true})
	cerr, serr := ssltest.Both(client.Handshake, server.Handshake, b)
	if cerr != nil || serr != nil || !server.ConnectionState().ECHAccepted {
		t.Errorf("client %v, server %v, accepted %t", cerr, serr, server.ConnectionState().ECHAccepted)
	}
	a.Close()
	b.Close()
}

func TestECHKeyMistakes(t *testing.T) {
	for _, name := range []string{"", "127.0.0.1", "::1", ".a.test", "*.test"} {
		_, err := ssl.NewEncryptedClientHelloKey(name)
		ssltest.Refuses(t, "public name "+name, err, ssl.ErrConfig)
	}
	one, err := ssl.NewEncryptedClientHelloKey("a.test")
	if err != nil {
		t.Fatal(err)
	}
	other, err := ssl.NewEncryptedClientHelloKey("a.test")
	if err != nil {
		t.Fatal(err)
	}
	mixed := one
	mixed.PrivateKey = other.PrivateKey
	_, err = ssl.MarshalEncryptedClientHelloKeyPEM(mixed)
	ssltest.Refuses(t, "a key of another configuration", err, ssl.ErrConfig)
	file, err := ssl.MarshalEncryptedClientHelloKeyPEM(one)
	if err != nil {
		t.Fatal(err)
	}
	for i := range one.Config {
		cut := one
		cut.Config = one.Config[:i]
		if _, err := ssl.MarshalEncryptedClientHelloKeyPEM(cut); !errors.Is(err, ssl.ErrMalformed) {
			t.Fatalf("%d bytes of %d: %v", i, len(one.Config), err)
		}
	}
	private, config, _ := bytes.Cut(file, []byte("-----BEGIN ECHCONFIG"))
	config = append([]byte("-----BEGIN ECHCONFIG"), config...)
	for what, data := range map[string][]byte{
		"nothing": nil, "only a key": private, "only a configuration": config} {
		_, err := ssl.ParseEncryptedClientHelloKeyPEM(data)
		ssltest.Refuses(t, what, err, ssl.ErrMalformed)
	}
}
