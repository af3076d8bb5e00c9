// Package circuit decides when a database that fails or is late is no longer asked, and when it is
// asked again.
package circuit

import (
	"errors"
	"sync"
	"time"
)

const (
	// MaxFailures is how many failures in a row open a Circuit.
	MaxFailures = 5

	// Window is how many of the last answers are looked at: a Circuit opens when half of them were late.
	Window = 50

	// ProbeGap is the mean time between two probes of an open Circuit. Each gap is up to a quarter
	// longer or shorter, so that machines which lost the database at one moment do not ask in step.
	ProbeGap = time.Second
)

// ErrOpen is the error of a call that an open Circuit did not allow.
var ErrOpen = errors.New("the database has failed, and is asked once a second")

// An Outcome is what came of a call.
type Outcome int

// The outcomes of calls. A reply that refuses one call, but shows that the database is at work,
// such as that of a key of another type, is OK.
const (
	OK      Outcome = iota
	Failed          // an error, or a reply that cannot be used
	Late            // no answer in time; this is a failure, too
	Ignored         // the call was given up for a reason that is not the database's
)

// A Circuit counts the outcomes of one kind of call. Its methods may be called from several
// goroutines at once.
type Circuit struct {
	now    func() time.Duration // a clock that only goes forward
	random func() float64       // in [0, 1)
	turned func(open bool)      // called after each change of state, or nil

	mu      sync.Mutex
	term    uint64 // how often the state has changed
	open    bool
	since   time.Duration // when it opened
	probing bool          // a probe is under way
	next    time.Duration // when the next probe is due
	row     int           // failures in a row
	slow    bool          // the last answer was late
	last    time.Duration // when it was
	late    [Window]bool  // the last answers, a ring
	seen    int           // answers in this term
	lates   int           // late ones in the ring
}

// New returns a closed Circuit. now is a clock that only goes forward, random returns numbers in
// [0, 1), and turned, unless it is nil, is called after each change of state, with no lock held.
func New(now func() time.Duration, random func() float64, turned func(open bool)) *Circuit {
	return &Circuit{now: now, random: random, turned: turned}
}

// A Call is one call that Begin has allowed. End must be called exactly once.
type Call struct {
	c     *Circuit
	term  uint64
	probe bool
}

// Begin reports whether the database may be asked. While the Circuit is open that is so for one
// call at a time, the probe, about once every ProbeGap.
func (c *Circuit) Begin() (Call, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open {
		return Call{c: c, term: c.term}, true
	}
	if c.probing || c.now() < c.next {
		return Call{}, false
	}
	c.probing = true
	return Call{c: c, term: c.term, probe: true}, true
}

// End tells the Circuit what came of the call. The outcome of a call that began in another state
// than the present one says nothing about it, and is not counted.
func (k Call) End(o Outcome) {
	if k.c == nil {
		return
	}
	if open, turned := k.c.end(k, o); turned && k.c.turned != nil {
		k.c.turned(open)
	}
}

func (c *Circuit) end(k Call, o Outcome) (open, turned bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case k.term != c.term:
		return c.open, false
	case k.probe:
		return c.probed(o)
	case o == Ignored:
		return c.open, false
	}
	c.count(o)
	if c.row < MaxFailures && (c.seen < Window || 2*c.lates < Window) {
		return false, false
	}
	c.turn(true)
	c.since, c.next = c.now(), c.now()+c.gap()
	return true, true
}

// probed takes the outcome of a probe. mu is held.
func (c *Circuit) probed(o Outcome) (open, turned bool) {
	c.probing = false
	switch o {
	case OK:
		c.turn(false)
		return false, true
	case Ignored:
		return true, false // the next call is the probe instead
	}
	c.next = c.now() + c.gap()
	return true, false
}

// count adds an answer to the row and to the ring. mu is held.
func (c *Circuit) count(o Outcome) {
	c.row++
	c.slow, c.last = o == Late, c.now()
	if o == OK {
		c.row = 0
	}
	at := &c.late[c.seen%Window]
	if c.seen >= Window && *at {
		c.lates--
	}
	*at = o == Late
	if *at {
		c.lates++
	}
	c.seen++
}

// turn begins a new term with nothing counted. mu is held.
func (c *Circuit) turn(open bool) {
	c.open, c.term = open, c.term+1
	c.probing, c.slow, c.row, c.seen, c.lates = false, false, 0, 0, 0
}

// gap is the time until the next probe.
func (c *Circuit) gap() time.Duration {
	return time.Duration(float64(ProbeGap) * (0.75 + c.random()/2))
}

// Probe reports whether the call is the one of an open Circuit.
func (k Call) Probe() bool { return k.probe }

// Open reports whether the Circuit is open, and for how long it has been.
func (c *Circuit) Open() (since time.Duration, open bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open {
		return 0, false
	}
	return c.now() - c.since, true
}

// Slow reports whether the Circuit is open, or the last answer was late, less than ProbeGap ago.
func (c *Circuit) Slow() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open || c.slow && c.now()-c.last < ProbeGap
}

// Due reports whether a call would be allowed now.
func (c *Circuit) Due() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.open || !c.probing && c.now() >= c.next
}
