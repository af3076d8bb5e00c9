package ssl

import (
	"context"
	"time"
)

// A SessionStore keeps sessions of servers outside of the process, so that several servers resume
// each other's sessions. A [ServerSessionCache] may have one behind it. A store sees session ids,
// which are also visible on the network, and sealed bytes; nothing it returns is trusted.
//
// Its methods are called from several goroutines at once, with a context that ends when the
// answer is no longer needed. Lookups hold up a handshake. If a store answers late or never,
// returns an error or panics, the client gets a full handshake instead of a resumption, and
// nothing worse. A panic becomes an error. [ServerSessionCache.StoreErrors] shows the errors as
// they are: an error must not contain secrets.
type SessionStore interface {
	// Put keeps sealed under id until expires, and replaces what was there.
	Put(ctx context.Context, id, sealed []byte, expires time.Time) error

	// Get returns what was put under id, or nil if there is nothing.
	Get(ctx context.Context, id []byte) (sealed []byte, err error)

	// Remove forgets what is under id, if there is anything.
	Remove(ctx context.Context, id []byte) error
}

// A StoreItem is one session for [SessionBatchStore].
type StoreItem struct {
	ID, Sealed []byte
	Expires    time.Time
}

// A SessionBatchStore is a SessionStore that takes several sessions at a time. Waiting writes are
// passed to it in batches.
type SessionBatchStore interface {
	SessionStore

	// PutAll is Put for each item, in order. It returns nil if all were kept, and otherwise an
	// error or nil for each item. Another number of errors counts as a failure of all items.
	PutAll(ctx context.Context, items []StoreItem) []error
}

// StoreStats count what a ServerSessionCache's store has done.
type StoreStats struct {
	Hits        uint64 // sessions found and resumable
	Misses      uint64 // lookups that found nothing
	Late        uint64 // lookups without an answer within LookupTimeout
	Busy        uint64 // lookups not made: too many others were waiting
	Errors      uint64 // lookups that failed
	Refused     uint64 // sessions that were damaged, of another id or expired
	Forged      uint64 // lookups not made: no server with the SealKeys has made the id
	Writes      uint64 // Puts and Removes that succeeded
	WriteErrors uint64 // Puts and Removes that failed
	Dropped     uint64 // Puts and Removes not tried: the queue was full
	Panics      uint64 // those errors that were panics
	Waits       uint64 // flights of a server that waited for the store: see WriteThrough
	LateWaits   uint64 // those that went on without an answer
	Pending     int    // writes that wait or are being made

	// Gets and Puts are the times that the store's Get and Put took, whatever they returned, those
	// included that were too long. A PutAll is one Put.
	Gets, Puts Histogram
}

// maxStoreLookups bounds the lookups that wait at one time. Without it, a store that
// ignores its context could collect any number.
const maxStoreLookups = 256

// storeWrite is a Put, or a Remove if sealed is nil.
type storeWrite struct {
	id, sealed []byte
	expires    time.Time
	answer     chan<- error // for a call that waits, with room for one; or nil
}

// backing is a store behind a cache.
type backing struct {
	store   SessionStore
	batch   SessionBatchStore   // the same, or nil
	status  SessionStatusStore  // the same, or nil
	binding SessionBindingStore // the same, or nil
	keys    *SealKeys
	timeout time.Duration   // of a lookup
	patient time.Duration   // of a write
	through time.Duration   // of a flight that waits for its writes
	lookups chan struct{}   // one place for each lookup
	queues  []storeQueue    // by id, so that the writes of one session stay in order
	life    context.Context // ends the writes
	stop    context.CancelFunc
	stats   storeCounters
	past    pastErrors

	gets, puts histogram
}
