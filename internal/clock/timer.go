package clock

import (
	"slices"
	"sync"
	"time"
	"weak"
)

// A Timer is a time.Timer by this clock, made by AfterFunc.
type Timer struct {
	f func()

	mu  sync.Mutex
	t   *time.Timer
	due time.Time
}

// AfterFunc is time.AfterFunc by this clock.
func AfterFunc(d time.Duration, f func()) *Timer {
	t := &Timer{f: f, due: Now().Add(d)}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.t = time.AfterFunc(d, f)
	timers.add(t)
	return t
}

// Reset is the Reset of a time.Timer.
func (t *Timer) Reset(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.due = Now().Add(d)
	t.t.Reset(d)
}

// Stop is the Stop of a time.Timer.
func (t *Timer) Stop() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.t.Stop()
}

// follow sets a timer that runs by what is left until it is due, and runs it if that is nothing.
func (t *Timer) follow() {
	if t.stoppedWhenDue() {
		t.f()
	}
}

func (t *Timer) stoppedWhenDue() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.t.Stop() {
		return false
	}
	left := t.due.Sub(Now())
	if left > 0 {
		t.t.Reset(left)
	}
	return left <= 0
}

// watched are the timers that follow when the clock is moved. There are none outside of tests, and none
// of a bubble of testing/synctest, which may not be touched from outside.
type watched struct {
	mu   sync.Mutex
	on   bool
	list []weak.Pointer[Timer] // a timer must not live for being watched
}

var timers watched

func (w *watched) add(t *Timer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.on {
		w.list = append(w.list, weak.Make(t))
	}
}

func (w *watched) follow() {
	w.mu.Lock()
	list := slices.Clone(w.list) // a timer's function may make another
	w.mu.Unlock()
	for _, p := range list {
		if t := p.Value(); t != nil {
			t.follow()
		}
	}
}

// Watch has the timers that are made from here on follow when the clock is moved, until stop.
func Watch() (stop func()) {
	timers.mu.Lock()
	defer timers.mu.Unlock()
	timers.on = true
	return func() {
		timers.mu.Lock()
		defer timers.mu.Unlock()
		timers.on, timers.list = false, nil
	}
}
