package ssl

import (
	"bytes"
	"context"
	"time"
)

// invalidated makes the store forget a session that libssl has marked not resumable.
func (c *ServerSessionCache) invalidated(id []byte) {
	if key, ok := toSessionID(id); ok {
		c.withStore(func(b *backing) { c.forget(b, key) })
	}
}

// forget makes the store forget a session soon. Until the store has done so, and also
// if it never does, this cache does not take the session back from there.
func (c *ServerSessionCache) forget(b *backing, key sessionID) {
	c.noteRemoved(key)
	b.enqueue(storeWrite{id: bytes.Clone(key.bytes())})
}

// Remove forgets the session with that id, and makes the store forget it soon. It reports whether
// the session was here. Other handles on it stay valid, and other processes may still have it.
func (c *ServerSessionCache) Remove(id []byte) bool {
	key, ok := toSessionID(id)
	if !ok || !c.made() {
		return false
	}
	c.withStore(func(b *backing) { c.forget(b, key) })
	return c.drop(key)
}

// RemoveContext is Remove, but returns only when the store has answered, after the waiting writes for
// that session. It returns the store's error, the cause of ctx if ctx ends first, ErrStoreBusy if twice
// as many writes wait as WriteQueue allows, ErrConfig for a session id of an impossible length, and
// ErrClosed after Close. Except with ErrConfig, it has done by then what [ServerSessionCache.Forget]
// does. Without a store RemoveContext returns nil.
func (c *ServerSessionCache) RemoveContext(ctx context.Context, id []byte) error {
	const op = "ServerSessionCache.RemoveContext"
	if ctx == nil || !c.made() {
		return fail(op, ErrNil)
	}
	key, ok := toSessionID(id)
	if !ok {
		return fail(op, configError("a session id has 1 to %d bytes, not %d", maxIDLen, len(id)))
	}
	c.Forget(id)
	switch {
	case !c.usable():
		return fail(op, ErrClosed)
	case c.backing == nil:
		return nil
	case ctx.Err() != nil:
		return fail(op, context.Cause(ctx))
	}
	answer, room := make(chan error, 1), true
	c.withStore(func(b *backing) {
		w := storeWrite{id: bytes.Clone(key.bytes()), answer: answer}
		room = b.queueOf(w.id).push(b.life, b, w)
	})
	if !room {
		return fail(op, ErrStoreBusy)
	}
	select {
	case err := <-answer:
		if err != nil {
			return fail(op, err)
		}
		return nil
	case <-c.backing.life.Done():
		return fail(op, ErrClosed)
	case <-ctx.Done():
		return fail(op, context.Cause(ctx))
	}
}

// Forget drops the session with that id here, and does not take it back from the store. It is for a
// session that another machine has removed, and so does not call the store. It reports whether the
// session was here. A shard of the cache remembers the last 256 ids that were forgotten or removed.
func (c *ServerSessionCache) Forget(id []byte) bool {
	key, ok := toSessionID(id)
	if !ok || !c.made() {
		return false
	}
	c.noteRemoved(key)
	return c.drop(key)
}

// noteRemoved has the cache take the session from no store any more.
func (c *ServerSessionCache) noteRemoved(key sessionID) {
	sh, _ := c.find(&key)
	sh.mu.Lock()
	sh.removed.add(key)
	sh.mu.Unlock()
}

// drop takes a session out of its shard.
func (c *ServerSessionCache) drop(key sessionID) bool {
	sh, hash := c.find(&key)
	p := sh.drop(key, hash)
	if p == nil {
		return false
	}
	freeSession(p)
	return true
}

// closePatience is for how long Close waits for pending writes.
const closePatience = time.Second

// Close is CloseContext, but waits at most a second for pending writes. Later calls do nothing.
func (c *ServerSessionCache) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	c.CloseContext(ctx) // the writes that are lost are in StoreStats
	return nil
}

// CloseContext forgets all sessions here; sessions that are put later are closed at once. Then it waits until
// the store's pending writes are made; the store stays open. If ctx ends first, CloseContext gives up,
// and returns how many writes may not have been made and the cause of ctx. Later calls return 0 and nil.
func (c *ServerSessionCache) CloseContext(ctx context.Context) (lost int, err error) {
	const op = "ServerSessionCache.CloseContext"
	if ctx == nil {
		return 0, fail(op, ErrNil)
	}
	if !c.made() {
		return 0, nil
	}
	first := c.shut()
	for i := range c.shards {
		sh := &c.shards[i]
		sh.mu.Lock()
		sh.closed = true
		sh.mu.Unlock()
		sh.table.close()
	}
	if first && c.backing != nil {
		if lost = c.backing.close(ctx); lost > 0 {
			err = fail(op, context.Cause(ctx))
		}
	}
	return lost, err
}

// shut closes the cache and reports whether this call was the first.
func (c *ServerSessionCache) shut() bool {
	c.open.Lock()
	defer c.open.Unlock()
	first := !c.closed
	c.closed = true
	return first
}
