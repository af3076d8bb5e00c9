package schedule

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// A world is a fleet on one thread: a clock that moves from event to event, a database, and machines.
type world struct {
	t        *testing.T
	rand     *rand.Rand
	elapsed  time.Duration
	db       *database
	machines []*machine
	made     int            // secrets
	begins   map[string]Key // each key that encrypted
}

var errDown = errors.New("the database is down")

const period = time.Minute

var plan = Plan{Period: period, KeepFor: 2 * period, Ahead: 3}

const (
	poll   = period / 20
	settle = poll + time.Second
)

func newWorld(t *testing.T, machines int) *world {
	w := &world{t: t, rand: rand.New(rand.NewPCG(1, 2)), begins: map[string]Key{}}
	w.db = &database{w: w, zero: time.UnixMilli(1_700_000_000_000)}
	for range machines {
		w.join()
	}
	return w
}

// A database is a fake one, with a clock of its own.
type database struct {
	w      *world
	zero   time.Time
	value  []byte
	leased time.Duration // until then
	down   bool
	swap   func() // called once, before a swap
	leases int
	swaps  int
}

func (d *database) now() time.Time { return d.zero.Add(d.w.elapsed) }

// A machine is one server: what it reads of the database, and where its keys are.
type machine struct {
	*Machine
	w      *world
	offset time.Duration // of its clock, from that of the world
	cut    bool          // off from the database
	slow   time.Duration // how long a fetch takes
	sealed string        // its seal keys, and the namespace
	at     Places
	seen   map[string]time.Duration // since when it has each key
	joined time.Duration
	agreed time.Duration // when it last had the schedule of the database
	poll   time.Duration // when it polls next
	turn   time.Duration
}

func (w *world) join() *machine {
	m := &machine{w: w, sealed: "shop", seen: map[string]time.Duration{}, joined: w.elapsed, poll: w.elapsed}
	m.offset = time.Duration(w.rand.Int64N(int64(time.Hour)))
	m.Machine = New(Config{Plan: plan, Poll: poll, DB: m, Vault: m, Clock: m, Sink: m, Jitter: w.rand.Float64})
	w.machines = append(w.machines, m)
	return m
}

func (m *machine) Elapsed() time.Duration { return m.w.elapsed + m.offset }

func (m *machine) Fetch(context.Context) ([]byte, time.Time, error) {
	if m.w.db.down || m.cut {
		return nil, time.Time{}, errDown
	}
	m.w.elapsed += m.slow / 2
	value, now := slices.Clone(m.w.db.value), m.w.db.now()
	m.w.elapsed += m.slow - m.slow/2
	return value, now, nil
}

func (m *machine) Swap(_ context.Context, old, value []byte) (bool, error) {
	d := m.w.db
	if d.down || m.cut {
		return false, errDown
	}
	if f := d.swap; f != nil {
		d.swap = nil
		f()
	}
	if !bytes.Equal(old, d.value) {
		return false, nil
	}
	d.value = slices.Clone(value)
	d.swaps++
	return true, nil
}

func (m *machine) Lease(_ context.Context, d time.Duration) (bool, error) {
	if m.w.db.down || m.cut {
		return false, errDown
	}
	if m.w.db.leased > m.w.elapsed {
		return false, nil
	}
	m.w.db.leased = m.w.elapsed + d
	m.w.db.leases++
	return true, nil
}

type secret [SecretLen]byte

func (s secret) Name() string                 { return hex.EncodeToString(s[:16]) }
func (s secret) SecretBytes() ([]byte, error) { return s[:], nil }

func (m *machine) New() (Secret, error) {
	m.w.made++
	var s secret
	copy(s[:], fmt.Sprintf("key %d", m.w.made))
	return s, nil
}

func (m *machine) Parse(b []byte) (Secret, error) { return secret(b), nil }

func (m *machine) Seal(plain []byte) ([]byte, error) {
	return append([]byte(m.sealed+" "), plain...), nil
}

func (m *machine) Open(sealed []byte) ([]byte, error) {
	plain, ok := bytes.CutPrefix(sealed, []byte(m.sealed+" "))
	if !ok {
		return nil, errors.New("sealed otherwise")
	}
	return slices.Clone(plain), nil
}

func (m *machine) Put(at Places) error {
	before := m.at.Current
	m.at = at
	for _, k := range at.all() {
		if _, ok := m.seen[k.Name()]; !ok {
			m.seen[k.Name()] = m.w.elapsed
		}
	}
	if k := at.Current; k.Secret != nil {
		m.w.begun(m, k, before.Secret == nil)
	}
	return nil
}

