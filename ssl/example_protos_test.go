package ssl_test

import (
	"fmt"
	"log"
	"net"

	"sessl/ssl"
)

// A client that usually speaks HTTP/2 does not want to on one connection.
func ExampleConn_SetNextProtos() {
	cert, err := ssl.LoadX509KeyPair("../testdata/certs/server-ecdsa.pem", "../testdata/certs/server-ecdsa.key")
	if err != nil {
		log.Fatal(err)
	}
	roots, err := ssl.LoadCertPool("../testdata/certs/ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	protos := []string{"h2", "http/1.1"}
	server, err := ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}, NextProtos: protos})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	client, err := ssl.NewClientCtx(&ssl.Config{RootCAs: roots, ServerName: "localhost", NextProtos: protos})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	for _, only := range [][]string{nil, {"http/1.1"}} {
		a, b := net.Pipe()
		s, err := ssl.Server(b, server)
		if err != nil {
			log.Fatal(err)
		}
		go s.Handshake()
		c, err := ssl.Client(a, client)
		if err != nil {
			log.Fatal(err)
		}
		if only != nil {
			if err := c.SetNextProtos(only); err != nil {
				log.Fatal(err)
			}
		}
		if err := c.Handshake(); err != nil {
			log.Fatal(err)
		}
		fmt.Println(c.ConnectionState().NegotiatedProtocol)
		go s.Close()
		c.Close()
	}
	// Output:
	// h2
	// http/1.1
}
