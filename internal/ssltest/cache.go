package ssltest

import (
	"os"
	"testing"

	"sessl/ssl"
)

// NewCache is a client's cache for n sessions, closed with the test.
func NewCache(t testing.TB, n int) *ssl.LRUClientSessionCache {
	t.Helper()
	c := ssl.NewClientSessionCache(n)
	t.Cleanup(func() { c.Close() })
	return c
}

// Wants are the states of a resumption, by form.
var Wants = map[string]ssl.ReuseState{
	"TLS1.2-id":        ssl.ReusedID,
	"TLS1.2-ticket":    ssl.ReusedTicket,
	"TLS1.3-stateful":  ssl.ReusedPSK,
	"TLS1.3-stateless": ssl.ReusedPSK,
}

// Cached is a pair whose client uses cache, before the handshake.
func Cached(t testing.TB, cctx, sctx *ssl.Ctx, cache ssl.ClientSessionCache, addr string) Pair {
	t.Helper()
	a, b := TCPPipe(t)
	p := NewPair(t, cctx, sctx, a, b)
	if err := p.Client.UseSessionCache(cache, addr); err != nil {
		t.Fatal(err)
	}
	return p
}

// Attend is a whole connection whose client uses cache, and what its ends say.
func Attend(t testing.TB, cctx, sctx *ssl.Ctx, cache ssl.ClientSessionCache, addr string) (client,
	server ssl.ReuseState) {
	t.Helper()
	p := Cached(t, cctx, sctx, cache, addr)
	p.MustShake(t)
	p.Echo(t)
	p.CloseBoth()
	return p.Client.ReuseState(), p.Server.ReuseState()
}

// WantStates compares the ReuseState of both ends.
func WantStates(t testing.TB, what string, client, server, wantC, wantS ssl.ReuseState) {
	t.Helper()
	if client != wantC || server != wantS {
		t.Errorf("%s: client says %q, server %q; want %q and %q", what, client, server, wantC, wantS)
	}
}

// Here is a key of a cache.
const Here = "tcp localhost:1"

// If is yes where cond holds, and otherwise no.
func If[T any](cond bool, yes, no T) T {
	if cond {
		return yes
	}
	return no
}

// BothRoots trusts what the other configuration trusts, and more.
func BothRoots(t testing.TB) *ssl.CertPool {
	t.Helper()
	p := Roots(t, "ca")
	data, err := os.ReadFile(CertFile("other-ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.AppendCerts(data); err != nil {
		t.Fatal(err)
	}
	return p
}
