package fleet

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
)

const (
	before = 4 * time.Second // what all is compared with
	lasts  = 10 * time.Second
	behind = 5 * time.Second
	calm   = 2 * time.Second // after the end, until all is as before
)

// Each fault lasts for ten seconds under load, with each of the three things that a fleet can share.
func TestFaults(t *testing.T) {
	leakcheck.Test(t)
	for _, share := range []string{"keys", "both", "sessions"} {
		t.Run(share, func(t *testing.T) {
			b := newTable(t, "Faults with --share "+share, "fault", "visits", "errors", "full, during",
				"full, 2 s after", "full, later", "p50 and p99 before", "added p50", "added p99, first second",
				"added p99, later", "added p99, after", "")
			for _, x := range faults {
				t.Run(strings.ReplaceAll(x.name, " ", "_"), func(t *testing.T) { suffer(t, b, x, share) })
			}
		})
	}
}

// suffer is one row: a fleet of its own, a fault, and what follows.
func suffer(t *testing.T, b *table, x fault, share string) {
	f := newFleet(t, options{share: share, rotate: 4 * time.Second, site: x.site, anew: x.cutsOff})
	l := startLoad(t, f)
	pass(2 * time.Second) // to warm up
	start := time.Now()
	pass(before)
	base := l.between(start, time.Now())

	begun := time.Now()
	if x.begin != nil {
		x.begin(f)
	}
	for time.Since(begun) < lasts {
		if x.again != nil {
			x.again(f)
		}
		pass(min(50*time.Millisecond, max(0, lasts-time.Since(begun))))
	}
	if x.end != nil {
		x.end(f)
	}
	ended := time.Now()
	pass(behind)
	l.stop()
	f.end()

	r := result{x: x, share: share, base: base, all: l.between(begun, time.Now()),
		during: l.between(begun, ended), first: l.between(begun, begun.Add(time.Second)),
		rest: l.between(begun.Add(time.Second), ended), after: l.between(ended, ended.Add(behind)),
		soon: l.between(ended, ended.Add(calm)), later: l.between(ended.Add(calm), time.Now())}
	r.rest = r.rest.without(machines * int((ended.Sub(begun) - time.Second).Seconds()))
	r.row(t, b)
}

// A result is the spans of a row.
type result struct {
	x                                                  fault
	share                                              string
	base, all, during, first, rest, after, soon, later span
}

func (r *result) row(t *testing.T, b *table) {
	t.Helper()
	word := r.judge()
	switch {
	case word != "":
		t.Error(word)
	case r.all.cut > 0:
		word = fmt.Sprintf("as it should be; %d died with the machine, and were made again", r.all.cut)
	default:
		word = "as it should be"
	}
	p50, p99 := r.base.percentile(50), r.base.percentile(99)
	b.row(r.x.name, r.all.visits, r.all.errors, r.during.full, r.soon.full, r.later.full,
		millis(p50)+", "+millis(p99), r.during.percentile(50)-p50, r.first.percentile(99)-p99,
		r.rest.percentile(99)-p99, r.after.percentile(99)-p99, word)
}

// judge says what misses what is to be reached; "" if nothing does.
func (r *result) judge() string {
	var words []string
	say := func(is bool, what string) {
		if is {
			words = append(words, what)
		}
	}
	say(r.base.visits == 0 || r.all.visits == 0, "no visits")
	say(r.base.errors > 0 || r.base.full > 0, "full handshakes or errors before it")
	if r.all.errors > 0 {
		words = append(words, "errors: "+r.all.why.Error())
	}
	say(r.share != "sessions" && !r.x.misses && r.during.full+r.soon.full > r.all.cut, "full handshakes")
	say(r.later.full > 0, "full handshakes later than 2 s after it")
	return strings.Join(words, "; ")
}
