package ssl

import (
	"sync"
	"sync/atomic"
)

// A SessionIndex names one application value that sessions can carry, as an index from
// SSL_SESSION_get_ex_new_index does in C. Get it once, in a package variable.
type SessionIndex struct{ n int }

// values holds the Go values bound to sessions. C keeps a number a session; the session's
// copies get numbers of their own, and its end is reported by number.
var values struct {
	sync.Mutex
	indexes int
	byID    map[uint64]map[int]any
	used    atomic.Bool // some session has had values
}

// NewSessionIndex returns a new index, for SetExData and ExData. It takes the place of
// SSL_SESSION_get_ex_new_index; there is no limit on their number but memory.
func NewSessionIndex() SessionIndex {
	values.Lock()
	defer values.Unlock()
	values.indexes++
	return SessionIndex{values.indexes}
}

// applyValueEvents brings the table up to date with what libssl did since: it copies
// values to the duplicates and drops those of freed sessions. values is locked.
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

// drainValues drops the values of freed sessions if there are any: called where handles
// are made, so that values do not outlive their sessions for long.
func drainValues() {
	if values.used.Load() && valueEventsPending() > 0 {
		values.Lock()
		defer values.Unlock()
		applyValueEvents()
	}
}
