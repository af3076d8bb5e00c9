package ssl

/*
#cgo noescape sessl_session_entry
#cgo nocallback sessl_session_entry
#cgo nocallback sessl_table_new
#cgo nocallback sessl_table_free
#cgo noescape sessl_table_read
#cgo nocallback sessl_table_read
#cgo noescape sessl_table_put
#cgo nocallback sessl_table_put
#cgo noescape sessl_table_trim
#cgo nocallback sessl_table_trim
#cgo noescape sessl_table_get
#cgo nocallback sessl_table_get
#cgo noescape sessl_table_drop
#cgo nocallback sessl_table_drop
#cgo noescape sessl_table_flush
#cgo nocallback sessl_table_flush
#cgo noescape sessl_gone_free
#cgo nocallback sessl_gone_free
#include "cache.h"
*/
import "C"

import (
	"time"
	"unsafe"

	"sessl/internal/clock"
)

// minCacheBytes is what a small session takes.
const minCacheBytes = 2 << 10

// serverEntry reads what a cache needs to know of s, and freezes s unless it takes more than room.
// After an error the entry's id may be empty.
func (s *Session) serverEntry(room int64) (*serverEntry, error) {
	const op = "ServerSessionCache.Put"
	e := &serverEntry{s: s}
	err := s.read(op, func(p sessionPtr) error {
		var read C.sessl_entry
		code := C.sessl_session_entry(p, C.int64_t(clock.Now().Unix()), C.int64_t(room), &read)
		e.id, _ = toSessionID(unsafe.Slice((*byte)(&read.id[0]), int(read.id_len)))
		switch code {
		case C.SESSL_ENTRY_UNFIT:
			return fail(op, ErrNotResumable)
		case C.SESSL_ENTRY_LARGE:
			return fail(op, ErrTooLarge)
		}
		e.until, e.bytes = time.Unix(int64(read.until), 0), int64(read.bytes)
		return nil
	})
	return e, err
}

type tablePtr = *C.sessl_table

// serverTableKind counts the tables of caches.
var serverTableKind = kind[tablePtr]{name: "server cache table", free: freeServerTable, gone: ErrClosed}

// freeServerTable gives back the table's references on its sessions.
func freeServerTable(p tablePtr) { C.sessl_table_free(p) }

// A serverTable holds the sessions of one shard: in C, where it owns one reference on each, and no
// handle. Its shard's lock is held around each call but close and those of goneSessions. A table that was
// dropped is freed like any handle. One that is closed is empty.
type serverTable struct {
	h handle[tablePtr]
}

func newServerTable(limit int, maxBytes int64) (*serverTable, error) {
	p := C.sessl_table_new(C.uint32_t(limit), C.int64_t(maxBytes)) // the only pointer, adopted
	if p == nil {
		return nil, ErrNoMemory
	}
	t := &serverTable{}
	t.h.adopt(&serverTableKind, p)
	return t, nil
}

func (t *serverTable) close() { t.h.close() }

// size returns how many sessions there are, and what they take.
func (t *serverTable) size() (n int, bytes int64) {
	p, err := t.h.acquire()
	if err != nil {
		return 0, 0
	}
	defer t.h.release()
	var b C.int64_t
	return int(C.sessl_table_read(p, &b)), int64(b)
}

// put takes over the caller's reference on s, unless it returns false.
func (t *serverTable) put(hash uint64, s sessionPtr, bytes int64, gone *goneSessions) bool {
	p, err := t.h.acquire()
	if err != nil {
		return false
	}
	defer t.h.release()
	return C.sessl_table_put(p, tableHash(hash), s, C.int64_t(bytes), &gone.c) != 0
}

// trim goes on with what put has left to do.
func (t *serverTable) trim(gone *goneSessions) {
	if p, err := t.h.acquire(); err == nil {
		defer t.h.release()
		C.sessl_table_trim(p, &gone.c)
	}
}

// The results of a lookup.
const (
	tableNone    = C.SESSL_TABLE_NONE
	tableFound   = C.SESSL_TABLE_FOUND   // with the caller's reference
	tableExpired = C.SESSL_TABLE_EXPIRED // and taken out, with its reference
	tableMarked  = C.SESSL_TABLE_MARKED
)

func (t *serverTable) get(hash uint64, id *sessionID, now time.Time) (result int, s sessionPtr) {
	p, err := t.h.acquire()
	if err != nil {
		return tableNone, nil
	}
	defer t.h.release()
	result = int(C.sessl_table_get(p, tableHash(hash), (*C.uint8_t)(&id.b[0]), C.size_t(id.n),
		C.int64_t(now.Unix()), &s))
	return result, s
}

// drop returns the session with that id and the table's reference on it, or nil.
func (t *serverTable) drop(hash uint64, id *sessionID) sessionPtr {
	p, err := t.h.acquire()
	if err != nil {
		return nil
	}
	defer t.h.release()
	return C.sessl_table_drop(p, tableHash(hash), (*C.uint8_t)(&id.b[0]), C.size_t(id.n))
}

// flush takes out what has expired by the second then, beginning with an entry. It returns the entry to go
// on with, when gone has been freed, or 0.
func (t *serverTable) flush(from uint32, then int64, gone *goneSessions) uint32 {
	p, err := t.h.acquire()
	if err != nil {
		return 0
	}
	defer t.h.release()
	return uint32(C.sessl_table_flush(p, C.uint32_t(from), C.int64_t(then), &gone.c))
}

// tableHash are the bits of an id's hash that do not choose the shard.
func tableHash(hash uint64) C.uint32_t { return C.uint32_t(hash >> 32) }

// goneSessions are sessions that have left a table, with a reference each, which free gives back once the
// shard's lock has been released. The zero value is empty.
type goneSessions struct{ c C.sessl_gone }

func (g *goneSessions) evicted() uint64 { return uint64(g.c.evicted) }

// free reports whether there was no room for more: what made them leave may have more to do.
func (g *goneSessions) free() (full bool) {
	full = g.c.n == C.SESSL_GONE
	if g.c.n > 0 {
		C.sessl_gone_free(&g.c)
	}
	g.c.evicted = 0
	return full
}
