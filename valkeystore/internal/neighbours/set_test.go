package neighbours

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"sessl/valkeystore/internal/schedule"
)

// Of a machine's keys a neighbour has the one that encrypts, the next and the newest old one; the current one
// stands for what is not there, and without it there is no set.
func TestSetOf(t *testing.T) {
	keys := fakes(5)
	key := func(i int) schedule.Key { return schedule.Key{Secret: keys[i]} }
	all := func(is ...int) (ks []schedule.Key) {
		for _, i := range is {
			ks = append(ks, key(i))
		}
		return ks
	}
	for name, tc := range map[string]struct {
		at   schedule.Places
		want Set
		none bool
	}{
		"all": {at: schedule.Places{Current: key(2), Ahead: all(3, 4), Old: all(1, 0)},
			want: setOf(keys, 1, 2, 3)},
		"the first":     {at: schedule.Places{Current: key(0), Ahead: all(1, 2)}, want: setOf(keys, 0, 0, 1)},
		"the last":      {at: schedule.Places{Current: key(4), Old: all(3)}, want: setOf(keys, 3, 4, 4)},
		"one":           {at: schedule.Places{Current: key(1)}, want: setOf(keys, 1, 1, 1)},
		"none encrypts": {at: schedule.Places{Ahead: all(3), Old: all(1)}, none: true},
	} {
		got, ok := SetOf(tc.at, time.Hour)
		if ok == tc.none || ok && !got.Equal(tc.want) {
			t.Errorf("%s: %v, %v", name, got, ok)
		}
	}
	now := time.Now()
	for age, early := range map[time.Duration]bool{time.Hour - 1: false, time.Hour: true} {
		next := schedule.Key{Secret: keys[3], Made: now.Add(-age)}
		at := schedule.Places{Current: key(2), Ahead: []schedule.Key{next}, Old: all(1), Now: now}
		want := setOf(keys, 1, 2, 3)
		want.Early = early
		if got, _ := SetOf(at, time.Hour); !got.Equal(want) {
			t.Errorf("after %v: %v", age, got)
		}
	}
	one := setOf(keys, 1, 2, 3)
	early := one
	early.Early = true
	for _, other := range []Set{setOf(keys, 0, 2, 3), setOf(keys, 1, 0, 3), setOf(keys, 1, 2, 0), early, {}} {
		if one.Equal(other) || other.Equal(one) {
			t.Errorf("%v is equal to %v", one, other)
		}
	}
}

// While HAProxy gets the keys of a turn, one by one, it has the current one and that before it.
func TestLackingOnTheWay(t *testing.T) {
	for _, way := range []struct{ from, to, needs string }{
		{"aab", "acb", "ab"}, // the first turn
		{"acb", "bdc", "bc"},
		{"bdc", "ced", "cd"},
		{"ced", "ddd", "d"}, // the schedule has run out
	} {
		have := letters(way.from)
		for _, key := range lacking(have, letters(way.to)) {
			have = append(have[1:], key)
			for i := range way.needs {
				if !slices.ContainsFunc(have, func(k []byte) bool { return k[0] == way.needs[i] }) {
					t.Errorf("from %s to %s: %s is without %c", way.from, way.to, have, way.needs[i])
				}
			}
		}
		if !equal(have, letters(way.to)) {
			t.Errorf("from %s to %s: %s", way.from, way.to, have)
		}
	}
}

func letters(s string) (all [][]byte) {
	for i := range s {
		all = append(all, []byte{s[i]})
	}
	return all
}

// HAProxy is sent no more than it lacks. Each key that it gets becomes the last, and the first goes.
func TestLacking(t *testing.T) {
	for _, tc := range []struct{ have, want, lacks string }{
		{"abc", "abc", ""}, {"abc", "bcd", "d"}, {"abc", "cde", "de"}, {"abc", "def", "def"},
		{"aab", "abc", "c"}, {"abc", "bcc", "c"}, {"bcc", "ccd", "d"}, {"bcc", "bcd", "bcd"},
		{"cba", "abc", "bc"},
	} {
		got := lacking(letters(tc.have), letters(tc.want))
		if fmt.Sprintf("%s", got) != fmt.Sprintf("%s", letters(tc.lacks)) {
			t.Errorf("%s for %s: %s", tc.have, tc.want, got)
		}
		if end := slices.Concat(letters(tc.have), got); !equal(end[len(got):], letters(tc.want)) {
			t.Errorf("%s for %s: it would have %s", tc.have, tc.want, end)
		}
	}
}
