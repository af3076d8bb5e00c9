package valkeystore

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"sessl/internal/dbtest"
	"sessl/ssl"
)

// sent sends each flight twice to all guards at one instant, and returns how many times they were accepted.
func sent(t *testing.T, all []*Guard, ids [][]byte) []int64 {
	t.Helper()
	accepted := make([]atomic.Int64, len(ids))
	for i, id := range ids {
		begin := make(chan struct{})
		var senders sync.WaitGroup
		for _, g := range all {
			for range 2 {
				senders.Go(func() {
					<-begin
					if first, err := claim(t, g, id); first && err == nil {
						accepted[i].Add(1)
					}
				})
			}
		}
		close(begin)
		senders.Wait()
	}
	counts := make([]int64, len(ids))
	for i := range counts {
		counts[i] = accepted[i].Load()
	}
	return counts
}

func wantAll(t *testing.T, name string, counts []int64, want int64) {
	t.Helper()
	for i, n := range counts {
		if n != want {
			t.Errorf("%s: flight %d was accepted %d times, want %d", name, i, n, want)
		}
	}
}

// A flight is accepted once, wherever and whenever it is sent, and after the database was flushed
// no flight is accepted.
func TestGuardAcceptsOnce(t *testing.T) {
	db := dbtest.Start(t)
	all := guards(t, db.Addr, 3)
	ids := flights("once", 60)
	wantAll(t, "a new database", sent(t, all, flights("new", 5)), 0)
	age(t, db)
	wantAll(t, "at one instant", sent(t, all, ids), 1)
	wantAll(t, "again", sent(t, all, ids), 0)
	fresh := guards(t, db.Addr, 3) // whose own memories are empty
	wantAll(t, "on machines that were restarted", sent(t, fresh, ids), 0)
	db.Do("FLUSHALL")
	fresh = guards(t, db.Addr, 3)
	wantAll(t, "after FLUSHALL", sent(t, fresh, ids), 0)
	wantAll(t, "new ones after FLUSHALL", sent(t, fresh, flights("flushed", 5)), 0)
	age(t, db)
	wantAll(t, "a window after FLUSHALL", sent(t, fresh, flights("later", 20)), 1)
}

// accepted reports whether the guard accepts some new flight.
func accepted(t *testing.T, g *Guard) func() bool {
	n := 0
	return func() bool {
		n++
		first, err := claim(t, g, flights("try", n)[n-1])
		return first && err == nil
	}
}

// The database that comes back empty, and the one that takes over, have not seen all claims.
func TestGuardAfterAnotherRun(t *testing.T) {
	db := dbtest.Start(t)
	proxy := dbtest.NewProxy(t, db.Addr)
	g := guards(t, proxy.Addr, 1)[0]
	age(t, db)
	ids := flights("restart", 3)
	wantAll(t, "before", sent(t, []*Guard{g}, ids), 1)
	db.Restart()
	fresh := guards(t, proxy.Addr, 1)
	wantAll(t, "after a restart", sent(t, fresh, ids), 0)
	wantAll(t, "new ones after a restart", sent(t, fresh, flights("more", 3)), 0)
	age(t, db)
	await(t, "claims a window later", accepted(t, g))
}

// A replica has the epoch's record, but perhaps not the last claims.
func TestGuardAfterFailover(t *testing.T) {
	db := dbtest.Start(t, "--repl-diskless-sync-delay", "0")
	replica := dbtest.Start(t, "--replicaof", "127.0.0.1", db.Addr[len("127.0.0.1:"):])
	proxy := dbtest.NewProxy(t, db.Addr)
	g := guards(t, proxy.Addr, 1)[0]
	age(t, db)
	await(t, "the record on the replica", func() bool {
		return replica.Do("GET", "shop:e:{f}") == db.Do("GET", "shop:e:{f}")
	})
	replica.Do("REPLICAOF", "NO", "ONE")
	ids := flights("failover", 20)
	wantAll(t, "before", sent(t, []*Guard{g}, ids), 1) // the replica has missed these claims
	proxy.Retarget(replica.Addr)
	fresh := guards(t, proxy.Addr, 1)
	wantAll(t, "after a failover", sent(t, fresh, ids), 0)
	if n := len(replica.Keys("shop:c:")); n != 0 {
		t.Errorf("the replica has %d claims", n)
	}
}

// A database that may drop claims is refused, unless that is what the options say.
func TestGuardRefusesEviction(t *testing.T) {
	db := dbtest.Start(t, "--maxmemory-policy", "volatile-lru")
	g := guards(t, db.Addr, 1)[0]
	age(t, db)
	if first, err := claim(t, g, flights("evicted", 1)[0]); first || !errors.Is(err, ErrEviction) {
		t.Errorf("got %v, %v", first, err)
	}
	insecure := opened(t, db.Addr, func(o *Options) { o.InsecureEviction = true }).Guard()
	if first, err := claim(t, insecure, flights("insecure", 1)[0]); !first || err != nil {
		t.Errorf("with InsecureEviction: %v, %v", first, err)
	}
	db.Do("CONFIG", "SET", "maxmemory-policy", "noeviction")
	if err := g.tend(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantAll(t, "with the other policy", sent(t, []*Guard{g}, flights("kept", 1)), 1)
}

// Until the policy is known no claim is made.
func TestGuardBeforeItHasLooked(t *testing.T) {
	c, err := Open("valkey://127.0.0.1:1/shop", &Options{SealKeys: sealKeys(t, 1)})
	if err != nil {
		t.Fatal(err)
	}
	g := c.Guard()
	if c.Guard() != g {
		t.Error("another guard")
	}
	if first, err := claim(t, g, flights("early", 1)[0]); first || !errors.Is(err, ErrEvictionUnknown) {
		t.Errorf("got %v, %v", first, err)
	}
	c.Close(t.Context())
	if first, err := claim(t, g, flights("late", 1)[0]); first || !errors.Is(err, ssl.ErrClosed) {
		t.Errorf("after Close: %v, %v", first, err)
	}
	var none *Client
	if first, err := claim(t, none.Guard(), flights("late", 1)[0]); first || !errors.Is(err, ssl.ErrNil) {
		t.Errorf("of nil: %v, %v", first, err)
	}
}
