package ssl_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"

	"sessl/ssl"
)

// A question that may be asked twice goes out with the first flight, and is answered without
// waiting for the client's next one.
func ExampleDialer_DialEarly() {
	cert, err := ssl.LoadX509KeyPair("../testdata/certs/server-ecdsa.pem", "../testdata/certs/server-ecdsa.key")
	if err != nil {
		log.Fatal(err)
	}
	sctx, err := ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}, MaxEarlyData: 1024})
	if err != nil {
		log.Fatal(err)
	}
	defer sctx.Close()
	l, err := ssl.Listen("tcp", "127.0.0.1:0", sctx)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go serveEarly(l)

	roots, err := ssl.LoadCertPool("../testdata/certs/ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	cctx, err := ssl.NewClientCtx(&ssl.Config{RootCAs: roots, ServerName: "localhost"})
	if err != nil {
		log.Fatal(err)
	}
	defer cctx.Close()
	d := &ssl.Dialer{Ctx: cctx}
	for range 2 {
		if err := ask(d, l.Addr().String(), "which way?"); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// not sent: read later: which way?
	// accepted: read early: which way?
}

// ask sends the question early if it can, and else as usual.
func ask(d *ssl.Dialer, addr, question string) error {
	c, err := d.DialEarly(context.Background(), "tcp", addr, []byte(question))
	if err != nil {
		return err
	}
	defer c.Close()
	if c.EarlyDataStatus() != ssl.EarlyDataAccepted {
		if _, err := c.Write([]byte(question)); err != nil {
			return err
		}
	}
	if err := c.CloseWrite(); err != nil {
		return err
	}
	answer, err := io.ReadAll(c)
	fmt.Printf("%v: %s\n", c.EarlyDataStatus(), answer)
	return err
}

// serveEarly tells what it has read, and how. Once Read returns, the client has proved that it
// is there.
func serveEarly(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		c := conn.(*ssl.Conn)
		b := make([]byte, 1024)
		if n, err := c.ReadEarlyData(b); err == nil {
			fmt.Fprintf(writeEarlyTo{c}, "read early: %s", b[:n])
		}
		if late, err := io.ReadAll(c); err == nil && len(late) > 0 {
			fmt.Fprintf(c, "read later: %s", late)
		}
		c.Close()
	}
}

// writeEarlyTo writes without waiting for the end of the handshake.
type writeEarlyTo struct{ c *ssl.Conn }

func (w writeEarlyTo) Write(b []byte) (int, error) { return w.c.WriteEarlyData(b) }
