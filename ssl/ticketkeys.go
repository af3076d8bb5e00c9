package ssl

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"sessl/internal/clock"
)

// TicketKeys are the keys of a server's stateless tickets, for [Config].TicketKeys: one
// key encrypts new tickets; the others only open tickets, of other machines and of the
// past. One TicketKeys may serve any number of Ctxs, which then resume each other's
// sessions. Servers in other processes and on other machines that have the same keys do
// so too, if their session id contexts are the same (see Config.SessionIDContext).
//
// libssl asks for keys through a C function (SSL_CTX_set_tlsext_ticket_key_evp_cb, on 1.1.1
// SSL_CTX_set_tlsext_ticket_key_cb). The function never waits for Go: it reads a snapshot,
// which SetKeys, Rotate and Reload replace as a whole while handshakes run. Each ticket has an
// IV of its own. If an old or the next key opens a ticket, the client gets a new one of the
// current key; a TLS 1.3 client gets a new ticket with each resumption, whichever key opened
// the old one. If a ticket is damaged or its key is missing, the client gets a full handshake.
// A handshake keeps the keys that are in use when its ClientHello has been answered for.
//
// Keys come from one of three sources: [NewTicketKeys] makes random keys and replaces
// them by itself, [NewTicketKeysFrom] takes them from the application, [LoadTicketKeys]
// reads them from files.
//
// A Ctx holds a reference of its own in C and keeps the TicketKeys from being collected, so that
// rotation goes on as long as there is a Ctx. Close ends the rotation and gives up Go's reference.
// The Ctxs then stay with the keys they have, so close the TicketKeys after its Ctxs. The garbage
// collector frees a TicketKeys that was not closed. A key is wiped when no TicketKeys, no handshake
// and no TicketKey has it any more. The methods may be called from several goroutines at once.
type TicketKeys struct {
	h       handle[ticketKeysPtr]
	files   []string
	every   time.Duration // time between rotations; 0: only rotated by hand
	derived *derivation   // where the keys come from, or nil
	rotated atomic.Uint64
	failed  atomic.Uint64

	unknown catchingUp

	writing sync.Mutex // held during a replacement, and while files are read for it

	mu    sync.Mutex
	ring  []ringKey // as in C: the current key first, then the next one, if there are any
	keep  int       // how many old keys Rotate keeps
	timer *clock.Timer
}

// A ringKey is one of the keys in use. ptr is borrowed from the ring in C: it is valid
// as long as the handle is open and the key is in the ring.
type ringKey struct {
	ptr   ticketKeyPtr
	name  ticketKeyName
	bits  int
	use   string
	made  time.Time
	since time.Time

	from, until time.Time // CurrentSince and CurrentUntil
}

// Uses of a key: see [TicketKeyInfo].
const (
	keyNext    = "next"
	keyFuture  = "future"
	keyCurrent = "current"
	keyOld     = "old"
)

var ticketKeysKind = kind[ticketKeysPtr]{name: "ticketkeys", free: freeTicketKeys, gone: ErrClosed}

// TicketKeysOptions are options for [NewTicketKeys].
type TicketKeysOptions struct {
	// RotateEvery is for how long a key encrypts before the next key does; 0 means an
	// hour. Less than a second gives ErrConfig.
	RotateEvery time.Duration

	// KeepFor is for how long, at least, a key opens tickets after it has stopped
	// encrypting; 0 means two hours, the default of SessionTimeout. Longer than
	// SessionTimeout is useless; shorter ends sessions early. There can be 64 keys, so
	// KeepFor is at most 62 times RotateEvery.
	KeepFor time.Duration
}

const (
	defaultRotateEvery = time.Hour
	defaultKeepFor     = 2 * time.Hour
	minRotateEvery     = time.Second

	// maxTicketKeys bounds how many keys a server tries for a ticket that it does not know.
	maxTicketKeys = 64
)

// NewTicketKeys makes random keys that are replaced as time passes; nil means the zero
// TicketKeysOptions. For any number of Ctxs, one timer and no goroutine replaces them, until
// Close or until the TicketKeys and its Ctxs are gone. The keys are known to this process only;
// for several processes, see NewTicketKeysFrom and LoadTicketKeys. The timer follows the
// operating system's monotonic clock, which on Linux stands still while the machine is suspended.
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
		ring = append(ring, newRingKey(p, use, clock.Now()))
	}
	t := &TicketKeys{every: o.RotateEvery}
	if err := t.begin(op, ring, keep); err != nil {
		return nil, err
	}
	w := weak.Make(t) // the timer must not keep t alive
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timer = clock.AfterFunc(t.every, func() {
		if t := w.Value(); t != nil {
			t.tick()
		}
	})
	return t, nil
}

// check fills in the defaults and returns the number of old keys to keep.
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
		return 0, configError("KeepFor is %v, which with RotateEvery %v makes more than %d keys",
			o.KeepFor, o.RotateEvery, maxTicketKeys)
	}
	return int((o.KeepFor-1)/o.RotateEvery) + 1, nil
}

