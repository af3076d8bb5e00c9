package ssltest

import (
	"context"
	"sync"
	"testing"
	"time"

	"sessl/ssl"
)

// SpyGuard is a guard of which a test decides, and which counts.
type SpyGuard struct {
	ssl.ReplayGuard
	mu      sync.Mutex
	asked   int
	OnClaim func(ctx context.Context, id []byte) (bool, error) // instead
}

// Claim asks OnClaim where there is one, and otherwise the guard.
func (g *SpyGuard) Claim(ctx context.Context, id []byte, until time.Time) (bool, error) {
	g.mu.Lock()
	g.asked++
	claim := g.OnClaim
	g.mu.Unlock()
	if claim != nil {
		return claim(ctx, id)
	}
	return g.ReplayGuard.Claim(ctx, id, until)
}

// Count is how often the guard was asked.
func (g *SpyGuard) Count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked
}

// NewSpyGuard is a guard that counts how often it is asked.
func NewSpyGuard(t testing.TB) *SpyGuard {
	t.Helper()
	g, err := ssl.NewReplayGuard(0)
	if err != nil {
		t.Fatal(err)
	}
	return &SpyGuard{ReplayGuard: g}
}

// Fleets are two servers that resume each other's sessions and share a guard, for each way to
// do that.
var Fleets = map[string]func(t testing.TB, srv *ssl.Config) (a, b *ssl.Ctx){
	"tickets": func(t testing.TB, srv *ssl.Config) (a, b *ssl.Ctx) {
		set := ssl.TicketKeySet{Current: NewTicketKey(t)}
		return TicketServer(t, srv, TicketKeys(t, set)), TicketServer(t, srv, TicketKeys(t, set))
	},
	"short old key": func(t testing.TB, srv *ssl.Config) (a, b *ssl.Ctx) {
		old := ShortTicketKey(t)
		return TicketServer(t, srv, TicketKeys(t, ssl.TicketKeySet{Current: old})),
			TicketServer(t, srv, TicketKeys(t, ssl.TicketKeySet{Current: NewTicketKey(t), Old: []ssl.TicketKey{old}}))
	},
	"cache": func(t testing.TB, srv *ssl.Config) (a, b *ssl.Ctx) {
		cfg := *srv
		cfg.SessionCache = NewServerCache(t, nil)
		return NewServerCtx(t, &cfg), NewServerCtx(t, &cfg)
	},
	"store": func(t testing.TB, srv *ssl.Config) (a, b *ssl.Ctx) {
		store, keys := NewMemStore(), NewSealKeys(t, 1)
		a, _ = Machine(t, srv, store, keys)
		b, _ = Machine(t, srv, store, keys)
		return a, b
	},
	"both, tickets first": func(t testing.TB, srv *ssl.Config) (a, b *ssl.Ctx) {
		f := NewFleet(t, srv)
		return f.Machine(false), f.Machine(false)
	},
	"both, ids first": func(t testing.TB, srv *ssl.Config) (a, b *ssl.Ctx) {
		f := NewFleet(t, srv)
		return f.Machine(true), f.Machine(true)
	},
}
