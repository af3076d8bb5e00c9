package ssl

import (
	"context"
	"sync"
)

// storeQueue holds the writes for some of the ids, in order. A goroutine makes the
// writes and ends when there are none, so that a dropped cache leaves no goroutine.
type storeQueue struct {
	mu    sync.Mutex
	items []storeWrite
	limit int
	busy  bool
	done  chan struct{} // closed when the queue is empty again; nil if no call waits
}

// add reports whether there was room.
func (q *storeQueue) add(ctx context.Context, b *backing, w storeWrite) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) >= q.limit {
		return false
	}
	q.items = append(q.items, w)
	if !q.busy {
		q.busy = true
		go q.drain(ctx, b)
	}
	return true
}

func (q *storeQueue) drain(ctx context.Context, b *backing) {
	over := false
	defer func() {
		if !over { // the store's code has ended this goroutine by runtime.Goexit
			go q.drain(ctx, b)
		}
	}()
	for {
		w, ok := q.next()
		if !ok {
			over = true
			return
		}
		b.write(ctx, w)
	}
}

// next takes the oldest write. If there is none, the goroutine that called it must end.
func (q *storeQueue) next() (w storeWrite, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		q.items, q.busy = nil, false
		if q.done != nil {
			close(q.done)
			q.done = nil
		}
		return w, false
	}
	w = q.items[0]
	q.items[0] = storeWrite{}
	q.items = q.items[1:]
	return w, true
}

// pending counts the writes that wait or are being made.
func (q *storeQueue) pending() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.busy {
		return len(q.items) + 1
	}
	return 0
}

// empty returns a channel that is closed once no write is left.
func (q *storeQueue) empty() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.done == nil {
		q.done = make(chan struct{})
	}
	done := q.done
	if !q.busy {
		close(done)
		q.done = nil
	}
	return done
}
