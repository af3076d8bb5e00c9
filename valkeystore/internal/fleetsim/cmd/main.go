// Command cmd runs a fleet in the simulator, and prints what came of it. In the directory of the module
// valkeystore:
//
//	go run ./internal/fleetsim/cmd -servers 100 -clients 1e4 -sample 10000 -sessions -stop 30m -for 10m
package main

import (
	"flag"
	"fmt"
	"strings"
	"time"

	"sessl/valkeystore/internal/fleetsim"
)

func main() {
	var c fleetsim.Config
	flag.Uint64Var(&c.Seed, "seed", 1, "what the run is random by")
	flag.IntVar(&c.Servers, "servers", 3, "how many `servers`")
	flag.DurationVar(&c.Length, "length", time.Hour, "how long the run is")
	flag.DurationVar(&c.Period, "rotate", 0, "Options.RotateEvery")
	flag.DurationVar(&c.KeepFor, "keep", 0, "Options.KeepFor")
	flag.DurationVar(&c.Poll, "poll", 0, "Options.Poll")
	flag.IntVar(&c.Future, "future", 0, "Options.Future")
	flag.BoolVar(&c.Sessions, "sessions", false, "sessions in the database instead of tickets")
	flag.Float64Var(&c.Clients, "clients", 1000, "how many `clients`")
	flag.IntVar(&c.Sample, "sample", 1000, "how many of them are simulated")
	flag.DurationVar(&c.Return, "return", 0, "the median time after which a client comes back")
	flag.Float64Var(&c.Early, "early", 0, "the share of returns with early data")
	flag.DurationVar(&c.Latency, "latency", 0, "there and back to the database")
	flag.Float64Var(&c.Loss, "loss", 0, "the share of messages that get lost")
	flag.DurationVar(&c.Skew, "skew", 0, "how far the clocks of machines are off at most")
	stop := flag.Duration("stop", 0, "when the database is stopped; 0 is never")
	away := flag.Duration("for", time.Minute, "for how long")
	flag.Parse()
	if *stop > 0 {
		c.Faults = []fleetsim.Fault{{What: fleetsim.Stopped, At: *stop, For: *away}}
	}
	fmt.Print(asText(fleetsim.Run(c), c.Length))
}

// asText is what came of one run.
func asText(r *fleetsim.Result, length time.Duration) string {
	var b strings.Builder
	share, n := r.Share(0, length)
	fmt.Fprintf(&b, "resumed  %.2f %% of %d returns of the sample\n", 100*share, n)
	for k, calls := range r.Calls {
		if calls > 0 {
			fmt.Fprintf(&b, "%-8s %.1f calls a second\n", fleetsim.Kind(k), calls/length.Seconds())
		}
	}
	fmt.Fprintf(&b, "busy     %.2f %% of the time of one database\n", 100*r.Busy/length.Seconds())
	fmt.Fprintf(&b, "memory   %.0f MB in the database\n", (r.Kept*sessionBytes+r.Claims*claimBytes)/1e6)
	if r.Flights > 0 {
		fmt.Fprintf(&b, "early    %d of %d flights accepted\n", r.Accepted, r.Flights)
	}
	if n := len(r.Ages); n > 0 {
		fmt.Fprintf(&b, "age      %v at most, of %d keys\n", r.Ages[n-1].Round(time.Second), n)
	}
	if len(r.Leads) > 0 {
		fmt.Fprintf(&b, "lead     %v at least\n", r.Leads[0].Round(time.Second))
	}
	for _, broken := range r.Broken {
		fmt.Fprintf(&b, "BROKEN   %s\n", broken)
	}
	return b.String()
}

// What Redis 7.0.15 needs for a sealed session without a client's certificate, and for a claim.
const (
	sessionBytes = 296
	claimBytes   = 88
)