// begin adopts the object in C that serves the keys of ring. ring stays the caller's.
func (t *TicketKeys) begin(op string, ring []ringKey, keep int) error {
	p, err := newTicketKeys(op, ring)
	if err != nil {
		return err
	}
	for i := range ring {
		ring[i].mark(clock.Now())
	}
	t.ring, t.keep = append([]ringKey(nil), ring...), keep
	t.h.adopt(&ticketKeysKind, p)
	return nil
}

// withPtr is the only way to the pointer: the object lives until f has returned.
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

// replace makes C use ring, on whose keys it takes references of its own, and records
// it in Go. writing is held.
func (t *TicketKeys) replace(op string, p ticketKeysPtr, ring []ringKey, keep int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := clock.Now()
	for i := range ring {
		for _, had := range t.ring {
			if had.name == ring[i].name {
				ring[i].since, ring[i].from, ring[i].until = had.since, had.from, had.until
				if had.use == keyCurrent {
					ring[i].until = now
				}
			}
		}
		ring[i].mark(now)
	}
	if err := replaceTicketKeys(op, p, ring); err != nil {
		return err
	}
	t.ring, t.keep = append([]ringKey(nil), ring...), keep
	return nil
}

// SetKeys replaces the keys in use by those of set. It returns ErrConfig if
// [NewTicketKeys] replaces the keys by itself, or if set is incomplete or has a name
// twice. After an error the keys stay as they were.
func (t *TicketKeys) SetKeys(set TicketKeySet) error {
	const op = "TicketKeys.SetKeys"
	return t.withPtr(op, func(p ticketKeysPtr) error {
		if t.every != 0 || t.derived != nil {
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
	defer freeRing(ring) // C has its own references by now
	return t.replace(op, p, ring, max(len(set.Old), 1))
}

// Reload reads the files of [LoadTicketKeys] again. It returns ErrConfig if the keys
// came from elsewhere. After an error the keys stay as they were.
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

// Close ends the rotation and all waiting for unknown keys, and gives Go's reference back. Ctxs that
// were made with the keys go on using them. Later calls do nothing.
func (t *TicketKeys) Close() error {
	if t == nil || !t.h.close() {
		return nil
	}
	t.unknown.close()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil {
		t.timer.Stop()
	}
	if t.derived != nil {
		closeTicketKeys([]TicketKey{t.derived.master})
	}
	return nil
}

// A TicketKeyInfo describes one key in use, without its secrets.
type TicketKeyInfo struct {
	Name  string    // in hexadecimal, as [TicketKey.Name]
	Use   string    // "current", "next", "future" or "old"
	Bits  int       // of the AES key: 128 or 256
	Made  time.Time // when the key was made: see [TicketKey.Made]; zero if that is not known
	Since time.Time // when this TicketKeys got the key

	// CurrentSince is when this TicketKeys first encrypted with the key, zero if it never has. CurrentUntil
	// is when it stopped, zero while the key is current and if it never was. What the key has encrypted here
	// can resume for a Ctx's SessionTimeout after CurrentUntil, unless the key is dropped before.
	CurrentSince, CurrentUntil time.Time
}

// Infos describes the keys in use: the current one if there is one, then the next one and the future
// ones, then the old ones, newest first. After Close there are none.
func (t *TicketKeys) Infos() []TicketKeyInfo {
	if t == nil || t.h.isClosed() {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	infos := make([]TicketKeyInfo, len(t.ring))
	for i, k := range t.ring {
		infos[i] = TicketKeyInfo{Name: k.name.String(), Use: k.use, Bits: k.bits, Made: k.made, Since: k.since,
			CurrentSince: k.from, CurrentUntil: k.until}
	}
	return infos
}

// TicketKeyStats count what became of tickets, in all Ctxs that share a TicketKeys. A connection's
// ticket is counted once, when its handshake is complete; Unknown is counted at once.
type TicketKeyStats struct {
	Issued   uint64 // tickets encrypted
	Resumed  uint64 // connections resumed by a ticket of the current key, or of any key while none is current
	Renewed  uint64 // connections resumed by a ticket of another key; the client got a new ticket
	Declined uint64 // tickets of a known key that were damaged, expired or of another session id context
	Unknown  uint64 // tickets whose name no key has
	Withheld uint64 // connections that were due a ticket, and IssueTickets, while no key was current

	CatchUps       uint64 // calls of the function of OnUnknownKey
	FailedCatchUps uint64 // of these, those that returned an error, or nothing in time
	CaughtUp       uint64 // connections that waited for one, and whose key was there then

	Rotations       uint64 // made by Rotate and by the timer
	FailedRotations uint64 // not made by the timer, for lack of memory or randomness: the keys stayed
}

// Stats returns the counters, all zero after Close.
func (t *TicketKeys) Stats() (s TicketKeyStats) {
	t.withPtr("TicketKeys.Stats", func(p ticketKeysPtr) error {
		s = readTicketStats(p)
		s.Rotations, s.FailedRotations = t.rotated.Load(), t.failed.Load()
		u := &t.unknown
		s.CatchUps, s.FailedCatchUps, s.CaughtUp = u.calls.Load(), u.fails.Load(), u.helps.Load()
		return nil
	})
	return s
}

// String returns the names and the uses of the keys.
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
