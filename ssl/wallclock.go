package ssl

import (
	"sync"
	"time"
)

// maxBackstep is what the guard's window leaves for a clock that is set back.
const maxBackstep = 20 * time.Second

// A wallClock notices that the system's clock was set back. libssl goes by it when it looks at the
// age that a client states, so that flights of before would be in time again; claims have
// expired by then, for what they are timed with goes forward only.
type wallClock struct {
	mu    sync.Mutex
	ahead time.Duration // of the other clock: the most there was
	until time.Time     // the clock has to come here before it counts again
	begun bool
}

var monotonicStart = time.Now()

// trusted reports whether flights that were seen before are now too old.
func (w *wallClock) trusted(now time.Time) bool {
	return w.trustedAt(now.Round(0), now.Sub(monotonicStart))
}

func (w *wallClock) trustedAt(wall time.Time, monotonic time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	ahead := wall.Sub(time.Unix(0, 0)) - monotonic
	if !w.begun || ahead > w.ahead {
		w.begun, w.ahead = true, ahead
	}
	if back := w.ahead - ahead; w.until.IsZero() && back > maxBackstep {
		w.until = wall.Add(back + replayWindow)
	}
	if wall.Before(w.until) {
		return false
	}
	if !w.until.IsZero() {
		w.until, w.ahead = time.Time{}, ahead
	}
	return true
}
