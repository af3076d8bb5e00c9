package ssl

import (
	"cmp"
	"context"
	"hash/maphash"
	"sync"
	"time"

	"sessl/internal/clock"
)

// A ServerSessionCache keeps the sessions of servers in this process, for
// [Config].SessionCache: in TLS 1.2 by session id, and in TLS 1.3 by tickets that contain
// only an id. Ctxs that share a cache resume each other's sessions if their session id
// contexts are the same. When there is no room, the least recently used sessions go first.
//
// It takes the place of libssl's internal cache (SSL_SESS_CACHE_NO_INTERNAL,
// SSL_CTX_sess_set_get_cb), which has one lock for all its sessions, and marks what it
// evicts as not resumable for every holder. Here shards share no lock, every operation
// takes constant time, and lookups are done while the handshake is suspended: no thread
// waits in C. The cache owns a reference on each session, without a handle, and no encodings.
//
// On a server that has TicketKeys as well it holds what is in no ticket: the sessions of TLS 1.2
// clients that take none, and, with PreferSessionCache, also those of all other clients but
// two sorts: TLS 1.2 clients that show a ticket, and those that take one and show an id which is
// not here. The latter may make up ids and know only tickets, as crypto/tls does.
//
// The methods may be called from several goroutines at once. Close the cache after its Ctxs.
type ServerSessionCache struct {
	seed   maphash.Seed
	shards []serverShard

	backing *backing // a store behind the cache, or nil
	open    sync.RWMutex
	closed  bool // under open
}

// ServerCacheOptions are options for [NewServerSessionCache].
type ServerCacheOptions struct {
	MaxSessions int   // the most sessions to hold; 0 means 20480, as in libssl
	MaxBytes    int64 // the most memory they may take, estimated; 0 means 16 KiB for each of MaxSessions

	// Store also keeps the sessions, for other processes; it is asked for sessions that
	// are not here. SealKeys encrypts them and must be set, too. Both stay the caller's.
	//
	// The ids of sessions then end with 8 bytes of HMAC-SHA256 over the rest, under a key derived
	// from the first of the SealKeys (SSL_CTX_set_generate_session_id). The Store is asked only for ids
	// that one of the SealKeys has made, so that strangers cannot load it with invented ones. Ids of
	// the application's own, given to Put, are found in this process only.
	Store    SessionStore
	SealKeys *SealKeys

	// LookupTimeout bounds how long the Store may hold up a handshake, over all
	// sessions that a client offers; 0 means 50 ms.
	LookupTimeout time.Duration

	// WriteQueue is how many writes may wait for the Store; 0 means 1024. Further
	// writes are dropped and counted.
	WriteQueue int

	// Writers is how many writes are made at a time; 0 means 4, and 256 is the most. The
	// writes of one session are made one after the other.
	Writers int

	// WriteTimeout ends the context of one write, or of one batch; 0 means a second. A store
	// that ignores its context holds up the writes behind it.
	WriteTimeout time.Duration

	// WriteThrough is for how long a server keeps its last flight back until the Store has answered
	// for the sessions in it. A client that returns at once to another machine then finds its session
	// there. 0 means not at all: the Store gets sessions later. All sessions of one handshake are one
	// wait. It ends early with the handshake's context and deadlines, at Close, and if writes fail or
	// are dropped. Tickets of [Conn.IssueTicket], and after [Conn.RequestClientCertificate], wait as
	// well. Data that is written meanwhile waits behind them during a handshake, and later takes them
	// along. A Store that does not answer holds up each handshake for as long.
	WriteThrough time.Duration
}

const (
	defaultServerSessions = 20480 // SSL_SESSION_CACHE_MAX_SIZE_DEFAULT
	maxServerSessions     = 1 << 30
	perServerShard        = 256
	bytesPerShard         = 1 << 20
	bytesPerSession       = 16 << 10 // by default; clients decide how long their chains are
	defaultLookupTimeout  = 50 * time.Millisecond
	defaultWriteQueue     = 1024
	maxWriteQueue         = 1 << 20
	maxServerShards       = 256
	defaultStoreWriters   = 4
	maxStoreWriters       = 256
	defaultWriteTimeout   = time.Second
)

