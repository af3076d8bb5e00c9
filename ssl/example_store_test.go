package ssl_test

import (
	"context"
	"crypto/rand"
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
