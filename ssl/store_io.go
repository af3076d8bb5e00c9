package ssl

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"

	"sessl/internal/clock"
)

type storeCounters struct {
	hits, misses, late, busy, errors, refused, forged      atomic.Uint64
	writes, writeErrors, dropped, panics, waits, lateWaits atomic.Uint64
}

func newBacking(o *ServerCacheOptions) *backing {
	b := &backing{store: o.Store, keys: o.SealKeys, timeout: o.LookupTimeout, patient: o.WriteTimeout,
		through: o.WriteThrough, lookups: make(chan struct{}, maxStoreLookups),
		queues: make([]storeQueue, o.Writers)}
	b.batch, _ = o.Store.(SessionBatchStore)
	b.status, _ = o.Store.(SessionStatusStore)
	b.binding, _ = o.Store.(SessionBindingStore)
	b.life, b.stop = context.WithCancel(context.Background())
	for i := range b.queues {
		b.queues[i].limit = max(o.WriteQueue/o.Writers, 1)
	}
	return b
}

// close waits until the queues are empty. When ctx ends it gives up the rest, and returns how many
// writes that were. The caller makes sure that nothing more is enqueued.
func (b *backing) close(ctx context.Context) (lost int) {
	defer b.stop()
	for i := range b.queues {
		select {
		case <-b.queues[i].empty():
		case <-ctx.Done():
			return b.pending()
		}
	}
	return 0
}

// pending counts the writes that wait or are being made.
func (b *backing) pending() (n int) {
	for i := range b.queues {
		n += b.queues[i].pending()
	}
	return n
}

// write makes the writes of one turn: a Remove, a Put, or a batch of them.
func (b *backing) write(ctx context.Context, ws []storeWrite) {
	if ctx.Err() != nil {
		b.stats.dropped.Add(uint64(len(ws)))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, b.patient)
	defer cancel()
	errs := make([]error, len(ws))
	err := errStoreEnded
	defer func() { b.settle(ws, err, errs) }()
	switch w := ws[0]; {
	case w.sealed == nil:
		err = b.guard("Remove", func() error { return b.store.Remove(ctx, w.id) })
	case len(ws) == 1:
		err = b.guard("Put", func() error {
			defer b.puts.since(clock.Now())
			return b.store.Put(ctx, w.id, w.sealed, w.expires)
		})
	default:
		err = b.guard(opPutAll, func() error { return b.putAll(ctx, ws, errs) })
	}
}

// settle counts writes and answers the calls that wait for them. err concerns all of them.
func (b *backing) settle(ws []storeWrite, err error, errs []error) {
	for i, w := range ws {
		result := firstError(err, errs[i])
		if result != nil {
			b.stats.writeErrors.Add(1)
		} else {
			b.stats.writes.Add(1)
		}
		if w.answer != nil {
			w.answer <- result
		}
	}
}

const opPutAll = "PutAll"

var (
	errStoreEnded = errors.New("the SessionStore ended its goroutine")
	errBatch      = errors.New("PutAll returned another number of errors than there were items")
)

// putAll returns an error that concerns all items; errors of single items are in errs.
func (b *backing) putAll(ctx context.Context, ws []storeWrite, errs []error) error {
	items := make([]StoreItem, len(ws))
	for i, w := range ws {
		items[i] = StoreItem{ID: w.id, Sealed: w.sealed, Expires: w.expires}
	}
	got := b.putItems(ctx, items)
	if got == nil {
		return nil
	}
	if len(got) != len(items) {
		return errBatch
	}
	var first error
	for i, err := range got {
		errs[i] = err
		first = firstError(first, err)
	}
	b.past.note(opPutAll, first)
	return nil
}

func (b *backing) putItems(ctx context.Context, items []StoreItem) []error {
	defer b.puts.since(clock.Now())
	return b.batch.PutAll(ctx, items)
}

// guard makes an error of a panic, which no caller here could see, and notes the error.
func (b *backing) guard(op string, f func() error) (err error) {
	returned := false
	defer func() {
		r := recover()
		if !returned {
			b.stats.panics.Add(1)
			err = fmt.Errorf("the SessionStore panicked: %v", cmp.Or(r, any("runtime.Goexit")))
		}
		b.past.note(op, err)
	}()
	err = f()
	returned = true
	return err
}

