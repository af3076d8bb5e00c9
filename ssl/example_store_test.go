package ssl_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"log"
	"sync"
	"time"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// mapStore stands for a database that several machines reach.
type mapStore struct{ m sync.Map }

func (s *mapStore) Put(_ context.Context, id, sealed []byte, expires time.Time) error {
	s.m.Store(string(id), sealed)
	return nil
}

func (s *mapStore) Get(_ context.Context, id []byte) ([]byte, error) {
	sealed, _ := s.m.Load(string(id))
	b, _ := sealed.([]byte)
	return b, nil
}

func (s *mapStore) Remove(_ context.Context, id []byte) error {
	s.m.Delete(string(id))
	return nil
}

// A server's sessions in memory, and behind that in a store which sees them sealed.
func ExampleNewServerSessionCache() {
	key := make([]byte, ssl.SealKeyLen) // the same on every machine
	rand.Read(key)
	keys, err := ssl.NewSealKeys(key)
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()
	cache, err := ssl.NewServerSessionCache(&ssl.ServerCacheOptions{
		MaxSessions: 100_000,
		Store:       &mapStore{},
		SealKeys:    keys,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	cert, err := ssl.LoadX509KeyPair(ssltest.CertFile("server-ecdsa.pem"), ssltest.CertFile("server-ecdsa.key"))
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}, SessionCache: cache})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()
	fmt.Println(cache.Stats().Sessions, "sessions")
	// Output: 0 sessions
}

// A client that has its session finds it on each machine, also if it comes back at once.
func ExampleServerCacheOptions_writeThrough() {
	key := make([]byte, ssl.SealKeyLen)
	rand.Read(key)
	keys, err := ssl.NewSealKeys(key)
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()
	cache, err := ssl.NewServerSessionCache(&ssl.ServerCacheOptions{
		Store: &mapStore{}, SealKeys: keys, WriteThrough: 20 * time.Millisecond,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	st := cache.StoreStats()
	fmt.Println(st.Waits, "flights have waited,", st.LateWaits, "of them in vain")
	// Output: 0 flights have waited, 0 of them in vain
}

// Each of several machines has a cache; when one removes a session, it tells the others.
func ExampleServerSessionCache_Forget() {
	key := make([]byte, ssl.SealKeyLen)
	rand.Read(key)
	keys, err := ssl.NewSealKeys(key)
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()
	store := &mapStore{}
	machines := make([]*ssl.ServerSessionCache, 3)
	for i := range machines {
		machines[i], err = ssl.NewServerSessionCache(&ssl.ServerCacheOptions{Store: store, SealKeys: keys})
		if err != nil {
			log.Fatal(err)
		}
		defer machines[i].Close()
	}
	revoke := func(id []byte) error {
		for _, cache := range machines[1:] { // over the network
			cache.Forget(id)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return machines[0].RemoveContext(ctx, id)
	}
	fmt.Println(revoke([]byte("the id of a session")))
	// Output: <nil>
}

// batchStore writes several sessions by one command.
type batchStore struct{ mapStore }

func (s *batchStore) PutAll(_ context.Context, items []ssl.StoreItem) []error {
	for _, it := range items {
		s.m.Store(string(it.ID), it.Sealed)
	}
	return nil // all were kept
}

// A store that takes batches, and an end that says what was lost.
func ExampleServerSessionCache_CloseContext() {
	key := make([]byte, ssl.SealKeyLen)
	rand.Read(key)
	keys, err := ssl.NewSealKeys(key)
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()
	cache, err := ssl.NewServerSessionCache(&ssl.ServerCacheOptions{
		Store: &batchStore{}, SealKeys: keys, Writers: 8, WriteTimeout: 200 * time.Millisecond,
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	lost, err := cache.CloseContext(ctx)
	fmt.Println(lost, err)
	// Output: 0 <nil>
}

// What strangers make up costs the database nothing. It is counted.
func ExampleServerSessionCache_StoreStats() {
	key := make([]byte, ssl.SealKeyLen)
	rand.Read(key)
	keys, err := ssl.NewSealKeys(key)
	if err != nil {
		log.Fatal(err)
	}
	defer keys.Close()
	cache, err := ssl.NewServerSessionCache(&ssl.ServerCacheOptions{Store: &mapStore{}, SealKeys: keys})
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	cert, err := ssl.LoadX509KeyPair(ssltest.CertFile("server-ecdsa.pem"), ssltest.CertFile("server-ecdsa.key"))
	if err != nil {
		log.Fatal(err)
	}
	ctx, err := ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}, SessionCache: cache})
	if err != nil {
		log.Fatal(err)
	}
	defer ctx.Close()
	a, b, err := ssltest.Loopback()
	if err != nil {
		log.Fatal(err)
	}
	go func() { // Go's clients of TLS 1.2 make up a session id for each hello
		client := tls.Client(a, &tls.Config{MaxVersion: tls.VersionTLS12, InsecureSkipVerify: true})
		client.Handshake()
	}()
	conn, err := ssl.Server(b, ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Handshake(); err != nil {
		log.Fatal(err)
	}
	st := cache.StoreStats()
	fmt.Println(st.Forged, "made up,", st.Hits+st.Misses, "looked up")
	// Output: 1 made up, 0 looked up
}
