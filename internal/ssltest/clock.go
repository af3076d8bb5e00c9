package ssltest

import (
	"testing"
	"time"

	"sessl/internal/clock"
	"sessl/internal/fakeclock"
)

// A Clock is the one of this process, for Go, cshim and libssl, in the hands of a test. Timers that are
// made after it follow. The end of the test puts it back.
type Clock struct{ passed time.Duration }

// NewClock must not be called in a bubble, whose timers cannot be touched from outside.
func NewClock(t testing.TB) *Clock {
	t.Helper()
	c := &Clock{}
	stop := clock.Watch()
	t.Cleanup(func() {
		stop()
		c.Pass(-c.passed)
	})
	return c
}

// Pass lets d pass at once, or sets the clock back. Timers that are due have run when it returns.
func (c *Clock) Pass(d time.Duration) {
	c.passed += d
	fakeclock.Move(d)
}

// Passed is by how much the clock is ahead of the system's.
func (c *Clock) Passed() time.Duration { return c.passed }

// Now is the time by the clock.
func (c *Clock) Now() time.Time { return clock.Now() }
