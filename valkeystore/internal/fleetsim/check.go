package fleetsim

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"sessl/valkeystore/internal/replay"
	"sessl/valkeystore/internal/schedule"
)

// broken notes that a promise was not kept.
func (f *fleet) broken(format string, args ...any) {
	if len(f.r.Broken) < 20 {
		f.r.Broken = append(f.r.Broken, fmt.Sprintf("%v: ", f.world.now)+fmt.Sprintf(format, args...))
	}
}

// clock is what the machine should take for the database's.
func (m *machine) clock() time.Duration { return m.f.world.now + m.told.offset }

// moved looks at what holds whenever keys have other places.
func (f *fleet) moved(m *machine, before schedule.Places) {
	was, is := of(before.Current), of(m.at.Current)
	if was != nil {
		was.last = max(was.last, m.clock())
	}
	for _, k := range slices.Concat(m.at.Ahead, []schedule.Key{m.at.Current}) {
		s := of(k)
		if s == nil {
			continue
		}
		s.made, s.from = k.Made, k.From
		if !has(before, s) {
			if s.holders++; s.holders == len(f.machines) {
				s.everywhere = f.world.now
			}
		}
	}
	if is == nil || is == was {
		return
	}
	f.r.Turns++
	if early := is.from.Sub(zero) - m.clock(); early > f.blur(m) {
		f.broken("machine %d encrypts with a key %v before its time", m.id, early)
	}
	if is.first == 0 {
		is.first = f.world.now
		wait := is.from.Sub(is.made) - f.c.settle() // 0 of a key that was made when none encrypted
		is.lone = wait.Abs() <= time.Millisecond
		if is.everywhere > 0 && !is.lone {
			f.r.Leads = append(f.r.Leads, is.first-is.everywhere)
		}
		f.begun(m, is)
	}
}

// blur is how far a machine's reading of the database's clock may be off.
func (f *fleet) blur(m *machine) time.Duration {
	return f.c.Timeout + time.Duration(f.c.Drift*float64(f.world.now-m.told.at))
}

// begun looks, when a key begins to encrypt for the first time, who has it: every machine that was told the
// schedule within a period, or if no key encrypted before within the time that the first key waits.
func (f *fleet) begun(m *machine, s *secret) {
	window := f.c.Period
	if s.lone {
		window = f.c.settle()
		f.r.Lone++
	}
	fresh := func(o *machine) bool { return o.told.ok && f.world.now-o.told.at < window-f.c.Timeout }
	for _, o := range f.machines {
		if o == m || !fresh(o) || o.opens(s) {
			continue
		}
		switch {
		case o.keys.Status().Refused != nil:
			f.r.Excused.Garbage++
		case o.told.node != m.told.node || len(f.splits) > 0 && o.told.at <= f.rejoined:
			f.r.Excused.Split++
		case !fresh(m):
			f.r.Excused.CutOff++
		case f.world.now-f.jumped < window+f.c.Poll:
			f.r.Excused.Clock++
		case s.stored > 0 && f.lost >= s.written && (!m.node.has(s) || s.stored > 1 && o.told.at <= s.at):
			if f.r.Excused.Lost++; s.lone {
				f.r.Excused.LostLone++
			}
		default:
			f.broken("machine %d encrypts with a key that machine %d has not, which was told %v ago (alone: %v)",
				m.id, o.id, f.world.now-o.told.at, s.lone)
		}
	}
}

// has reports whether the key is in the schedule.
func (n *node) has(s *secret) bool { return bytes.Contains(n.value, s.bytes[:]) }

// wrote looks at a write: what waits for its time in the database must not get lost by it, as it would if a
// machine wrote over what it has not read. It notes which keys come into the database.
func (f *fleet) wrote(m *machine, n *node, before, value []byte) {
	if s, err := schedule.Decode(before, f); err == nil {
		for _, k := range s.Keys {
			if of(k) != nil && k.From.Sub(zero) > n.clock() && !bytes.Contains(value, of(k).bytes[:]) {
				f.broken("machine %d has written over a key that would begin in %v",
					m.id, k.From.Sub(zero)-n.clock())
			}
		}
	}
	for _, s := range f.order[max(0, len(f.order)-4*schedule.MaxKeys):] {
		if bytes.Contains(value, s.bytes[:]) && !bytes.Contains(before, s.bytes[:]) {
			if s.stored++; s.stored == 1 {
				s.written = f.world.now
			}
			s.at = f.world.now
		}
	}
}

