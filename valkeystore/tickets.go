package valkeystore

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"sessl/ssl"
	"sessl/valkeystore/internal/schedule"
)

// ticketing is what a Client does for ticket keys.
type ticketing struct {
	once    sync.Once
	used    atomic.Bool
	keys    *ssl.TicketKeys
	machine *schedule.Machine
	turned  chan struct{} // has one element when the places may have changed
	said    string        // the state that was logged last; turnTickets alone uses it
	begun   time.Time
	failed  atomic.Int64 // polls in a row
}

// count notes whether a poll has failed.
func (t *ticketing) count() {
	if t.machine.Status().Failed != nil {
		t.failed.Add(1)
	} else {
		t.failed.Store(0)
	}
}

// TicketKeys returns the keys that the machines of the fleet agree on, for Config.TicketKeys of any number of
// Configs. They are always the same. From the first call on the Client follows the schedule in the database:
// before it has one, tickets are neither issued nor opened, and connections are full handshakes. Close closes
// them; those of a nil or closed Client are closed, which NewServerCtx refuses.
//
// If a client shows a ticket of a key that is not here, the database is asked at once (see
// [ssl.TicketKeys.OnUnknownKey]). TicketKeyInfo.Made is by the database's clock.
func (c *Client) TicketKeys() *ssl.TicketKeys {
	if c == nil {
		keys, err := ssl.NewTicketKeysFrom(ssl.TicketKeySet{})
		if err == nil {
			keys.Close()
		}
		return keys
	}
	t := &c.tickets
	t.once.Do(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.closed {
			t.used.Store(true)
			c.jobs.Go(c.pollTickets)
			c.jobs.Go(c.turnTickets)
		}
	})
	return t.keys
}

// prepareTickets makes keys that are empty as yet.
func (c *Client) prepareTickets() (err error) {
	t := &c.tickets
	if t.keys, err = ssl.NewTicketKeysFrom(ssl.TicketKeySet{}); err != nil {
		return err
	}
	t.turned, t.begun = make(chan struct{}, 1), time.Now()
	t.machine = schedule.New(schedule.Config{
		Plan:   schedule.Plan{Period: c.opts.RotateEvery, KeepFor: c.opts.KeepFor, Ahead: c.opts.Future},
		Poll:   c.opts.Poll,
		DB:     scheduleDB{c},
		Vault:  vault{c},
		Clock:  monotonic{t.begun},
		Sink:   sink{t.keys, c.neighbours.take},
		Jitter: rand.Float64,
	})
	return t.keys.OnUnknownKey(func(ctx context.Context, _ string) error {
		err := t.machine.CatchUp(ctx)
		c.sawEra()
		c.turnNow()
		return err
	}, 0)
}

// pollTickets asks the database from the first connection until Close.
func (c *Client) pollTickets() {
	select {
	case <-c.up:
	case <-c.life.Done():
		return
	}
	for {
		wait := time.NewTimer(c.tickets.machine.Poll(c.life))
		c.tickets.count()
		c.sawEra()
		c.turnNow()
		select {
		case <-wait.C:
		case <-c.life.Done():
			return
		}
	}
}

// turnTickets moves keys when their time has come, whether the database answers or not.
func (c *Client) turnTickets() {
	for {
		wait := time.NewTimer(c.tickets.machine.Turn())
		c.sayTickets()
		select {
		case <-wait.C:
		case <-c.tickets.turned:
		case <-c.life.Done():
			return
		}
	}
}

// turnNow has turnTickets look again.
func (c *Client) turnNow() {
	select {
	case c.tickets.turned <- struct{}{}:
	default:
	}
}

type monotonic struct{ begun time.Time }

func (m monotonic) Elapsed() time.Duration { return time.Since(m.begun) }

// A sink puts keys in their places, and tells the neighbours.
type sink struct {
	keys *ssl.TicketKeys
	tell func(schedule.Places)
}

func (s sink) Put(at schedule.Places) error {
	var set ssl.TicketKeySet
	if at.Current.Secret != nil {
		set.Current = ticketKey(at.Current)
	}
	for i, k := range at.Ahead {
		if i == 0 {
			set.Next = ticketKey(k)
		} else {
			set.Future = append(set.Future, ticketKey(k))
		}
	}
	for _, k := range at.Old {
		set.Old = append(set.Old, ticketKey(k))
	}
	s.tell(at)
	return s.keys.SetKeys(set)
}

func ticketKey(k schedule.Key) ssl.TicketKey { return k.Secret.(ssl.TicketKey).WithMade(k.Made) }

// A vault makes ticket keys, and seals schedules for one namespace.
type vault struct{ c *Client }

func (v vault) New() (schedule.Secret, error)           { return ssl.NewTicketKey() }
func (v vault) Parse(b []byte) (schedule.Secret, error) { return ssl.ParseTicketKey(b) }

func (v vault) Seal(plain []byte) ([]byte, error) {
	return v.c.opts.SealKeys.Seal(plain, v.purpose())
}

func (v vault) Open(sealed []byte) ([]byte, error) {
	return v.c.opts.SealKeys.Open(sealed, v.purpose())
}

func (v vault) purpose() string { return "valkeystore ticket keys of " + v.c.at.namespace }
