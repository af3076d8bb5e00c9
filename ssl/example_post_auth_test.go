package ssl_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"

	"sessl/ssl"
)

// A server asks for the client's certificate when something needs it.
func ExampleConn_RequestClientCertificate() {
	cert, err := ssl.LoadX509KeyPair("../testdata/certs/server-ecdsa.pem", "../testdata/certs/server-ecdsa.key")
	if err != nil {
		log.Fatal(err)
	}
	own, err := ssl.LoadX509KeyPair("../testdata/certs/client.pem", "../testdata/certs/client.key")
	if err != nil {
		log.Fatal(err)
	}
	roots, err := ssl.LoadCertPool("../testdata/certs/ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	serverCtx, err := ssl.NewServerCtx(&ssl.Config{
		Certificates:      []ssl.Certificate{cert},
		ClientAuth:        ssl.RequireAndVerifyClientCert,
		ClientCAs:         roots,
		PostHandshakeAuth: true, // not in the handshake
	})
	if err != nil {
		log.Fatal(err)
	}
	defer serverCtx.Close()
	clientCtx, err := ssl.NewClientCtx(&ssl.Config{
		RootCAs: roots, ServerName: "localhost", Certificates: []ssl.Certificate{own}, PostHandshakeAuth: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer clientCtx.Close()

	a, b := net.Pipe()
	client, err := ssl.Client(a, clientCtx)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	go io.Copy(client, client) // a client answers while it reads
	server, err := ssl.Server(b, serverCtx)
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	if err := server.Handshake(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(server.ConnectionState().PeerCertificates))
	if err := server.RequestClientCertificate(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(server.ConnectionState().PeerCertificates[0].Subject)
	// Output:
	// 0
	// CN=sessl test client
}
