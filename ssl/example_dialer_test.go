package ssl_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"time"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// After STARTTLS the connection is there already. Dialer.Client does the handshake over it, and
// resumes like DialContext.
func ExampleDialer_Client() {
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
	d := &ssl.Dialer{Ctx: ctx, NetDialer: &net.Dialer{Timeout: 10 * time.Second}}
	for range 2 {
		raw, err := d.NetDialer.Dial("tcp", addr)
		if err != nil {
			log.Fatal(err)
		}
		// Here the application says STARTTLS, and reads the answer.
		conn, err := d.Client(context.Background(), raw, "tcp", addr)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprint(conn, "hello")
		conn.Read(make([]byte, 5)) // brings the tickets, too
		fmt.Println(conn.SessionReused())
		conn.Close()
	}
	// Output:
	// false
	// true
}
