package schedule

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A Config is what a Machine works with.
type Config struct {
	Plan
	Poll   time.Duration // the database is asked at most this long after the last time
	DB     DB
	Vault  Vault
	Clock  Clock
	Sink   Sink
	Jitter func() float64 // from 0 to 1, another one on each machine
}

// A Machine has one copy of the fleet's schedule. Poll and Turn may be called at any time, from several
// goroutines at once; they say when to call them again.
type Machine struct {
	c Config

	asking sync.Mutex // held by a poll: one asks for all
	stored *Schedule  // what the database has, as far as it is known
	value  []byte     // the same, sealed

	mu       sync.Mutex
	mine     *Schedule // nil until there is one; replaced as a whole
	origin   time.Time // the database's clock
	at       time.Duration
	fetched  bool
	places   Places
	refused  error // why the value in the database is not taken; nil if it is
	failed   error // why the database did not answer; nil if it did
	putting  error // why the sink does not take the keys; nil if it does
	counters Counters
}

// New returns a Machine that knows nothing yet.
func New(c Config) *Machine {
	c.Period, c.KeepFor = c.Period.Truncate(unit), c.KeepFor.Truncate(unit)
	return &Machine{c: c}
}

// Close gives up all secrets. Poll, Turn and Renew must have returned, and not be called again.
func (m *Machine) Close() {
	m.asking.Lock()
	defer m.asking.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mine, m.stored, m.value, m.places = nil, nil, nil, Places{}
}

// longest is when a machine without a next turn looks again.
const longest = time.Minute

// Turn puts the keys in their places, and returns after what time that will be due again.
func (m *Machine) Turn() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.fetched || m.mine == nil {
		return longest
	}
	now := m.now()
	at, until := m.c.place(m.mine, now)
	if !at.equal(m.places) || m.putting != nil {
		m.places = at
		m.putting = m.c.Sink.Put(at)
	}
	if until.IsZero() {
		return longest
	}
	return min(longest, until.Sub(now))
}

// now is the database's clock, carried on. mu is held.
func (m *Machine) now() time.Time { return m.origin.Add(m.c.Clock.Elapsed() - m.at) }

func (a Places) equal(b Places) bool {
	name := func(a, b Key) bool { return a.Name() == b.Name() }
	return (a.Current.Secret == nil) == (b.Current.Secret == nil) &&
		(a.Current.Secret == nil || name(a.Current, b.Current)) &&
		slices.EqualFunc(a.Ahead, b.Ahead, name) && slices.EqualFunc(a.Old, b.Old, name)
}

// tries is how often a poll begins anew after another machine was faster.
const tries = 4

var errBusy = errors.New("other machines write all the time")

// Poll asks the database, writes what that lacks, and returns after what time to poll again.
func (m *Machine) Poll(ctx context.Context) time.Duration {
	m.asking.Lock()
	defer m.asking.Unlock()
	leased := false
	for range tries {
		end, err := m.exchange(ctx, &leased)
		m.note(err)
		m.Turn()
		if err != nil || end != again {
			return m.pause(end)
		}
	}
	m.note(errBusy)
	return m.pause(again)
}

