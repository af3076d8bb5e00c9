package fleetsim

import (
	"flag"
	"reflect"
	"testing"
	"time"

	"sessl/valkeystore/internal/replay"
)

var (
	seeds = flag.Int("seeds", 30, "how many random schedules of faults TestChaos tries")
	first = flag.Uint64("seed", 1, "the first of them")
)

// In random schedules of faults all promises are kept: see moved, begun, look, twice and differ. A seed that
// fails is repeated by -args -seed n -seeds 1.
func TestChaos(t *testing.T) {
	var sum Result
	for i := range *seeds {
		seed := *first + uint64(i)
		c := Chaos(seed)
		r := RunChaos(c)
		if len(r.Broken) > 0 {
			t.Errorf("seed %d: %+v", seed, Reduce(c))
			for _, b := range r.Broken {
				t.Errorf("seed %d: %s", seed, b)
			}
			return
		}
		sum.Turns += r.Turns
		sum.Lone += r.Lone
		sum.Attacks += r.Attacks
		sum.Once += r.Once
		sum.Twice += r.Twice
		sum.Excused.add(r.Excused)
	}
	t.Logf("%d turns, %d of them alone, %d flights, %d accepted, %d twice, excused %+v", sum.Turns, sum.Lone,
		sum.Attacks, sum.Once, sum.Twice, sum.Excused)
}

// A replica that takes over lacks the last claims. The flights in question come to a machine after that
// which, by its clock, was not to take them before.
func TestClaimsLostInFailovers(t *testing.T) {
	c := Config{Seed: 1, Servers: 4, Period: 2 * time.Minute, KeepFor: 4 * time.Minute, Skew: replay.MaxSkew,
		Clients: 20, Return: 30 * time.Second, Early: 0.2}
	for i := range 15 {
		c.Faults = append(c.Faults, Fault{What: Failover, At: time.Duration(i+1) * 100 * time.Second,
			Amount: 5 * time.Second})
	}
	c.Length = 27 * time.Minute
	r := RunChaos(c.complete())
	if len(r.Broken) > 0 || r.Once < r.Attacks/4 {
		t.Errorf("%d of %d flights accepted; %v", r.Once, r.Attacks, r.Broken)
	}
}

// The settings are those of valkeystore's tests with three real servers. TestFleetWithoutDatabase finds that
// all clients resume while the database is stopped for two periods.
func TestLikeRealServers(t *testing.T) {
	const stop, period = 2 * time.Minute, time.Second
	c := Config{Seed: 1, Period: period, KeepFor: 20 * time.Second, Poll: 100 * time.Millisecond, Clients: 60,
		Return: 5 * time.Second, Spread: 0.1, Length: stop + time.Minute,
		Faults: []Fault{{What: Stopped, At: stop, For: 2 * period}}}
	r := Run(c)
	if share, n := r.Share(stop-time.Minute, c.Length); share < 0.98 || n < 500 || len(r.Broken) > 0 {
		t.Errorf("%.3f of %d resumed; %v", share, n, r.Broken)
	}
	c.Sessions = true // of which each server has a third itself
	c.Faults[0].For = time.Minute
	r = Run(c)
	if share, n := r.Share(stop, c.Length); share < 0.28 || share > 0.40 || r.Unasked < n/4 {
		t.Errorf("%.3f of %d resumed without the database, %d lookups were not made", share, n, r.Unasked)
	}
}

// A run is determined by its Config.
func TestRepeats(t *testing.T) {
	c := Chaos(7)
	if a, b := RunChaos(c), RunChaos(c); !reflect.DeepEqual(a, b) {
		t.Errorf("%+v\n%+v", a, b)
	}
}
