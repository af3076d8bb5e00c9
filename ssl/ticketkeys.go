package ssl

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"weak"
)

// TicketKeys are the keys of a server's stateless tickets, for [Config].TicketKeys: one that
// encrypts new tickets, and others that open those of other machines and of the past. One
// value may serve any number of Ctxs, which then resume each other's sessions; so do servers
// in other processes and on other machines that have the same keys, if their session id
// contexts are the same too (see Config.SessionIDContext).
//
// libssl asks for keys by a function in C (SSL_CTX_set_tlsext_ticket_key_evp_cb, on 1.1.1
// SSL_CTX_set_tlsext_ticket_key_cb). It never waits for Go: it works on a snapshot, which
// SetKeys, Rotate and Reload replace as a whole while handshakes run. Each ticket has an IV of
// its own. A ticket that an old or the next key opens is renewed with the current one; a TLS
// 1.3 client gets a new ticket with each resumption, whichever key opened the old one. A
// ticket whose key is not here, or that has been damaged, costs a full handshake.
//
// Keys come from one of three: [NewTicketKeys] makes random ones and replaces them by itself,
// [NewTicketKeysFrom] takes them from the application, [LoadTicketKeys] from files.
//
// A Ctx takes a reference of its own in C and keeps the TicketKeys from being collected, so
// that rotation goes on as long as there is a Ctx. Close ends the rotation and gives up Go's
// reference; the Ctxs then stay with the keys they have, so it should come after theirs. A
// TicketKeys that is not closed is freed by the garbage collector. A key is wiped when no
// TicketKeys, no handshake and no TicketKey has it any more. The methods may be called from
// several goroutines at once.
type TicketKeys struct {
	h       handle[ticketKeysPtr]
	files   []string
	every   time.Duration // between rotations; 0: there are none but by hand
	rotated atomic.Uint64
	failed  atomic.Uint64

	writing sync.Mutex // one replacement at a time, reading of files included

	mu    sync.Mutex
	ring  []ringKey // as in C: the current key first, and then the next if there is one
	keep  int       // how many old keys Rotate leaves
	timer *time.Timer
}

// A ringKey is one of the keys in use. ptr is borrowed from the ring in C, for as long as the
// handle is open and the key is in the ring.
type ringKey struct {
	ptr   ticketKeyPtr
	name  ticketKeyName
	bits  int
	use   string
	since time.Time
}

// What a key is for: see [TicketKeyInfo].
const (
	keyNext    = "next"
	keyCurrent = "current"
	keyOld     = "old"
)

var ticketKeysKind = kind[ticketKeysPtr]{name: "ticketkeys", free: freeTicketKeys, gone: ErrClosed}

// TicketKeysOptions are for [NewTicketKeys].
type TicketKeysOptions struct {
	// RotateEvery is how long a key encrypts before the next one does; 0 means an hour, and
	// less than a second is refused.
	RotateEvery time.Duration

	// KeepFor is for how long a key still opens tickets when it has stopped encrypting, at
	// least; 0 means two hours, which is what SessionTimeout is by default. Longer than the
	// SessionTimeout of the Ctxs is of no use, and shorter makes it longer than it seems.
	// There can be 64 keys, so KeepFor is at most 62 times RotateEvery.
	KeepFor time.Duration
}

const (
	defaultRotateEvery = time.Hour
	defaultKeepFor     = 2 * time.Hour
	minRotateEvery     = time.Second

	// maxTicketKeys bounds what a server goes through for a ticket that it does not know.
	maxTicketKeys = 64
)

// NewTicketKeys makes random keys that are replaced as time passes; nil means the zero
// TicketKeysOptions. One timer of this value replaces them, not a goroutine, whatever the
// number of Ctxs, until Close or until the value and its Ctxs are gone. They are this
// process's own: for several, see NewTicketKeysFrom and LoadTicketKeys. The timer counts as the
// operating system's monotonic clock does, which on Linux stands still while the machine is
// suspended.
func NewTicketKeys(opts *TicketKeysOptions) (*TicketKeys, error) {
	const op = "NewTicketKeys"
	var o TicketKeysOptions
	if opts != nil {
		o = *opts
	}
	keep, err := o.check()
	if err != nil {
		return nil, fail(op, err)
	}
	ring := make([]ringKey, 0, 2)
	defer func() { freeRing(ring) }()
	for _, use := range []string{keyCurrent, keyNext} {
		p, err := randomTicketKey(op)
		if err != nil {
			return nil, err
		}
		ring = append(ring, newRingKey(p, use))
	}
	t := &TicketKeys{every: o.RotateEvery}
	if err := t.begin(op, ring, keep); err != nil {
		return nil, err
	}
	w := weak.Make(t) // the timer must not keep its own reason alive
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timer = time.AfterFunc(t.every, func() {
		if t := w.Value(); t != nil {
			t.tick()
		}
	})
	return t, nil
}

