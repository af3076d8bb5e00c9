package valkeystore_test

import (
	"context"
	"fmt"
	"time"

	"sessl/ssl"
	"sessl/valkeystore"
)

// Early data is accepted once on all machines that share a database. Until the database answers, it is
// rejected, and clients send their data again after the handshake.
func ExampleClient_Guard() {
	seal, err := ssl.NewSealKeys([]byte("32 random bytes from a secret..."))
	if err != nil {
		panic(err)
	}
	defer seal.Close()
	vk, err := valkeystore.Open("valkey://127.0.0.1:1/shop", &valkeystore.Options{SealKeys: seal})
	if err != nil {
		panic(err)
	}
	defer vk.Close(context.Background())

	cfg := &ssl.Config{MaxEarlyData: 16 << 10, ReplayGuard: vk.Guard()}
	first, err := cfg.ReplayGuard.Claim(context.Background(), make([]byte, 32), time.Now().Add(time.Minute))
	fmt.Println(first, err)
	// Output: false ssl: valkeystore.Guard.Claim: the database's maxmemory-policy is not known yet
}
