package ssl

import (
	"sync"
	"time"

	"sessl/internal/clock"
)

// A PastError is an error that an application's [SessionStore], [ReplayGuard] or function for unknown
// ticket keys has returned to this package, which goes on without it. Err is the application's own, or
// says what was wrong with the answer.
type PastError struct {
	Time time.Time // when the call returned

	// Op is "Get", "Put", "PutAll", "Remove", "Claim" or "OnUnknownKey"; of a SessionStore also "seal"
	// and "open".
	Op  string
	Err error
}

// maxRecent is how much a recent remembers.
const maxRecent = 16

// recent has the last sixteen of what was added to it. It may be used from several goroutines at once.
type recent[T any] struct {
	mu   sync.Mutex
	ring [maxRecent]T
	next int // where the next one goes
}

func (r *recent[T]) add(v T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ring[r.next%maxRecent] = v
	r.next++
}

// list returns them, newest first.
func (r *recent[T]) list() (out []T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := r.next - 1; i >= max(r.next-maxRecent, 0); i-- {
		out = append(out, r.ring[i%maxRecent])
	}
	return out
}

// pastErrors are the last errors of a SessionStore or a ReplayGuard.
type pastErrors struct{ recent[PastError] }

func (p *pastErrors) note(op string, err error) {
	if err != nil {
		p.add(PastError{Time: clock.Now(), Op: op, Err: err})
	}
}

// last returns the last error, nil if there was none.
func (p *pastErrors) last() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == 0 {
		return nil
	}
	return p.ring[(p.next-1)%maxRecent].Err
}
