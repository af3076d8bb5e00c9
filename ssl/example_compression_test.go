package ssl_test

import (
	"errors"
	"fmt"
	"log"
	"net"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A server that compresses its certificates, where OpenSSL can do that: 3.2 and later, as far as it was built
// with an algorithm.
func ExampleCertificateCompressionAlgorithm() {
	cert, err := ssl.LoadX509KeyPair(ssltest.CertFile("server-chain.pem"), ssltest.CertFile("server-chain.key"))
	if err != nil {
		log.Fatal(err)
	}
	certs := []ssl.Certificate{cert}
	var list []ssl.CertificateCompressionAlgorithm
	for _, a := range []ssl.CertificateCompressionAlgorithm{ssl.CertificateCompressionBrotli,
		ssl.CertificateCompressionZstd, ssl.CertificateCompressionZlib} {
		one := ssl.Config{Certificates: certs, CertificateCompression: []ssl.CertificateCompressionAlgorithm{a}}
		if err := one.CheckServer(); err == nil {
			list = append(list, a)
		} else if !errors.Is(err, ssl.ErrUnsupported) {
			log.Fatal(err)
		}
	}
	server := &ssl.Config{Certificates: certs, CertificateCompression: list}
	sctx, err := ssl.NewServerCtx(server)
	if err != nil {
		log.Fatal(err)
	}
	defer sctx.Close()
	roots, err := ssl.LoadCertPool(ssltest.CertFile("ca.pem"))
	if err != nil {
		log.Fatal(err)
	}
	cctx, err := ssl.NewClientCtx(&ssl.Config{RootCAs: roots, ServerName: "localhost"}) // takes what it can get
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
	if err := conn.Handshake(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(conn.ConnectionState().PeerCertificateCompressed == (len(list) > 0))
	// Output: true
}
