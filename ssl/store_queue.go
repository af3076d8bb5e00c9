package ssl

import (
	"context"
	"slices"
	"sync"
)

// storeQueue holds the writes for some of the ids, in order. A goroutine makes the
// writes and ends when there are none, so that a dropped cache leaves no goroutine.
type storeQueue struct {
	mu     sync.Mutex
	items  []storeWrite
	limit  int
	busy   bool          // a goroutine makes the writes
	making int           // writes that it has taken
	done   chan struct{} // closed when the queue is empty again; nil if no call waits
}

// add returns for how many of ws there was room, the first ones. They may go into one batch.
func (q *storeQueue) add(ctx context.Context, b *backing, ws ...storeWrite) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(ws), max(q.limit-len(q.items), 0))
	if n > 0 {
		q.addLocked(ctx, b, ws[:n]...)
	}
	return n
}

// push is add for a call that waits for the write: it has as much room again.
func (q *storeQueue) push(ctx context.Context, b *backing, w storeWrite) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) >= 2*q.limit {
		return false
	}
	q.addLocked(ctx, b, w)
	return true
}

func (q *storeQueue) addLocked(ctx context.Context, b *backing, ws ...storeWrite) {
	q.items = append(q.items, ws...)
	if !q.busy {
		q.busy = true
		go q.drain(ctx, b)
	}
}

func (q *storeQueue) drain(ctx context.Context, b *backing) {
	over := false
	defer func() {
		if !over { // the store's code has ended this goroutine by runtime.Goexit
			go q.drain(ctx, b)
		}
	}()
	for {
		ws := q.next(b.batch != nil)
		if ws == nil {
			over = true
			return
		}
		b.write(ctx, ws)
	}
}

// maxBatch bounds what PutAll gets at a time.
const maxBatch = 128

// next takes the oldest write, and with batches the Puts that follow a Put. If there is no write, it
// returns nil, and the goroutine that called it must end.
func (q *storeQueue) next(batches bool) (ws []storeWrite) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		q.items, q.busy, q.making = nil, false, 0
		if q.done != nil {
			close(q.done)
			q.done = nil
		}
		return nil
	}
	n := 1
	for batches && n < min(len(q.items), maxBatch) && q.items[n-1].sealed != nil && q.items[n].sealed != nil {
		n++
	}
	ws = slices.Clone(q.items[:n])
	clear(q.items[:n])
	q.items = q.items[n:]
	q.making = n
	return ws
}

// pending counts the writes that wait or are being made.
func (q *storeQueue) pending() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) + q.making
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
