package ssl

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"sessl/internal/clock"
)

// maxOffers bounds the search for a session that may be offered, whatever the cache returns.
const maxOffers = 2 * sessionsPerKey

// UseSessionCache makes a client's handshake offer a session from cache, and puts the
// connection's new sessions there; nil means the Ctx's own cache. addr says where the
// sessions belong ([SessionKey].Addr), such as "tcp example.org:443": sessions of one
// addr are not offered to another, even if the name is the same. An empty addr stands
// for what a [Client] without this call does with the cache of its Ctx.
//
// It returns ErrServer on a server, and ErrHandshakeStarted after the handshake has
// begun. The content of the cache never makes it fail: see [Conn.ReuseState].
func (c *Conn) UseSessionCache(cache ClientSessionCache, addr string) error {
	const op = "Conn.UseSessionCache"
	if err := c.usable(op); err != nil {
		return err
	}
	if addr == "" && !c.server {
		if addr = c.ownPlace(); addr == "" {
			return c.offerNone(op)
		}
	}
	if _, none := cache.(NoSessionCache); none {
		return c.offerNone(op)
	}
	return c.useCache(op, cache, addr, true)
}

// offerCached does what a Dialer does, for a client whose application has not chosen a
// session or cache. handshaking is held.
func (c *Conn) offerCached() {
	c.mu.Lock()
	nothing := c.server || c.sessions.set || c.handshaking.started || c.sessions.taken.s != nil
	c.mu.Unlock()
	if nothing {
		return
	}
	if addr := c.ownPlace(); addr != "" {
		c.useCache("handshake", nil, addr, false) // an error will also be the handshake's
	}
}

// useCache offers the first session of cache that may be offered. set says that the
// application has chosen the cache.
func (c *Conn) useCache(op string, cache ClientSessionCache, addr string, set bool) error {
	from, old, err := c.bindCache(op, cache, addr, set)
	if err != nil {
		return err
	}
	old.drop(false)
	for range maxOffers {
		s, why := from.cache.Take(from.key)
		if s == nil {
			c.noteMiss(why)
			return nil
		}
		if c.tryOffer(from, s, set) {
			return nil
		}
	}
	return nil
}

// A sessionSource says where a session comes from.
type sessionSource struct {
	cache ClientSessionCache
	key   SessionKey
}

// A takenSession is a session that came from a cache and is offered.
type takenSession struct {
	s    *Session
	from sessionSource
	once bool // the cache does not have it any more
}

// drop closes the connection's handle. A session that the cache has given up and that was not
// sent goes back: a server will still take it. mu is not held.
func (t takenSession) drop(sent bool) {
	if t.once && !sent {
		t.from.cache.Put(t.from.key, t.s)
		return
	}
	t.s.Close()
}

// bindCache makes libssl keep new sessions for cache, before any can arrive. What an earlier cache had
// given up is old, which is no longer offered.
func (c *Conn) bindCache(op string, cache ClientSessionCache, addr string, set bool) (
	from sessionSource, old takenSession, err error,
) {
	p, err := c.enterToOffer(op, true)
	if err != nil {
		return from, old, err
	}
	defer c.leave()
	if cache == nil {
		cache = c.ctx.sessions
	}
	if c.sessions.set && !set {
		return from, old, fail(op, ErrHandshakeStarted) // the application was faster
	}
	c.sessions.set = c.sessions.set || set
	p.keep_new = 1
	c.sessions.cache, c.sessions.key = cache, c.sessionKey(addr)
	return sessionSource{c.sessions.cache, c.sessions.key}, c.takeBack(p), nil
}

// offerNone makes a client use no cache.
func (c *Conn) offerNone(op string) error {
	p, err := c.enterToOffer(op, true)
	if err != nil {
		return err
	}
	old := c.takeBack(p)
	c.sessions.set = true
	p.keep_new = cBool(c.ctx.wantsSessions())
	c.sessions.cache, c.sessions.key = nil, SessionKey{}
	c.leave()
	old.drop(false)
	return nil
}

// noteMiss records why there was nothing to offer, unless an earlier reason says more.
func (c *Conn) noteMiss(why ReuseState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sessions.notOffered == ReuseUnknown && why > ReuseUnknown && why <= ReuseOtherConfig {
		c.sessions.notOffered = why
	}
}

// tryOffer takes over s, which came from the cache, and offers it if that is allowed.
func (c *Conn) tryOffer(from sessionSource, s *Session, set bool) bool {
	life, err := s.lifetime()
	expired := err == nil && !life.until.After(clock.Now())
	if expired {
		c.noteMiss(ReuseExpired)
	} else if err == nil {
		err = c.setSession("Conn.UseSessionCache", s, true, set)
	}
	switch {
	case errors.Is(err, ErrHandshakeStarted): // another goroutine was faster: s is still good
		from.cache.Put(from.key, s)
		return true
	case err == nil && !expired && c.SessionOffered():
		c.mu.Lock()
		old := c.sessions.taken // of an earlier cache
		c.sessions.taken = takenSession{s, from, life.once}
		c.mu.Unlock()
		old.drop(false)
		if c.closing.closed.Load() {
			c.dropTaken()
		}
		return true
	}
	from.cache.Remove(from.key, s) // it would not be better the next time
	s.Close()
	return false
}

