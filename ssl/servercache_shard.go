package ssl

import (
	"hash/maphash"
	"math"
	"slices"
	"sync"
	"time"
)

// sessionID is a session id that can be the key of a map.
type sessionID struct {
	n uint8
	b [maxIDLen]byte
}

func toSessionID(id []byte) (key sessionID, ok bool) {
	if len(id) == 0 || len(id) > maxIDLen {
		return key, false
	}
	key.n = uint8(copy(key.b[:], id))
	return key, true
}

func (k *sessionID) bytes() []byte { return k.b[:k.n] }

// room is the size of the largest session that is kept, here or in the store.
func (c *ServerSessionCache) room() int64 {
	if c.backing != nil {
		return math.MaxInt64
	}
	return c.shards[0].maxBytes
}

// serverShard is a part of the cache with a lock of its own.
type serverShard struct {
	mu       sync.Mutex
	maxBytes int64
	closed   bool
	table    *serverTable
	removed  removedIDs
	stats    ServerCacheStats // but Sessions and Bytes
}

// serverEntry is a session on its way into a shard.
type serverEntry struct {
	id    sessionID
	s     *Session
	until time.Time
	bytes int64
}

func (sh *serverShard) count(f func(*ServerCacheStats)) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	f(&sh.stats)
}

// find returns the shard of an id, and the id's hash.
func (c *ServerSessionCache) find(id *sessionID) (*serverShard, uint64) {
	hash := maphash.Bytes(c.seed, id.bytes())
	return &c.shards[hash%uint64(len(c.shards))], hash
}

// put takes over the caller's reference p on a new session, or with isNew false on one that came from the
// store. If it returns false, the reference is still the caller's.
func (sh *serverShard) put(e *serverEntry, hash uint64, p sessionPtr, isNew bool, gone *goneSessions) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.closed || e.bytes > sh.maxBytes || !isNew && sh.removed.has(e.id) ||
		!sh.table.put(hash, p, e.bytes, gone) {
		sh.stats.Uncacheable++
		return false
	}
	if isNew {
		sh.removed.drop(e.id)
	}
	sh.stats.Stores++
	sh.stats.Evictions += gone.evicted()
	return true
}

// trim goes on with the evictions of put.
func (sh *serverShard) trim(gone *goneSessions) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.table.trim(gone)
	sh.stats.Evictions += gone.evicted()
}

// get returns the caller's reference on the session, or nil. Then dead says whether the store must not
// bring it back, and gone is what has left the shard.
func (sh *serverShard) get(id sessionID, hash uint64, now time.Time) (s sessionPtr, dead bool,
	gone sessionPtr) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	result, s := sh.table.get(hash, &id, now)
	if result == tableFound {
		sh.stats.Hits++
		return s, false, nil
	}
	sh.stats.Misses++
	switch result {
	case tableMarked: // stays until it expires
		sh.stats.NotResumable++
		return nil, true, nil
	case tableExpired:
		sh.stats.Expired++
		return nil, false, s
	}
	return nil, sh.removed.has(id), nil
}

// drop returns the session with that id and the shard's reference on it, or nil.
func (sh *serverShard) drop(id sessionID, hash uint64) sessionPtr {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.table.drop(hash, &id)
}

// flush frees what has expired by t; the zero time means all sessions.
func (sh *serverShard) flush(t time.Time) {
	then := t.Unix()
	if t.IsZero() {
		then = math.MaxInt64
	}
	var gone goneSessions
	for from, more := uint32(0), true; more; {
		sh.mu.Lock()
		from = sh.table.flush(from, then, &gone)
		sh.mu.Unlock()
		gone.free()
		more = from > 0
	}
}

// removedIDs are the last 256 sessions that a shard has asked the store to forget,
// which may take time or fail. The zero value is empty.
type removedIDs struct {
	set  map[sessionID]uint64 // the turn in which each was removed last
	ring []removedID
	turn uint64
}

type removedID struct {
	id   sessionID
	turn uint64
}

const maxRemovedIDs = 256

func (r *removedIDs) has(id sessionID) bool {
	_, ok := r.set[id]
	return ok
}

// add makes id the one that was removed last. An id that was added again, or was used anew, leaves an
// older place in the ring, which counts for nothing: the ring is cleared of them when it is full.
func (r *removedIDs) add(id sessionID) {
	if r.set == nil {
		r.set = map[sessionID]uint64{}
	}
	r.turn++
	r.set[id] = r.turn
	r.ring = append(r.ring, removedID{id, r.turn})
	if len(r.set) > maxRemovedIDs {
		r.dropOldest()
	}
	if len(r.ring) >= 2*maxRemovedIDs {
		r.ring = slices.DeleteFunc(r.ring, func(e removedID) bool { return r.set[e.id] != e.turn })
	}
}

func (r *removedIDs) dropOldest() {
	for i, e := range r.ring {
		if r.set[e.id] == e.turn {
			delete(r.set, e.id)
			r.ring = r.ring[i+1:]
			return
		}
	}
}

// drop forgets an id that is used anew.
func (r *removedIDs) drop(id sessionID) { delete(r.set, id) }
