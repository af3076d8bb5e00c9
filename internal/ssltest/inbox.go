package ssltest

import (
	"sync"
	"testing"

	"sessl/ssl"
)

// inbox collects what OnNewSession delivers, and closes it with the test.
type inbox struct {
	mu sync.Mutex
	ss []*ssl.Session
}

// NewInbox collects the sessions of all connections with cfg.
func NewInbox(t testing.TB, cfg *ssl.Config) *inbox {
	b := &inbox{}
	cfg.OnNewSession = func(_ *ssl.Conn, s *ssl.Session) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.ss = append(b.ss, s)
	}
	t.Cleanup(func() {
		for _, s := range b.All() {
			s.Close()
		}
	})
	return b
}

// All returns the sessions so far.
func (b *inbox) All() []*ssl.Session {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]*ssl.Session(nil), b.ss...)
}

// Last is the newest session.
func (b *inbox) Last(t testing.TB) *ssl.Session {
	t.Helper()
	all := b.All()
	if len(all) == 0 {
		t.Fatal("no session was delivered")
	}
	return all[len(all)-1]
}