// check fills in the defaults; it returns the number of old keys to keep.
func (o *TicketKeysOptions) check() (keep int, err error) {
	if o.RotateEvery == 0 {
		o.RotateEvery = defaultRotateEvery
	}
	if o.KeepFor == 0 {
		o.KeepFor = defaultKeepFor
	}
	switch {
	case o.RotateEvery < minRotateEvery:
		return 0, configError("RotateEvery is %v, the least is %v", o.RotateEvery, minRotateEvery)
	case o.KeepFor < 0:
		return 0, configError("KeepFor is negative")
	case (o.KeepFor-1)/o.RotateEvery+1 > maxTicketKeys-2:
		return 0, configError("KeepFor is %v, which with RotateEvery %v makes more than %d keys", o.KeepFor, o.RotateEvery, maxTicketKeys)
	}
	return int((o.KeepFor-1)/o.RotateEvery) + 1, nil
}

// begin adopts the object in C that serves ring, which stays the caller's.
func (t *TicketKeys) begin(op string, ring []ringKey, keep int) error {
	p, err := newTicketKeys(op, ptrsOf(ring))
	if err != nil {
		return err
	}
	t.ring, t.keep = append([]ringKey(nil), ring...), keep
	t.h.adopt(&ticketKeysKind, p)
	return nil
}

// tick is the timer's. Without memory or randomness the keys stay until the next time.
func (t *TicketKeys) tick() {
	err := t.Rotate(TicketKey{})
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.h.isClosed() {
		return
	}
	if err != nil {
		t.failed.Add(1)
	}
	t.timer.Reset(t.every)
}

// withPtr is the one way to the pointer: the object lives until f has returned.
func (t *TicketKeys) withPtr(op string, f func(ticketKeysPtr) error) error {
	if t == nil {
		return fail(op, ErrNil)
	}
	p, err := t.h.acquire()
	if err != nil {
		return fail(op, err)
	}
	defer t.h.release()
	return f(p)
}

// replace has C use ring, which takes references of its own, and tells Go about it. writing
// is held.
func (t *TicketKeys) replace(op string, p ticketKeysPtr, ring []ringKey, keep int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range ring {
		for _, had := range t.ring {
			if had.name == ring[i].name {
				ring[i].since = had.since
			}
		}
	}
	if err := replaceTicketKeys(op, p, ptrsOf(ring)); err != nil {
		return err
	}
	t.ring, t.keep = append([]ringKey(nil), ring...), keep
	return nil
}

// Rotate makes next the next key, the key that was next the current one, the current one an
// old one, and lets the oldest go; the zero TicketKey stands for a new random one. So a key
// opens tickets everywhere before anybody encrypts with it, if all machines of a fleet get
// the same keys in the same order. Where there was no next key, the current one stays.
//
// There remain as many old keys as SetKeys was given, or NewTicketKeys computed, and at least
// one. A next key that is there already is ErrConfig. On error all stays as it was.
func (t *TicketKeys) Rotate(next TicketKey) error {
	const op = "TicketKeys.Rotate"
	return t.withPtr(op, func(p ticketKeysPtr) error {
		t.writing.Lock()
		defer t.writing.Unlock()
		fresh, err := holdTicketKey(op, next)
		if err != nil {
			return err
		}
		defer freeTicketKey(fresh)
		ring := t.after(newRingKey(fresh, keyNext))
		if err := checkRing(ring); err != nil {
			return fail(op, err)
		}
		if err := t.replace(op, p, ring, t.keep); err != nil {
			return err
		}
		t.rotated.Add(1)
		return nil
	})
}

// after is the ring that comes after this one.
func (t *TicketKeys) after(next ringKey) []ringKey {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.ring) < 2 || t.ring[1].use != keyNext {
		return append([]ringKey{t.ring[0], next}, t.ring[1:]...)
	}
	current, old := t.ring[1], t.ring[0]
	current.use, old.use = keyCurrent, keyOld
	ring := append([]ringKey{current, next, old}, t.ring[2:]...)
	return ring[:min(len(ring), 2+t.keep)]
}

