package ssl

// nextFresh takes the oldest session that may be shown to the application: none before
// the handshake is complete, because until then the peer has not been verified.
func (c *Conn) nextFresh() *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.sessions.fresh) == 0 || !c.handshaking.done.Load() {
		return nil
	}
	c.sessions.freshKept = max(c.sessions.freshKept-1, 0)
	return c.takeOldest()
}

// keepFresh puts the sessions of a handshake into a server's cache before the client gets
// them and can come back with one. The application gets them later, when no lock is held.
func (c *Conn) keepFresh() {
	if !c.handshaking.done.Load() || c.ctx.cache == nil {
		return // ctx may still be replaced
	}
	for _, s := range c.freshToKeep() {
		c.ctx.cache.Put(s)
	}
}

// freshToKeep returns handles for the cache, the last ones if the application wants none.
func (c *Conn) freshToKeep() (ss []*Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.onNew == nil {
		ss, c.sessions.fresh, c.sessions.freshWeight = c.sessions.fresh, nil, 0
		return ss
	}
	for ; c.sessions.freshKept < len(c.sessions.fresh); c.sessions.freshKept++ {
		if s, err := c.sessions.fresh[c.sessions.freshKept].UpRef(); err == nil {
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
	c.keepFresh()
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
