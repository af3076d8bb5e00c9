package schedule

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// split runs two halves of a fleet on two copies of the database, and joins them on the first.
func split(t *testing.T, w *world, d time.Duration) {
	t.Helper()
	left, right := w.machines[:len(w.machines)/2], w.machines[len(w.machines)/2:]
	copied := *w.db
	one, other := w.db, &copied
	for end := w.elapsed + d; w.elapsed < end; {
		start := w.elapsed
		w.machines, w.db = left, one
		w.run(poll / 2)
		w.elapsed = start
		w.machines, w.db = right, other
		w.run(poll / 2)
	}
	w.machines, w.db = append(left[:len(left):len(left)], right...), one
	for _, m := range w.machines {
		m.poll = min(m.poll, w.elapsed+poll)
	}
}

// After a split that lasted, each side has keys of its own. One side's go on to encrypt on all machines; what
// the other side's have sealed is opened by all for as long as it would have been.
func TestSplit(t *testing.T) {
	for i, d := range []time.Duration{period + poll, 3 * period, 3 * period, 6 * period} {
		w := newWorld(t, 4)
		w.run(2*period + 2*settle)
		split(t, w, d)
		a, b := w.machines[0], w.machines[3]
		if i == 1 { // one side has written more often
			for _, m := range w.machines[2:] {
				more := *m.mine
				more.Generation += 3
				m.mine = &more
			}
		}
		if even := a.Status().Generation == b.Status().Generation; even != (i != 1) {
			t.Fatalf("%v: the two sides have the same generation: %v", d, even)
		}
		var used []Key
		for _, m := range w.machines {
			used = append(used, m.at.all()...)
		}
		now := w.db.now()
		w.run(2*poll + time.Second)
		w.agree()
		for _, k := range used {
			lives := k.Till.After(now.Add(2*poll)) || k.From.After(now.Add(-2*period))
			if lives && !a.at.opens(k) {
				t.Errorf("%v: a key of %v is gone", d, k.From)
			}
		}
		if len(a.at.Old) < 2 {
			t.Errorf("%v: old keys are %v", d, a.at)
		}
		w.run(10 * period)
		w.agree()
		if n := len(a.mine.Keys); n > 8 {
			t.Errorf("%v: %d keys are left after all that is over", d, n)
		}
	}
}

// A failover to a replica that lags loses a write. The newest schedule is written again.
func TestFailover(t *testing.T) {
	w := newWorld(t, 3)
	w.run(period)
	lagging := w.db.value
	w.run(2 * settle)
	want := w.machines[0].Status().Generation
	w.db.value = lagging
	w.run(2 * poll)
	w.agree()
	if got := w.machines[0].Status().Generation; got != want {
		t.Errorf("generation %d, want %d", got, want)
	}
	joins := w.join()
	w.run(time.Second)
	w.agree()
	joins.wantState(Ready)
}

// A new era voids all keys on each machine as soon as it polls; the old ones do not come back, neither from
// the database nor from a machine that was cut off.
func TestRenew(t *testing.T) {
	w := newWorld(t, 3)
	w.run(3*period + poll)
	cut := w.machines[2]
	cut.cut = true
	w.run(period)
	old, keys := w.db.value, w.machines[0].at.all()
	era, err := w.machines[0].Renew(t.Context())
	if era != uint64(w.db.now().UnixMilli()) || err != nil {
		t.Fatal(era, err)
	}
	w.run(poll)
	cut.cut = false
	w.run(poll + settle)
	w.agree()
	gone := func() {
		t.Helper()
		for i, m := range w.machines {
			for _, k := range keys {
				if m.at.opens(k) {
					t.Errorf("machine %d still has %s", i, k.Name())
				}
			}
			if s := m.Status(); s.Era != era || s.State != Ready {
				t.Errorf("machine %d is in era %d, %s", i, s.Era, s.State)
			}
		}
	}
	gone()
	w.db.value = old
	w.run(2 * poll)
	w.agree()
	gone()
	w.db.down = true
	if _, err := cut.Renew(t.Context()); err == nil {
		t.Error("a new era without the database")
	}
}

