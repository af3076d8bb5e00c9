package ssl

/*
#cgo noescape sessl_values_take
#cgo nocallback sessl_values_take
#cgo nocallback sessl_values_pending
#include "session.h"
*/
import "C"

func takeValueEvent() (from, to uint64, ok bool) {
	var ev C.sessl_value_event
	if C.sessl_values_take(&ev) == 0 {
		return 0, 0, false
	}
	return uint64(ev.from), uint64(ev.to), true
}

func valueEventsPending() int { return int(C.sessl_values_pending()) }

// SetExData binds value to the session under index; nil removes it
// (SSL_SESSION_set_ex_data). The value belongs to the object, whichever handle it was
// set through. A Dup made later starts with the same values; DER and tickets do not
// carry them. The value is dropped some time after the object has been freed. If the
// value refers back to a handle on the session, neither will ever be freed.
//
// Unlike the setters of the session's own fields, SetExData also works on a shared
// session: libssl never reads the value, and the table has a lock.
func (s *Session) SetExData(index SessionIndex, value any) error {
	const op = "Session.SetExData"
	if index.n == 0 {
		return fail(op, ErrRange)
	}
	return s.withPtr(op, func(p sessionPtr) error {
		if !setExData(p, index, value) {
			return fail(op, ErrNoMemory)
		}
		return nil
	})
}

func setExData(p sessionPtr, index SessionIndex, value any) bool {
	values.Lock()
	defer values.Unlock()
	applyValueEvents()
	id := uint64(C.sessl_session_value(p, 1))
	if id == 0 {
		return false
	}
	if values.byID == nil {
		values.byID = map[uint64]map[int]any{}
		values.used.Store(true)
	}
	if values.byID[id] == nil {
		values.byID[id] = map[int]any{}
	}
	if value == nil {
		delete(values.byID[id], index.n)
	} else {
		values.byID[id][index.n] = value
	}
	return true
}

// ExData returns the value that SetExData bound to the session under index, or nil for
// none (SSL_SESSION_get_ex_data).
func (s *Session) ExData(index SessionIndex) (any, error) {
	var value any
	err := s.withPtr("Session.ExData", func(p sessionPtr) error {
		value = exData(p, index)
		return nil
	})
	return value, err
}

func exData(p sessionPtr, index SessionIndex) any {
	id := uint64(C.sessl_session_value(p, 0))
	if id == 0 {
		return nil
	}
	values.Lock()
	defer values.Unlock()
	applyValueEvents()
	return values.byID[id][index.n]
}
