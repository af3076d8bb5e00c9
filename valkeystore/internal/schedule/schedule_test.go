package schedule

import (
	"testing"
	"time"
)

// The first machine makes a key for now and three for later. A moment later, when every machine that asks
// has them, the first one encrypts.
func TestBegin(t *testing.T) {
	w := newWorld(t, 1)
	m := w.machines[0]
	m.wantState(Starting)
	m.pollNow()
	m.want(" ahead key 1 ahead key 2 ahead key 3 ahead key 4")
	m.wantState(Withheld)
	w.run(settle)
	m.want(" current key 1 ahead key 2 ahead key 3 ahead key 4")
	m.wantState(Ready)
	w.run(period - settle)
	m.want(" current key 1 ahead key 2 ahead key 3 ahead key 4")
	w.run(settle)
	m.want(" current key 2 ahead key 3 ahead key 4 old key 1")
	w.run(poll)
	m.want(" current key 2 ahead key 3 ahead key 4 ahead key 5 old key 1")
	w.run(period)
	m.want(" current key 3 ahead key 4 ahead key 5 ahead key 6 old key 2 old key 1")
	w.run(period)
	m.want(" current key 4 ahead key 5 ahead key 6 ahead key 7 old key 3 old key 2")
}

// Two machines that find the database empty at once end with one schedule, also if both get a lease.
func TestBeginAtOnce(t *testing.T) {
	for _, leases := range []int{1, 2} {
		w := newWorld(t, 2)
		a, b := w.machines[0], w.machines[1]
		w.db.swap = func() {
			if leases == 2 {
				w.db.leased = 0
			}
			b.pollNow()
		}
		a.pollNow()
		if w.db.swaps != 1 {
			t.Errorf("%d leases: %d schedules were written", leases, w.db.swaps)
		}
		w.run(settle)
		w.agree()
		if a.at.Current.Secret == nil {
			t.Error("no key encrypts")
		}
		if lost := a.Status().Counters.Lost; lost != uint64(leases-1) {
			t.Errorf("%d leases: machine 0 was too late %d times", leases, lost)
		}
	}
}

// Keys are replaced every period on all machines, and each is known to all for more than a period before it
// encrypts. One machine writes for all.
func TestRotation(t *testing.T) {
	w := newWorld(t, 5)
	w.run(100*period + 2*settle)
	w.agree()
	if len(w.begins) != 101 {
		t.Errorf("%d keys have encrypted in 100 periods", len(w.begins))
	}
	for _, m := range w.machines {
		for name, since := range m.seen {
			k, ok := w.begins[name]
			if lead := k.From.Sub(w.db.zero.Add(since)); ok && since > settle && lead < 2*period {
				t.Errorf("a key was known %v before it encrypts", lead)
			}
		}
	}
	if w.db.swaps > 102 || w.db.leases > 102 {
		t.Errorf("%d schedules were written, with %d leases", w.db.swaps, w.db.leases)
	}
}

// Without the database the keys go on to rotate as agreed, all at the same moment; then the last one encrypts
// for one more period, then none does, and none opens any more when its time has passed.
func TestDatabaseAway(t *testing.T) {
	w := newWorld(t, 3)
	w.run(2 * settle)
	w.db.down = true
	w.run(period)
	for _, step := range []struct {
		keys  string
		state State
	}{
		{" current key 2 ahead key 3 ahead key 4 old key 1", Stale},
		{" current key 3 ahead key 4 old key 2 old key 1", Stale},
		{" current key 4 old key 3 old key 2", Stale},
		{" current key 4 old key 3", Extended},
		{" old key 4", Withheld},
		{" old key 4", Withheld},
		{"", Ended},
		{"", Ended},
	} {
		for _, m := range w.machines {
			m.want(step.keys)
			m.wantState(step.state)
		}
		w.run(period)
	}
	w.db.down = false
	w.run(2 * settle)
	w.agree()
	w.machines[2].wantState(Ready)
	w.machines[2].want(" current key 5 ahead key 6 ahead key 7 ahead key 8")
}

