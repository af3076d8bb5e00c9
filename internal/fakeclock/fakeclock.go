// Package fakeclock moves the one clock of Go, cshim, libcrypto and libssl in this process. It defines
// time and gettimeofday of libc for the whole program, shared libraries included, so only tests may
// import it.
package fakeclock

/*
#cgo CFLAGS: -std=gnu11
#include "move.h"
*/
import "C"

import (
	"time"

	"sessl/internal/clock"
)

// Move has the clock go forward by d, or back. What C and Go read at the same moment differs by nothing
// but that moment, except for calls that are under way.
func Move(d time.Duration) {
	C.fakeclock_move(C.longlong(d))
	clock.Move(d)
}
