package ssl_test

import (
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// backend is a connection that an application knows by a name. It moves no byte itself.
type backend struct {
	*net.TCPConn
	name string
}

// The direct way to the socket for a type that embeds a *net.TCPConn and adds nothing to its
// Read and Write.
func ExampleUnsafeSocket() {
	addr, stop := exampleServer()
	defer stop()
	roots, err := ssl.LoadCertPool(ssltest.CertFile("ca.pem"))
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := ssl.NewClientCtx(&ssl.Config{RootCAs: roots, ServerName: "localhost"})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()

	raw, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		log.Fatal(err)
	}
	socket, err := ssl.UnsafeSocket(backend{raw.(*net.TCPConn), "backend 1"})
	if err != nil {
		log.Fatal(err)
	}
	conn, err := ssl.Client(socket, ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "hello")
	answer := make([]byte, 5)
	if _, err := io.ReadFull(conn, answer); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s from %s\n", answer, conn.NetConn().(backend).name)
	// Output: hello from backend 1
}
