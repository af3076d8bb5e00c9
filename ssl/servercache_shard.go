package ssl

import (
	"math"
	"slices"
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

// The methods here are called with mu held. The entries that they return in gone have
// left the shard; the caller closes them after it has released mu.

// put takes a new session, or with isNew false one that came from the store.
func (sh *serverShard) put(e *serverEntry, isNew bool) (kept bool, gone []*serverEntry) {
	if sh.closed || e.bytes > sh.maxBytes || !isNew && sh.removed.has(e.id) {
		sh.stats.Uncacheable++
		return false, []*serverEntry{e}
	}
	if isNew {
		sh.removed.drop(e.id)
	}
	if old := sh.byID[e.id]; old != nil {
		sh.unlink(old)
		gone = append(gone, old)
	}
	if sh.byID == nil {
		sh.byID = map[sessionID]*serverEntry{}
	}
	sh.byID[e.id] = e
	sh.bytes += e.bytes
	sh.link(e)
	sh.stats.Stores++
	for len(sh.byID) > sh.limit || sh.bytes > sh.maxBytes {
		last := sh.oldest
		sh.unlink(last)
		sh.stats.Evictions++
		gone = append(gone, last)
	}
	return true, gone
}

func (sh *serverShard) get(id sessionID, now time.Time) (s *Session, dead bool, gone []*serverEntry) {
	e := sh.byID[id]
	if e == nil {
		sh.stats.Misses++
		return nil, sh.removed.has(id), nil
	}
	expired := !e.until.After(now)
	resumable, err := e.s.Resumable()
	if !expired && resumable && err == nil {
		s, err = e.s.UpRef()
	}
	if s == nil {
		sh.stats.Misses++
		if !expired && !resumable && err == nil {
			sh.stats.NotResumable++
			return nil, true, nil // stays until it expires
		}
		if expired {
			sh.stats.Expired++
		}
		sh.unlink(e)
		return nil, false, []*serverEntry{e}
	}
	sh.stats.Hits++
	if sh.newest != e {
		sh.detach(e)
		sh.link(e)
	}
	return s, false, nil
}

func (sh *serverShard) flush(t time.Time) (gone []*serverEntry) {
	for _, e := range sh.byID {
		if t.IsZero() || !e.until.After(t) {
			sh.unlink(e)
			gone = append(gone, e)
		}
	}
	return gone
}

// unlink takes e out of the shard.
func (sh *serverShard) unlink(e *serverEntry) {
	delete(sh.byID, e.id)
	sh.bytes -= e.bytes
	sh.detach(e)
}

// link makes e the most recently used entry.
func (sh *serverShard) link(e *serverEntry) {
	e.older, e.newer = sh.newest, nil
	if sh.newest != nil {
		sh.newest.newer = e
	} else {
		sh.oldest = e
	}
	sh.newest = e
}

func (sh *serverShard) detach(e *serverEntry) {
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		sh.newest = e.older
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		sh.oldest = e.newer
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
