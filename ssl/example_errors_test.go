package ssl_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// deniedStore stands for a database that does not accept the password.
type deniedStore struct{ mapStore }

func (*deniedStore) Remove(context.Context, []byte) error {
	return errors.New("NOAUTH authentication required")
}

// What a monitor would log of a store.
func ExampleServerSessionCache_StoreErrors() {
	key := make([]byte, ssl.SealKeyLen)
	rand.Read(key)
	keys, err := ssl.NewSealKeys(key)
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()
	cache, err := ssl.NewServerSessionCache(&ssl.ServerCacheOptions{Store: &deniedStore{}, SealKeys: keys})
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	if err := cache.RemoveContext(context.Background(), []byte("the id of a session")); err == nil {
		log.Fatal("removed")
	}
	for _, e := range cache.StoreErrors() {
		fmt.Println(e.Op, e.Err)
	}
	// Output: Remove NOAUTH authentication required
}

// What a monitor would look at on a server with early data.
func ExampleCtx_GuardErrors() {
	cert, err := ssl.LoadX509KeyPair(ssltest.CertFile("server-ecdsa.pem"), ssltest.CertFile("server-ecdsa.key"))
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}, MaxEarlyData: 4096})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()
	for _, e := range ctx.GuardErrors() {
		fmt.Println(e.Time, e.Err)
	}
	fmt.Println(ctx.EarlyDataStats().GuardFailures.Sum(), "claims without an answer")
	// Output: 0 claims without an answer
}
