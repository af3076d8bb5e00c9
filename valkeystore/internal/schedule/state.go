package schedule

import (
	"errors"
	"time"
)

// A State of a machine's schedule.
type State string

// The states, from good to bad.
const (
	Starting State = "starting" // there is no schedule here yet: no ticket is issued or opened
	Ready    State = "ready"    // the database answered within a period
	Stale    State = "stale"    // it did not, and keys go on rotating as agreed
	Extended State = "extended" // the schedule has run out, and its last key encrypts for a period more
	Withheld State = "withheld" // no key encrypts: no ticket is issued, but old ones are opened
	Ended    State = "ended"    // no key opens anything any more
)

// Counters count since the machine was made.
type Counters struct {
	Fetched   uint64 // answers of the database
	Failed    uint64 // questions that it did not answer
	Written   uint64 // schedules that this machine has written
	Lost      uint64 // those that another machine was faster with
	Unopened  uint64 // values that could not be opened: another fleet's, or of other seal keys
	Version   uint64 // values of another version
	Malformed uint64 // values that could be opened, and are none
	TooMany   uint64 // schedules with too many keys
	Lower     uint64 // schedules of a lower generation or era
	Dead      uint64 // schedules whose keys open nothing any more
}

func (c *Counters) refuse(err error) {
	switch {
	case errors.Is(err, ErrSealed):
		c.Unopened++
	case errors.Is(err, ErrVersion):
		c.Version++
	case errors.Is(err, ErrTooMany):
		c.TooMany++
	case errors.Is(err, ErrLower):
		c.Lower++
	case errors.Is(err, ErrEnded):
		c.Dead++
	default:
		c.Malformed++
	}
}

// A Status is a machine's at one moment.
type Status struct {
	State      State
	Era        uint64
	Generation uint64
	Keys       int
	Now        time.Time     // the database's clock; zero if that is not known
	Age        time.Duration // how long ago the database answered; 0 if it never did
	Refused    error         // why the value in the database is not taken; nil if it is
	Failed     error         // why the last question failed; nil if it did not
	Putting    error         // why the keys could not be put in their places; nil if they are
	Counters   Counters
}

// Status returns what there is to see.
func (m *Machine) Status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Status{State: Starting, Refused: m.refused, Failed: m.failed, Putting: m.putting, Counters: m.counters}
	if !m.fetched {
		return s
	}
	s.Now, s.Age = m.now(), m.c.Clock.Elapsed()-m.at
	if m.mine != nil {
		s.Era, s.Generation, s.Keys = m.mine.Era, m.mine.Generation, len(m.mine.Keys)
		s.State = m.stateOf(s)
	}
	return s
}

// Era returns the era, or false while none is known. It is asked for with each session, and reads no clock.
func (m *Machine) Era() (uint64, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.fetched || m.mine == nil {
		return 0, false
	}
	return m.mine.Era, true
}

// stateOf says where the keys are, and not where they should be at this instant.
func (m *Machine) stateOf(s Status) State {
	switch current := m.places.Current; {
	case current.Secret == nil && len(m.places.Ahead)+len(m.places.Old) == 0:
		return Ended
	case current.Secret == nil:
		return Withheld
	case len(m.places.Ahead) == 0 && !s.Now.Before(current.From.Add(m.c.Period)):
		return Extended
	case s.Age > m.c.Period:
		return Stale
	}
	return Ready
}
