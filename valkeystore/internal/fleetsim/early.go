package fleetsim

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"sessl/valkeystore/internal/replay"
)

// Ask implements replay.Database.
func (m *machine) Ask(ctx context.Context, q replay.Question) (a replay.Answer, err error) {
	k, weight, limit := Tend, 1.0, m.f.c.Timeout
	if q.Claim != "" {
		k, weight, limit = Claim, m.f.weight, claimTimeout
	}
	err = m.call(ctx, k, weight, limit, func(n *node) { a = n.ask(q, m.f.c.Policy) })
	return a, err
}

// Claim implements replay.Memory, by the rule of ssl.MemoryReplayGuard.
func (m *machine) Claim(_ context.Context, id []byte, until time.Time) (bool, error) {
	if now := m.wall(); m.remembered[string(id)].After(now) {
		return false, nil
	}
	m.remembered[string(id)] = until
	return true, nil
}

const (
	// claimTimeout is ssl.Config.ReplayGuardTimeout by default.
	claimTimeout = 50 * time.Millisecond

	// tendEvery is how often a Client looks after the epochs.
	tendEvery = 5 * time.Second

	// flightLives is for how long libssl takes a flight, by the clock of the machine.
	flightLives = 10 * time.Second
)

// tend looks after the epochs, as a Guard does.
func (m *machine) tend(ctx context.Context) {
	t, w := taskOf(ctx), m.f.world
	t.sleep(w.up(time.Second))
	var all []int
	for part := range replay.Parts {
		all = append(all, part)
	}
	for {
		pause := tendEvery
		if m.guard.Tend(ctx, all...) != nil {
			pause = time.Second
		}
		t.sleep(pause/2 + w.up(pause))
	}
}

// A flight is a first flight with early data.
type flight struct {
	id       [32]byte
	accepted []acceptance
}

// An acceptance is by a database, from when it was asked until its answer was there.
type acceptance struct {
	by       *node
	from, to time.Duration
}

func (f *fleet) newFlight() *flight {
	f.flights++
	b := binary.BigEndian.AppendUint64(nil, uint64(f.flights))
	return &flight{id: sha256.Sum256(binary.BigEndian.AppendUint64(b, f.c.Seed))}
}

// early is a flight of a client.
func (f *fleet) early(ctx context.Context, m *machine) {
	f.r.Flights++
	if l := f.newFlight(); m.claim(ctx, l) {
		f.r.Accepted++
	}
}

// claim reports whether the machine accepts the flight.
func (m *machine) claim(ctx context.Context, l *flight) bool {
	n, begun := m.node, m.f.world.now
	sum := sha256.Sum256(l.id[:])
	first, err := m.guard.Claim(ctx, l.id[:], string(sum[:16]), m.wall().Add(replay.Window))
	if !first || err != nil || m.gone {
		return false
	}
	l.accepted = append(l.accepted, acceptance{n, begun, m.f.world.now})
	if len(l.accepted) > 1 {
		m.f.twice(l)
	}
	return true
}

// attack sends a flight to all machines at one moment, and to each again as long as it seems to be in time
// there. Its ticket is of issuer.
func (f *fleet) attack(issuer *machine) {
	l := f.newFlight()
	f.r.Attacks++
	begun := f.world.now
	send := func(m *machine) {
		if m.gone {
			return
		}
		if age := f.world.now - begun + m.skew - issuer.skew; age < 0 || age > flightLives {
			return // libssl would not take it
		}
		f.world.spawn(m, func(ctx context.Context) { m.claim(ctx, l) })
	}
	for _, m := range f.machines {
		send(m)
		send(m)
		early := max(0, issuer.skew-m.skew)
		for range 3 {
			f.world.after(early+f.world.up(flightLives+max(0, m.skew-issuer.skew)), func() { send(m) })
		}
		late := issuer.skew - m.skew + flightLives - time.Millisecond
		if late > 0 {
			f.world.after(late, func() { send(m) })
		}
	}
	f.world.after(5*time.Minute, func() {
		if len(l.accepted) > 0 {
			f.r.Once++
		}
	})
}
