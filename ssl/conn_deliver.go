package ssl

import (
	"context"
	"sync/atomic"
)

// nextFresh takes the oldest session that may be shown to the application: none before the handshake
// is complete, because until then the peer has not been verified, and none that a server's cache has
// yet to get: the call that has issued it sees to that.
func (c *Conn) nextFresh() *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.sessions.fresh) == 0 || !c.handshaking.done.Load() ||
		c.ctx.cache != nil && c.sessions.freshKept == 0 {
		return nil
	}
	c.sessions.freshKept = max(c.sessions.freshKept-1, 0)
	return c.takeOldest()
}

// keepFresh puts new sessions into a server's cache before the client gets them and can come back
// with one, and waits for the store as far as WriteThrough says. ctx and the deadline until end the
// wait. The application gets the sessions later, when no lock is held. Unless alone, a server may be
// writing early.
func (c *Conn) keepFresh(ctx context.Context, until *atomic.Int64, alone bool) {
	if !c.handshaking.done.Load() || c.ctx.cache == nil {
		return // ctx may still be replaced
	}
	ss := c.freshToKeep()
	if len(ss) > 0 {
		c.putThrough(ctx, until, ss, alone)
	}
	c.unhold(len(ss) > 0)
}

// putThrough puts sessions into the cache, and returns when the store has them, or the client may have
// them without.
func (c *Conn) putThrough(ctx context.Context, until *atomic.Int64, ss []*Session, alone bool) {
	if !alone && c.writing.lockFor(0) { // what is written from here on would take the tickets along
		defer c.writing.unlock()
	}
	w := c.ctx.cache.putAll(ss)
	if w.n == 0 {
		return
	}
	ctx, cancel := c.askContext(ctx, until)
	defer cancel()
	w.wait(ctx)
}

// unhold lets the output go in which the client gets its new sessions, unless another call has yet to
// keep some of them: all are in one stream. kept says that freshToKeep had some for this call.
func (c *Conn) unhold(kept bool) {
	if !kept && !c.sessions.unkept.Load() {
		return
	}
	c.withLive(func(p connPtr) {
		if kept {
			c.sessions.keepers--
		}
		if c.sessions.keepers == 0 && c.sessions.freshKept == len(c.sessions.fresh) {
			c.letGo(p)
		}
	})
	c.flushSoon()
}

// letGo lets the output go that unhold would let go later. mu is held.
func (c *Conn) letGo(p connPtr) {
	p.unkept = 0
	c.sessions.unkept.Store(false)
}

// freshToKeep returns handles for the cache, the last ones if the application wants none. If there are
// some, the caller must call unhold.
func (c *Conn) freshToKeep() (ss []*Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() {
		if len(ss) > 0 {
			c.sessions.keepers++
		}
	}()
	if c.ctx.onNew == nil {
		ss, c.sessions.fresh, c.sessions.freshWeight = c.sessions.fresh, nil, 0
		return ss
	}
	for ; c.sessions.freshKept < len(c.sessions.fresh); c.sessions.freshKept++ {
		s := c.sessions.fresh[c.sessions.freshKept]
		if s.travels() {
			continue
		}
		if s, err := s.UpRef(); err == nil {
			ss = append(ss, s)
		}
	}
	return ss
}

// deliver calls OnNewSession for the sessions that have arrived, and puts them into the
// cache. It also writes the lines of the key log from after the handshake. No lock is held.
func (c *Conn) deliver() {
	if c.sessions.spoiled.Load() && c.sessions.spoiled.Swap(false) {
		c.forget()
	}
	if c.sessions.removed.Load() && c.sessions.removed.Swap(false) {
		c.surviving(c.ctxNow().deliverRemoved)
	}
	if c.keyLog.waiting.Load() && c.handshaking.done.Load() {
		c.surviving(func() { c.logKeys() }) // a failed log does not end a connection that works
	}
	c.keepFresh(context.Background(), &c.writing.until, true)
	for s := c.nextFresh(); s != nil; s = c.nextFresh() {
		c.surviving(func() { c.hand(s) })
	}
}

// ctxNow is ctx, for callers that neither hold handshaking nor know that the handshake is complete.
func (c *Conn) ctxNow() *Ctx {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ctx
}

// hand gives one session to the cache and to OnNewSession.
func (c *Conn) hand(s *Session) {
	c.keep(s)
	if c.ctx.onNew != nil {
		c.ctx.onNew(c, s)
	}
}

// surviving calls code of the application. A panic in it closes the connection and goes on.
func (c *Conn) surviving(f func()) {
	returned := false
	defer func() {
		if !returned {
			c.abandon()
		}
	}()
	f()
	returned = true
}

// dropFresh closes sessions that can no longer be delivered.
func (c *Conn) dropFresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.sessions.fresh {
		s.Close()
	}
	c.sessions.fresh, c.sessions.freshKept, c.sessions.freshWeight = nil, 0, 0
}
