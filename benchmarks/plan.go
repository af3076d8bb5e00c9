package main

import (
	"errors"
	"fmt"
	"log"
	"regexp"
	"slices"
	"time"

	api "sessl/benchmarks/contender"
)

// A plan is everything that is measured, round after round: what changes on the machine in the
// meantime hits all contenders alike.
type plan struct {
	rounds int
	budget time.Duration
	start  time.Time
	took   time.Duration
	done   int // rounds
	groups []*results
}

// results are the measurements of a group with one OpenSSL.
type results struct {
	*group
	lib  *openssl
	rows [][]*cell // of each case, in the order of the contenders
}

// A cell has the reports of one contender for one case, one a round; or why there are none.
type cell struct {
	who     *contender
	reports []*api.Report
	lacks   string
	err     error
}

// add plans the groups that match; of a further OpenSSL, only those that depend on it most.
func (p *plan) add(lib *openssl, all []*group, further bool, match *regexp.Regexp) {
	for _, g := range all {
		kept := *g
		kept.cases = slices.DeleteFunc(slices.Clone(g.cases), func(c testCase) bool {
			return !match.MatchString(g.name + ": " + c.name)
		})
		if len(kept.cases) == 0 || further && !g.suites {
			continue
		}
		if further && g.measure != nil {
			kept.contenders = []string{plainC, socket}
		}
		r := &results{group: &kept, lib: lib}
		for range kept.cases {
			var cells []*cell
			for _, name := range kept.contenders {
				who := lib.find(name)
				if who == nil {
					continue
				}
				cells = append(cells, &cell{who: who, lacks: who.why})
			}
			r.rows = append(r.rows, cells)
		}
		p.groups = append(p.groups, r)
	}
}

// run measures until all rounds are done, or the next one would not end in time. The first round
// is always completed.
func (p *plan) run() {
	for p.done < p.rounds {
		var all, again time.Duration
		for _, g := range p.groups {
			for i := range g.cases {
				c := &g.cases[i]
				if !c.due(p.done) {
					continue
				}
				began := time.Now()
				g.round(c, g.rows[i], p.done)
				took := time.Since(began)
				if all += took; c.due(p.done + 1) {
					again += took
				}
			}
		}
		p.done++
		p.took = time.Since(p.start)
		log.Printf("round %d of %d: %.0f s", p.done, p.rounds, all.Seconds())
		if p.took+again > p.budget {
			break
		}
	}
}

// due reports whether the case is measured in that round, counted from 0.
func (c *testCase) due(round int) bool { return c.rounds == 0 || round < c.rounds }

// round measures all contenders once, each round in another order.
func (g *results) round(c *testCase, cells []*cell, round int) {
	for i := range cells {
		cell := cells[(i+round)%len(cells)]
		if cell.lacks != "" || cell.err != nil {
			continue
		}
		measure := (*testCase).measure
		if g.measure != nil {
			measure = g.measure
		}
		r, err := measure(c, g.lib, cell.who)
		var lacks errLacks
		switch {
		case errors.As(err, &lacks):
			cell.lacks = string(lacks)
		case err != nil:
			cell.err = fmt.Errorf("%s, %s, %s: %w", g.lib.version, c.name, cell.who.name, err)
			log.Print(cell.err)
		default:
			cell.reports = append(cell.reports, r)
		}
	}
}

// failed counts the contenders that should have run.
func (p *plan) failed() (n int) {
	for _, g := range p.groups {
		for _, cells := range g.rows {
			for _, c := range cells {
				if c.err != nil {
					n++
				}
			}
		}
	}
	return n
}

// values returns one number of each round.
func (c *cell) values(of *testCase, m metric) []float64 {
	var x []float64
	for _, r := range c.reports {
		x = append(x, m.of(of, r))
	}
	return x
}

// median is that of x, which is not empty.
func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	if len(x)%2 == 0 {
		return (x[len(x)/2-1] + x[len(x)/2]) / 2
	}
	return x[len(x)/2]
}

// ratio returns the median of the ratios of the rounds, which both have measured.
func ratio(ours, theirs []float64) (float64, bool) {
	var x []float64
	for i := range min(len(ours), len(theirs)) {
		if theirs[i] > 0 {
			x = append(x, ours[i]/theirs[i])
		}
	}
	if len(x) == 0 {
		return 0, false
	}
	return median(x), true
}
