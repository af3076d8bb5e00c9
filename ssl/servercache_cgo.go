package ssl

/*
#cgo nocallback sessl_session_size
#include "cache.h"
#include "session.h"
*/
import "C"

import (
	"time"
	"unsafe"

	"sessl/internal/clock"
)

// sessionOverhead is what an SSL_SESSION takes in addition to what sessl_session_size counts.
const sessionOverhead = 1 << 10

// serverEntry reads what a cache needs to know of s, and freezes s unless it takes more than room.
// After an error the entry's id may be empty.
func (s *Session) serverEntry(room int64) (*serverEntry, error) {
	const op = "ServerSessionCache.Put"
	e := &serverEntry{s: s}
	err := s.read(op, func(p sessionPtr) error {
		var n C.uint
		id := unsafe.Slice((*byte)(C.SSL_SESSION_get_id(p, &n)), maxIDLen)
		key, ok := toSessionID(id[:n])
		if !ok || C.SSL_SESSION_is_resumable(p) == 0 {
			return fail(op, ErrNotResumable)
		}
		e.id = key
		e.until = time.Unix(int64(C.sessl_session_get_time(p)), 0).Add(seconds(int64(C.SSL_SESSION_get_timeout(p))))
		if !e.until.After(clock.Now()) {
			return fail(op, ErrNotResumable)
		}
		e.bytes = sessionOverhead + int64(C.sessl_session_size(p))
		if e.bytes > room {
			return fail(op, ErrTooLarge)
		}
		C.sessl_session_share(p)
		return nil
	})
	return e, err
}
