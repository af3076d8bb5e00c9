package valkeystore_test

import (
	"context"
	"fmt"
	"log"

	"sessl/ssl"
	"sessl/valkeystore"
)

// Three lines let a server resume what other machines have issued. Without the database it serves
// full handshakes, and says what is wrong.
func ExampleOpen() {
	seal, err := ssl.NewSealKeys([]byte("32 random bytes from a secret..."))
	if err != nil {
		log.Fatal(err)
	}
	defer seal.Close()
	cert, err := ssl.LoadX509KeyPair("../testdata/certs/server-ecdsa.pem", "../testdata/certs/server-ecdsa.key")
	if err != nil {
		log.Fatal(err)
	}

	vk, err := valkeystore.Open("valkey://127.0.0.1:1/shop", &valkeystore.Options{SealKeys: seal})
	if err != nil {
		log.Fatal(err)
	}
	defer vk.Close(context.Background())
	server, err := ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert},
		TicketKeys: vk.TicketKeys(), SessionIDContext: []byte("shop")})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	fmt.Println(vk.Stats().Schedule.State)
	fmt.Println(vk.Health() != nil)
	// Output:
	// starting
	// true
}