// CatchUp is Poll for a client that has shown a ticket of a key which is not here. It returns why the machine
// knows no more than before, nil if the database has told it all.
func (m *Machine) CatchUp(ctx context.Context) error {
	m.Poll(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	return errors.Join(m.failed, m.refused, m.putting)
}

// An outcome of an exchange.
type outcome int

const (
	done   outcome = iota
	denied         // another machine has the lease
	again          // another machine was faster
)

// exchange reads the value, and writes another one if that is needed.
func (m *Machine) exchange(ctx context.Context, leased *bool) (outcome, error) {
	old, now, err := m.fetch(ctx)
	if err != nil {
		return done, err
	}
	theirs, err := m.read(old)
	if m.refuse(err) != nil {
		return done, nil // the schedule of another fleet is not ours to replace
	}
	mine := m.meet(theirs, now)
	m.Turn()
	want, err := m.wanted(mine, theirs, now)
	if err != nil || want == nil {
		return done, err
	}
	if !*leased {
		if *leased, err = m.c.DB.Lease(ctx, m.soon()); err != nil || !*leased {
			return denied, err
		}
	}
	return m.write(ctx, old, want)
}

// fetch asks for the value and the clock. The clock was read halfway between the question and the answer.
func (m *Machine) fetch(ctx context.Context) (value []byte, now time.Time, err error) {
	before := m.c.Clock.Elapsed()
	value, now, err = m.c.DB.Fetch(ctx)
	if err != nil {
		return nil, now, err
	}
	after := m.c.Clock.Elapsed()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.origin, m.at, m.fetched = now, before+(after-before)/2, true
	m.counters.Fetched++
	return value, m.now(), nil
}

// read decodes a value, unless it is the one of before; nil for none.
func (m *Machine) read(value []byte) (*Schedule, error) {
	switch {
	case value == nil:
		return nil, nil
	case bytes.Equal(value, m.value):
		return m.stored, nil
	}
	s, err := Decode(value, m.c.Vault)
	if err == nil {
		m.stored, m.value = s, value
	}
	return s, err
}

// meet decides what this machine goes by, now that it has seen theirs: nil if there is nothing yet.
func (m *Machine) meet(theirs *Schedule, now time.Time) *Schedule {
	m.mu.Lock()
	defer m.mu.Unlock()
	mine := m.mine
	if mine != nil && m.c.dead(mine, now) && (theirs == nil || theirs.Era >= mine.Era) {
		mine = nil
	}
	switch {
	case theirs == nil:
	case m.c.dead(theirs, now):
		m.counters.refuse(ErrEnded)
		if mine != nil && theirs.Era > mine.Era {
			mine = theirs // as mine is void
		}
	case mine == nil:
		mine = theirs
	default:
		if compareAge(theirs, mine) < 0 {
			m.counters.refuse(ErrLower)
		}
		mine = m.c.combine(mine, theirs, now)
	}
	if mine != nil {
		m.mine = mine
	}
	return mine
}

// wanted returns what the database should have, nil if it has that. What it has lost is written as it was,
// and not extended before the next poll: another machine may know a newer schedule.
func (m *Machine) wanted(mine, theirs *Schedule, now time.Time) (*Schedule, error) {
	switch {
	case mine == nil:
		mine = m.begin(theirs)
	case theirs == nil || compareAge(mine, theirs) > 0:
		return mine, nil
	}
	want, err := m.c.extend(mine, m.c.Vault, now, m.settle())
	if err != nil || want == theirs || theirs != nil && same(want, theirs) {
		return nil, err
	}
	if theirs != nil && compareAge(want, theirs) <= 0 { // theirs is dead
		more := *want
		more.Generation = theirs.Generation + 1
		want = &more
	}
	return want, nil
}

// begin returns a schedule without keys, of the highest era that was seen. A low generation lets it give
// way to that of machines which have one already, and have not asked since the database lost it.
func (m *Machine) begin(theirs *Schedule) *Schedule {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &Schedule{Generation: 1}
	for _, other := range []*Schedule{m.mine, theirs} {
		if other != nil {
			s.Era, s.Generation = max(s.Era, other.Era), max(s.Generation, other.Generation+1)
		}
	}
	return s
}

func (m *Machine) write(ctx context.Context, old []byte, want *Schedule) (outcome, error) {
	value, err := encode(want, m.c.Vault)
	if err != nil {
		return done, err
	}
	swapped, err := m.c.DB.Swap(ctx, old, value)
	if err != nil {
		return done, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !swapped {
		m.counters.Lost++
		return again, nil
	}
	m.counters.Written++
	m.stored, m.value, m.mine = want, value, want
	return done, nil
}

// Renew begins a new era: all keys of before are void, on each machine as soon as it polls. It returns the
// new era. Without a schedule here and in the database it returns ErrNone.
//
// An era is the database's time in milliseconds at which it began, or one more than the era before if that
// is later. So it is later than all that machines have seen, also if the database has lost the last one, or
// has an older schedule again.
func (m *Machine) Renew(ctx context.Context) (era uint64, err error) {
	m.asking.Lock()
	defer m.asking.Unlock()
	for range tries {
		old, now, err := m.fetch(ctx)
		if err != nil {
			return 0, err
		}
		theirs, err := m.read(old)
		if err = m.refuse(err); err != nil {
			return 0, err
		}
		if _, known := m.Era(); !known && theirs == nil {
			return 0, ErrNone
		}
		next := m.begin(theirs)
		next.Era = max(next.Era+1, uint64(max(0, now.UnixMilli())))
		want, err := m.c.extend(next, m.c.Vault, now, m.settle())
		if err != nil {
			return 0, err
		}
		end, err := m.write(ctx, old, want)
		if m.Turn(); err != nil || end == done {
			return want.Era, err
		}
	}
	return 0, errBusy
}

// soon is how often a machine asks that has no key to encrypt with, and for how long a lease lasts.
func (m *Machine) soon() time.Duration { return min(time.Second, m.c.Poll) }

// settle is for how long the first key of a schedule waits: all machines have asked by then, and have it, or
// have put back a schedule that they know.
func (m *Machine) settle() time.Duration { return m.c.Poll + m.soon() }

// pause is when to poll again: at most Poll from now, and not when all others do.
func (m *Machine) pause(end outcome) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.c.Poll
	if end != done || m.places.Current.Secret == nil {
		d = m.soon()
	}
	return d/2 + time.Duration(m.c.Jitter()*float64(d)/2)
}

// note keeps what became of the last attempt.
func (m *Machine) note(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failed = err; err != nil {
		m.counters.Failed++
	}
}

// refuse keeps and counts why a value was not taken, and says it; nil if it was.
func (m *Machine) refuse(err error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refused = err; err != nil {
		m.counters.refuse(err)
		m.refused = fmt.Errorf("the schedule in the database: %w", err)
	}
	return m.refused
}
