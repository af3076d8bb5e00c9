package ssl

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sessl/internal/clock"
)

// A ReplayGuard remembers which first flights with early data have been seen, for
// servers that resume each other's sessions: see [Config].ReplayGuard. All of these
// servers must ask the same memory, for example a database that can set a key unless it
// exists, with an expiry. A [MemoryReplayGuard] serves the Ctxs of one process.
//
// Claim is called from several goroutines at once, in the middle of a handshake, with a
// context that ends after 50 ms, or after [Config].ReplayGuardTimeout. If Claim is late,
// returns an error or panics, the client's early data is rejected, and nothing worse
// happens. [Ctx.GuardErrors] shows its errors as they are, and [EarlyDataStats] counts
// them: an error must not contain secrets.
type ReplayGuard interface {
	// Claim reports whether id is new, and remembers it at least until `until`. id is
	// 32 bytes that tell nothing about the session.
	Claim(ctx context.Context, id []byte, until time.Time) (first bool, err error)
}

const (
	// replayWindow is for how long a flight is remembered. libssl accepts early data
	// only if the ticket's age, as the client states it, is right to within ten
	// seconds. The rest allows for clocks that differ.
	replayWindow = time.Minute

	defaultClaimTimeout = 50 * time.Millisecond
	maxClaims           = 256 // that wait at one time: a guard could ignore its context
)

// guarding is a Ctx's use of a ReplayGuard.
type guarding struct {
	guard   ReplayGuard
	timeout time.Duration
	places  chan struct{}
	clock   wallClock
	fips    bool // Config.FIPS
	query   string

	replayed atomic.Uint64
	failed   guardCounters
	took     histogram
	past     pastErrors
}

// GuardFailures count the questions that a [ReplayGuard] has not answered, by the reason.
type GuardFailures struct {
	Errors uint64 // it returned an error or panicked: see Ctx.GuardErrors
	Late   uint64 // it took longer than ReplayGuardTimeout, or than the client waited
	Busy   uint64 // it was not asked: 256 questions were waiting
	Clock  uint64 // it was not asked: the system's clock had been set back
}

// Sum returns how many questions were not answered.
func (f GuardFailures) Sum() uint64 { return f.Errors + f.Late + f.Busy + f.Clock }

type guardCounters struct{ errors, late, busy, clock atomic.Uint64 }

func (c *guardCounters) read() GuardFailures {
	return GuardFailures{c.errors.Load(), c.late.Load(), c.busy.Load(), c.clock.Load()}
}

// claim is the result of a Claim.
type claim struct {
	first bool
	err   error
}