// put has the sessions of es written soon. w then waits for those that the queues have taken.
func (b *backing) put(w *storeWait, es ...*serverEntry) {
	writes := make([]storeWrite, 0, len(es))
	for _, e := range es {
		sealed, err := b.seal(e)
		if err != nil {
			b.stats.writeErrors.Add(1)
			b.past.note("seal", err)
			continue
		}
		writes = append(writes, storeWrite{id: bytes.Clone(e.id.bytes()), sealed: sealed, expires: e.until,
			answer: w.answers})
	}
	for len(writes) > 0 {
		q, n := b.queueOf(writes[0].id), 1
		for n < len(writes) && b.queueOf(writes[n].id) == q {
			n++
		}
		taken := q.add(b.life, b, writes[:n]...)
		b.stats.dropped.Add(uint64(n - taken))
		if w.answers != nil {
			w.n += taken
		}
		writes = writes[n:]
	}
}

func (b *backing) seal(e *serverEntry) ([]byte, error) {
	const op = "SessionStore.Put"
	as, err := b.sealedAs(e.id.bytes())
	if err != nil {
		return nil, fail(op, err)
	}
	plain, err := e.s.packed()
	if err != nil {
		return nil, inOp(op, err)
	}
	defer clear(plain)
	sealed, err := b.keys.seal(plain, as)
	if err != nil {
		return nil, fail(op, err)
	}
	return sealed, nil
}

// enqueue never waits.
func (b *backing) enqueue(w storeWrite) {
	if b.queueOf(w.id).add(b.life, b, w) == 0 {
		b.stats.dropped.Add(1)
	}
}

func (b *backing) queueOf(id []byte) *storeQueue { return &b.queues[int(id[len(id)-1])%len(b.queues)] }

// storeAnswer is the result of a lookup.
type storeAnswer struct {
	sealed []byte
	err    error
}

// get looks id up, and returns when there is an answer or ctx has ended; nil means a
// full handshake.
func (b *backing) get(ctx context.Context, id []byte) *Session {
	if _, err := b.sealedAs(id); err != nil {
		b.stats.errors.Add(1)
		return nil
	}
	select {
	case b.lookups <- struct{}{}:
	default:
		b.stats.busy.Add(1)
		return nil
	}
	answer := make(chan storeAnswer, 1)
	theirs := bytes.Clone(id) // a store may write into what it gets
	go func() {
		a := storeAnswer{err: errStoreEnded}
		defer func() {
			answer <- a
			<-b.lookups
		}()
		a.err = b.guard("Get", func() (err error) {
			defer b.gets.since(clock.Now())
			a.sealed, err = b.store.Get(ctx, theirs)
			return err
		})
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
		b.past.note("open", err)
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
	as, err := b.sealedAs(id)
	if err != nil {
		return nil, fail(op, err)
	}
	plain, err := b.keys.open(sealed, as)
	if err != nil {
		return nil, fail(op, err)
	}
	defer clear(plain)
	s, err := unpack(op, plain)
	if err != nil {
		return nil, err
	}
	e, err := s.serverEntry(math.MaxInt64)
	if err != nil || string(e.id.bytes()) != string(id) || !e.until.After(clock.Now()) {
		s.Close()
		return nil, fail(op, ErrNotResumable)
	}
	return s, nil
}

// read returns the counters, read at slightly different moments.
func (c *storeCounters) read() StoreStats {
	return StoreStats{Hits: c.hits.Load(), Misses: c.misses.Load(), Late: c.late.Load(), Busy: c.busy.Load(),
		Errors: c.errors.Load(), Refused: c.refused.Load(), Writes: c.writes.Load(),
		WriteErrors: c.writeErrors.Load(), Dropped: c.dropped.Load(), Panics: c.panics.Load(),
		Forged: c.forged.Load(), Waits: c.waits.Load(), LateWaits: c.lateWaits.Load()}
}