// SetKeys puts the keys of set in the place of those in use. It is refused where
// [NewTicketKeys] replaces them by itself, and where set is not complete or has one name twice:
// ErrConfig. On error all stays as it was.
func (t *TicketKeys) SetKeys(set TicketKeySet) error {
	const op = "TicketKeys.SetKeys"
	return t.withPtr(op, func(p ticketKeysPtr) error {
		if t.every != 0 {
			return fail(op, configError("these keys are replaced as time passes"))
		}
		t.writing.Lock()
		defer t.writing.Unlock()
		return t.setLocked(op, p, set)
	})
}

func (t *TicketKeys) setLocked(op string, p ticketKeysPtr, set TicketKeySet) error {
	ring, err := set.ring(op)
	if err != nil {
		return err
	}
	defer freeRing(ring) // C has its own references by then
	return t.replace(op, p, ring, max(len(set.Old), 1))
}

// Reload reads the files of [LoadTicketKeys] again; ErrConfig where there are none. On error
// all stays as it was.
func (t *TicketKeys) Reload() error {
	const op = "TicketKeys.Reload"
	return t.withPtr(op, func(p ticketKeysPtr) error {
		if len(t.files) == 0 {
			return fail(op, configError("there are no files: LoadTicketKeys has them"))
		}
		t.writing.Lock()
		defer t.writing.Unlock()
		set, err := loadTicketKeySet(op, t.files)
		if err != nil {
			return err
		}
		defer set.close()
		return t.setLocked(op, p, set)
	})
}

// Close ends the rotation and gives Go's reference back; later calls do nothing. Ctxs that
// were made with the keys go on with them.
func (t *TicketKeys) Close() error {
	if t == nil || !t.h.close() {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil {
		t.timer.Stop()
	}
	return nil
}

// A TicketKeyInfo tells of one key in use, without its secrets.
type TicketKeyInfo struct {
	Name  string    // in hexadecimal, as [TicketKey.Name]
	Use   string    // "next", "current" or "old"
	Bits  int       // of the AES key: 128 or 256
	Since time.Time // when this TicketKeys got it
}

// Infos tells of the keys in use: the current one first, then the next one, then the old ones,
// the newest first. After Close there are none.
func (t *TicketKeys) Infos() []TicketKeyInfo {
	if t == nil || t.h.isClosed() {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	infos := make([]TicketKeyInfo, len(t.ring))
	for i, k := range t.ring {
		infos[i] = TicketKeyInfo{Name: k.name.String(), Use: k.use, Bits: k.bits, Since: k.since}
	}
	return infos
}

// TicketKeyStats count what became of tickets, in all Ctxs that share a TicketKeys. A
// connection's ticket is counted once, when its handshake is complete; Unknown at once.
type TicketKeyStats struct {
	Issued   uint64 // tickets encrypted
	Resumed  uint64 // connections resumed by a ticket of the current key
	Renewed  uint64 // and of another key: the client got one of the current key
	Declined uint64 // the key was known, but the ticket was damaged, expired or of another session id context
	Unknown  uint64 // no key has the ticket's name

	Rotations       uint64 // by Rotate and by the timer
	FailedRotations uint64 // of the timer, for want of memory or randomness: the old keys stayed
}

// Stats returns the counters; after Close all are zero.
func (t *TicketKeys) Stats() (s TicketKeyStats) {
	t.withPtr("TicketKeys.Stats", func(p ticketKeysPtr) error {
		s = readTicketStats(p)
		s.Rotations, s.FailedRotations = t.rotated.Load(), t.failed.Load()
		return nil
	})
	return s
}

// String has the names of the keys and what they are for.
func (t *TicketKeys) String() string {
	var words []string
	for _, i := range t.Infos() {
		words = append(words, i.Use+" "+i.Name)
	}
	return fmt.Sprintf("ssl.TicketKeys(%s)", strings.Join(words, ", "))
}

// GoString is String.
func (t *TicketKeys) GoString() string { return t.String() }

// LogValue returns the names of the keys.
func (t *TicketKeys) LogValue() slog.Value {
	var attrs []slog.Attr
	for _, i := range t.Infos() {
		attrs = append(attrs, slog.String(i.Use, i.Name))
	}
	return slog.GroupValue(attrs...)
}
