package ssl

import (
	"runtime"
	"sync/atomic"
)

// kind describes one type of C object: how it is released, and how many there are.
type kind[P comparable] struct {
	name string
	free func(P) // gives back the one reference of a handle
	gone error   // the error of a call on a closed handle
	counters
}

type counters struct {
	opened, closed, collected atomic.Uint64
}

func (c *counters) read() HandleCounts {
	// Ends are read first: otherwise a handle that is opened and closed in between
	// would count as an end without a beginning.
	n := HandleCounts{Closed: c.closed.Load(), Collected: c.collected.Load()}
	n.Opened = c.opened.Load()
	n.Live = n.Opened - n.Closed - n.Collected
	return n
}

// closedBit marks a handle whose owner is gone. The rest of the state counts its users,
// including the owner until it is gone.
const closedBit = 1 << 62

// object is one C reference. It is allocated apart from the handle that the application
// holds, so that it can be the argument of that handle's cleanup.
type object[P comparable] struct {
	debug debugInfo // first, because a field of size zero takes up room at the end
	ptr   P
	kind  *kind[P]
	state atomic.Int64
}

// handle is the part of a public type that owns an object. One handle is one C
// reference, which is released exactly once: by close, by the collector, or, if calls
// are under way at that moment, by the last of them.
type handle[P comparable] struct {
	_       noCopy
	obj     *object[P]
	cleanup runtime.Cleanup
}

// adopt takes over the caller's reference on ptr. h must be part of the value that the
// application holds: when that becomes unreachable, the reference is given back.
func (h *handle[P]) adopt(k *kind[P], ptr P) {
	h.obj = &object[P]{ptr: ptr, kind: k}
	h.obj.state.Store(1)
	k.opened.Add(1)
	h.obj.debug.opened(k.name)
	h.cleanup = runtime.AddCleanup(h, (*object[P]).collect, h.obj)
}

// acquire lends the pointer until release. It fails on a closed handle, and on the zero
// value of its type.
func (h *handle[P]) acquire() (ptr P, err error) {
	if h.obj == nil {
		return ptr, ErrClosed
	}
	if !h.obj.acquire() {
		return ptr, h.obj.kind.gone
	}
	return h.obj.ptr, nil
}

// release ends what acquire began. The handle stays reachable until release, so the
// collector cannot free the object during the caller's C call.
func (h *handle[P]) release() {
	h.obj.release()
	runtime.KeepAlive(h)
}

// close gives the reference back, at once or when the last user is done. Only the first
// call does so; the others return false.
func (h *handle[P]) close() bool {
	if h.obj == nil || !h.obj.shut() {
		return false
	}
	// Before the release: a cleanup that runs later must find nothing to do.
	h.cleanup.Stop()
	h.obj.kind.closed.Add(1)
	h.obj.release()
	runtime.KeepAlive(h)
	return true
}

// give closes h and returns its reference, which is the caller's from here on. It does nothing and
// returns false if h is closed, or a call is under way.
func (h *handle[P]) give() (ptr P, ok bool) {
	if h.obj == nil || !h.obj.state.CompareAndSwap(1, closedBit) {
		return ptr, false
	}
	h.cleanup.Stop()
	h.obj.kind.closed.Add(1)
	h.obj.debug.freed(h.obj.kind.name)
	runtime.KeepAlive(h)
	return h.obj.ptr, true
}

func (o *object[P]) acquire() bool {
	for {
		s := o.state.Load()
		if s&closedBit != 0 {
			return false
		}
		if o.state.CompareAndSwap(s, s+1) {
			return true
		}
	}
}

// isClosed is only a hint: the handle may be closed right after the call.
func (h *handle[P]) isClosed() bool { return h.obj == nil || h.obj.state.Load()&closedBit != 0 }

// shut sets the closed bit and reports whether this call was the one that did.
func (o *object[P]) shut() bool {
	return o.state.Or(closedBit)&closedBit == 0
}

func (o *object[P]) release() {
	switch s := o.state.Add(-1); {
	case s == closedBit:
		o.debug.freed(o.kind.name)
		o.kind.free(o.ptr)
	case s < 0 || s == closedBit-1:
		panic("ssl: " + o.kind.name + " handle released more often than acquired")
	}
}

// collect is the cleanup. The handle is unreachable by then, so no call is under way.
func (o *object[P]) collect() {
	if o.shut() {
		o.kind.collected.Add(1)
		o.release()
	}
}

// noCopy makes go vet report copies of the handle types.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// whenUnused calls f once p is unreachable. p must own nothing in C.
func whenUnused[T, A any](p *T, f func(A), arg A) { runtime.AddCleanup(p, f, arg) }

// HandleCounts counts the handles of one type since the process began.
type HandleCounts struct {
	Opened    uint64 // made
	Closed    uint64 // ended by Close
	Collected uint64 // ended by the garbage collector: each is a forgotten Close
	Live      uint64 // Opened - Closed - Collected
}
