package ssl

import (
	"context"
	"time"
)

// storeWait is one wait for the writes of the sessions that a client is about to get.
type storeWait struct {
	b       *backing
	answers chan error // with room for the answers to all of them; nil if none is wanted
	n       int        // how many answers are to come
}

// expect returns a wait for up to n writes, which have yet to be enqueued.
func (b *backing) expect(n int) storeWait {
	if b.through == 0 {
		return storeWait{}
	}
	return storeWait{b: b, answers: make(chan error, n)}
}

// wait returns when the store has answered all writes, WriteThrough is over, ctx ends, or the cache
// was closed and has given up its writes. A failed write is an answer, too.
func (w *storeWait) wait(ctx context.Context) {
	w.b.stats.waits.Add(1)
	t := time.NewTimer(w.b.through)
	defer t.Stop()
	for range w.n {
		select {
		case <-w.answers:
			continue
		case <-ctx.Done():
		case <-w.b.life.Done():
		case <-t.C:
		}
		w.b.stats.lateWaits.Add(1)
		return
	}
}
