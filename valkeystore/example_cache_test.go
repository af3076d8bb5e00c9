package valkeystore_test

import (
	"context"
	"fmt"
	"time"

	"sessl/ssl"
	"sessl/valkeystore"
)

// Sessions that all machines resume, in the database, for clients that know only ids. Without it they are
// in the process.
func ExampleClient_Cache() {
	seal, err := ssl.NewSealKeys([]byte("32 random bytes from a secret..."))
	if err != nil {
		panic(err)
	}
	defer seal.Close()
	vk, err := valkeystore.Open("valkey://127.0.0.1:1/shop", &valkeystore.Options{
		SealKeys: seal, Cache: ssl.ServerCacheOptions{WriteThrough: 10 * time.Millisecond},
	})
	if err != nil {
		panic(err)
	}
	cfg := &ssl.Config{SessionIDContext: []byte("shop"), TicketKeys: vk.TicketKeys(), SessionCache: vk.Cache()}
	fmt.Println(cfg.SessionCache.Stats().Sessions, "sessions")

	// A user has logged out: the session ends on all machines, or an error says that it perhaps does not.
	err = vk.Revoke(context.Background(), []byte("id of a session"))
	fmt.Println("revoked:", err == nil)
	lost, err := vk.Close(context.Background())
	fmt.Println(lost, "writes are lost:", err)
	// Output:
	// 0 sessions
	// revoked: false
	// 1 writes are lost: <nil>
}
