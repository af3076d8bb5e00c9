package ssl

// nextFresh takes the oldest session that may be shown to the application: none before
// the handshake is complete, for until then the peer has not been verified.
func (c *Conn) nextFresh() *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.fresh) == 0 || !c.done.Load() {
		return nil
	}
	c.freshKept = max(c.freshKept-1, 0)
	return c.takeOldest()
}

// keepFresh has a server's cache know the sessions of a handshake before the client gets them,
// and can come back with one. The application hears of them later, when no lock is held.
func (c *Conn) keepFresh() {
	if !c.done.Load() || c.ctx.cache == nil {
		return // ctx may still become another
	}
	for _, s := range c.freshToKeep() {
		c.ctx.cache.Put(s)
	}
}

// freshToKeep returns handles for the cache, and the last ones where nobody else wants them.
func (c *Conn) freshToKeep() (ss []*Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.onNew == nil {
		ss, c.fresh, c.freshWeight = c.fresh, nil, 0
		return ss
	}
	for ; c.freshKept < len(c.fresh); c.freshKept++ {
		if s, err := c.fresh[c.freshKept].UpRef(); err == nil {
			ss = append(ss, s)
		}
	}
	return ss
}

// deliver calls OnNewSession for what has arrived, and keeps it in the cache; it writes what the key
// log gets after the handshake. No lock is held.
func (c *Conn) deliver() {
	if c.spoiled.Load() && c.spoiled.Swap(false) {
		c.forget()
	}
	if c.removed.Load() && c.removed.Swap(false) {
		c.surviving(c.ctxNow().deliverRemoved)
	}
	if c.logs.Load() && c.done.Load() {
		c.surviving(func() { c.logKeys() }) // what cannot be written is no reason to end a connection that works
	}
	c.keepFresh()
	for s := c.nextFresh(); s != nil; s = c.nextFresh() {
		c.surviving(func() { c.hand(s) })
	}
}

// ctxNow is ctx for those who neither hold handshaking nor know that the handshake is complete.
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

// surviving calls code of the application's; a panic there ends the connection, and goes on.
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

// dropFresh closes what can no longer be delivered.
func (c *Conn) dropFresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.fresh {
		s.Close()
	}
	c.fresh, c.freshKept, c.freshWeight = nil, 0, 0
}