func (at Places) all() []Key {
	keys := slices.Concat(at.Ahead, at.Old)
	if at.Current.Secret != nil {
		keys = append(keys, at.Current)
	}
	return keys
}

func (at Places) opens(k Key) bool {
	return slices.ContainsFunc(at.all(), func(o Key) bool { return o.Name() == k.Name() })
}

// begun checks what holds whenever a key begins to encrypt: it is its time, and all machines have it that
// encrypt with a key themselves, and have had the same schedule as the database within a period.
func (w *world) begun(m *machine, k Key, first bool) {
	if now := w.db.now(); k.From.After(now) {
		w.t.Errorf("a key of %v encrypts at %v", k.From, now)
	}
	if _, ok := w.begins[k.Name()]; ok {
		return
	}
	w.begins[k.Name()] = k
	if first {
		return // after none, the others ask often
	}
	for i, o := range w.machines {
		if _, has := o.seen[k.Name()]; !has && m.took(poll) && o.took(period) && o.at.Current.Secret != nil {
			w.t.Errorf("%v: machine %d, in step %v ago, has not the key that encrypts: %s",
				w.elapsed, i, w.elapsed-o.agreed, k.Name())
		}
	}
}

// took reports whether the machine was there a period ago, and was in step with the database within d.
func (m *machine) took(d time.Duration) bool {
	return m.joined < m.w.elapsed-period && m.agreed > m.w.elapsed-d
}

// run moves the clock on by d, and has each machine poll and turn when it wants to.
func (w *world) run(d time.Duration) {
	end := w.elapsed + d
	for {
		m, at := w.next()
		if m == nil || at > end {
			break
		}
		w.elapsed = max(w.elapsed, at)
		m.step()
		if w.t.Failed() {
			w.t.FailNow()
		}
	}
	w.elapsed = end
}

func (w *world) next() (first *machine, at time.Duration) {
	for _, m := range w.machines {
		if due := min(m.poll, m.turn); first == nil || due < at {
			first, at = m, due
		}
	}
	return first, at
}

func (m *machine) step() {
	if m.poll <= m.w.elapsed {
		m.pollNow()
	} else {
		m.turn = m.w.elapsed + m.Turn()
	}
}

func (m *machine) pollNow() {
	m.poll = m.w.elapsed + m.Poll(context.Background())
	m.turn = m.w.elapsed + m.Turn()
	if !m.cut && !m.w.db.down && m.mine != nil {
		if s, err := Decode(m.w.db.value, m); err == nil && same(s, m.mine) {
			m.agreed = m.w.elapsed
		}
	}
	m.poll = max(m.poll, m.w.elapsed+1)
}

// agree says that all machines have the same keys in the same places, as the database has them, once all have
// asked.
func (w *world) agree() {
	w.t.Helper()
	for range 2 {
		for _, m := range w.machines {
			w.db.leased = 0
			m.pollNow()
		}
	}
	for i, m := range w.machines {
		if m.Turn(); m.at.String() != w.machines[0].at.String() {
			w.t.Fatalf("machine 0 has %v\nmachine %d has %v", w.machines[0].at, i, m.at)
		}
		if s, err := Decode(w.db.value, m); err != nil || !same(s, m.mine) || s.Generation != m.mine.Generation {
			w.t.Fatalf("the database has another schedule than machine %d: %v", i, err)
		}
	}
}

func (at Places) String() string {
	var b strings.Builder
	write := func(use string, keys ...Key) {
		for _, k := range keys {
			if k.Secret != nil {
				name, _ := hex.DecodeString(k.Name())
				fmt.Fprintf(&b, " %s %s", use, bytes.TrimRight(name, "\x00"))
			}
		}
	}
	write("current", at.Current)
	write("ahead", at.Ahead...)
	write("old", at.Old...)
	return b.String()
}

func (m *machine) want(places string) {
	m.w.t.Helper()
	m.Turn()
	if got := m.at.String(); got != places {
		m.w.t.Fatalf("keys are\n%s, want\n%s", got, places)
	}
}

func (m *machine) wantState(want State) {
	m.w.t.Helper()
	if got := m.Status().State; got != want {
		m.w.t.Fatalf("the state is %s, want %s", got, want)
	}
}