// look finds keys that open for too long, on all machines.
func (f *fleet) look() {
	for _, m := range f.machines {
		if s := of(m.at.Current); s != nil {
			s.last = max(s.last, m.clock())
		}
	}
	for _, m := range f.machines {
		if !m.told.ok {
			continue
		}
		for _, k := range m.at.Old {
			s := of(k)
			if s.first == 0 {
				continue // it has sealed nothing
			}
			end := max(s.last, m.stops(k)) + f.c.KeepFor
			if late := m.clock() - end - f.blur(m); late > 0 {
				f.broken("machine %d opens with a key %v after KeepFor", m.id, late)
			}
		}
	}
	f.world.after(f.c.Period/7, f.look)
}

// stops is until when a key would have encrypted at most: until the next one begins. If none does it is two
// periods, and three if that is late, or the key is of a schedule that had to give way.
func (m *machine) stops(k schedule.Key) time.Duration {
	from, p := of(k).from, m.f.c.Period
	if k.From.IsZero() {
		return from.Sub(zero) + 3*p
	}
	next := time.Time{}
	for _, o := range slices.Concat(m.at.Old, []schedule.Key{m.at.Current}, m.at.Ahead) {
		if o.From.After(from) && (next.IsZero() || o.From.Before(next)) {
			next = o.From
		}
	}
	if next.IsZero() {
		return from.Sub(zero) + 2*p
	}
	return min(next.Sub(from), 3*p) + from.Sub(zero)
}

// twice counts a flight that was accepted once more than it should be.
func (f *fleet) twice(l *flight) {
	last := l.accepted[len(l.accepted)-1]
	for _, before := range l.accepted[:len(l.accepted)-1] {
		switch {
		case f.splitBetween(before, last):
			f.r.Twice++
		case f.backBetween(before, last):
			f.r.Excused.Twice++
		default:
			f.broken("a flight was accepted %d times", len(l.accepted))
		}
	}
}

// splitBetween reports whether a flight was accepted by both sides of a split that was there meanwhile.
func (f *fleet) splitBetween(a, b acceptance) bool {
	return a.by != b.by && slices.ContainsFunc(f.splits, func(s split) bool {
		return s.nodes[a.by] && s.nodes[b.by] && s.from <= b.to && a.from <= s.to
	})
}

// backBetween reports whether the clock of a database was set back meanwhile by so much that a machine whose
// clock had been wrong was right.
func (f *fleet) backBetween(a, b acceptance) bool {
	by := time.Duration(0)
	for _, j := range f.back {
		if a.from <= j.at && j.at <= b.to {
			by += j.by
		}
	}
	return by > replay.Window-flightLives-2*replay.MaxSkew
}

// differ returns how machines differ in their keys, or in the places of these. All are to be ready.
func (f *fleet) differ() (found []string) {
	names := func(m *machine) (all []string) {
		for i, keys := range [][]schedule.Key{{m.at.Current}, m.at.Ahead, m.at.Old} {
			for _, k := range keys {
				if k.Secret != nil {
					all = append(all, fmt.Sprint(i, " ", strings.TrimLeft(k.Name()[:16], "0")))
				}
			}
		}
		return all
	}
	for _, m := range f.machines {
		if a, b := names(m), names(f.machines[0]); !slices.Equal(a, b) {
			found = append(found, fmt.Sprintf("machine %d has %v, machine 0 %v", m.id, a, b))
		}
		if s := m.keys.Status(); s.State != schedule.Ready {
			found = append(found, fmt.Sprintf("machine %d is %s: %v, %v", m.id, s.State, s.Failed, s.Refused))
		}
	}
	return found
}

// agrees looks, until some time has passed, for a moment at which the machines do not differ.
func (f *fleet) agrees(within time.Duration) {
	var found []string
	for end := f.world.now + within; f.world.now < end; f.world.run(f.world.now + f.c.Poll/4) {
		if found = f.differ(); found == nil {
			return
		}
	}
	f.broken("in the end: %s", strings.Join(found, "; "))
}
