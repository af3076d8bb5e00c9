package schedule

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

// An empty database gets back the newest schedule that a machine knows, whoever comes first.
func TestPutBack(t *testing.T) {
	for first := range 2 {
		w := newWorld(t, 2)
		old, recent := w.machines[0], w.machines[1]
		w.run(period + 2*poll)
		old.cut = true
		w.run(2 * period)
		old.cut = false
		want := recent.Status()
		w.db.value, w.db.leased = nil, 0
		order := []*machine{old, recent}
		if first == 1 {
			slices.Reverse(order)
		}
		for range 2 {
			for _, m := range order {
				m.pollNow()
				w.db.leased = 0
			}
		}
		w.agree()
		if got := old.Status(); got.Generation != want.Generation || got.Keys != want.Keys {
			t.Errorf("machine %d first: generation %d of %d keys, want %d of %d", first,
				got.Generation, got.Keys, want.Generation, want.Keys)
		}
		if first == 0 && recent.Status().Counters.Lower != 1 {
			t.Error("the older schedule was not counted")
		}
	}
}

// What a machine cannot use is refused and counted, and the keys in use stay. A schedule of this fleet is
// written over; what may be another's is not, and then the machine rotates by itself.
func TestRefuses(t *testing.T) {
	w := newWorld(t, 1)
	m := w.machines[0]
	w.run(2 * settle)
	early := w.db.value
	w.run(3*period + poll)
	good := w.db.value
	plain, _ := bytes.CutPrefix(good, []byte("shop "))
	sealed := func(edit func(b []byte) []byte) []byte {
		return append([]byte("shop "), edit(slices.Clone(plain))...)
	}
	counted := func(c Counters) []uint64 {
		return []uint64{c.Lower, c.Unopened, c.Version, c.Malformed, c.TooMany, c.Dead}
	}
	for _, tc := range []struct {
		what  string
		value []byte
		at    int // of counted
		over  bool
	}{
		{"lower generation", early, 0, true},
		{"another namespace", append([]byte("other "), plain...), 1, false},
		{"garbage", []byte("garbage"), 1, false},
		{"empty", []byte{}, 1, false},
		{"sealed nothing", []byte("shop "), 3, false},
		{"another version", sealed(func(b []byte) []byte { b[0]++; return b }), 2, false},
		{"cut short", sealed(func(b []byte) []byte { return b[:len(b)-1] }), 3, false},
		{"longer", sealed(func(b []byte) []byte { return append(b, 0) }), 3, false},
		{"head only", sealed(func(b []byte) []byte { return b[:headLen-1] }), 3, false},
		{"no keys", sealed(func(b []byte) []byte { b[18] = 0; return b[:headLen] }), 3, false},
		{"no generation", sealed(func(b []byte) []byte { clear(b[9:17]); return b }), 3, false},
		{"the last era of all", sealed(func(b []byte) []byte {
			copy(b[1:9], "\xff\xff\xff\xff\xff\xff\xff\xff")
			return b
		}), 3, false},
		{"the last generation of all", sealed(func(b []byte) []byte {
			copy(b[9:17], "\xff\xff\xff\xff\xff\xff\xff\xff")
			return b
		}), 3, false},
		{"a key twice", sealed(func(b []byte) []byte {
			copy(b[headLen+keyLen+24:], b[headLen+24:headLen+keyLen])
			return b
		}), 3, false},
		{"out of order", sealed(func(b []byte) []byte {
			copy(b[headLen+keyLen+8:headLen+keyLen+16], b[headLen+8:])
			return b
		}), 3, false},
		{"a key with two ends", sealed(func(b []byte) []byte { b[headLen+23] = 1; return b }), 3, false},
		{"a key without any", sealed(func(b []byte) []byte {
			clear(b[headLen+8 : headLen+16])
			return b
		}), 3, false},
		{"too long", sealed(func(b []byte) []byte { return append(b, make([]byte, MaxValue)...) }), 3, false},
		{"65 keys", sealed(func(b []byte) []byte {
			b[18] = 65
			return append(b[:headLen], make([]byte, 65*keyLen)...)
		}), 4, false},
	} {
		w.db.value, w.db.leased = tc.value, 0
		before, keys := counted(m.Status().Counters), m.at.String()
		m.pollNow()
		after := counted(m.Status().Counters)
		for i := range after {
			if want := before[i] + map[bool]uint64{true: 1}[i == tc.at]; after[i] != want {
				t.Errorf("%s: counter %d is %d, want %d", tc.what, i, after[i], want)
			}
		}
		if m.at.String() != keys {
			t.Errorf("%s: the keys became%s", tc.what, m.at)
		}
		if over := bytes.Equal(w.db.value, good); over != tc.over || !over && !bytes.Equal(w.db.value, tc.value) {
			t.Errorf("%s: written over: %v, want %v", tc.what, over, tc.over)
		}
		if refused := m.Status().Refused; (refused == nil) != tc.over {
			t.Errorf("%s: refused: %v", tc.what, refused)
		}
	}
	w.run(2 * period)
	m.wantState(Ready)
	if keys := m.at.String(); !strings.HasPrefix(keys, " current key 6 ahead key 7 old key 5 ") {
		t.Errorf("two periods later the keys are%s", keys)
	}
	w.db.value = nil
	w.run(poll)
	w.agree()
}

// A schedule whose keys have all ended, from an old backup, counts as one that is not there; but the next has
// a higher generation.
func TestEnded(t *testing.T) {
	for _, known := range []bool{false, true} {
		w := newWorld(t, 1)
		w.run(2 * settle)
		backup := w.db.value
		w.run(20 * period)
		m := w.machines[0]
		if !known {
			w.machines = nil
			m = w.join()
		}
		s, _ := Decode(backup, m)
		s.Generation = 1 << 60
		w.db.value, _ = encode(s, m)
		w.run(2*poll + settle)
		w.agree()
		m.wantState(Ready)
		if s := m.Status(); s.Counters.Dead == 0 || s.Generation <= 1<<60 {
			t.Errorf("known %v: %d were refused, the generation is %d", known, s.Counters.Dead, s.Generation)
		}
	}
}

// A machine that knows nothing and finds what it cannot open has no keys, and waits.
func TestStranger(t *testing.T) {
	w := newWorld(t, 2)
	w.machines[1].sealed = "other"
	w.machines[1].poll = time.Second
	w.run(5 * period)
	w.machines[0].wantState(Ready)
	m := w.machines[1]
	m.wantState(Starting)
	m.want("")
	if s := m.Status(); s.Refused == nil || s.Counters.Unopened == 0 || s.Counters.Written != 0 {
		t.Errorf("refused: %v, %+v", s.Refused, s.Counters)
	}
	m.sealed = "shop"
	w.run(time.Second)
	w.agree()
}

// The seal is that of the machine's own keys; what was sealed with others is not decoded again and again, nor
// forgotten.
func TestSameValue(t *testing.T) {
	w := newWorld(t, 2)
	w.run(2*poll + time.Second)
	m := w.machines[1]
	before := m.mine
	m.pollNow()
	if m.mine != before {
		t.Error("the same value was decoded again")
	}
}
