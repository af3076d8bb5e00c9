package schedule

import (
	"cmp"
	"slices"
	"time"
)

// same reports whether two schedules have the same keys in the same places.
func same(a, b *Schedule) bool {
	return a.Era == b.Era && slices.EqualFunc(a.Keys, b.Keys, func(a, b Key) bool {
		return a.Name() == b.Name() && a.From.Equal(b.From) && a.Till.Equal(b.Till)
	})
}

// compare says which schedule a machine that sees two goes by: the one of the higher era, of the higher
// generation, and of two that were written at once the one whose last key begins later, or has the greater
// name.
func compare(a, b *Schedule) int {
	if c := compareAge(a, b); c != 0 {
		return c
	}
	la, lb := a.Keys[:a.line()], b.Keys[:b.line()]
	for len(la) > 0 && len(lb) > 0 {
		x, y := la[len(la)-1], lb[len(lb)-1]
		if c := cmp.Or(x.From.Compare(y.From), cmp.Compare(x.Name(), y.Name())); c != 0 {
			return c
		}
		la, lb = la[:len(la)-1], lb[:len(lb)-1]
	}
	return cmp.Or(cmp.Compare(len(la), len(lb)), cmp.Compare(len(a.Keys), len(b.Keys)))
}

// compareAge says which schedule was written later.
func compareAge(a, b *Schedule) int {
	return cmp.Or(cmp.Compare(a.Era, b.Era), cmp.Compare(a.Generation, b.Generation))
}

// combine returns the schedule that a machine which has mine and sees theirs goes by. The keys of the one
// that gives way are kept to open tickets, unless it is of an earlier era: some machine has made tickets with
// them, or will until it sees the other schedule. Of what the other has dropped nothing comes back, because
// that opens nothing any more.
func (p Plan) combine(mine, theirs *Schedule, now time.Time) *Schedule {
	wins, gives := mine, theirs
	if compare(mine, theirs) < 0 {
		wins, gives = theirs, mine
	}
	if wins.Era != gives.Era {
		return wins
	}
	return p.with(wins, gives, now)
}

// with returns s with the keys of other that it lacks, if they open anything any more, as its next
// generation. If it lacks none, the result is s itself.
func (p Plan) with(s, other *Schedule, now time.Time) *Schedule {
	all := &Schedule{Era: s.Era, Generation: s.Generation + 1, Keys: slices.Clone(s.Keys)}
	for i, k := range other.Keys {
		if till := p.opensTill(other, i); till.After(now) && !s.has(k.Name()) {
			all.Keys = append(all.Keys, Key{Secret: k.Secret, Made: k.Made, Till: till})
		}
	}
	slices.SortStableFunc(all.Keys[all.line():], byTill)
	if all.cut(); same(all, s) {
		return s
	}
	return all
}

// byTill puts keys that only open in one order on all machines: what opens longest first.
func byTill(a, b Key) int { return cmp.Or(b.Till.Compare(a.Till), cmp.Compare(a.Name(), b.Name())) }

// cut takes the keys that only open, the first to end, from a schedule that has too many.
func (s *Schedule) cut() {
	if len(s.Keys) > MaxKeys {
		s.Keys = s.Keys[:max(MaxKeys, s.line())]
	}
}
