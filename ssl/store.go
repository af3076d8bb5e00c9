package ssl

import (
	"context"
	"sync/atomic"
	"time"
)

// A SessionStore keeps sessions of servers outside of the process, so that several servers
// resume each other's: a [ServerSessionCache] has one behind it. It sees ids, which anybody
// on the path sees too, and sealed bytes, and must be believed in nothing.
//
// Its methods are called from several goroutines at once, with a context that ends when the
// answer is of no more use. Lookups hold up a handshake; a store that does not answer in
// time, or not at all, costs the client a full handshake and nothing else. So does one that
// panics: that is an error, for [ServerSessionCache.StoreError].
type SessionStore interface {
	// Put keeps sealed under id until expires, in the place of what was there.
	Put(ctx context.Context, id, sealed []byte, expires time.Time) error

	// Get returns what was put under id, or nil if there is nothing.
	Get(ctx context.Context, id []byte) (sealed []byte, err error)

	// Remove forgets what is under id, if there is anything.
	Remove(ctx context.Context, id []byte) error
}

// StoreStats count what became of a ServerSessionCache's store.
type StoreStats struct {
	Hits        uint64 // sessions found and resumable
	Misses      uint64 // nothing there
	Late        uint64 // no answer within LookupTimeout
	Busy        uint64 // not asked: too many lookups were waiting
	Errors      uint64 // lookups that failed
	Refused     uint64 // sessions that were not what was put: damaged, of another id, expired
	Writes      uint64 // Puts and Removes that succeeded
	WriteErrors uint64 // that failed
	Dropped     uint64 // that were not tried: the queue was full
	Panics      uint64 // of those errors, how many were panics
	Pending     int    // writes that wait or are being made now
}

// maxStoreLookups bounds the lookups that wait at one time. A store that ignores its context
// could have any number otherwise.
const maxStoreLookups = 256

// what a session is sealed as: bytes under another id cannot be opened.
func sealedAs(id []byte) string { return "server session " + string(id) }

// storeWrite is a Put, or without sealed a Remove.
type storeWrite struct {
	id, sealed []byte
	expires    time.Time
}

// backing is a store behind a cache.
type backing struct {
	store   SessionStore
	keys    *SealKeys
	timeout time.Duration
	lookups chan struct{}            // a place each
	queues  [storeWriters]storeQueue // by id: what is done to one stays in order
	life    context.Context          // of writes
	stop    context.CancelFunc
	stats   storeCounters
	last    atomic.Pointer[error]
}
