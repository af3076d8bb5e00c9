package fleetsim

import (
	"cmp"
	"time"

	"sessl/valkeystore/internal/schedule"
)

// A Config is what a run is determined by. Zero durations and numbers have the defaults of valkeystore, or
// those of the comments.
type Config struct {
	Seed    uint64
	Servers int           // 3
	Length  time.Duration // an hour

	// How the machines are set up.
	Period, KeepFor, Poll time.Duration
	Future                int
	Sessions              bool // sessions in the database, instead of tickets
	Backlog               int  // writes that wait on one machine

	// The clients. Each comes back again and again, after a time whose logarithm is normally distributed,
	// to a server at random.
	Clients  float64       // 1000
	Sample   int           // how many of them are simulated; 1000 at most if it is 0
	Return   time.Duration // the median; 5 minutes
	Spread   float64       // the deviation of the logarithm; 1
	Open     time.Duration // when the first may come
	Lifetime time.Duration // of a session; 2 hours
	Early    float64       // the share of returns with early data

	// The surroundings.
	Latency time.Duration // of the network, there and back; half a millisecond
	Loss    float64       // the share of messages that get lost
	Skew    time.Duration // the clock of a machine is off by up to that
	Drift   float64       // a second on a machine is off by up to that
	Timeout time.Duration // of a call; a second
	Policy  string        // noeviction
	Cost    [Kinds]time.Duration

	Record bool // flights are recorded, and sent again and again
	Faults []Fault
}

// costs are what one call takes of the time of a database: what Redis 7.0.15 says of its commands, and ten
// microseconds to read and to answer.
var costs = [Kinds]time.Duration{Fetch: 21 * time.Microsecond, Swap: 27 * time.Microsecond,
	Lease: 18 * time.Microsecond, Tend: 75 * time.Microsecond, Claim: 56 * time.Microsecond,
	Get: 12 * time.Microsecond, Put: 15 * time.Microsecond}

// complete returns a copy with the defaults filled in.
func (c Config) complete() Config {
	c.Servers = cmp.Or(c.Servers, 3)
	c.Length = cmp.Or(c.Length, time.Hour)
	c.Period = cmp.Or(c.Period, time.Hour)
	c.KeepFor = cmp.Or(c.KeepFor, 2*time.Hour)
	c.Poll = cmp.Or(c.Poll, min(10*time.Second, c.Period/4))
	c.Future = cmp.Or(c.Future, 3)
	c.Backlog = cmp.Or(c.Backlog, 1<<14)
	c.Clients = cmp.Or(c.Clients, 1000)
	c.Sample = min(cmp.Or(c.Sample, 1000), int(c.Clients))
	c.Return = cmp.Or(c.Return, 5*time.Minute)
	c.Spread = cmp.Or(c.Spread, 1)
	c.Lifetime = cmp.Or(c.Lifetime, 2*time.Hour)
	c.Latency = cmp.Or(c.Latency, time.Millisecond/2)
	c.Timeout = cmp.Or(c.Timeout, time.Second)
	c.Policy = cmp.Or(c.Policy, "noeviction")
	for k := range c.Cost {
		c.Cost[k] = cmp.Or(c.Cost[k], costs[k])
	}
	return c
}

func (c *Config) plan() schedule.Plan {
	return schedule.Plan{Period: c.Period, KeepFor: c.KeepFor, Ahead: c.Future}
}

// soon and settle are what package schedule makes of Poll.
func (c *Config) soon() time.Duration   { return min(time.Second, c.Poll) }
func (c *Config) settle() time.Duration { return c.Poll + c.soon() }

// lifetime is for how long the database keeps a schedule.
func (c *Config) lifetime() time.Duration {
	return time.Duration(c.Future+4)*c.Period + c.KeepFor
}
