package fleet

import (
	"fmt"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
)

// No client gets a full handshake while keys are replaced: with the database, without it for two periods, and
// on a machine that is cut off from it for two.
func TestRotation(t *testing.T) {
	leakcheck.Test(t)
	b := newTable(t, "Rotation under load",
		"share", "", "keys made", "visits", "full handshakes on return", "errors", "p50", "p99")
	for _, share := range []string{"keys", "both"} {
		t.Run(share, func(t *testing.T) {
			f := newFleet(t, options{share: share})
			rotate(t, b, f)
		})
	}
	b.note("%d handshakes a second by %d clients, a key encrypts for 2 s.", *rate, clients)
}

func rotate(t *testing.T, b *table, f *fleet) {
	period := f.options.rotate
	l := startLoad(t, f)
	try := func(name string, begin, end func(), d time.Duration) {
		t.Helper()
		before := f.generation()
		from := time.Now()
		begin()
		pass(d)
		end()
		s := l.between(from, time.Now())
		b.row(f.options.share, name, int64(f.generation()-before), s.visits, s.full, s.errors, s.percentile(50),
			s.percentile(99))
		if s.full > 0 || s.errors > 0 || s.visits == 0 {
			t.Errorf("%s: %d visits, full %v, errors %d: %v", name, s.visits, s.kinds, s.errors, s.why)
		}
	}
	none := func() {}
	turns := whole[time.Duration](30, 3)
	try(fmt.Sprintf("%d rotations", turns), none, none, turns*period)
	try("database stopped for two periods", f.db.Kill, f.db.Restart, 2*period)
	try("the two periods after it", none, none, 2*period)
	try("one machine cut off for two periods", func() { f.proxies[0].Set(dbtest.Reset, 0) },
		func() { f.proxies[0].Set(dbtest.None, 0) }, 2*period)
	try("the two periods after it", none, none, 2*period)
	try("no answers for two periods", func() { f.setProxies(dbtest.Silent, 0) },
		func() { f.setProxies(dbtest.None, 0) }, 2*period)
	try("one machine started again", func() { f.restart(1, true) }, none, 2*period)
	l.stop()
	f.end()
	visited(t, f, l)
}

// visited fails unless the machines tell of the same handshakes as the clients, and each has had its share.
func visited(t *testing.T, f *fleet, l *load) {
	t.Helper()
	s := l.between(time.Time{}, time.Now())
	full, resumed, by := f.handshakes()
	if full != clients+s.full || resumed != s.visits-s.full-s.errors {
		t.Errorf("the machines tell of %d full handshakes and %d resumed ones; the clients of %d and %d",
			full, resumed, clients+s.full, s.visits-s.full-s.errors)
	}
	for i, n := range by {
		if n < s.visits/(2*len(by)) {
			t.Errorf("machine %d has had %d of %d visits", i, n, s.visits)
		}
	}
}