// A database that comes back in time finds the rotation where it would have been.
func TestDatabaseBackInTime(t *testing.T) {
	for away := range 5 {
		w := newWorld(t, 3)
		w.run(2 * settle)
		w.db.down = true
		w.run(time.Duration(away)*period + period/2)
		before := w.machines[0].at.Current
		w.db.down = false
		w.run(2 * poll)
		w.agree()
		if k := w.machines[0].at.Current; k.Secret == nil || before.Secret != nil && k.Name() != before.Name() {
			t.Errorf("away for %d periods: another key encrypts", away)
		}
		w.run(3 * period)
		w.agree()
		w.machines[1].wantState(Ready)
	}
}

// A machine that is cut off goes on with the others for as many periods as it knows keys, resumes what they
// issue, and comes back without a miss.
func TestCutOff(t *testing.T) {
	w := newWorld(t, 3)
	a, c := w.machines[0], w.machines[2]
	w.run(10*period + 2*poll)
	c.cut = true
	for range 3 {
		w.run(period)
		if a.at.Current.Name() != c.at.Current.Name() {
			t.Fatal("the machine that is cut off encrypts with another key")
		}
	}
	c.wantState(Stale)
	w.run(period)
	c.wantState(Extended)
	if !a.at.opens(c.at.Current) {
		t.Error("the others do not open what the last key seals")
	}
	w.run(period)
	c.wantState(Withheld)
	c.cut = false
	w.run(settle)
	w.agree()
}

// Without a next event a machine looks again after a while; with one, exactly then. No key moves before.
func TestTurns(t *testing.T) {
	w := newWorld(t, 1)
	m := w.machines[0]
	if d := m.Turn(); d != longest {
		t.Errorf("turns again after %v", d)
	}
	m.pollNow()
	if d := m.Turn(); d != settle {
		t.Errorf("turns again after %v", d)
	}
	w.run(settle - 1)
	m.Turn()
	if m.at.Current.Secret != nil {
		t.Error("a key encrypts before its time")
	}
	w.elapsed++
	m.Turn()
	if m.at.Current.Secret == nil {
		t.Error("no key encrypts at its time")
	}
}

// Machines poll within the period that they were given, and not all at one time.
func TestJitter(t *testing.T) {
	w := newWorld(t, 1)
	m := w.machines[0]
	w.run(settle)
	least, most := poll, time.Duration(0)
	for range 1000 {
		d := m.Poll(t.Context())
		least, most = min(least, d), max(most, d)
	}
	if least < poll/2 || least > poll*6/10 || most > poll || most < poll*9/10 {
		t.Errorf("polls after %v to %v", least, most)
	}
	w.db.down = true
	if d := m.Poll(t.Context()); d > poll || d < poll/2 {
		t.Errorf("without the database: polls after %v", d)
	}
	n := w.join()
	if d := n.Poll(t.Context()); d > time.Second {
		t.Errorf("a machine without a key polls after %v", d)
	}
}

// The clock of the database counts. Answers that take their time move it by half of that at most.
func TestClock(t *testing.T) {
	w := newWorld(t, 1)
	m := w.machines[0]
	m.slow = 500 * time.Millisecond
	m.pollNow()
	if now := m.Status().Now; !now.Equal(w.db.now()) {
		t.Errorf("the machine reckons with %v, it is %v", now, w.db.now())
	}
	w.run(settle)
	w.db.zero = w.db.zero.Add(-10 * period) // another node, which has another time
	m.pollNow()
	m.wantState(Withheld)
	w.run(settle)
	m.wantState(Ready)
	w.db.zero = w.db.zero.Add(10 * period)
	w.run(poll)
	w.agree()
	if !m.at.opens(w.begins[m.at.Current.Name()]) || m.at.Current.Secret == nil {
		t.Error("no key encrypts after the clock is right again")
	}
}
