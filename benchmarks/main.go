// Command benchmarks compares the processor time of package ssl and crypto/tls in one run. The
// two take turns, over loopback, each with itself as its peer, so every figure is that of both
// ends together. The command prints a table and writes nothing. Other tables compare the forms
// of resumption, and caches with a million sessions.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	log.SetFlags(0)
	rounds := flag.Int("rounds", 9, "how often everything is measured; the table has medians")
	certs := flag.String("certs", "../testdata/certs",
		"directory with ca.pem, server-ecdsa.pem and server-ecdsa.key")
	table := flag.String("table", "all",
		"all: what package ssl costs; forms: resumption in each form; caches: many sessions at once")
	sessions := flag.Int("sessions", 1_000_000, "for the table of caches")
	flag.Parse()
	job := func() error { return run(*rounds, *certs) }
	switch *table {
	case "forms":
		job = func() error { return forms(*rounds, *certs) }
	case "caches":
		job = func() error { return caches(*sessions, *certs) }
	}
	for _, kind := range kinds {
		if *table == kind.name {
			job = func() error { return cache(kind.fill, *sessions, *certs) }
		}
	}
	if err := job(); err != nil {
		log.Fatal(err)
	}
}

// A task is one thing to measure: do does it n times, and size is the number of times that make
// one unit.
type task struct {
	name, unit string
	n          int
	per        float64 // how many of do's make the unit
	scale      time.Duration
	do         func(l library, n int) error
}

var tasks = []task{
	{"round trip of 1 byte", "µs", 3000, 1, time.Microsecond, roundTrips},
	{"full handshake", "µs", 60, 1, time.Microsecond, fullHandshakes},
	{"resumed handshake", "µs", 60, 1, time.Microsecond, resumedHandshakes},
	{"bulk, per GB", "ms", bulkSize / chunk, 1e9 / chunk, time.Millisecond, bulk},
}

func run(rounds int, certs string) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tssl\tcrypto/tls\tssl / crypto/tls\t")
	for _, version := range []uint16{tls13, tls12} {
		libs, err := libraries(version, certs)
		if err != nil {
			return err
		}
		for _, t := range tasks {
			ours, theirs, err := compare(t, libs, rounds)
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			var ratios []float64
			for i := range ours {
				ratios = append(ratios, ours[i]/theirs[i])
			}
			fmt.Fprintf(w, "%s, %s\t%.1f %s\t%.1f %s\t%.2f\t\n", versionName(version), t.name,
				median(ours), t.unit, median(theirs), t.unit, median(ratios))
		}
		for _, l := range libs {
			l.close()
		}
	}
	return w.Flush()
}

// compare measures t for both libraries in turn, after a round that does not count.
func compare(t task, libs [2]library, rounds int) (ours, theirs []float64, err error) {
	for i := range rounds + 1 {
		for side, l := range libs {
			start := cpuTime()
			if err := t.do(l, t.n); err != nil {
				return nil, nil, fmt.Errorf("%s: %w", l.name(), err)
			}
			cost := float64(cpuTime()-start) / float64(t.n) * t.per / float64(t.scale)
			switch {
			case i == 0:
			case side == 0:
				ours = append(ours, cost)
			default:
				theirs = append(theirs, cost)
			}
		}
	}
	return ours, theirs, nil
}

// cpuTime returns the processor time that the process has used so far, in user and kernel mode.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		log.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(x []float64) float64 {
	x = slices.Clone(x)
	slices.Sort(x)
	return x[len(x)/2]
}
