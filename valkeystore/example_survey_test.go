package valkeystore_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sessl/ssl"
	"sessl/valkeystore"
)

// A look at a fleet from outside of it. Here there is no database.
func ExampleClient_Survey() {
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

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	s, err := vk.Survey(ctx)
	if errors.Is(err, valkeystore.ErrNotConnected) {
		fmt.Println("not connected")
		return
	}
	fmt.Println(s.Generation, s.Latency, s.Policy)
	for _, k := range s.Keys {
		fmt.Println(k.Use, k.Name, s.Now.Sub(k.Made))
	}
	// Output: not connected
}
