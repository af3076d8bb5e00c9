package ssl

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

type storeCounters struct {
	hits, misses, late, busy, errors, refused, writes, writeErrors, dropped, panics atomic.Uint64
}

const (
	storeWriters      = 4
	storeWriteTimeout = time.Second
	storeCloseTimeout = time.Second // for what is in the queue when the cache is closed
)

func newBacking(o *ServerCacheOptions) *backing {
	b := &backing{store: o.Store, keys: o.SealKeys, timeout: o.LookupTimeout,
		lookups: make(chan struct{}, maxStoreLookups)}
	b.life, b.stop = context.WithCancel(context.Background())
	for i := range b.queues {
		b.queues[i].limit = max(o.WriteQueue/storeWriters, 1)
	}
	return b
}

// close writes what is in the queues, for at most a second, and gives up the rest. The
// caller makes sure that nothing more is enqueued.
func (b *backing) close() {
	defer b.stop()
	patience := time.NewTimer(storeCloseTimeout)
	defer patience.Stop()
	for i := range b.queues {
		select {
		case <-b.queues[i].empty():
		case <-patience.C:
			return
		}
	}
}

func (b *backing) write(ctx context.Context, w storeWrite) {
	if ctx.Err() != nil {
		b.stats.dropped.Add(1)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeWriteTimeout)
	defer cancel()
	err := b.guard(func() error {
		if w.sealed == nil {
			return b.store.Remove(ctx, w.id)
		}
		return b.store.Put(ctx, w.id, w.sealed, w.expires)
	})
	if err != nil {
		b.stats.writeErrors.Add(1)
		return
	}
	b.stats.writes.Add(1)
}

// guard makes an error of a panic, which no caller here could see, and keeps the last error.
func (b *backing) guard(f func() error) (err error) {
	returned := false
	defer func() {
		r := recover()
		if !returned {
			b.stats.panics.Add(1)
			err = fmt.Errorf("the SessionStore panicked: %v", cmp.Or(r, any("runtime.Goexit")))
		}
		b.note(err)
	}()
	err = f()
	returned = true
	return err
}

// note keeps err for StoreError.
func (b *backing) note(err error) {
	if err != nil {
		b.last.Store(&err)
	}
}

// put has e's session written soon.
func (b *backing) put(e *serverEntry) {
	sealed, err := b.seal(e)
	if err != nil {
		b.stats.writeErrors.Add(1)
		b.note(err)
		return
	}
	b.enqueue(storeWrite{id: e.id.bytes(), sealed: sealed, expires: e.until})
}

func (b *backing) seal(e *serverEntry) ([]byte, error) {
	const op = "SessionStore.Put"
	plain, err := e.s.packed()
	if err != nil {
		return nil, inOp(op, err)
	}
	defer clear(plain)
	sealed, err := b.keys.seal(plain, sealedAs(e.id.bytes()))
	if err != nil {
		return nil, fail(op, err)
	}
	return sealed, nil
}

// enqueue never waits.
func (b *backing) enqueue(w storeWrite) {
	if !b.queues[w.id[len(w.id)-1]%storeWriters].add(b.life, b, w) {
		b.stats.dropped.Add(1)
	}
}

// storeAnswer is the result of a lookup.
type storeAnswer struct {
	sealed []byte
	err    error
}

// get looks id up, and returns when there is an answer or ctx has ended; nil means a
// full handshake.
func (b *backing) get(ctx context.Context, id []byte) *Session {
	select {
	case b.lookups <- struct{}{}:
	default:
		b.stats.busy.Add(1)
		return nil
	}
	answer := make(chan storeAnswer, 1)
	go func() {
		defer func() { <-b.lookups }()
		var a storeAnswer
		a.err = b.guard(func() (err error) {
			a.sealed, err = b.store.Get(ctx, id)
			return err
		})
		answer <- a
	}()
	select {
	case a := <-answer:
		return b.accept(ctx, id, a)
	case <-ctx.Done():
		b.stats.late.Add(1)
		return nil
	}
}

// accept opens the answer and checks that it is the session asked for. libssl checks
// its context and expiry as well.
func (b *backing) accept(ctx context.Context, id []byte, a storeAnswer) *Session {
	switch {
	case a.err != nil && ctx.Err() != nil:
		b.stats.late.Add(1)
		return nil
	case a.err != nil:
		b.stats.errors.Add(1)
		return nil
	case len(a.sealed) == 0:
		b.stats.misses.Add(1)
		return nil
	}
	s, err := b.unseal(id, a.sealed)
	if err != nil {
		b.stats.refused.Add(1)
		b.note(err)
		return nil
	}
	b.stats.hits.Add(1)
	return s
}

func (b *backing) unseal(id, sealed []byte) (*Session, error) {
	const op = "SessionStore.Get"
	if len(sealed) > MaxEncodedSession {
		return nil, fail(op, ErrTooLarge)
	}
	plain, err := b.keys.open(sealed, sealedAs(id))
	if err != nil {
		return nil, fail(op, err)
	}
	defer clear(plain)
	s, err := unpack(op, plain)
	if err != nil {
		return nil, err
	}
	e, err := s.serverEntry()
	if err != nil || string(e.id.bytes()) != string(id) || !e.until.After(time.Now()) {
		s.Close()
		return nil, fail(op, ErrNotResumable)
	}
	return s, nil
}

// read returns the counters, read at slightly different moments.
func (c *storeCounters) read() StoreStats {
	return StoreStats{Hits: c.hits.Load(), Misses: c.misses.Load(), Late: c.late.Load(), Busy: c.busy.Load(),
		Errors: c.errors.Load(), Refused: c.refused.Load(), Writes: c.writes.Load(),
		WriteErrors: c.writeErrors.Load(), Dropped: c.dropped.Load(), Panics: c.panics.Load()}
}
