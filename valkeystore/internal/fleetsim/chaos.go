package fleetsim

import (
	"math/rand/v2"
	"slices"
	"time"

	"sessl/valkeystore/internal/replay"
)

// Chaos returns a fleet with a random schedule of faults, which end in time for the fleet to recover.
func Chaos(seed uint64) Config {
	r := rand.New(rand.NewPCG(seed, 2))
	span := func(from, to time.Duration) time.Duration {
		return from + time.Duration(r.Int64N(int64(to-from)))
	}
	c := Config{Seed: seed, Servers: 2 + r.IntN(4),
		Period: span(time.Minute, 3*time.Minute), Future: 1 + r.IntN(4),
		Clients: 20, Return: 30 * time.Second, Early: 0.2, Latency: span(time.Millisecond, 40*time.Millisecond),
		Skew: span(0, []time.Duration{replay.MaxSkew, 5 * time.Minute}[r.IntN(2)]), Sessions: r.IntN(4) == 0}
	c.KeepFor, c.Poll = span(c.Period, 4*c.Period), span(c.Period/30, c.Period/4)
	if r.IntN(2) == 0 {
		c.Loss, c.Drift = r.Float64()/20, 1e-4
	}
	at := 2 * time.Minute
	for range 3 + r.IntN(20) {
		at += span(0, 3*time.Minute)
		c.Faults = append(c.Faults, anyFault(r, &c, at))
	}
	for _, f := range c.Faults {
		c.Length = max(c.Length, f.At+f.For+f.Amount)
	}
	c.Length += 2*c.Poll + 10*time.Second
	return c.complete()
}

func anyFault(r *rand.Rand, c *Config, at time.Duration) Fault {
	span := func(most time.Duration) time.Duration { return time.Duration(r.Int64N(int64(most))) }
	kinds := []What{Killed, Stopped, Flushed, Failover, Split, Restored, Garbage, Slow, Set, Cut, Cut, Restart,
		Restart}
	// What a clock is set by at most, forward or back by half of it.
	most := []time.Duration{time.Minute - time.Second, 10 * time.Minute}[r.IntN(8)/7]
	f := Fault{What: kinds[r.IntN(len(kinds))], At: at, Machine: r.IntN(c.Servers)}
	switch f.What {
	case Killed, Stopped, Garbage, Cut, Split:
		f.For = span([]time.Duration{3 * time.Second, c.Period, 4 * c.Period}[r.IntN(3)])
	case Failover:
		f.Amount = span(5 * time.Second)
		if r.IntN(4) == 0 {
			f.For = span(most) - most/2 // how far its clock is ahead of the other's
		}
	case Restored:
		f.Amount = span(2 * c.Period)
	case Slow:
		f.Amount, f.For = span(2*time.Second), span(c.Period)
	case Set:
		f.Amount = span(most) - most/2
	}
	return f
}

// RunChaos runs a fleet through its faults, and looks whether all promises are kept. Meanwhile flights are
// recorded and sent again.
func RunChaos(c Config) *Result {
	f := newFleet(c)
	defer f.world.close()
	f.look()
	f.record()
	f.world.run(c.Length)
	f.c.Loss = 0
	f.clean() // of a replica
	f.world.run(f.world.now + time.Duration(c.Future+3)*c.Period + c.KeepFor)
	f.agrees(2*c.Poll + 10*time.Second)
	f.end()
	return &f.r
}

// record sends a flight again and again, and later another one.
func (f *fleet) record() {
	f.attack(f.machines[f.world.rand.IntN(len(f.machines))])
	f.world.after(f.world.up(20*time.Second), f.record)
}

// Reduce takes faults out of a Config for as long as something else remains broken.
func Reduce(c Config) Config {
	for again := true; again; {
		again = false
		for i := len(c.Faults) - 1; i >= 0; i-- {
			less := c
			less.Faults = slices.Delete(slices.Clone(c.Faults), i, i+1)
			if len(RunChaos(less).Broken) > 0 {
				c, again = less, true
			}
		}
	}
	return c
}