// first asks the guard, and reports whether early data may be accepted.
func (g *guarding) first(ctx context.Context, identity []byte) bool {
	if !g.clock.trusted() {
		g.failed.clock.Add(1)
		return false
	}
	select {
	case g.places <- struct{}{}:
	default:
		g.failed.busy.Add(1)
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	id := sha256.Sum256(identity)
	answer := make(chan claim, 1)
	go func() {
		a := claim{err: errGuardEnded}
		defer func() {
			answer <- a
			<-g.places
		}()
		a = g.ask(ctx, id[:])
	}()
	select {
	case a := <-answer:
		return g.note(ctx, a)
	case <-ctx.Done():
		g.failed.late.Add(1)
		return false
	}
}

var errGuardEnded = errors.New("the ReplayGuard ended its goroutine")

func (g *guarding) ask(ctx context.Context, id []byte) (c claim) {
	returned := false
	defer func(begun time.Time) {
		if r := recover(); !returned {
			c = claim{err: fmt.Errorf("the ReplayGuard panicked: %v", cmp.Or(r, any("runtime.Goexit")))}
		}
		g.took.since(begun)
		g.past.note("Claim", c.err)
	}(clock.Now())
	c.first, c.err = g.guard.Claim(ctx, id, clock.Now().Add(replayWindow))
	returned = true
	return c
}

// note counts an answer. A guard that returns an error because its context has ended was late.
func (g *guarding) note(ctx context.Context, c claim) bool {
	switch {
	case c.err != nil && ctx.Err() != nil:
		g.failed.late.Add(1)
		return false
	case c.err != nil:
		g.failed.errors.Add(1)
		return false
	case !c.first:
		g.replayed.Add(1)
	}
	return c.first
}

// offersEarly reports whether the client sends early data after its hello.
func (h *ClientHelloInfo) offersEarly() bool {
	return slices.Contains(h.Extensions, extEarlyData) && len(h.identities) > 0
}

// A MemoryReplayGuard is a ReplayGuard for the Ctxs of one process. It holds a bounded
// number of claims and takes no new ones when it is full: a claim that it forgot could
// be replayed. It cannot know the claims of an earlier process: a process that begins
// with the ticket keys or the store of another should set MaxEarlyData a minute later.
type MemoryReplayGuard struct {
	max int

	mu     sync.Mutex
	until  map[[sha256.Size]byte]time.Time
	oldest []claimed // in order of arrival
}

type claimed struct {
	id    [sha256.Size]byte
	until time.Time
}

const (
	defaultClaims = 1 << 17
	maxMemClaims  = 1 << 28
)

var errGuardFull = errors.New("the MemoryReplayGuard is full")

// NewReplayGuard returns an empty guard for up to max claims at a time, each of which lasts
// a minute; 0 means 131072. It returns ErrConfig if max is negative or more than 2^28.
func NewReplayGuard(max int) (*MemoryReplayGuard, error) {
	if max < 0 || max > maxMemClaims {
		return nil, fail("NewReplayGuard", configError("room for %d claims is out of range", max))
	}
	if max == 0 {
		max = defaultClaims
	}
	return newMemoryGuard(max), nil
}

func newMemoryGuard(max int) *MemoryReplayGuard {
	return &MemoryReplayGuard{max: max, until: map[[sha256.Size]byte]time.Time{}}
}

// unmade reports whether g is a MemoryReplayGuard that NewReplayGuard did not make.
func unmade(g ReplayGuard) bool {
	m, ok := g.(*MemoryReplayGuard)
	return ok && (m == nil || m.until == nil)
}

// Claim implements [ReplayGuard]. It never waits. It returns an error if id is not 32
// bytes long, and if the guard is full.
func (g *MemoryReplayGuard) Claim(_ context.Context, id []byte, until time.Time) (first bool, err error) {
	const op = "MemoryReplayGuard.Claim"
	if g == nil {
		return false, fail(op, ErrNil)
	}
	if g.until == nil {
		return false, fail(op, ErrClosed)
	}
	if len(id) != sha256.Size {
		return false, fail(op, ErrRange)
	}
	key := [sha256.Size]byte(id)
	now := clock.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget(now)
	if g.until[key].After(now) {
		return false, nil
	}
	if len(g.oldest) >= g.max {
		return false, fail(op, errGuardFull)
	}
	g.until[key] = until
	g.oldest = append(g.oldest, claimed{key, until})
	return true, nil
}

// forget drops expired claims from the oldest on, up to the first that has not expired.
func (g *MemoryReplayGuard) forget(now time.Time) {
	n := 0
	for n < len(g.oldest) && !g.oldest[n].until.After(now) {
		if c := g.oldest[n]; g.until[c.id].Equal(c.until) { // else the id was claimed anew
			delete(g.until, c.id)
		}
		n++
	}
	g.oldest = g.oldest[n:]
}

// Len returns how many claims are held, including expired ones that have not been dropped yet.
func (g *MemoryReplayGuard) Len() int {
	if g == nil {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.until)
}

// maxBackstep is how far the clock may be set back before the guard's window is too short.
const maxBackstep = 20 * time.Second

// A wallClock notices that the system's clock was set back. libssl uses that clock to check
// the ticket age that a client states, so that earlier flights would seem to be in time again.
// Their claims have expired by then, since claims are timed by a clock that only goes forward.
type wallClock struct {
	mu    sync.Mutex
	ahead time.Duration // the most that the clock was ahead of the monotonic one
	until time.Time     // the time that the clock must reach before it is trusted again
	begun bool
}

// trusted reports whether all flights that were seen before a step back are too old by now.
func (w *wallClock) trusted() bool {
	return w.trustedAt(clock.Now().Round(0), clock.Monotonic())
}

func (w *wallClock) trustedAt(wall time.Time, monotonic time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	ahead := wall.Sub(time.Unix(0, 0)) - monotonic
	if !w.begun || ahead > w.ahead {
		w.begun, w.ahead = true, ahead
	}
	if back := w.ahead - ahead; w.until.IsZero() && back > maxBackstep {
		w.until = wall.Add(back + replayWindow)
	}
	if wall.Before(w.until) {
		return false
	}
	if !w.until.IsZero() {
		w.until, w.ahead = time.Time{}, ahead
	}
	return true
}