// keep gives a client's cache a handle of its own on s, or s itself if the application
// does not take it. A server's cache has got it from keepFresh.
func (c *Conn) keep(s *Session) {
	if c.sessions.cache == nil {
		return
	}
	if c.ctx.onNew != nil {
		own, err := s.UpRef()
		if err != nil {
			return
		}
		s = own
	}
	c.sessions.cache.Put(c.sessions.key, s)
}

// forget makes the cache drop the session that the connection offered. No lock is held.
func (c *Conn) forget() {
	t, _ := c.leaveTaken()
	if t.s != nil && !t.once {
		t.from.cache.Remove(t.from.key, t.s)
	}
	t.s.Close()
}

// dropTaken closes the connection's handle on what it offered.
func (c *Conn) dropTaken() {
	t, sent := c.leaveTaken()
	t.drop(sent)
}

// dropSent is dropTaken for a session that only this connection can use, once it was sent.
func (c *Conn) dropSent() {
	c.mu.Lock()
	spent := c.sessions.taken.once && c.handshaking.started
	c.mu.Unlock()
	if spent {
		c.dropTaken()
	}
}

// leaveTaken returns what was offered, and whether libssl may have sent it.
func (c *Conn) leaveTaken() (t takenSession, sent bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, c.sessions.taken = c.sessions.taken, takenSession{}
	return t, c.handshaking.started
}

// cacheConfig is the Ctx's part of a SessionKey: everything that can make a session of
// one Ctx wrong or useless for another.
func (cfg *Config) cacheConfig(ctx *Ctx) (sum [32]byte) {
	h := sha256.New()
	h.Write(ctx.stamp[1:]) // the fingerprint
	lowest, highest := cfg.versions()
	for _, v := range append([]uint16{lowest, highest}, cfg.CipherSuites...) {
		binary.Write(h, binary.BigEndian, v)
	}
	if cfg.SessionTicketsDisabled {
		h.Write([]byte("no tickets"))
	}
	if cfg.GetClientCertificate != nil {
		// A function decides who the client is, and two functions cannot be compared,
		// least of all across processes.
		h.Write(processID())
		binary.Write(h, binary.BigEndian, ctx.number)
	}
	return [32]byte(h.Sum(sum[:0]))
}

// sessionKey says where c's sessions belong. The chains in own are part of it, because
// reloaded certificates change over time.
func (c *Conn) sessionKey(addr string) SessionKey {
	k := SessionKey{
		Addr: addr, ServerName: c.name,
		NextProtos: string(alpnWire(c.protosToOffer())), Config: c.ctx.cacheConfig,
	}
	if c.ctx.reload != nil {
		h := sha256.New()
		h.Write(k.Config[:])
		for _, o := range c.own {
			for _, der := range o.der {
				h.Write(der)
			}
		}
		k.Config = [32]byte(h.Sum(nil))
	}
	return k
}

// placeOf is the form of an address in a SessionKey. A verified name makes all
// addresses that it leads to one server, as far as sessions are concerned. Otherwise,
// behind service discovery, each address would begin with a full handshake.
func (c *Conn) placeOf(network, addr string) string {
	if strings.HasPrefix(network, "tcp") {
		network = "tcp" // for both families
	}
	host, port, err := net.SplitHostPort(addr)
	if strings.HasPrefix(network, "unix") || err != nil {
		return network + " " + addr
	}
	if n, err := net.LookupPort("tcp", port); err == nil {
		port = strconv.Itoa(n)
	}
	if c.verifiesName() {
		host = ""
	}
	return network + " " + net.JoinHostPort(host, port)
}

// ownPlace is placeOf for the connection's own address, or "" if neither the address
// nor the name says who the peer is.
func (c *Conn) ownPlace() string {
	addr := c.net.RemoteAddr()
	if addr == nil || addr.String() == "<nil>" { // as a nil *net.TCPAddr says
		addr = &net.UnixAddr{}
	}
	network, text := addr.Network(), addr.String()
	if !c.verifiesName() && sharedAddr(network, text) {
		return ""
	}
	return c.placeOf(network, text)
}

// sharedAddr reports whether any number of peers can have an address: that of a pipe, of an
// unnamed socket, or of a tunnel without addresses.
func sharedAddr(network, addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	if strings.HasPrefix(network, "unix") || err != nil {
		return addr == "" || addr == "@" || addr == network
	}
	ip, err := netip.ParseAddr(host)
	return port == "0" || err == nil && ip.IsUnspecified()
}

// verifiesName reports whether the peer must prove that it is c.name. A peer that
// proves that it knows a PSK, or has a raw public key, need not.
func (c *Conn) verifiesName() bool {
	return c.ctx.verify && c.name != "" && !c.ctx.psk.any && !c.ctx.types.peer.raw()
}
