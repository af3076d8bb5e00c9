package ssl

// Put keeps s by its id, replaces any other session with that id, and owns s from here
// on. It reports whether it kept s: a session that has no id, has expired or is not
// resumable is closed at once, and so is every session after Close. The store gets s later,
// even if it is too large for the cache. If neither keeps s, it is not frozen. Servers call Put
// by themselves.
func (c *ServerSessionCache) Put(s *Session) bool {
	e := c.entryOf(s)
	if e == nil {
		return false
	}
	c.withStore(func(b *backing) { b.put(&storeWait{}, e) })
	return c.keep(e, true)
}

// putAll is Put for the sessions of one handshake. The caller may wait until the store has them.
func (c *ServerSessionCache) putAll(ss []*Session) (w storeWait) {
	if c.backing == nil {
		for _, s := range ss {
			c.Put(s)
		}
		return w
	}
	es := make([]*serverEntry, 0, len(ss))
	for _, s := range ss {
		if e := c.entryOf(s); e != nil {
			es = append(es, e)
		}
	}
	c.withStore(func(b *backing) {
		w = b.expect(len(es))
		b.put(&w, es...)
	})
	for _, e := range es {
		c.keep(e, true)
	}
	return w
}

// entryOf owns s from here on. It returns nil for a session that is not to be kept.
func (c *ServerSessionCache) entryOf(s *Session) *serverEntry {
	if !c.usable() {
		s.Close()
		return nil
	}
	e, err := s.serverEntry(c.room())
	if err != nil {
		sh, _ := c.find(&e.id)
		sh.count(func(st *ServerCacheStats) { st.Uncacheable++ })
		s.Close()
		return nil
	}
	return e
}

// keep puts e into its shard, and owns e.s. With isNew false it came from the store.
func (c *ServerSessionCache) keep(e *serverEntry, isNew bool) bool {
	p, err := e.s.handOver()
	if err != nil { // closed meanwhile
		return false
	}
	sh, hash := c.find(&e.id)
	var gone goneSessions
	kept := sh.put(e, hash, p, isNew, &gone)
	if !kept {
		freeSession(p)
	}
	for gone.free() {
		sh.trim(&gone)
	}
	return kept
}
