package outbox

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"sessl/valkeystore/internal/circuit"
)

const (
	// batch is how many writes go in one pipeline: at 200 ms for each that is 5,000 a second.
	batch = 1024

	pause = 50 * time.Millisecond
)

// A Writer makes writes, and has those wait in a Box that the database does not take. Write may be called
// from several goroutines at once, Step from one.
type Writer struct {
	Box     *Box
	Circuit *circuit.Circuit
	Send    func(context.Context, []Write) []error // one pipeline; an error or nil for each
	Outcome func(context.Context, error) circuit.Outcome
	Try     func() Write   // finds out whether the database takes writes, when none waits
	Wake    func()         // has Step called soon
	Jitter  func() float64 // in [0, 1)

	waited atomic.Uint64
	mu     sync.Mutex
	why    error
}

// Waited returns how many writes have had to wait.
func (w *Writer) Waited() uint64 { return w.waited.Load() }

// Why returns the error of the last write that failed, nil if there was none.
func (w *Writer) Why() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.why
}

// Write makes writes, or has them wait. It returns the first error.
func (w *Writer) Write(ctx context.Context, ws []Write) error {
	call, ok := w.Circuit.Begin()
	if !ok {
		w.later(ws, nil)
		return circuit.ErrOpen
	}
	for i := range ws {
		if err := w.Box.Supersede(ctx, ws[i].Key); err != nil {
			call.End(circuit.Ignored)
			w.later(ws, nil)
			return err
		}
	}
	errs := w.Send(ctx, ws)
	return w.sent(ctx, call, errs, func() { w.later(ws, errs) })
}

// Later has writes wait, and be made soon.
func (w *Writer) Later(ws []Write) { w.later(ws, nil) }

// sent ends a call, and has what failed done again. It returns the first error.
func (w *Writer) sent(ctx context.Context, call circuit.Call, errs []error, again func()) error {
	var first error
	good := 0
	for _, err := range errs {
		switch {
		case err == nil:
			good++
		case first == nil:
			first = err
		}
	}
	if good > 0 {
		call.End(circuit.OK) // another node of a cluster may be away
	} else {
		call.End(w.Outcome(ctx, first))
	}
	if first != nil {
		w.mu.Lock()
		w.why = first
		w.mu.Unlock()
		again()
	}
	return first
}

// later has those writes wait that have an error; without errors all.
func (w *Writer) later(ws []Write, errs []error) {
	for i := range ws {
		if errs == nil || errs[i] != nil {
			w.Box.Add(ws[i])
			w.waited.Add(1)
		}
	}
	w.Wake()
}

// Step makes writes that wait, or tries the database while the Circuit is open, so that no client has to wait
// for that. It returns after what time to call it again; without again, when Wake is called.
func (w *Writer) Step(ctx context.Context) (after time.Duration, again bool) {
	good := true
	if call, ok := w.Circuit.Begin(); ok {
		good = w.some(ctx, call)
	}
	_, open := w.Circuit.Open()
	if !open && w.Box.Len() == 0 {
		return 0, false
	}
	if open || !good {
		after = pause/2 + time.Duration(w.Jitter()*float64(pause))
	}
	return after, true
}

// some makes the oldest of the writes that wait, or one that tries the database if the call is a
// probe. It reports whether all went well.
func (w *Writer) some(ctx context.Context, call circuit.Call) bool {
	ws := w.Box.Take(batch)
	defer w.Box.Landed(ws)
	if len(ws) == 0 {
		if !call.Probe() {
			call.End(circuit.Ignored)
			return true
		}
		return w.sent(ctx, call, w.Send(ctx, []Write{w.Try()}), func() {}) == nil
	}
	errs := w.Send(ctx, ws)
	return w.sent(ctx, call, errs, func() {
		var failed []Write
		for i := range ws {
			if errs[i] != nil {
				failed = append(failed, ws[i])
			}
		}
		w.Box.Return(failed)
	}) == nil
}

// Flush makes the writes that wait, whatever the Circuit says, until all are made, the database fails or ctx
// ends. Step must have returned, and not be called again.
func (w *Writer) Flush(ctx context.Context) {
	for w.Box.Len() > 0 && ctx.Err() == nil && w.some(ctx, circuit.Call{}) {
	}
}
