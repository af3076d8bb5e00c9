package ssl

import (
	"context"
	"os"
	"runtime"
	"sync/atomic"
)

// A gate limits how many handshakes compute at a time. A step in C keeps a thread busy
// for up to a millisecond; without a limit the runtime would make a thread for each.
type gate struct {
	places  chan struct{}
	waiting atomic.Int32 // handshakes that have found no place
}

func newGate(limit int) *gate {
	if limit == 0 {
		limit = runtime.GOMAXPROCS(0)
	}
	return &gate{places: make(chan struct{}, limit)}
}

// makers limits how many connections are made and freed at a time. In C that takes only
// microseconds, but waits for the allocator's locks: of five thousand connections that
// began at once, over a hundred were in SSL_new, each on a thread of its own. While a
// place is held, only C is waited for.
var makers = newGate(0)

func (g *gate) enter() { g.places <- struct{}{} }

// idle reports whether no handshake waits for its turn. A step that goes back to Go in between
// has to get a processor again each time: in a crowd, it is faster in one stretch.
func (g *gate) idle() bool { return g.waiting.Load() == 0 }

// try is for the callbacks of a RawConn, in which nothing may wait.
func (g *gate) try() bool {
	select {
	case g.places <- struct{}{}:
		return true
	default:
		return false
	}
}

func (g *gate) leave() { <-g.places }

// leaveGate gives back a place that no step has used.
func (c *Conn) leaveGate() {
	if c.reading.gateHeld {
		c.reading.gateHeld = false
		c.gate.leave()
	}
}

// waitGate takes a place for the connection's next handshake step. Callers are served
// in order. reading is held.
func (c *Conn) waitGate(ctx context.Context) error {
	ctx, cancel := c.limited(ctx)
	defer cancel()
	expired, stop := untilTimer(&c.reading.until)
	defer stop()
	c.gate.waiting.Add(1)
	defer c.gate.waiting.Add(-1)
	select {
	case c.gate.places <- struct{}{}:
		c.reading.gateHeld = true
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.closing.done():
		return ErrClosed
	case <-expired:
		return c.netError("read", os.ErrDeadlineExceeded)
	}
}
