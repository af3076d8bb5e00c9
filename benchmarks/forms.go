package main

import (
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"sessl/ssl"
)

// A form is one way for a server to keep its sessions.
type form struct {
	name  string
	serve func(*ssl.Config) error
}

var ways = []form{
	{"ticket, libssl's own key", func(*ssl.Config) error { return nil }},
	{"ticket, TicketKeys", func(c *ssl.Config) (err error) {
		c.TicketKeys, err = ssl.NewTicketKeys(nil)
		return err
	}},
	{"stateful, libssl's cache", func(c *ssl.Config) error {
		c.SessionTicketsDisabled = true
		return nil
	}},
	{"stateful, ServerSessionCache", func(c *ssl.Config) (err error) {
		c.SessionCache, err = ssl.NewServerSessionCache(nil)
		return err
	}},
}

// forms compares the costs of a resumption in each form; crypto/tls has tickets only.
func forms(rounds int, certs string) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tper resumed handshake\ta second on one processor\tto crypto/tls's ticket\t")
	for _, version := range []uint16{tls13, tls12} {
		libs, err := everyForm(version, certs)
		if err != nil {
			return err
		}
		costs, err := inTurn(libs, rounds)
		if err != nil {
			return err
		}
		theirs := costs[len(costs)-1]
		for i, l := range libs {
			var ratios []float64
			for k := range costs[i] {
				ratios = append(ratios, costs[i][k]/theirs[k])
			}
			us := median(costs[i])
			fmt.Fprintf(w, "%s, %s\t%.0f µs\t%.0f\t%.2f\t\n",
				versionName(version), l.name(), us, 1e6/us, median(ratios))
			l.close()
		}
	}
	return w.Flush()
}

func everyForm(version uint16, certs string) (libs []library, err error) {
	for _, f := range ways {
		o, err := newOurs(version, certs, f.name, f.serve)
		if err != nil {
			return nil, err
		}
		libs = append(libs, o)
	}
	theirs, err := newTheirs(version, certs)
	return append(libs, theirs), err
}

// inTurn measures resumed handshakes of all in turn, after a round that does not count. In TLS
// 1.3 each ticket is used once; it comes from the previous handshake.
func inTurn(libs []library, rounds int) ([][]float64, error) {
	const n = 100
	costs := make([][]float64, len(libs))
	for round := range rounds + 1 {
		for i, l := range libs {
			if round == 0 {
				if err := fullHandshakes(l, 1); err != nil {
					return nil, fmt.Errorf("%s: %w", l.name(), err)
				}
			}
			start := cpuTime()
			if err := resumedHandshakes(l, n); err != nil {
				return nil, fmt.Errorf("%s: %w", l.name(), err)
			}
			if round > 0 {
				costs[i] = append(costs[i], float64(cpuTime()-start)/n/float64(time.Microsecond))
			}
		}
	}
	return costs, nil
}
