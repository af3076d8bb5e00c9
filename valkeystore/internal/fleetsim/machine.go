package fleetsim

import (
	"context"
	"errors"
	"time"

	"sessl/valkeystore/internal/circuit"
	"sessl/valkeystore/internal/outbox"
	"sessl/valkeystore/internal/replay"
	"sessl/valkeystore/internal/schedule"
)

// A machine is one server.
type machine struct {
	f      *fleet
	id     int
	gone   bool
	cut    bool // off from the database
	node   *node
	offset time.Duration // of its clock that only goes forward
	drift  float64       // of the same
	skew   time.Duration // of its other clock

	keys    *schedule.Machine
	turns   int // how often a turn was planned; only the last plan counts
	polling bool
	asked   time.Duration // when a client had it poll; see package ssl's OnUnknownKey
	at      schedule.Places
	told    telling

	guard      *replay.Guard
	remembered map[string]time.Time
	gets, puts *circuit.Circuit
	writer     *outbox.Writer
	box        *outbox.Box
	idle       *task // that of the writer while it has nothing to do
	cache      map[int]time.Duration
}

// telling is what a machine was told last, by a poll that went well.
type telling struct {
	ok     bool
	at     time.Duration
	node   *node
	offset time.Duration // of the node's clock
}

func (f *fleet) start(id int) *machine {
	w, c := f.world, &f.c
	m := &machine{f: f, id: id, node: f.node, offset: w.up(time.Hour), drift: (2*w.rand.Float64() - 1) * c.Drift,
		skew: w.up(2*c.Skew) - c.Skew, asked: -time.Hour, remembered: map[string]time.Time{},
		cache: map[int]time.Duration{}}
	m.keys = schedule.New(schedule.Config{Plan: c.plan(), Poll: c.Poll, DB: m, Vault: f, Clock: m, Sink: m,
		Jitter: w.rand.Float64})
	m.guard = &replay.Guard{Database: m, Memory: m, Circuit: m.circuit(nil), Outcome: outcomeOf, Now: m.wall}
	m.gets, m.puts = m.circuit(nil), m.circuit(func(bool) { m.wake() })
	room := max(1, int(float64(c.Backlog)/f.weight))
	m.box = outbox.New(m.Elapsed, room, 64<<20)
	m.writer = &outbox.Writer{Box: m.box, Circuit: m.puts, Send: m.send, Outcome: outcomeOf, Wake: m.wake,
		Jitter: w.rand.Float64, Try: func() outbox.Write {
			return outbox.Write{Key: "try", Value: []byte("1"), Until: m.Elapsed() + time.Second}
		}}
	w.spawn(m, m.poll)
	if c.Early > 0 {
		w.spawn(m, m.tend)
	}
	if c.Sessions {
		w.spawn(m, m.write)
	}
	return m
}

func (m *machine) circuit(turned func(bool)) *circuit.Circuit {
	return circuit.New(m.Elapsed, m.f.world.rand.Float64, turned)
}

// Elapsed implements schedule.Clock.
func (m *machine) Elapsed() time.Duration {
	return m.offset + m.f.world.now + time.Duration(m.drift*float64(m.f.world.now))
}

// wall is the time of day as this machine has it.
func (m *machine) wall() time.Time { return zero.Add(m.f.world.now + m.skew) }

// poll follows the schedule, as a Client does.
func (m *machine) poll(ctx context.Context) {
	t := taskOf(ctx)
	t.sleep(m.f.world.up(m.f.c.soon()))
	for {
		for m.polling {
			t.sleep(10 * time.Millisecond)
		}
		m.polling = true
		d := m.keys.Poll(ctx)
		m.polling = false
		m.turn()
		t.sleep(d)
	}
}

