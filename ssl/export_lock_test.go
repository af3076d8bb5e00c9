package ssl

import (
	"context"
	"net"
)

// Lock is a lock of connections.
type Lock struct{ s sem }

// Take waits for the lock until done is closed, and reports whether it got it.
func (l *Lock) Take(done <-chan struct{}) bool { return l.s.try() || l.s.wait(done, nil, nil) }

func (l *Lock) Release() { l.s.unlock() }

// Waiting counts the callers that wait.
func (l *Lock) Waiting() int {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	return len(l.s.queue)
}

// WatchUntil has conn watched until end has been called and the watch stopped, twice.
func WatchUntil(ctx context.Context, conn net.Conn, end func()) (first, second error) {
	w := (&Conn{net: conn}).watch(ctx)
	end()
	return w.stop(), w.stop()
}
