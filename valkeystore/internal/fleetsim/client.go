package fleetsim

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"sessl/valkeystore/internal/outbox"
	"sessl/valkeystore/internal/schedule"
)

// A client is one of the sample.
type client struct {
	seen    time.Duration // its last visit
	key     *secret       // of its ticket, nil if it has none
	session int           // its session, 0 if it has none
	issued  time.Duration
	issuer  *machine
}

// join has a client come for the first time at some moment of its way.
func (f *fleet) join() {
	c := &client{seen: -1}
	f.world.after(f.c.Open+f.world.up(f.pause()), func() { f.come(c) })
}

// pause is for how long a client stays away.
func (f *fleet) pause() time.Duration {
	d := math.Exp(f.world.rand.NormFloat64()*f.c.Spread) * f.c.Return.Seconds()
	return time.Duration(d * float64(time.Second))
}

func (f *fleet) come(c *client) {
	f.world.spawn(nil, func(ctx context.Context) { f.visit(ctx, c) })
	f.world.after(f.pause(), func() { f.come(c) })
}

// visit is a connection of a client to some machine.
func (f *fleet) visit(ctx context.Context, c *client) {
	m := f.machines[f.world.rand.IntN(len(f.machines))]
	begun := f.world.now
	returns := c.seen >= 0 && begun-c.seen <= f.c.Lifetime
	c.seen = begun
	resumed := returns && f.resumes(ctx, m, c)
	if resumed && f.c.Early > 0 && f.world.rand.Float64() < f.c.Early {
		f.early(ctx, m)
	}
	if m.gone {
		return
	}
	if returns {
		b := f.r.bucket(begun)
		b.Returns++
		if resumed {
			b.Resumed++
		}
	}
	m.issue(ctx, c)
}

// resumes reports whether the client's session is one that m can resume.
func (f *fleet) resumes(ctx context.Context, m *machine, c *client) bool {
	if f.c.Sessions {
		return c.session > 0 && (m.cache[c.session] > f.world.now || m.lookup(ctx, c.session))
	}
	if c.key != nil && !m.opens(c.key) {
		m.catchUp(ctx)
	}
	return c.key != nil && m.opens(c.key)
}

// opens reports whether the machine has a key.
func (m *machine) opens(s *secret) bool { return has(m.at, s) }

func has(at schedule.Places, s *secret) bool {
	is := func(k schedule.Key) bool { return of(k) == s }
	return is(at.Current) || slices.ContainsFunc(at.Ahead, is) || slices.ContainsFunc(at.Old, is)
}

// issue gives the client another session.
func (m *machine) issue(_ context.Context, c *client) {
	f := m.f
	c.issued, c.issuer = f.world.now, m
	if !f.c.Sessions {
		c.key = of(m.at.Current)
		return
	}
	f.session++
	c.session = f.session
	m.cache[c.session] = f.world.now + f.c.Lifetime
	w := outbox.Write{Key: name(c.session), Value: make([]byte, 193), Until: m.Elapsed() + f.c.Lifetime}
	f.world.spawn(m, func(ctx context.Context) { m.writer.Write(ctx, []outbox.Write{w}) })
}

func name(session int) string { return fmt.Sprint("s", session) }

// lookupTimeout is ssl.ServerCacheOptions.LookupTimeout by default.
const lookupTimeout = 50 * time.Millisecond

// lookup asks the database for a session, as the store of a Client does.
func (m *machine) lookup(ctx context.Context, session int) (found bool) {
	call, ok := m.gets.Begin()
	if !ok {
		m.f.r.Unasked++
		return false
	}
	err := m.call(ctx, Get, m.f.weight, lookupTimeout, func(n *node) {
		until, has := n.kept[name(session)]
		found = has && until > n.clock()
	})
	call.End(outcomeOf(ctx, err))
	return found && err == nil
}

// send is one pipeline of writes.
func (m *machine) send(ctx context.Context, ws []outbox.Write) []error {
	err := m.call(ctx, Put, m.f.weight*float64(len(ws)), m.f.c.Timeout, func(n *node) {
		for i := range ws {
			if ws[i].Key != "try" {
				n.kept[ws[i].Key] = n.clock() + ws[i].Until - m.Elapsed()
			}
		}
	})
	return slices.Repeat([]error{err}, len(ws))
}

// write makes the writes that wait, as a Client does.
func (m *machine) write(ctx context.Context) {
	t := taskOf(ctx)
	for {
		after, again := m.writer.Step(ctx)
		if again {
			t.sleep(after)
			continue
		}
		m.idle = t
		t.wait()
	}
}

// wake has write look again.
func (m *machine) wake() {
	if t := m.idle; t != nil {
		m.idle = nil
		m.f.world.after(0, t.goOn)
	}
}