// catchUp polls because a client has shown an unknown key, once a second at most, as package ssl has it.
func (m *machine) catchUp(ctx context.Context) {
	w := m.f.world
	if m.polling || w.now < m.asked+time.Second {
		return
	}
	m.polling = true
	m.keys.CatchUp(ctx)
	m.polling = false
	m.asked = w.now
	m.turn()
}

// turn has the keys put in their places, now and when that is due again.
func (m *machine) turn() {
	if m.gone {
		return
	}
	m.turns++
	mine := m.turns
	d := m.keys.Turn()
	if m.drift != 0 {
		d += time.Duration(m.f.c.Drift*float64(d)) + 1 // so that it is time by a slow clock, too
	}
	m.f.world.after(d, func() {
		if m.turns == mine {
			m.turn()
		}
	})
}

// Put implements schedule.Sink.
func (m *machine) Put(at schedule.Places) error {
	before := m.at
	m.at = at
	m.f.moved(m, before)
	return nil
}

// Fetch implements schedule.DB, and so do Swap and Lease.
func (m *machine) Fetch(ctx context.Context) (value []byte, now time.Time, err error) {
	told := telling{ok: true}
	err = m.call(ctx, Fetch, 1, m.f.c.Timeout, func(n *node) {
		value, now = n.fetch()
		told.at, told.node, told.offset = m.f.world.now, n, n.offset
	})
	if err == nil {
		m.told = told
	}
	return value, now, err
}

func (m *machine) Swap(ctx context.Context, old, value []byte) (swapped bool, err error) {
	err = m.call(ctx, Swap, 1, m.f.c.Timeout, func(n *node) {
		before := n.value
		if swapped = n.swap(old, value, m.f.c.lifetime()); swapped {
			m.told.at = m.f.world.now
			m.f.wrote(m, n, before, value)
		}
	})
	return swapped && err == nil, err
}

func (m *machine) Lease(ctx context.Context, d time.Duration) (leased bool, err error) {
	err = m.call(ctx, Lease, 1, m.f.c.Timeout, func(n *node) { leased = n.lease(d) })
	return leased && err == nil, err
}

// The errors of a call.
var (
	errRefused = errors.New("the connection is refused")
	errLate    = errors.New("there is no answer in time")
)

func outcomeOf(_ context.Context, err error) circuit.Outcome {
	switch {
	case err == nil:
		return circuit.OK
	case errors.Is(err, errLate):
		return circuit.Late
	}
	return circuit.Failed
}

// call has a node do something. What has been asked is done even if the answer is late or gets lost.
func (m *machine) call(ctx context.Context, k Kind, weight float64, limit time.Duration,
	do func(*node)) error {
	t, f, w := taskOf(ctx), m.f, m.f.world
	n := m.node
	f.r.Calls[k] += weight
	way := f.c.Latency/4 + w.up(f.c.Latency/2) + f.slow/2
	switch {
	case m.cut || f.drops():
		t.sleep(limit)
		return errLate
	case n.down:
		t.sleep(way)
		return errRefused
	}
	answered, late, back := false, false, f.drops()
	w.after(way, func() {
		n.hold(func() {
			if n.down {
				return
			}
			d := n.work(f.c.Cost[k], weight)
			f.r.Busy += f.c.Cost[k].Seconds() * weight
			w.after(d, func() {
				if n.down {
					return
				}
				do(n)
				if m.cut || back || m.gone {
					return
				}
				w.after(way, func() {
					if !late {
						answered = true
						t.goOn()
					}
				})
			})
		})
	})
	w.after(limit, func() {
		if !answered {
			late = true
			t.goOn()
		}
	})
	t.wait()
	if !answered {
		return errLate
	}
	return nil
}

// hold does what a node is asked, once it is not silent.
func (n *node) hold(do func()) {
	if n.silent {
		n.held = append(n.held, do)
		return
	}
	do()
}

// speak ends a silence.
func (n *node) speak() {
	n.silent = false
	held := n.held
	n.held = nil
	for _, do := range held {
		do()
	}
}
