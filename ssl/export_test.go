package ssl

import (
	"context"
	"crypto/tls"
	"time"
)

// A FakeKind is a sort of C object that is only a number.
type FakeKind struct{ kind[int] }

// NewFakeKind makes one whose objects are freed by free.
func NewFakeKind(free func(int)) *FakeKind {
	k := &FakeKind{}
	k.name, k.free, k.gone = "fake", free, ErrClosed
	return k
}

// Counts is the census of the kind's handles.
func (k *FakeKind) Counts() HandleCounts { return k.read() }

// New makes a handle on n.
func (k *FakeKind) New(n int) *Fake {
	f := &Fake{}
	f.h.adopt(&k.kind, n)
	return f
}

// A Fake is a handle as Session, Conn and Ctx have one.
type Fake struct {
	h    handle[int]
	Peer *Fake // for cycles
}

// Call runs f the way a C call is run; it reports false on a closed handle. There is no
// defer, which would keep the handle reachable by itself.
func (f *Fake) Call(call func(n int)) bool {
	n, err := f.h.acquire()
	if err != nil {
		return false
	}
	call(n)
	f.h.release()
	return true
}

// Close reports whether it was the call that closed.
func (f *Fake) Close() bool { return f.h.close() }

// Release is a release that no acquire belongs to.
func (f *Fake) Release() { f.h.release() }

// NewWatchedSession returns a session that calls onFree where it would be freed. Its
// object is another session's, which lives until then.
func NewWatchedSession(onFree func()) (*Session, error) {
	under, err := NewSession()
	if err != nil {
		return nil, err
	}
	s := &Session{}
	s.h.adopt(&kind[sessionPtr]{name: "watched", gone: ErrClosed, free: func(sessionPtr) {
		onFree()
		under.Close()
	}}, under.h.obj.ptr)
	return s, nil
}

// Hold runs f where a method of s would call C.
func (s *Session) Hold(f func()) error {
	return s.read("Session.Hold", func(sessionPtr) error { f(); return nil })
}

// ValueTables is how many sessions have values in the table.
func ValueTables() int {
	values.Lock()
	defer values.Unlock()
	applyValueEvents()
	return len(values.byID)
}

// GroupIDs are the groups that CurvePreferences can have.
func GroupIDs() (ids []tls.CurveID) {
	for _, g := range groups {
		ids = append(ids, g.id)
	}
	return ids
}

// SchemeIDs are the schemes that SignatureSchemes can have.
func SchemeIDs() (ids []tls.SignatureScheme) {
	for _, s := range schemes {
		ids = append(ids, s.id)
	}
	return ids
}

// UseCertificate makes cert the only certificate of c.
func UseCertificate(c *Conn, cert Certificate) error {
	p, ok := c.enter()
	if !ok {
		return ErrClosed
	}
	defer c.leave()
	return c.useCertificate("UseCertificate", p, cert)
}

// TakeGate takes one place of those for handshakes that compute; leave gives it back.
func (c *Ctx) TakeGate() (leave func()) {
	c.gate.enter()
	return c.gate.leave
}

// Crowd pretends that n more handshakes wait for their turn.
func (c *Ctx) Crowd(n int32) { c.gate.waiting.Add(n) }

// Breaths counts how often C went back to Go in a handshake.
func Breaths() uint64 { return breaths.Load() }

// HoldsBuffers reports whether c has input or output in C.
func HoldsBuffers(c *Conn) bool {
	var holds bool
	c.withLive(func(p connPtr) {
		holds = p.in.p != nil || p.out.p != nil || p.hello.p != nil || p.replay.p != nil
	})
	return holds
}

// Unsent is how many bytes of output c keeps.
func Unsent(c *Conn) int64 { return c.writing.waiting.Load() }

// TakeMakers takes all but one of the places for making and freeing connections.
func TakeMakers() (leave func()) {
	for range cap(makers.places) - 1 {
		makers.enter()
	}
	return func() {
		for range cap(makers.places) - 1 {
			makers.leave()
		}
	}
}

// Spoil makes r a set that no connection can use, which Replace would refuse.
func (r *ReloadableCertificates) Spoil() { r.now.Store(&certSet{certs: []Certificate{{}}}) }

// HistogramOf is what a histogram has to say about ds.
func HistogramOf(ds ...time.Duration) Histogram {
	var h histogram
	for _, d := range ds {
		h.observe(d)
	}
	return h.read()
}

// EarlyStep is how far C takes the connection to be with early data; 0 is the end.
func EarlyStep(c *Conn) (step int) {
	c.withLive(func(p connPtr) { step = int(p.early) })
	return step
}

// ParsedCerts is how many parsed certificates are known.
func ParsedCerts() int { return parsedCerts.len() }

// KnownChains is how many chains of sessions are decoded.
func KnownChains() int { return knownChains.len() }

func (u *inUse[K, V]) len() (n int) {
	u.m.Range(func(any, any) bool { n++; return true })
	return n
}

// RemovedIDs is how many removed sessions c knows.
func RemovedIDs(c *ServerSessionCache) (n int) {
	for i := range c.shards {
		c.shards[i].count(func(*ServerCacheStats) { n += len(c.shards[i].removed.set) })
	}
	return n
}

// SealKeyMemory is where the keys are, and how many there is room for.
func SealKeyMemory(k *SealKeys) (keys [][]byte, room int) {
	for i := range k.keys {
		keys = append(keys, k.keys[i].key[:])
	}
	return keys, cap(k.keys)
}

// WallClock is how a server sees that its clock was set back; the times are of the two clocks.
type WallClock struct{ w wallClock }

// Trusted is trustedAt.
func (c *WallClock) Trusted(wall time.Time, monotonic time.Duration) bool {
	return c.w.trustedAt(wall, monotonic)
}

// SystemRootsRead tells apart the times at which the system's roots were read, and what was parsed.
func SystemRootsRead() (files, set any) { return system.last, system.last.set }

// SetRootTimes sets for how long a file must be unchanged before it is not read again, and how long
// a pipe may take; it returns how to undo that.
func SetRootTimes(settle, patience time.Duration) (undo func()) {
	a, b := settleTime, pipePatience
	settleTime, pipePatience = settle, patience
	return func() { settleTime, pipePatience = a, b }
}

// Guarding is a Ctx's use of a ReplayGuard, without the Ctx.
type Guarding struct{ g *guarding }

// NewGuarding is newGuarding.
func NewGuarding(cfg *Config) Guarding { return Guarding{newGuarding(cfg)} }

// First asks the guard.
func (g Guarding) First(ctx context.Context, identity []byte) bool { return g.g.first(ctx, identity) }

// Failures counts what the guard did not answer.
func (g Guarding) Failures() GuardFailures { return g.g.failed.read() }

// Claims are the times that the guard took.
func (g Guarding) Claims() Histogram { return g.g.took.read() }

// Errors are the guard's.
func (g Guarding) Errors() []PastError { return g.g.past.list() }
