package ssl

import (
	"sync"
	"sync/atomic"
)

// A SessionIndex names one application value that sessions can carry, as an index from
// SSL_SESSION_get_ex_new_index does in C. Make one per kind of value, in a package variable.
type SessionIndex struct{ n int }

// values holds the Go values bound to sessions. In C each session has a number only; a copy
// of a session gets a number of its own. C reports the end of a session by its number.
var values struct {
	sync.Mutex
	indexes int
	byID    map[uint64]map[int]any
	used    atomic.Bool // true once any session has had values
}

// NewSessionIndex returns a new index for SetExData and ExData. It takes the place of
// SSL_SESSION_get_ex_new_index. Only memory limits the number of indexes.
func NewSessionIndex() SessionIndex {
	values.Lock()
	defer values.Unlock()
	values.indexes++
	return SessionIndex{values.indexes}
}

// applyValueEvents brings the table up to date with what libssl did since the last call:
// it copies values to duplicates and drops the values of freed sessions. values is locked.
func applyValueEvents() {
	for {
		from, to, ok := takeValueEvent()
		switch {
		case !ok:
			return
		case from == 0:
			delete(values.byID, to)
		case values.byID[from] != nil:
			m := make(map[int]any, len(values.byID[from]))
			for i, v := range values.byID[from] {
				m[i] = v
			}
			values.byID[to] = m
		}
	}
}

// drainValues drops the values of freed sessions, if there are any. It is called
// wherever handles are made, so that values do not outlive their sessions for long.
func drainValues() {
	if values.used.Load() && valueEventsPending() > 0 {
		values.Lock()
		defer values.Unlock()
		applyValueEvents()
	}
}
