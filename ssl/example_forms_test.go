package ssl_test

import (
	"crypto/rand"
	"fmt"
	"log"
	"sync/atomic"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// breaker is a store that has stopped to ask its database while that does not answer.
type breaker struct {
	mapStore
	open atomic.Bool
}

func (b *breaker) Down() bool { return b.open.Load() }

// A server with both forms of session, which prefers ids while its store is within reach.
func ExampleSessionStatusStore() {
	secret := make([]byte, ssl.SealKeyLen) // the same on every machine, as the ticket keys are
	rand.Read(secret)
	seal, err := ssl.NewSealKeys(secret)
	if err != nil {
		log.Fatal(err)
	}
	defer seal.Close()
	tickets, err := ssl.NewTicketKeys(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer tickets.Close()
	store := &breaker{}
	cache, err := ssl.NewServerSessionCache(&ssl.ServerCacheOptions{Store: store, SealKeys: seal})
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	cert, err := ssl.LoadX509KeyPair(ssltest.CertFile("server-ecdsa.pem"), ssltest.CertFile("server-ecdsa.key"))
	if err != nil {
		log.Fatal(err)
	}
	server, err := ssl.NewServerCtx(&ssl.Config{
		Certificates: []ssl.Certificate{cert}, SessionIDContext: []byte("shop"),
		TicketKeys: tickets, SessionCache: cache, PreferSessionCache: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	for _, down := range []bool{false, true} {
		store.open.Store(down)
		before := cache.Stats().Stores
		visitTwice(server)
		fmt.Printf("down %t: sessions in the cache: %t\n", down, cache.Stats().Stores > before)
	}
	st, err := server.Stats()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("resumed by id", st.Handshakes[ssl.ReusedID], "by ticket", st.Handshakes[ssl.ReusedTicket])
	// Output:
	// down false: sessions in the cache: true
	// down true: sessions in the cache: false
	// resumed by id 1 by ticket 1
}

// visitTwice has a new client connect, and come back.
func visitTwice(server *ssl.Ctx) {
	roots, err := ssl.LoadCertPool(ssltest.CertFile("ca.pem"))
	if err != nil {
		log.Fatal(err)
	}
	client, err := ssl.NewClientCtx(&ssl.Config{RootCAs: roots, ServerName: "localhost"})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	l, err := ssl.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	for range 2 {
		go func() {
			c, err := l.Accept()
			if err != nil {
				log.Fatal(err)
			}
			c.Write([]byte("hello"))
			c.Close()
		}()
		c, err := ssl.Dial("tcp", l.Addr().String(), client)
		if err != nil {
			log.Fatal(err)
		}
		c.Read(make([]byte, 5)) // the tickets come before it
		c.Close()
	}
}
