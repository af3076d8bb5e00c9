package valkeystore

import (
	"context"
	"errors"
	mathrand "math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valkey-io/valkey-go"

	"sessl/ssl"
	"sessl/valkeystore/internal/circuit"
	"sessl/valkeystore/internal/outbox"
)

// keeping is what a Client does for sessions.
type keeping struct {
	once   sync.Once
	begun  time.Time
	cache  *ssl.ServerSessionCache
	gets   *circuit.Circuit
	puts   *circuit.Circuit
	box    *outbox.Box // writes that wait for the database
	writer *outbox.Writer
	wake   chan struct{} // has one element when there is something to do for keepWriting
	stop   chan struct{} // closed when keepWriting is to end
	idle   chan struct{} // closed when it has ended; nil if it has not begun
	stats  keepingCounters
	why    lastError // a lookup failed
	deaf   lastError // revocations are not heard; nil if they are
	told   string    // what the database said of that in the log; the listener alone uses it

	mu  sync.Mutex
	era uint64 // that the cache is of
}

type keepingCounters struct{ unasked, revoked, foreign atomic.Uint64 }

const (
	defaultBacklog = 1 << 14
	maxBacklog     = 1 << 24
	backlogBytes   = 64 << 20
)

// Cache returns the cache of the fleet's sessions, for Config.SessionCache of any number of Configs. It is
// always the same, and has the limits of Options.Cache. What it keeps is also in the database, sealed, and
// what is not there it looks up in the database. Close closes it; that of a nil Client is nil.
//
// While the database fails, it is asked once a second, lookups find nothing, and writes wait for it, the
// newest Options.Backlog of them. A server with TicketKeys and PreferSessionCache issues tickets meanwhile.
//
// From the first call on the Client follows the schedule of ticket keys (see TicketKeys), which has the era
// that sessions are bound to: RevokeAll begins another. Before it is known, sessions stay in this process.
func (c *Client) Cache() *ssl.ServerSessionCache {
	if c == nil {
		return nil
	}
	k := &c.keeping
	k.once.Do(func() {
		c.TicketKeys()
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.closing {
			k.idle = make(chan struct{})
			c.jobs.Go(c.keepWriting)
			c.jobs.Go(c.hearRevocations)
		}
	})
	return k.cache
}

func (c *Client) prepareCache() (err error) {
	k := &c.keeping
	k.begun, k.wake, k.stop = time.Now(), make(chan struct{}, 1), make(chan struct{})
	k.box = outbox.New(k.now, c.opts.Backlog, backlogBytes)
	k.gets, k.puts = c.newCircuit("lookups", nil), c.newCircuit("writes", k.wakeUp)
	k.writer = &outbox.Writer{Box: k.box, Circuit: k.puts, Send: c.send, Outcome: outcomeOf, Try: c.try,
		Wake: k.wakeUp, Jitter: mathrand.Float64}
	o := c.opts.Cache
	o.Store, o.SealKeys = store{c}, c.opts.SealKeys
	k.cache, err = ssl.NewServerSessionCache(&o)
	return err
}

// now is a clock that only goes forward.
func (k *keeping) now() time.Duration { return time.Since(k.begun) }

// store is the database behind the cache.
type store struct{ c *Client }

var _ interface {
	ssl.SessionBatchStore
	ssl.SessionStatusStore
	ssl.SessionBindingStore
} = store{}

func (s store) key(id []byte) string { return s.c.name("s", s.c.hash(id)) }

// Binding has the namespace as well, so that two fleets with one set of SealKeys have nothing in common.
func (s store) Binding() (string, error) {
	era, err := s.c.era()
	return s.c.at.namespace + " " + strconv.FormatUint(era, 10), err
}

// Down implements [ssl.SessionStatusStore].
func (s store) Down() bool {
	_, err := s.c.database()
	_, open := s.c.keeping.puts.Open()
	return err != nil || open
}

// Get implements [ssl.SessionStore]. What it returns was sealed for the id, or does not open.
func (s store) Get(ctx context.Context, id []byte) (sealed []byte, err error) {
	k := &s.c.keeping
	key := s.key(id)
	if k.box.Removed(key) {
		return nil, nil
	}
	call, ok := k.gets.Begin()
	if !ok {
		k.stats.unasked.Add(1)
		return nil, nil
	}
	defer func() {
		k.why.note(err)
		call.End(outcomeOf(ctx, err))
	}()
	r, err := s.c.do(ctx, s.c.opts.Timeout, func(b valkey.Builder) valkey.Completed {
		return b.Get().Key(key).Build()
	})
	if err != nil {
		return nil, err
	}
	if sealed, err = r.AsBytes(); valkey.IsValkeyNil(err) {
		return nil, nil
	}
	return sealed, err
}

// outcomeOf says what an error says about the database. That a key has another type is no failure.
func outcomeOf(ctx context.Context, err error) circuit.Outcome {
	var e *valkey.ValkeyError
	switch {
	case err == nil:
		return circuit.OK
	case errors.As(err, &e) && strings.HasPrefix(e.Error(), "WRONGTYPE"):
		return circuit.OK
	case errors.Is(err, context.DeadlineExceeded):
		return circuit.Late
	case errors.Is(ctx.Err(), context.Canceled):
		return circuit.Ignored
	}
	return circuit.Failed
}

// newCircuit returns the circuit of one kind of calls, which logs when it opens and closes.
func (c *Client) newCircuit(kind string, turned func()) *circuit.Circuit {
	begun := time.Now()
	return circuit.New(func() time.Duration { return time.Since(begun) }, mathrand.Float64, func(open bool) {
		state := "closed"
		if open {
			state = "open"
		}
		c.opts.Logger.Warn("valkeystore: circuit", "of", kind, "state", state)
		if turned != nil {
			turned()
		}
	})
}
