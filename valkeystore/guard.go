package valkeystore

import (
	"context"
	"crypto/rand"
	"errors"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/valkey-io/valkey-go"

	"sessl/internal/clock"
	"sessl/ssl"
	"sessl/valkeystore/internal/circuit"
	"sessl/valkeystore/internal/replay"
)

// The errors of a [Guard], which errors.Is finds in those of [ssl.Ctx.GuardErrors].
var (
	// ErrCircuitOpen says that the database was not asked: it has failed, and is asked once a second.
	ErrCircuitOpen = circuit.ErrOpen

	// ErrEpochYoung says that the database may have lost claims of the last minute: it is new, was
	// flushed or restarted, or another node has taken over.
	ErrEpochYoung = replay.ErrYoung

	// ErrEviction says that the database's maxmemory-policy lets it drop claims: see
	// Options.InsecureEviction.
	ErrEviction = replay.ErrPolicy

	// ErrEvictionUnknown says that the database has not said yet what its maxmemory-policy is.
	ErrEvictionUnknown = replay.ErrUnseen

	// ErrClock says that this machine's clock is more than ten seconds off the database's, so that a flight
	// could seem to be in time here after its claim has expired.
	ErrClock = replay.ErrClock
)

// A Guard is the [ssl.ReplayGuard] of a fleet: early data is accepted once on all machines together. It
// asks a memory of the process first, so that a database that lies costs one replay a machine (RFC 8446,
// section 8). Then it makes a claim in the database, in one step with a look at the claims' epoch.
//
// When the database may have forgotten claims, because it is new, was flushed, restarted or replaced by a
// replica, early data is rejected for a minute. It is rejected, too, when there is no answer in time, and on
// a machine whose clock is more than ten seconds off the database's.
// A rejection costs the client a round trip, and never the connection.
type Guard struct {
	c     *Client
	logic *replay.Guard
}

// guarding is the Guard of a Client and what looks after it.
type guarding struct {
	once  sync.Once
	guard *Guard
	why   lastError // a claim failed
}

// Guard returns the Client's guard, for Config.ReplayGuard. It is always the same. From the first call on the
// Client looks after the claims' epochs. The guard of a nil or closed Client returns ErrNil or ErrClosed
// for each claim.
func (c *Client) Guard() *Guard {
	if c == nil {
		return nil
	}
	c.guarding.once.Do(func() {
		g := newGuard(c)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.guarding.guard = g
		if !c.closed {
			c.jobs.Go(c.guarding.guard.run)
		}
	})
	return c.guarding.guard
}

func newGuard(c *Client) *Guard {
	memory, err := ssl.NewReplayGuard(0)
	if err != nil {
		panic(err) // cannot happen: the default is in range
	}
	g := &Guard{c: c}
	g.logic = &replay.Guard{Database: claims{c}, Memory: memory, Circuit: c.newCircuit("claims", nil),
		Outcome: outcomeOf, Now: clock.Now, Evicts: c.opts.InsecureEviction}
	return g
}

// Claim implements [ssl.ReplayGuard].
func (g *Guard) Claim(ctx context.Context, id []byte, until time.Time) (first bool, err error) {
	const op = "Guard.Claim"
	if g == nil {
		return false, fail(op, ssl.ErrNil)
	}
	if _, err := g.c.database(); errors.Is(err, ssl.ErrClosed) {
		return false, fail(op, ssl.ErrClosed)
	}
	first, err = g.logic.Claim(ctx, id, g.c.hash(id), until)
	if err != nil {
		return false, fail(op, err)
	}
	return first, nil
}

// tendEvery is how often the epochs are looked after. It is far below replay.Gap, so that late or
// lost answers end no epoch.
const tendEvery = 5 * time.Second

// run looks after the epochs and the eviction policy.
func (g *Guard) run() {
	for pause := firstPause; ; {
		if g.tend(g.c.life) != nil {
			pause = min(2*pause, lastPause)
		} else {
			pause = tendEvery
		}
		if !g.c.rest(pause) {
			return
		}
	}
}

// tend looks after all epochs at one time, and logs when the answer to claims changes.
func (g *Guard) tend(ctx context.Context) error {
	before := g.state()
	looks := g.looks()
	errs := make([]error, len(looks))
	var all sync.WaitGroup
	for i, parts := range looks {
		all.Go(func() { errs[i] = g.logic.Tend(ctx, parts...) })
	}
	all.Wait()
	if now := g.state(); now != before {
		g.c.opts.Logger.Info("valkeystore: early data", "state", now)
	}
	return errors.Join(errs...)
}

// looks returns which parts one call looks after: all of them, which costs the database little more than one
// does, but in a cluster, where a script keeps to one slot, each by itself.
func (g *Guard) looks() (parts [][]int) {
	var all []int
	for part := range replay.Parts {
		all = append(all, part)
		parts = append(parts, []int{part})
	}
	if db, err := g.c.database(); err == nil && db.Mode() == valkey.ClientModeCluster {
		return parts
	}
	return [][]int{all}
}

// state says in words what claims get, as far as this machine knows.
func (g *Guard) state() string {
	young, err := g.logic.State()
	switch {
	case errors.Is(err, ErrEviction):
		return err.Error()
	case errors.Is(err, ErrClock):
		return "rejected, because this machine's clock is wrong"
	case err != nil:
		return "unknown"
	case young:
		return "rejected for a minute, because the claims' epoch is young"
	}
	return "accepted"
}

// claims is the database as the logic of the guard sees it.
type claims struct{ c *Client }

// Ask runs the script. An answer counts only if it names the question.
func (d claims) Ask(ctx context.Context, q replay.Question) (a replay.Answer, err error) {
	tag := func(part int) string { return "{" + strconv.FormatInt(int64(part), 16) + "}" }
	var keys []string
	for _, part := range q.Parts {
		keys = append(keys, d.c.name("e", tag(part)))
	}
	args, claim := []string{rand.Text()}, ""
	if q.Claim != "" {
		claim = d.c.name("c", tag(q.Parts[0])+q.Claim)
		keys = append(keys, claim)
		args = append(args, strconv.FormatInt(int64(math.Ceil(q.Keep.Seconds()*1000)), 10))
	}
	defer func() { d.c.guarding.why.note(err) }()
	r, err := d.c.script(ctx, replay.SHA1, replay.Script, keys, args)
	if err != nil {
		return a, err
	}
	return claimAnswer(r, args[0], claim)
}

// maxVerdicts is the length of as many as there are parts.
const maxVerdicts = replay.Parts * len("young ")

var errOtherReply = errors.New("the reply is none to the question")

func claimAnswer(r valkey.ValkeyResult, nonce, claim string) (a replay.Answer, err error) {
	parts, err := r.ToArray()
	if err != nil {
		return a, err
	}
	if len(parts) < 4 || text(parts[0]) != nonce || text(parts[1]) != claim ||
		len(text(parts[2])) > maxVerdicts {
		return a, errOtherReply
	}
	ms, err := parts[3].AsInt64()
	if err != nil {
		return a, errOtherReply
	}
	for _, v := range strings.Fields(text(parts[2])) {
		a.Verdicts = append(a.Verdicts, replay.Verdict(v))
	}
	a.Now = time.UnixMilli(ms)
	if claim == "" && len(parts) > 4 {
		a.Policy = text(parts[4])
	}
	return a, nil
}

// text returns a string, and "" for anything else.
func text(m valkey.ValkeyMessage) string {
	s, _ := m.ToString()
	return s
}
