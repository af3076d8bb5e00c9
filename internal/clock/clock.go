// Package clock tells the time by which sessions, tickets, keys and claims grow old. It is the system's,
// unless a test moves it. Deadlines of input and output are not told by it.
//
// The C of this tree has sessl_now for the same purpose. Package fakeclock moves both, and libssl's too.
package clock

import (
	"sync/atomic"
	"time"
)

var ahead atomic.Int64 // nanoseconds; not 0 in tests only

// Now is time.Now by this clock.
func Now() time.Time {
	now := time.Now()
	if d := ahead.Load(); d != 0 {
		now = now.Add(time.Duration(d))
	}
	return now
}

var start = time.Now()

// Monotonic is for how long the program has run, by the system's clock that is never set. It does not
// move with this one.
func Monotonic() time.Duration { return time.Since(start) }

// Move has the clock go forward by d, or back. Timers that are watched follow, and those that are due
// have run when it returns. It is for package fakeclock alone.
func Move(d time.Duration) {
	ahead.Add(int64(d))
	timers.follow()
}
