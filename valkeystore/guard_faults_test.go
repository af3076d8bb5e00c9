package valkeystore

import (
	"context"
	"errors"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/valkeystore/internal/circuit"
	"sessl/valkeystore/internal/replay"
)

// hastyClaim makes a claim with the deadline that package ssl has by default.
func hastyClaim(t *testing.T, g *Guard, id []byte) (bool, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	return g.Claim(ctx, id, time.Now().Add(replay.Window))
}

// Whatever the database does instead of answering, no early data is accepted. After some failures it is
// not asked any more, and when it answers again it is.
func TestGuardFaults(t *testing.T) {
	db := dbtest.Start(t)
	guards(t, db.Addr, 1)
	age(t, db)
	for name, f := range map[string]struct {
		fault dbtest.Fault
		delay time.Duration
	}{
		"silent": {fault: dbtest.Silent}, "garbage": {fault: dbtest.Garbage}, "half": {fault: dbtest.Half},
		"reset": {fault: dbtest.Reset}, "other replies": {fault: dbtest.Shift},
		"slow": {delay: 3 * time.Second}, // more than a busy machine stands still
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := dbtest.NewProxy(t, db.Addr)
			g := guards(t, proxy.Addr, 1)[0]
			proxy.Set(f.fault, f.delay)
			ids := flights(name, circuit.MaxFailures+1)
			for i, id := range ids {
				first, err := hastyClaim(t, g, id)
				if first || err == nil {
					t.Errorf("claim %d: %v, %v", i, first, err)
				}
				if last := i == circuit.MaxFailures; errors.Is(err, ErrCircuitOpen) != last {
					t.Errorf("claim %d: %v", i, err)
				}
			}
			proxy.Set(dbtest.None, 0)
			await(t, "an answer", accepted(t, g))
		})
	}
}

// A database that is stopped costs a claim its deadline, and comes back without a new epoch.
func TestGuardStopped(t *testing.T) {
	db := dbtest.Start(t)
	g := guards(t, db.Addr, 1)[0]
	age(t, db)
	wantAll(t, "before", sent(t, []*Guard{g}, flights("before", 1)), 1)
	db.Stop()
	first, err := hastyClaim(t, g, flights("stopped", 1)[0])
	if first || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stopped: %v, %v", first, err)
	}
	db.Continue()
	wantAll(t, "after", sent(t, []*Guard{g}, flights("after", 3)), 1)
}

// A full database takes no claims, and says why.
func TestGuardFull(t *testing.T) {
	db := dbtest.Start(t)
	g := guards(t, db.Addr, 1)[0]
	age(t, db)
	db.Do("CONFIG", "SET", "maxmemory", "1")
	if first, err := claim(t, g, flights("full", 1)[0]); first || err == nil {
		t.Errorf("got %v, %v", first, err)
	}
	db.Do("CONFIG", "SET", "maxmemory", "0")
	await(t, "room", accepted(t, g))
}

// A key of another type where the epoch should be is no epoch, and is written over, as garbage is. The other
// epochs are looked after meanwhile.
func TestGuardOtherType(t *testing.T) {
	db := dbtest.Start(t)
	g := guards(t, db.Addr, 1)[0]
	age(t, db)
	for _, key := range db.Keys("shop:e:") {
		db.Do("DEL", key)
		db.Do("LPUSH", key, "1")
	}
	if first, err := claim(t, g, flights("type", 1)[0]); first || !errors.Is(err, ErrEpochYoung) {
		t.Errorf("got %v, %v", first, err)
	}
	if err := g.tend(t.Context()); err != nil {
		t.Error("one epoch of another type, and none is looked after: ", err)
	}
	for _, key := range db.Keys("shop:e:") {
		db.Do("SET", key, "garbage")
	}
	if first, err := claim(t, g, flights("garbage", 1)[0]); first || !errors.Is(err, ErrEpochYoung) {
		t.Errorf("got %v, %v", first, err)
	}
}
