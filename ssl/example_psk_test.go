package ssl_test

import (
	"crypto/rand"
	"fmt"
	"log"

	"sessl/ssl"
)

// A device and its server share a key. Neither has a certificate.
func ExampleNewPSK() {
	secret := make([]byte, 32) // from where both have it
	rand.Read(secret)
	key, err := ssl.NewPSK("meter-0042", secret, 0)
	if err != nil {
		log.Fatal(err)
	}
	clear(secret)

	sctx, err := ssl.NewServerCtx(&ssl.Config{PSKs: []ssl.PSK{key}})
	if err != nil {
		log.Fatal(err)
	}
	defer sctx.Close()
	l, err := ssl.Listen("tcp", "127.0.0.1:0", sctx)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		defer conn.Close()
		c := conn.(*ssl.Conn)
		if err := c.Handshake(); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("server: the client is %q\n", c.ConnectionState().PSKIdentity)
	}()

	cctx, err := ssl.NewClientCtx(&ssl.Config{PSKs: []ssl.PSK{key}, PSKOnly: true})
	if err != nil {
		log.Fatal(err)
	}
	defer cctx.Close()
	c, err := ssl.Dial("tcp", l.Addr().String(), cctx)
	if err != nil {
		log.Fatal(err)
	}
	<-done
	fmt.Println("client:", len(c.ConnectionState().PeerCertificates), "certificates,", key)
	c.Close()
	// Output:
	// server: the client is "meter-0042"
	// client: 0 certificates, ssl.PSK("meter-0042", SHA-256)
}
