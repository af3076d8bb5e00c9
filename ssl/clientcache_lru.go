package ssl

import (
	"container/list"
	"hash/maphash"
	"sync"
	"time"

	"sessl/internal/clock"
)

const (
	defaultClientSessions = 1024
	sessionsPerKey        = 8  // as many new connections to a server can resume at once
	sessionsPerShard      = 64 // with fewer, the order of eviction would depend on chance
	maxClientShards       = 64
)

// An LRUClientSessionCache is a ClientSessionCache in memory, of bounded size. It evicts
// the least recently used sessions first, and hands out no expired ones. It keeps up to
// eight TLS 1.3 sessions for a key and takes the newest first; of TLS 1.2 it keeps one.
//
// It holds handles, not encodings, and closes what it evicts. The garbage collector frees
// a dropped cache with all that it holds, but does not see the C memory, so Close it.
type LRUClientSessionCache struct {
	seed   maphash.Seed
	shards []clientShard
}

// NewClientSessionCache returns a cache for at most n sessions in all, or for 1024 if n
// is zero or less. A session is a few KiB of C memory.
func NewClientSessionCache(n int) *LRUClientSessionCache {
	if n <= 0 {
		n = defaultClientSessions
	}
	shards := min(max(n/sessionsPerShard, 1), maxClientShards)
	c := &LRUClientSessionCache{seed: maphash.MakeSeed(), shards: make([]clientShard, shards)}
	for i := range c.shards {
		c.shards[i].limit = n / shards
		if i < n%shards {
			c.shards[i].limit++
		}
	}
	return c
}

// clientHost is the part of a key that does not depend on the configuration.
type clientHost struct{ addr, name string }

// clientShard is a part of the cache with a lock of its own.
type clientShard struct {
	mu       sync.Mutex
	limit, n int // sessions
	closed   bool
	keys     map[SessionKey]*list.Element // of *clientEntry
	hosts    map[clientHost]int           // to the number of keys
	used     list.List                    // most recently used first
	stats    ClientCacheStats
}

type clientEntry struct {
	key      SessionKey
	sessions []cachedSession // oldest first
}

type cachedSession struct {
	s     *Session
	until time.Time
	once  bool // TLS 1.3: handed out once
}

// ClientCacheStats count what a cache has done.
type ClientCacheStats struct {
	Sessions  int    // held now
	Stores    uint64 // sessions put
	Hits      uint64 // sessions taken with success
	Misses    uint64 // lookups that found nothing
	Expired   uint64 // sessions dropped because they had expired
	Evictions uint64 // sessions dropped to make room
}

// usable reports whether NewClientSessionCache made c; any other cache keeps nothing.
func (c *LRUClientSessionCache) usable() bool { return c != nil && len(c.shards) > 0 }

// forFiles returns why nothing can be saved or loaded.
func (c *LRUClientSessionCache) forFiles(op string, keys *SealKeys) error {
	if keys == nil || !c.usable() {
		return fail(op, ErrNil)
	}
	sh := &c.shards[0] // Close closes all shards
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.closed {
		return fail(op, ErrClosed)
	}
	return nil
}

func (c *LRUClientSessionCache) shardOf(key SessionKey) *clientShard {
	var h maphash.Hash
	h.SetSeed(c.seed)
	h.WriteString(key.Addr)
	h.WriteByte(0)
	h.WriteString(key.ServerName)
	return &c.shards[h.Sum64()%uint64(len(c.shards))]
}

// Put keeps s for key until it expires or must make room; the cache owns s from here
// on. A session of TLS 1.2 replaces the one of TLS 1.2 before it.
func (c *LRUClientSessionCache) Put(key SessionKey, s *Session) { c.put(key, s) }

// put reports whether s was fit to be kept.
func (c *LRUClientSessionCache) put(key SessionKey, s *Session) bool {
	life, err := s.lifetime()
	if err != nil || !life.until.After(clock.Now()) || !c.usable() {
		s.Close()
		return false
	}
	sh := c.shardOf(key)
	sh.mu.Lock()
	gone := sh.put(key, cachedSession{s: s, until: life.until, once: life.once})
	sh.mu.Unlock()
	closeAll(gone)
	return true
}

// Take returns the newest session for key that has not expired, owned by the caller, or
// says why there is none.
func (c *LRUClientSessionCache) Take(key SessionKey) (*Session, ReuseState) {
	if !c.usable() {
		return nil, ReuseNoSession
	}
	sh := c.shardOf(key)
	sh.mu.Lock()
	s, why, gone := sh.take(key, clock.Now())
	sh.mu.Unlock()
	closeAll(gone)
	return s, why
}

// Remove forgets s, which stays the caller's, if key still has that object.
func (c *LRUClientSessionCache) Remove(key SessionKey, s *Session) {
	if !c.usable() {
		return
	}
	sh := c.shardOf(key)
	sh.mu.Lock()
	gone := sh.remove(key, s)
	sh.mu.Unlock()
	closeAll(gone)
}

// Flush forgets all sessions.
func (c *LRUClientSessionCache) Flush() { c.empty(false) }

// Close forgets all sessions; sessions that are put later are closed at once. Later
// calls do nothing.
func (c *LRUClientSessionCache) Close() error {
	c.empty(true)
	return nil
}

func (c *LRUClientSessionCache) empty(forGood bool) {
	if !c.usable() {
		return
	}
	for i := range c.shards {
		sh := &c.shards[i]
		sh.mu.Lock()
		gone := sh.evict(0)
		sh.closed = sh.closed || forGood
		sh.mu.Unlock()
		closeAll(gone)
	}
}

// Stats returns the sums over all shards, read at slightly different moments.
func (c *LRUClientSessionCache) Stats() ClientCacheStats {
	var sum ClientCacheStats
	if !c.usable() {
		return sum
	}
	for i := range c.shards {
		sh := &c.shards[i]
		sh.mu.Lock()
		sum.Sessions += sh.n
		sum.Stores += sh.stats.Stores
		sum.Hits += sh.stats.Hits
		sum.Misses += sh.stats.Misses
		sum.Expired += sh.stats.Expired
		sum.Evictions += sh.stats.Evictions
		sh.mu.Unlock()
	}
	return sum
}

// closeAll frees what has left a shard. Its lock must have been released.
func closeAll(gone []cachedSession) {
	for _, g := range gone {
		g.s.Close()
	}
}