// NewServerSessionCache returns an empty cache; nil means the zero ServerCacheOptions. It
// returns ErrConfig if a limit is negative, or MaxBytes is too small for any session. Each
// shard has its part of the limits, so a cache is full a little before it has reached them.
func NewServerSessionCache(opts *ServerCacheOptions) (*ServerSessionCache, error) {
	var o ServerCacheOptions
	if opts != nil {
		o = *opts
	}
	if err := o.check(); err != nil {
		return nil, fail("NewServerSessionCache", err)
	}
	n := min(max(o.MaxSessions/perServerShard, 1), maxServerShards)
	n = int(min(int64(n), max(o.MaxBytes/bytesPerShard, 1)))
	c := &ServerSessionCache{seed: maphash.MakeSeed(), shards: make([]serverShard, n)}
	for i := range c.shards {
		limit := o.MaxSessions / n
		if i < o.MaxSessions%n {
			limit++
		}
		sh, err := &c.shards[i], error(nil)
		sh.maxBytes = o.MaxBytes / int64(n)
		if sh.table, err = newServerTable(limit, sh.maxBytes); err != nil {
			return nil, fail("NewServerSessionCache", err)
		}
	}
	if o.Store != nil {
		if err := o.SealKeys.markIDs(); err != nil {
			return nil, fail("NewServerSessionCache", err)
		}
		c.backing = newBacking(&o)
	}
	return c, nil
}

// check reports invalid options and fills in the defaults.
func (o *ServerCacheOptions) check() error {
	switch {
	case o.MaxSessions < 0 || o.MaxSessions > maxServerSessions || o.MaxBytes < 0:
		return configError("MaxSessions %d, MaxBytes %d: a limit is out of range", o.MaxSessions, o.MaxBytes)
	case o.MaxBytes > 0 && o.MaxBytes < minCacheBytes:
		return configError("MaxBytes is %d, which no session fits into: at least %d are possible",
			o.MaxBytes, minCacheBytes)
	case o.LookupTimeout < 0 || o.WriteQueue < 0 || o.WriteQueue > maxWriteQueue:
		return configError("LookupTimeout %v, WriteQueue %d: a limit is out of range",
			o.LookupTimeout, o.WriteQueue)
	case o.WriteThrough < 0:
		return configError("WriteThrough is %v, which is negative", o.WriteThrough)
	case o.Writers < 0 || o.Writers > maxStoreWriters || o.WriteTimeout < 0:
		return configError("Writers %d, WriteTimeout %v: a limit is out of range", o.Writers, o.WriteTimeout)
	case (o.Store == nil) != (o.SealKeys == nil):
		return configError("Store and SealKeys go together: no store sees a session in the clear")
	case o.SealKeys != nil && o.SealKeys.empty():
		return configError("SealKeys are closed, or were not made by NewSealKeys")
	}
	o.MaxSessions = cmp.Or(o.MaxSessions, defaultServerSessions)
	o.MaxBytes = cmp.Or(o.MaxBytes, max(int64(o.MaxSessions)*bytesPerSession, bytesPerShard))
	o.LookupTimeout = cmp.Or(o.LookupTimeout, defaultLookupTimeout)
	o.WriteQueue = cmp.Or(o.WriteQueue, defaultWriteQueue)
	o.Writers = cmp.Or(o.Writers, defaultStoreWriters)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, defaultWriteTimeout)
	return nil
}

// ServerCacheStats count what a cache has done.
type ServerCacheStats struct {
	Sessions     int    // held now
	Bytes        int64  // what they take, by the estimate that MaxBytes bounds
	Stores       uint64 // sessions put
	Hits         uint64 // lookups that found a session
	Misses       uint64 // lookups that found none
	Expired      uint64 // misses whose session was past its timeout
	NotResumable uint64 // misses whose session OpenSSL had marked not resumable
	Evictions    uint64 // sessions dropped to make room
	Uncacheable  uint64 // sessions not kept: without an id, expired, or larger than a shard
}

// Get returns another handle on the session with that id, which the caller must close,
// or nil if there is none that could be resumed.
func (c *ServerSessionCache) Get(id []byte) *Session {
	key, ok := toSessionID(id)
	if !ok || !c.made() {
		return nil
	}
	s, _ := c.get(key)
	return s
}

