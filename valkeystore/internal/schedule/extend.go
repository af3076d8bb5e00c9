package schedule

import (
	"slices"
	"time"
)

// extend returns s with as many keys ahead as the plan wants, and without those that open nothing any more;
// s itself if that is how it is. The first key of a schedule that has none encrypts after settle.
func (p Plan) extend(s *Schedule, v Vault, now time.Time, settle time.Duration) (*Schedule, error) {
	keys := p.alive(s, now)
	n := (&Schedule{Keys: keys}).line()
	line, err := p.append(slices.Clone(keys[:n]), v, now, settle)
	if err != nil {
		return nil, err
	}
	if len(line) == n && len(keys) == len(s.Keys) {
		return s, nil
	}
	next := &Schedule{Era: s.Era, Generation: s.Generation + 1, Keys: append(line, keys[n:]...)}
	next.cut()
	return next, nil
}

// append adds what line lacks. A new key at the end encrypts a period from now at the earliest: every machine
// that has asked the database within a period then has it. Where nothing encrypts, settle must do.
func (p Plan) append(line []Key, v Vault, now time.Time, settle time.Duration) ([]Key, error) {
	wanted := p.Ahead
	if p.current(&Schedule{Keys: line}, now) < 0 {
		wanted++ // the one that all wait for
	}
	if p.idle(line, now) {
		k, err := newKey(v, now, now.Add(settle))
		if err != nil {
			return nil, err
		}
		at, _ := slices.BinarySearchFunc(line, k, func(a, b Key) int { return a.From.Compare(b.From) })
		line = slices.Insert(line, at, k)
	}
	for (&Schedule{Keys: line}).ahead(now) < wanted {
		k, err := newKey(v, now, later(line[len(line)-1].From, now).Add(p.Period))
		if err != nil {
			return nil, err
		}
		line = append(line, k)
	}
	return line, nil
}

// idle reports whether no key encrypts, and none will within a period: there is no key, all have ended, or
// the clock was set back behind all of them.
func (p Plan) idle(line []Key, now time.Time) bool {
	return p.current(&Schedule{Keys: line}, now) < 0 && !slices.ContainsFunc(line, func(k Key) bool {
		return k.From.After(now) && !k.From.After(now.Add(p.Period))
	})
}

// alive returns the keys of s without those that have opened nothing for a period. Until then they stay,
// because another machine's reading of the clock may be a little behind.
func (p Plan) alive(s *Schedule, now time.Time) []Key {
	var kept []Key
	for i, k := range s.Keys {
		if p.opensTill(s, i).Add(p.Period).After(now) {
			kept = append(kept, k)
		}
	}
	return kept
}

// newKey rounds its times as encode does.
func newKey(v Vault, now, from time.Time) (Key, error) {
	s, err := v.New()
	return Key{Secret: s, Made: now.Truncate(unit), From: from.Truncate(unit)}, err
}
