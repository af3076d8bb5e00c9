package ssl

import "time"

// maxOffers bounds the search for a session that may be offered, whatever the cache does.
const maxOffers = 2 * sessionsPerKey

// UseSessionCache has the handshake of a client offer a session from cache, and the sessions
// that the connection gets put there; nil means the cache of the Ctx's own. addr is the server's
// address as its user names it, such as "tcp example.org:443": sessions of one are not offered to
// another. A [Dialer] does this by itself; it is for connections that were made by other means.
//
// It fails with ErrServer on a server, and with ErrHandshakeStarted after the handshake has
// begun. Nothing that is or is not in the cache is an error: see [Conn.ReuseState].
func (c *Conn) UseSessionCache(cache ClientSessionCache, addr string) error {
	const op = "Conn.UseSessionCache"
	if err := c.bindCache(op, cache, addr); err != nil {
		return err
	}
	for range maxOffers {
		s, why := c.cache.Take(c.cacheKey)
		if s == nil {
			c.noteMiss(why)
			return nil
		}
		if c.tryOffer(s) {
			return nil
		}
	}
	return nil
}

// bindCache has new sessions kept for cache, before any can come.
func (c *Conn) bindCache(op string, cache ClientSessionCache, addr string) error {
	p, err := c.enterToOffer(op, true)
	if err != nil {
		return err
	}
	defer c.leave()
	if cache == nil {
		cache = c.ctx.sessions
	}
	p.keep_new = 1
	c.cache, c.cacheKey = cache, c.sessionKey(addr)
	return nil
}

// noteMiss keeps why there was nothing to offer, unless something before it tells more.
func (c *Conn) noteMiss(why ReuseState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.notOffered == ReuseUnknown && why > ReuseUnknown && why <= ReuseOtherConfig {
		c.notOffered = why
	}
}

// tryOffer takes over s, which has come from the cache, and offers it if that may be done.
func (c *Conn) tryOffer(s *Session) bool {
	life, err := s.lifetime()
	if err == nil && !life.until.After(time.Now()) {
		c.noteMiss(ReuseExpired)
	} else if err == nil && c.SetSession(s) == nil && c.SessionOffered() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.taken.Close() // of a cache before
		c.taken = nil
		if life.once || c.closed.Load() {
			s.Close()
		} else {
			c.taken = s
		}
		return true
	}
	c.cache.Remove(c.cacheKey, s) // no better the next time
	s.Close()
	return false
}

// keep gives a client's cache a handle of its own on s, or s itself where nobody else wants
// it. A server's has had it from keepFresh.
func (c *Conn) keep(s *Session) {
	if c.cache == nil {
		return
	}
	if c.ctx.onNew != nil {
		own, err := s.UpRef()
		if err != nil {
			return
		}
		s = own
	}
	c.cache.Put(c.cacheKey, s)
}

// forget has the cache drop the session that the connection offered. No lock is held.
func (c *Conn) forget() {
	c.mu.Lock()
	s := c.taken
	c.taken = nil
	c.mu.Unlock()
	if s != nil {
		c.cache.Remove(c.cacheKey, s)
		s.Close()
	}
}

// dropTaken ends the connection's interest in what it offered, which stays in the cache.
func (c *Conn) dropTaken() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taken.Close()
	c.taken = nil
}
