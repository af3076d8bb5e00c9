package ssl_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A server that hides its name, and a client that has the configuration from the DNS. Where OpenSSL is older
// than 4.0, no keys can be made.
func ExampleNewEncryptedClientHelloKeys() {
	key, err := ssl.NewEncryptedClientHelloKey("server.test") // a name in the certificate
	if err != nil {
		log.Fatal(err)
	}
	keys, err := ssl.NewEncryptedClientHelloKeys(key)
	if errors.Is(err, ssl.ErrUnsupported) {
		fmt.Println("localhost was hidden")
		return
	}
	if err != nil {
		log.Fatal(err)
	}
	cert, err := ssl.LoadX509KeyPair(ssltest.CertFile("server-ecdsa.pem"), ssltest.CertFile("server-ecdsa.key"))
	if err != nil {
		log.Fatal(err)
	}
	roots, err := ssl.LoadCertPool(ssltest.CertFile("ca.pem"))
	if err != nil {
		log.Fatal(err)
	}
	certs := []ssl.Certificate{cert}
	server := &ssl.Config{Certificates: certs, EncryptedClientHelloKeys: keys}
	client := &ssl.Config{RootCAs: roots, EncryptedClientHelloConfigList: keys.ConfigList()} // from the DNS
	client.ServerName = "localhost"                                                          // which is hidden

	sctx, err := ssl.NewServerCtx(server)
	if err != nil {
		log.Fatal(err)
	}
	defer sctx.Close()
	cctx, err := ssl.NewClientCtx(client)
	if err != nil {
		log.Fatal(err)
	}
	defer cctx.Close()

	a, b := net.Pipe()
	served, err := ssl.Server(b, sctx)
	if err != nil {
		log.Fatal(err)
	}
	defer served.Close()
	go served.Handshake()
	conn, err := ssl.Client(a, cctx)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	var refused *tls.ECHRejectionError
	if err := conn.Handshake(); errors.As(err, &refused) {
		log.Fatal("connect again, with ", refused.RetryConfigList)
	} else if err != nil {
		log.Fatal(err)
	}
	if conn.ConnectionState().ECHAccepted {
		fmt.Println(conn.ConnectionState().ServerName, "was hidden")
	}
	// Output: localhost was hidden
}
