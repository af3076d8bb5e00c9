package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sessl/valkeystore/internal/circuit"
)

// A Verdict is what the database says.
type Verdict string

// The verdicts. Young says that the epoch is too young for claims; Old is the answer to no claim.
const (
	First Verdict = "first"
	Again Verdict = "again"
	Young Verdict = "young"
	Old   Verdict = "old"
)

// A Question is a claim, which is in one part, or with an empty Claim it looks after the epochs of Parts.
type Question struct {
	Parts []int
	Claim string // 16 bytes
	Keep  time.Duration
}

// An Answer is what the database makes of a Question.
type Answer struct {
	Verdicts []Verdict // one for each part
	Now      time.Time // the database's clock
	Policy   string    // maxmemory-policy, for a question without a claim
}

// A Database answers each question in one step, as Script does.
type Database interface {
	Ask(ctx context.Context, q Question) (Answer, error)
}

// The errors of a Guard.
var (
	ErrYoung  = errors.New("the database may have lost claims of the last minute")
	ErrPolicy = errors.New("the database's maxmemory-policy is not noeviction, so that claims could be lost")
	ErrUnseen = errors.New("the database's maxmemory-policy is not known yet")
	ErrClock  = fmt.Errorf("this machine's clock is more than %v off the database's", MaxSkew)
)

// Memory is a guard for one process, which is asked first.
type Memory interface {
	Claim(ctx context.Context, id []byte, until time.Time) (first bool, err error)
}

// A Guard makes claims. Its methods may be called from several goroutines at once.
type Guard struct {
	Database Database
	Memory   Memory
	Circuit  *circuit.Circuit
	Outcome  func(context.Context, error) circuit.Outcome
	Now      func() time.Time
	Evicts   bool // any policy is good enough

	mu       sync.Mutex
	policies [Parts]string // empty until it is known
	young    [Parts]bool
	clock    error // why the machine's clock is no good; nil if it is, or not known

	Stats Counters
}

// Counters count claims by what came of them.
type Counters struct {
	First, Again, Here, Young, Open, Policy, Clock, Failed atomic.Uint64
}

// Claim reports whether id, 32 bytes, is new to this process and to the database.
func (g *Guard) Claim(ctx context.Context, id []byte, key string, until time.Time) (first bool, err error) {
	if first, err = g.Memory.Claim(ctx, id, until); err != nil || !first {
		if err == nil {
			g.Stats.Here.Add(1)
		}
		return false, err
	}
	part := PartOf(key)
	q := Question{Parts: []int{part}, Claim: key, Keep: max(until.Sub(g.Now()), Window)}
	if err := g.checkPolicy(part); err != nil {
		g.Stats.Policy.Add(1)
		return false, err
	}
	call, ok := g.Circuit.Begin()
	if !ok {
		g.Stats.Open.Add(1)
		return false, circuit.ErrOpen
	}
	a, err := g.Database.Ask(ctx, q)
	call.End(g.Outcome(ctx, err))
	return g.decide(a, err)
}

func (g *Guard) decide(a Answer, err error) (first bool, _ error) {
	verdict := Verdict("")
	if len(a.Verdicts) == 1 {
		verdict = a.Verdicts[0]
	}
	switch {
	case err != nil:
	case verdict == First:
		if err = g.clockError(a.Now); err != nil {
			g.Stats.Clock.Add(1)
			return false, err
		}
		g.Stats.First.Add(1)
		return true, nil
	case verdict == Again:
		g.Stats.Again.Add(1)
		return false, nil
	case verdict == Young:
		g.Stats.Young.Add(1)
		return false, ErrYoung
	default:
		err = fmt.Errorf("the database's verdicts are %.20q", a.Verdicts)
	}
	g.Stats.Failed.Add(1)
	return false, err
}

// clockError returns an error if this machine's clock is too far from the database's: a flight could seem to
// be in time here when the claim that another machine made for it has expired.
func (g *Guard) clockError(now time.Time) error {
	if off := g.Now().Sub(now); off.Abs() > MaxSkew {
		return fmt.Errorf("%w: by %v", ErrClock, off.Round(time.Second))
	}
	return nil
}

// PartOf returns which epoch a claim is under.
func PartOf(key string) int { return int(key[0]) % Parts }

func (g *Guard) checkPolicy(part int) error {
	if g.Evicts {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return policyError(g.policies[part])
}

func policyError(policy string) error {
	switch policy {
	case "noeviction":
		return nil
	case "":
		return ErrUnseen
	}
	return fmt.Errorf("%w: it is %.32q", ErrPolicy, policy)
}

// Tend looks after the epochs of parts which are on one node, so that a lost one begins anew before the next
// claim, and after the policy of the node, and compares the clocks.
func (g *Guard) Tend(ctx context.Context, parts ...int) error {
	a, err := g.Database.Ask(ctx, Question{Parts: parts})
	if err != nil {
		return err
	}
	strange := func(v Verdict) bool { return v != Old && v != Young }
	if len(a.Verdicts) != len(parts) || slices.ContainsFunc(a.Verdicts, strange) || a.Policy == "" {
		return fmt.Errorf("the database's verdicts are %.20q, and its policy %.20q", a.Verdicts, a.Policy)
	}
	off := g.clockError(a.Now)
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, part := range parts {
		g.policies[part], g.young[part] = a.Policy, a.Verdicts[i] == Young
	}
	g.clock = off
	return nil
}

// State returns the error that claims get now, apart from what only the database knows, and whether
// an epoch was too young when it was last looked after.
func (g *Guard) State() (young bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for part := range Parts {
		young = young || g.young[part]
		if e := policyError(g.policies[part]); err == nil && !g.Evicts {
			err = e
		}
	}
	if err == nil {
		err = g.clock
	}
	return young, err
}
