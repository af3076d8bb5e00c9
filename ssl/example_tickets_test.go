package ssl_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"sessl/ssl"
)

// A fleet: each machine gets the same keys, and rotates after all have got the next one.
func ExampleTicketKeys_Rotate() {
	var keys [3]ssl.TicketKey
	for i := range keys {
		var err error
		if keys[i], err = ssl.NewTicketKey(); err != nil {
			log.Fatal(err)
		}
	}
	tickets, err := ssl.NewTicketKeysFrom(ssl.TicketKeySet{Current: keys[0], Next: keys[1]})
	if err != nil {
		log.Fatal(err)
	}
	defer tickets.Close()
	// ... Config{TicketKeys: tickets, SessionIDContext: []byte("shop")} on each machine.
	if err := tickets.Rotate(keys[2]); err != nil {
		log.Fatal(err)
	}
	for _, info := range tickets.Infos() {
		for i, k := range keys {
			if k.Name() == info.Name {
				fmt.Printf("key %d: %s, AES-%d\n", i, info.Use, info.Bits)
			}
		}
	}
	// Output:
	// key 1: current, AES-256
	// key 2: next, AES-256
	// key 0: old, AES-256
}

// Keys of one process that are replaced every hour.
func ExampleNewTicketKeys() {
	tickets, err := ssl.NewTicketKeys(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer tickets.Close()
	cert, err := ssl.LoadX509KeyPair("../testdata/certs/server-ecdsa.pem", "../testdata/certs/server-ecdsa.key")
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}, TicketKeys: tickets})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()
	fmt.Println(len(tickets.Infos()), "keys,", tickets.Stats().Issued, "tickets issued")
	// Output: 2 keys, 0 tickets issued
}

// Machines that share a secret and nothing else have the same keys at the same time.
func ExampleDeriveTicketKeys() {
	secret := make([]byte, 32) // from the fleet's secret store
	rand.Read(secret)
	one, err := ssl.DeriveTicketKeys(secret, time.Hour, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer one.Close()
	two, err := ssl.DeriveTicketKeys(secret, time.Hour, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer two.Close()
	fmt.Println(one.Infos()[0].Name == two.Infos()[0].Name)
	// Output: true
}

// A machine that has no keys yet resumes nothing and issues nothing. When it has learned the keys of
// the fleet, it goes on like the others.
func ExampleTicketKeySet_withoutCurrent() {
	tickets, err := ssl.NewTicketKeysFrom(ssl.TicketKeySet{})
	if err != nil {
		log.Fatal(err)
	}
	defer tickets.Close()
	// ... Config{TicketKeys: tickets, SessionIDContext: []byte("shop")}; connections are served.
	made := time.Date(2024, 5, 6, 7, 0, 0, 0, time.UTC)
	key, err := ssl.NewTicketKey() // in place of one that another machine has made
	if err != nil {
		log.Fatal(err)
	}
	if err := tickets.SetKeys(ssl.TicketKeySet{Next: key.WithMade(made)}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(tickets.Infos()[0].Use, tickets.Infos()[0].Made.UTC())
	if err := tickets.Rotate(ssl.TicketKey{}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(tickets.Infos()[0].Use, tickets.Infos()[0].Name == key.Name())
	// Output:
	// next 2024-05-06 07:00:00 +0000 UTC
	// current true
}

// A machine that is late learns of new keys by the first client that has a ticket of one. Here the
// keys are in a file, which another program replaces; it could be a database as well.
func ExampleTicketKeys_OnUnknownKey() {
	dir, err := os.MkdirTemp("", "keys")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "ticket.key")
	replace := func() ssl.TicketKey {
		key, err := ssl.NewTicketKey()
		if err != nil {
			log.Fatal(err)
		}
		b, err := key.SecretBytes()
		if err != nil {
			log.Fatal(err)
		}
		defer clear(b)
		if err := os.WriteFile(file, b, 0o600); err != nil {
			log.Fatal(err)
		}
		return key
	}
	replace()
	tickets, err := ssl.LoadTicketKeys(file)
	if err != nil {
		log.Fatal(err)
	}
	defer tickets.Close()
	err = tickets.OnUnknownKey(func(context.Context, string) error { return tickets.Reload() }, 0)
	if err != nil {
		log.Fatal(err)
	}
	key := replace() // other machines have read it, and this one has not

	// A client comes from one of them.
	cert, err := ssl.LoadX509KeyPair("../testdata/certs/server-ecdsa.pem", "../testdata/certs/server-ecdsa.key")
	if err != nil {
		log.Fatal(err)
	}
	others, err := ssl.NewTicketKeysFrom(ssl.TicketKeySet{Current: key})
	if err != nil {
		log.Fatal(err)
	}
	defer others.Close()
	cfg := &ssl.Config{InsecureSkipVerify: true}
	client, err := ssl.NewClientCtx(cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	d := ssl.Dialer{Ctx: client, SessionGroup: "shop"}
	for _, keys := range []*ssl.TicketKeys{others, tickets} {
		server, err := ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}, TicketKeys: keys,
			SessionIDContext: []byte("shop")})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("resumed:", visitOnce(&d, server))
		server.Close()
	}
	st := tickets.Stats()
	fmt.Println(st.CatchUps, "call,", st.CaughtUp, "connection helped")
	// Output:
	// resumed: false
	// resumed: true
	// 1 call, 1 connection helped
}

// visitOnce makes a connection to a server of ctx, and reads a byte from it.
func visitOnce(d *ssl.Dialer, ctx *ssl.Ctx) (resumed bool) {
	l, err := ssl.Listen("tcp", "127.0.0.1:0", ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			c.Write([]byte("x"))
			c.Read(make([]byte, 1)) // until the client closes
			c.Close()
		}
	}()
	c, err := d.Dial("tcp", l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); err != nil {
		log.Fatal(err)
	}
	return c.SessionReused()
}
