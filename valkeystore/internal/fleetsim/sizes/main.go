// Command sizes writes the tables and the plots of docs/fleet.md about fleets of all sizes. In the directory
// of the module valkeystore:
//
//	go run ./internal/fleetsim/sizes -svg ../docs/fleet.svg
package main

import (
	"flag"
	"fmt"
	"math"
	"os"
	"runtime"
	"sync"
	"time"

	"sessl/valkeystore/internal/fleetsim"
)

// What Redis 7.0.15 needs for a sealed session without a client's certificate, and for a claim.
const (
	sessionBytes = 296
	claimBytes   = 88
)

const opens = 15 * time.Second // the fleet has a key by then, and clients come

// A size is one row of the table.
type size struct {
	servers  int
	clients  float64
	sessions bool
	r        *fleetsim.Result
	length   time.Duration
}

func (s *size) config() fleetsim.Config {
	s.length = 10 * time.Minute
	if s.servers > 1000 {
		s.length = 5 * time.Minute
	}
	return fleetsim.Config{Seed: 1, Servers: s.servers, Clients: s.clients, Sample: 500, Sessions: s.sessions,
		Length: s.length, Open: opens, Early: 0.1, Latency: time.Millisecond}
}

// busy is the share of its time that one database works.
func (s *size) busy() float64 { return s.r.Busy / s.length.Seconds() }

func (s *size) row() string {
	form := "keys"
	if s.sessions {
		form = "sessions"
	}
	share, n := s.r.Share(0, s.length)
	resumed := fmt.Sprintf("%.1f of %d", 100*share, n)
	if s.busy() > 1 {
		resumed = "more than one database can serve"
	}
	per := func(kinds ...fleetsim.Kind) float64 {
		sum := 0.0
		for _, k := range kinds {
			sum += s.r.Calls[k]
		}
		return sum / s.length.Seconds()
	}
	return fmt.Sprintf("| %d | 10^%.0f | %s | %s | %.0f | %.0f | %.0f | %.1f %% | %.3g MB |", s.servers,
		math.Log10(s.clients), form, resumed,
		per(fleetsim.Fetch, fleetsim.Tend, fleetsim.Lease, fleetsim.Swap),
		per(fleetsim.Claim), per(fleetsim.Get, fleetsim.Put), 100*s.busy(),
		(s.r.Kept*sessionBytes+s.r.Claims*claimBytes)/1e6)
}

var (
	servers = []int{10, 100, 1000, 10_000}
	clients = []float64{1e5, 1e7, 1e9}
)

func main() {
	svg := flag.String("svg", "", "`file` for the plots")
	flag.Parse()
	var all []*size
	for _, n := range servers {
		for _, m := range clients {
			if n == servers[len(servers)-1] && m < clients[len(clients)-1] {
				continue // all servers are simulated, which takes a while
			}
			all = append(all, &size{servers: n, clients: m}, &size{servers: n, clients: m, sessions: true})
		}
	}
	outages := []*outage{{name: "keys"}, {name: "sessions", sessions: true}}
	var ages, replays *fleetsim.Result
	jobs := []func(){func() { ages = oldest() }, func() { replays = split() }}
	for _, s := range all {
		jobs = append(jobs, func() { s.r = fleetsim.Run(s.config()) })
	}
	for _, o := range outages {
		jobs = append(jobs, func() { o.r = fleetsim.Run(o.config()) })
	}
	each(jobs)

	fmt.Println("| servers | clients | share | resumed, % of returns of the sample | schedule and epochs, " +
		"calls a second | claims a second | sessions, calls a second | of one database's time | memory |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|")
	for _, s := range all {
		fmt.Println(s.row())
	}
	n := len(ages.Ages)
	fmt.Printf("\nIn a day a key was used for %v at most after it was made, %v in the median of %d; the "+
		"last machine had it %v or more before it encrypted.\n", ages.Ages[n-1].Round(time.Minute),
		ages.Ages[n/2].Round(time.Minute), n, ages.Leads[0].Round(time.Minute))
	fmt.Printf("\nOf %d recorded flights %d were accepted. While ten machines were split between two "+
		"databases for ten minutes of an hour, %d of them were accepted by both.\n", replays.Attacks, replays.Once,
		replays.Twice)
	if *svg != "" {
		if err := os.WriteFile(*svg, []byte(page(all, outages, ages)), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// each runs all jobs, as many at a time as there are processors.
func each(jobs []func()) {
	queue := make(chan func())
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for f := range queue {
				f()
			}
		})
	}
	for _, f := range jobs {
		queue <- f
	}
	close(queue)
	all.Wait()
}

// oldest is a fleet of a day, for the ages of keys.
func oldest() *fleetsim.Result {
	return fleetsim.Run(fleetsim.Config{Seed: 1, Servers: 10, Clients: 20, Length: 24 * time.Hour})
}

// split is a fleet whose machines see two databases for ten minutes, and whose flights are recorded.
func split() *fleetsim.Result {
	return fleetsim.Run(fleetsim.Config{Seed: 1, Servers: 10, Clients: 100, Record: true, Early: 0.1,
		Faults: []fleetsim.Fault{{What: fleetsim.Split, At: 30 * time.Minute, For: 10 * time.Minute}}})
}

// An outage is a fleet whose database is stopped.
type outage struct {
	name     string
	sessions bool
	r        *fleetsim.Result
}

const (
	outageAt  = time.Hour
	outageFor = 8 * time.Hour
	outageEnd = 11 * time.Hour
)

func (o *outage) config() fleetsim.Config {
	return fleetsim.Config{Seed: 1, Servers: 3, Clients: 100, Sessions: o.sessions, Length: outageEnd,
		Faults: []fleetsim.Fault{{What: fleetsim.Stopped, At: outageAt, For: outageFor}}}
}
