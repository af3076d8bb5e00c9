package httpssl_test

import (
	"fmt"
	"log"
	"net"
	"net/http"

	"sessl/httpssl"
	"sessl/ssl"
)

// A server of HTTP/1.1 and HTTP/2 without a word about either.
func ExampleNewServerCtx() {
	cert, err := ssl.LoadX509KeyPair("../testdata/certs/server-ecdsa.pem", "../testdata/certs/server-ecdsa.key")
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := httpssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	srv := &http.Server{Handler: http.NotFoundHandler()}
	done := make(chan error)
	go func() { done <- httpssl.Serve(srv, l, ctx) }()
	srv.Close()
	fmt.Println(<-done)
	// Output: http: Server closed
}

// A client whose connections resume, and which speaks HTTP/2.
func ExampleNewClientTransport() {
	url, stop := exampleWebServer()
	defer stop()
	roots, err := ssl.LoadCertPool("../testdata/certs/ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	tr, err := httpssl.NewClientTransport(&ssl.Config{RootCAs: roots, ServerName: "server.test"})
	if err != nil {
		log.Fatal(err)
	}
	defer tr.Close()
	resp, err := (&http.Client{Transport: tr}).Get(url)
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()
	fmt.Println(resp.Proto, resp.StatusCode)
	// Output: HTTP/2.0 404
}