// Someone without a schedule begins a new era while the database has an old schedule again, or an older one
// than that of the last era: it is later than all that the machines have seen. Without any schedule there is
// nothing to revoke.
func TestRenewFromOutside(t *testing.T) {
	renew := func(w *world) (uint64, error) {
		m := w.join()
		w.machines = w.machines[:len(w.machines)-1] // it does not poll
		return m.Renew(t.Context())
	}
	for name, lose := range map[string]func(w *world, old []byte){
		"an old schedule":      func(w *world, old []byte) { w.db.value = old },
		"that of the last era": func(w *world, _ []byte) {},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3)
			w.run(3*period + poll)
			old := w.db.value
			first, err := w.machines[0].Renew(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			w.run(3 * period)
			keys := w.machines[0].at.all()
			lose(w, old)
			second, err := renew(w)
			if err != nil || second <= first {
				t.Fatalf("era %d after %d: %v", second, first, err)
			}
			w.run(poll + settle)
			w.agree()
			for i, m := range w.machines {
				if s := m.Status(); s.Era != second || slices.ContainsFunc(keys, m.at.opens) {
					t.Errorf("machine %d is in era %d, want %d, or opens void tickets", i, s.Era, second)
				}
			}
		})
	}
	w := newWorld(t, 1)
	if _, err := renew(w); !errors.Is(err, ErrNone) || w.db.value != nil {
		t.Errorf("%v, and the database has %x", err, w.db.value)
	}
	w.run(3*period + poll)
	w.db.value = nil
	if _, err := renew(w); !errors.Is(err, ErrNone) || w.db.value != nil {
		t.Errorf("after a loss: %v, and the database has %x", err, w.db.value)
	}
	if _, err := w.machines[0].Renew(t.Context()); err != nil {
		t.Errorf("on a machine that has a schedule: %v", err)
	}
}

// Whatever happens to machines and their database, no key encrypts before its time or before those have it
// that asked within a period, and what is left in the end is one schedule. world.begun looks at the former.
func TestFaults(t *testing.T) {
	for seed := range uint64(60) {
		if !t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { faults(t, seed) }) {
			return
		}
	}
}

func faults(t *testing.T, seed uint64) {
	w := newWorld(t, 4)
	w.rand = rand.New(rand.NewPCG(seed, 1))
	w.run(2 * settle)
	var values [][]byte
	for range 30 {
		i := w.rand.IntN(len(w.machines))
		m, fault := w.machines[i], w.rand.IntN(9)
		t.Log(w.elapsed, "fault", fault, "of", i)
		switch fault {
		case 0:
			w.db.down = !w.db.down
		case 1:
			w.db.value, w.db.leased = nil, 0
		case 2:
			m.cut = !m.cut
		case 3:
			w.db.value = []byte("garbage")
		case 4:
			if len(values) > 0 {
				w.db.value = values[w.rand.IntN(len(values))]
			}
		case 5:
			w.machines = slices.DeleteFunc(w.machines, func(o *machine) bool { return o == m })
			w.join() // as after a restart
		case 6:
			m.slow = time.Duration(w.rand.Int64N(int64(time.Second)))
		}
		values = append(values, w.db.value)
		w.run(time.Duration(w.rand.Int64N(int64(2 * period))))
	}
	w.db.down = false
	if string(w.db.value) == "garbage" {
		w.db.value = nil
	}
	for _, m := range w.machines {
		m.cut, m.slow = false, 0
	}
	w.run(3*poll + settle)
	w.agree()
	w.run(5 * period)
	w.agree()
	for _, m := range w.machines {
		m.wantState(Ready)
	}
}

// There is an era after which there can be no other: then Renew says so, and nothing is written.
func TestRenewAfterTheLast(t *testing.T) {
	w := newWorld(t, 1)
	w.run(3*period + poll)
	plain, _ := bytes.CutPrefix(w.db.value, []byte("shop "))
	late := slices.Clone(plain)
	binary.BigEndian.PutUint64(late[1:], last)
	w.db.value = append([]byte("shop "), late...)
	w.run(poll)
	before := slices.Clone(w.db.value)
	if era, err := w.machines[0].Renew(t.Context()); !errors.Is(err, ErrMalformed) {
		t.Errorf("era %d, %v", era, err)
	}
	if !bytes.Equal(w.db.value, before) {
		t.Error("it was written")
	}
}