// get also reports whether the session is dead: OpenSSL has marked it, or it was
// removed. The store must not bring a dead session back.
func (c *ServerSessionCache) get(key sessionID) (s *Session, dead bool) {
	sh, hash := c.find(&key)
	p, dead, gone := sh.get(key, hash, clock.Now())
	if p != nil {
		return adoptSession(p), false
	}
	if gone != nil {
		freeSession(gone)
	}
	return nil, dead
}

// lookUp is Get with the store. What the store finds is kept here, too. A forged id was made by no
// server that has the keys: the store is not asked.
func (c *ServerSessionCache) lookUp(ctx context.Context, id []byte) (s *Session, forged bool) {
	key, ok := toSessionID(id)
	if !ok {
		return nil, false
	}
	s, dead := c.get(key)
	if s != nil || dead || c.backing == nil || !c.usable() {
		return s, false
	}
	if !c.backing.keys.madeID(id) {
		c.backing.stats.forged.Add(1)
		return nil, true
	}
	s = c.backing.get(ctx, id)
	if s == nil {
		return nil, false
	}
	if c.wasRemoved(key) { // removed during the lookup
		s.Close()
		return nil, false
	}
	if own, err := s.UpRef(); err == nil {
		if e := c.entryOf(own); e != nil {
			c.keep(e, false)
		}
	}
	return s, false
}

func (c *ServerSessionCache) wasRemoved(key sessionID) bool {
	sh, _ := c.find(&key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.removed.has(key)
}

// withStore runs f unless there is no store or the cache has been closed.
func (c *ServerSessionCache) withStore(f func(*backing)) {
	c.open.RLock()
	defer c.open.RUnlock()
	if c.backing != nil && !c.closed {
		f(c.backing)
	}
}

// Flush forgets the sessions here that had expired by t; the zero time means all sessions.
func (c *ServerSessionCache) Flush(t time.Time) {
	if !c.made() {
		return
	}
	for i := range c.shards {
		c.shards[i].flush(t)
	}
}

// StoreStats returns the counters of the store, all zero without a store.
func (c *ServerSessionCache) StoreStats() StoreStats {
	if !c.made() || c.backing == nil {
		return StoreStats{}
	}
	st := c.backing.stats.read()
	st.Pending = c.backing.pending()
	st.Gets, st.Puts = c.backing.gets.read(), c.backing.puts.read()
	return st
}

// StoreError returns the last error of the store, of what it returned, or of the
// sealing; nil if there was none. Store errors are not reported anywhere automatically:
// poll StoreError or StoreErrors, and log what they return.
func (c *ServerSessionCache) StoreError() error {
	if !c.made() || c.backing == nil {
		return nil
	}
	return c.backing.past.last()
}

// StoreErrors returns the last sixteen errors of the store, of what it returned, or of the sealing,
// newest first. Of the items of one batch it has the first that failed. The errors are shown as the
// store returned them; those of this package contain no id, no key and nothing of a session.
func (c *ServerSessionCache) StoreErrors() []PastError {
	if !c.made() || c.backing == nil {
		return nil
	}
	return c.backing.past.list()
}

// made reports whether NewServerSessionCache made c; any other cache keeps nothing.
func (c *ServerSessionCache) made() bool { return c != nil && len(c.shards) > 0 }

// usable reports whether c was made and is not closed.
func (c *ServerSessionCache) usable() bool {
	if !c.made() {
		return false
	}
	c.open.RLock()
	defer c.open.RUnlock()
	return !c.closed
}

// Stats returns the sums over all shards, read at slightly different moments.
func (c *ServerSessionCache) Stats() ServerCacheStats {
	var sum ServerCacheStats
	if !c.made() {
		return sum
	}
	for i := range c.shards {
		sh := &c.shards[i]
		sh.count(func(st *ServerCacheStats) {
			n, bytes := sh.table.size()
			sum.Sessions += n
			sum.Bytes += bytes
			sum.Stores += st.Stores
			sum.Hits += st.Hits
			sum.Misses += st.Misses
			sum.Expired += st.Expired
			sum.NotResumable += st.NotResumable
			sum.Evictions += st.Evictions
			sum.Uncacheable += st.Uncacheable
		})
	}
	return sum
}

// marksIDs reports whether ids of sessions in c end with a MAC.
func (c *ServerSessionCache) marksIDs() bool { return c.made() && c.backing != nil }
