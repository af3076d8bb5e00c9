package starttls_test

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"

	"sessl/internal/ssltest"
	"sessl/ssl"
	"sessl/starttls"
)

// A mail server is dialed as any other; the second connection resumes.
func ExampleProtocol_DialContext() {
	addr, stop := exampleMailServer()
	defer stop()
	roots, err := ssl.LoadCertPool(ssltest.CertFile("ca.pem"))
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := ssl.NewClientCtx(&ssl.Config{RootCAs: roots})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()
	d := &ssl.Dialer{Ctx: ctx, DialFunc: starttls.SMTP.DialContext}
	for range 2 {
		conn, err := d.Dial("tcp", addr)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprint(conn, "NOOP\r\n")
		answer, err := bufio.NewReader(conn).ReadString('\n') // TLS 1.3 sends new sessions before it
		fmt.Printf("%q %v, resumed: %v\n", answer, err, conn.SessionReused())
		conn.Close()
	}
	// Output:
	// "250 OK\r\n" <nil>, resumed: false
	// "250 OK\r\n" <nil>, resumed: true
}

// exampleMailServer knows STARTTLS and NOOP; stop ends it.
func exampleMailServer() (addr string, stop func()) {
	cert, err := ssl.LoadX509KeyPair(ssltest.CertFile("server-ecdsa.pem"), ssltest.CertFile("server-ecdsa.key"))
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}})
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			good[starttls.SMTP].Play(raw)
			if conn, err := ssl.Server(raw, ctx); err == nil {
				conn.Read(make([]byte, len("NOOP\r\n")))
				io.WriteString(conn, "250 OK\r\n")
				conn.Close()
			}
		}
	}()
	return l.Addr().String(), func() {
		l.Close()
		<-done
		ctx.Close()
	}
}
