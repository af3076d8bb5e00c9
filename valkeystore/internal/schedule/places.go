package schedule

import (
	"slices"
	"time"
)

// A Key is a secret with its times, in the database's clock.
type Key struct {
	Secret
	Made time.Time
	From time.Time // from when it encrypts; zero: never
	Till time.Time // for how long a key that never encrypts opens; else zero
}

// encrypts reports whether the key has a time of its own. Another only opens: it is that of a schedule which
// had to give way.
func (k Key) encrypts() bool { return !k.From.IsZero() }

// A Schedule is the keys of a fleet: those that encrypt one after the other, in that order, and behind them
// those that only open.
type Schedule struct {
	Era        uint64 // all keys of an earlier one are void
	Generation uint64 // grows with each change
	Keys       []Key
}

// MaxKeys is how many keys a schedule can have, as many as ssl.TicketKeys.
const MaxKeys = 64

// Places are the uses of keys at one moment. Current may be zero, and then none encrypts.
type Places struct {
	Current Key
	Ahead   []Key // the next one first
	Old     []Key // newest first
	Now     time.Time
}

// A Plan is what the machines of a fleet have in common.
type Plan struct {
	Period  time.Duration // for how long a key encrypts
	KeepFor time.Duration // for how long it opens afterwards
	Ahead   int           // how many keys are known before they encrypt
}

// line returns how many keys of s encrypt, now or ever.
func (s *Schedule) line() int {
	if i := slices.IndexFunc(s.Keys, func(k Key) bool { return !k.encrypts() }); i >= 0 {
		return i
	}
	return len(s.Keys)
}

// stops is when key i stops to encrypt: when the next one begins. The last key goes on for a period more,
// because the next one may only not be known here. A key whose successor is late goes on until then, for
// three periods at most.
func (p Plan) stops(s *Schedule, i int) time.Time {
	from := s.Keys[i].From
	if i+1 == s.line() {
		return from.Add(2 * p.Period)
	}
	return earlier(s.Keys[i+1].From, from.Add(3*p.Period))
}

// opensTill is for how long key i opens tickets.
func (p Plan) opensTill(s *Schedule, i int) time.Time {
	if k := s.Keys[i]; !k.encrypts() {
		return k.Till
	}
	return p.stops(s, i).Add(p.KeepFor)
}

// dead reports whether no key of s opens any more.
func (p Plan) dead(s *Schedule, now time.Time) bool {
	for i := range s.Keys {
		if p.opensTill(s, i).After(now) {
			return false
		}
	}
	return true
}

// current is the index of the key that encrypts, or -1.
func (p Plan) current(s *Schedule, now time.Time) int {
	for i := s.line() - 1; i >= 0; i-- {
		if !s.Keys[i].From.After(now) {
			if p.stops(s, i).After(now) {
				return i
			}
			return -1
		}
	}
	return -1
}

// place says what each key is for, and until when that is so; zero: for ever.
func (p Plan) place(s *Schedule, now time.Time) (at Places, until time.Time) {
	next := func(t time.Time) {
		if t.After(now) && (until.IsZero() || t.Before(until)) {
			until = t
		}
	}
	at.Now = now
	current := p.current(s, now)
	for i, k := range s.Keys {
		switch open := p.opensTill(s, i); {
		case i == current:
			at.Current = k
			next(p.stops(s, i))
		case k.From.After(now):
			at.Ahead = append(at.Ahead, k)
			next(k.From)
		case open.After(now):
			at.Old = append(at.Old, k)
			next(open)
		}
	}
	slices.SortStableFunc(at.Old, func(a, b Key) int { return b.From.Compare(a.From) })
	return at, until
}

// ahead is how many keys do not encrypt yet.
func (s *Schedule) ahead(now time.Time) (n int) {
	for _, k := range s.Keys {
		if k.From.After(now) {
			n++
		}
	}
	return n
}

func (s *Schedule) has(name string) bool {
	return slices.ContainsFunc(s.Keys, func(k Key) bool { return k.Name() == name })
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
