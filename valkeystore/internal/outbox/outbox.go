// Package outbox keeps writes that a database could not take, until it can. The newest for each key is
// kept, the oldest are given up when there is no more room, and so are those that have lived too long.
package outbox

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// A Write is a value for a key, or without a Value the removal of it.
type Write struct {
	Key   string
	Value []byte
	Until time.Duration // by the clock of the Box, when the value is worth nothing any more
}

// A Box is a queue of writes. Its methods may be called from several goroutines at once.
type Box struct {
	now      func() time.Duration // a clock that only goes forward
	max      int                  // writes
	maxBytes int                  // of their keys and values

	mu     sync.Mutex
	order  *list.List // of *Write, the oldest in front
	byKey  map[string]*list.Element
	bytes  int
	taken  map[string]bool // of the writes that are being made: whether they are removals
	landed chan struct{}   // closed when taken has changed
	lost   uint64          // given up for want of room
	aged   uint64          // given up because they were worth nothing any more
}

// New returns an empty Box for that many writes and bytes.
func New(now func() time.Duration, max, maxBytes int) *Box {
	return &Box{now: now, max: max, maxBytes: maxBytes, order: list.New(), byKey: map[string]*list.Element{},
		taken: map[string]bool{}, landed: make(chan struct{})}
}

func (w *Write) size() int { return len(w.Key) + len(w.Value) }

// Add puts a write behind the others, and drops an earlier one for its key. If it has no room, the oldest
// writes are given up, and at last w itself.
func (b *Box) Add(w Write) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drop(w.Key)
	b.byKey[w.Key] = b.order.PushBack(&w)
	b.bytes += w.size()
	b.trim()
}

// Return puts writes that Take has handed out back in front, in their order, but none for whose key there
// is a newer one.
func (b *Box) Return(ws []Write) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := len(ws) - 1; i >= 0; i-- {
		w := ws[i]
		if b.byKey[w.Key] == nil {
			b.byKey[w.Key] = b.order.PushFront(&w)
			b.bytes += w.size()
		}
	}
	b.trim()
}

// trim gives the oldest writes up until the rest has room. mu is held.
func (b *Box) trim() {
	for b.order.Len() > b.max || b.bytes > b.maxBytes {
		b.drop(b.order.Front().Value.(*Write).Key)
		b.lost++
	}
}

// drop takes the write for key out, if there is one. mu is held.
func (b *Box) drop(key string) bool {
	e := b.byKey[key]
	if e == nil {
		return false
	}
	b.bytes -= b.order.Remove(e).(*Write).size()
	delete(b.byKey, key)
	return true
}

// batchBytes is what Take takes out at one time, unless a single write is more.
const batchBytes = 1 << 20

// Take takes up to n writes out, the oldest first, and fewer if they are long. Landed must be called when
// they have been tried. What is worth nothing any more is not among them.
func (b *Box) Take(n int) (ws []Write) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for room := batchBytes; len(ws) < n && b.order.Len() > 0; {
		w := *b.order.Front().Value.(*Write)
		if room -= w.size(); room < 0 && len(ws) > 0 {
			break
		}
		b.drop(w.Key)
		if w.Until <= b.now() {
			b.aged++
			continue
		}
		b.taken[w.Key] = w.Value == nil
		ws = append(ws, w)
	}
	return ws
}

// Landed says that writes which Take has handed out are made, or have failed.
func (b *Box) Landed(ws []Write) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range ws {
		delete(b.taken, ws[i].Key)
	}
	close(b.landed)
	b.landed = make(chan struct{})
}

// Supersede drops the write for key, and waits for one that is being made: whoever writes to the key now
// has the last word. It returns the cause of ctx if that ends first.
func (b *Box) Supersede(ctx context.Context, key string) error {
	for {
		b.mu.Lock()
		b.drop(key)
		_, taken := b.taken[key]
		landed := b.landed
		b.mu.Unlock()
		if !taken {
			return nil
		}
		select {
		case <-landed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Removed reports whether the removal of key waits or is being made.
func (b *Box) Removed(key string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.byKey[key]; e != nil {
		return e.Value.(*Write).Value == nil
	}
	return b.taken[key]
}

// Len returns how many writes wait or are being made.
func (b *Box) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.order.Len() + len(b.taken)
}

// Lost returns how many writes have been given up for want of room, and because of their age.
func (b *Box) Lost() (room, age uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lost, b.aged
}
