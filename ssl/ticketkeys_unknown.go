package ssl

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"sessl/internal/clock"
)

const (
	defaultCatchUpWait = 250 * time.Millisecond
	maxCatchUpWait     = 10 * time.Second

	catchUpPause  = time.Second // from the end of a call to the next one
	maxCatchingUp = 256         // handshakes that wait
)

// OnUnknownKey has f called when a client shows a ticket whose key is not here: this machine may have
// missed that the others have new keys. f gets the key's name, as [TicketKey.Name], and brings the
// keys up to date by SetKeys, Rotate or Reload. The handshake waits for it, suspended in its
// ClientHello so that no thread waits, and then tries the ticket again with the keys as they are
// then. Whatever f does, the handshake goes on; without the key it is a full one.
//
// Anyone can show a ticket with an invented name. So there is one call at a time for all connections
// of all Ctxs, and a second of peace after each. Handshakes with unknown keys wait for the call that
// is at work, whatever name it was made for, so f should bring all keys; 256 of them wait at most,
// and for no longer than wait, which is 250 ms if it is 0, and 10 s at most. All others, and
// those that come during the peace, are full handshakes at once. A handshake with a key that is
// here never waits. What cannot be a ticket of this package by its length is not asked about.
//
// f runs on a goroutine of its own, with a context that ends after wait and with Close. While a
// call that is late has not returned, no handshake waits and no other call is made. A panic counts as
// an error. [TicketKeyStats] has the numbers, and UnknownKeyErrors the errors.
//
// A nil f ends the calls; another f takes the place of the one before. Connections that are made
// from then on use it. OnUnknownKey returns ErrConfig for keys that are replaced as time passes,
// which f could not set, and for a wait out of range.
func (t *TicketKeys) OnUnknownKey(f func(ctx context.Context, name string) error, wait time.Duration) error {
	const op = "TicketKeys.OnUnknownKey"
	return t.withPtr(op, func(ticketKeysPtr) error {
		switch {
		case t.every != 0 || t.derived != nil:
			return fail(op, configError("these keys are replaced as time passes"))
		case wait < 0 || wait > maxCatchUpWait:
			return fail(op, configError("the wait is %v, the limit is %v", wait, maxCatchUpWait))
		case f == nil:
			t.unknown.asks.Store(nil)
			return nil
		}
		t.unknown.asks.Store(&keyQuestion{f, cmp.Or(wait, defaultCatchUpWait)})
		return nil
	})
}

// UnknownKeyErrors returns the last sixteen errors of the function of OnUnknownKey, newest first,
// also those that came too late. They stay after Close.
func (t *TicketKeys) UnknownKeyErrors() []PastError {
	if t == nil {
		return nil
	}
	return t.unknown.past.list()
}

// A keyQuestion is what OnUnknownKey was given.
type keyQuestion struct {
	f    func(context.Context, string) error
	wait time.Duration
}

// catchingUp is the state of the calls for unknown keys.
type catchingUp struct {
	asks  atomic.Pointer[keyQuestion] // nil: no function
	calls atomic.Uint64
	fails atomic.Uint64 // with an error, or late
	helps atomic.Uint64
	past  pastErrors

	mu      sync.Mutex
	call    *keyCall  // at work, or nil
	ended   time.Time // when the last one did
	waiting int
	closed  bool
}

// A keyCall is one call. Its context ends when it is late, or has returned.
type keyCall struct {
	ctx    context.Context
	cancel context.CancelFunc
}

// asksForKeys reports whether unknown keys are asked for.
func (t *TicketKeys) asksForKeys() bool { return t != nil && t.unknown.asks.Load() != nil }

// catchUp waits until the keys may be newer, if it is to wait at all, and no longer than ctx.
func (t *TicketKeys) catchUp(ctx context.Context, name ticketKeyName) {
	u := &t.unknown
	call := t.joinCall(name)
	if call == nil {
		return
	}
	select {
	case <-call.ctx.Done():
	case <-ctx.Done():
	}
	u.mu.Lock()
	u.waiting--
	u.mu.Unlock()
	if t.has(name) {
		u.helps.Add(1)
	}
}

// joinCall returns the call to wait for, which it begins if one is due; nil for none. One that is late
// holds up no handshake, as its context has ended. The caller is one of those that wait.
func (t *TicketKeys) joinCall(name ticketKeyName) *keyCall {
	u := &t.unknown
	u.mu.Lock()
	defer u.mu.Unlock()
	q := u.asks.Load()
	switch {
	case q == nil || u.closed || u.waiting >= maxCatchingUp:
		return nil
	case u.call == nil && !u.ended.IsZero() && clock.Now().Sub(u.ended) < catchUpPause:
		return nil
	case u.call == nil:
		u.call = t.beginCall(q, name)
	}
	u.waiting++
	return u.call
}

// beginCall calls the application. The mutex of the calls is held.
func (t *TicketKeys) beginCall(q *keyQuestion, name ticketKeyName) *keyCall {
	u := &t.unknown
	u.calls.Add(1)
	ctx, cancel := context.WithTimeout(context.Background(), q.wait)
	call := &keyCall{ctx, cancel}
	inTime := context.AfterFunc(ctx, func() { u.fails.Add(1) })
	go func() {
		var err error
		returned := false
		defer func() {
			if r := recover(); !returned {
				err = fmt.Errorf("the function of OnUnknownKey panicked: %v", cmp.Or(r, any("runtime.Goexit")))
			}
			u.end(inTime() && err != nil, err)
			cancel() // whoever waits goes on
		}()
		err = q.f(ctx, name.String())
		returned = true
	}()
	return call
}

// end is called when a call has returned.
func (u *catchingUp) end(failed bool, err error) {
	if failed {
		u.fails.Add(1)
	}
	u.past.note("OnUnknownKey", err)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.call, u.ended = nil, clock.Now()
}

// close ends the call that is at work, and all waiting.
func (u *catchingUp) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	if u.call != nil {
		u.call.cancel()
	}
}
