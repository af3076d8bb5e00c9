package fleetsim

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"sessl/valkeystore/internal/replay"
)

// A Kind of call to the database.
type Kind int

// The kinds of calls.
const (
	Fetch Kind = iota // the schedule and the clock
	Swap              // another schedule
	Lease             // the right to write one
	Tend              // a look at an epoch
	Claim             // of a flight with early data
	Get               // of a session
	Put               // of a session
	Kinds
)

// String is the name of the kind.
func (k Kind) String() string {
	return [...]string{"fetch", "swap", "lease", "tend", "claim", "get", "put"}[k]
}

// A node is one database.
type node struct {
	w      *world
	run    string        // its run id
	offset time.Duration // of its clock
	down   bool          // connections are refused
	silent bool          // it takes questions, and answers when that ends
	held   []func()      // the questions meanwhile

	value   []byte
	expires time.Duration // when the value does; this and the other times are by the node's clock
	leased  time.Duration
	records [replay.Parts]replay.Record // zero: none
	seen    [replay.Parts]time.Duration
	claims  map[string]time.Duration
	kept    map[string]time.Duration // sessions, until when

	use     float64       // how much of its time it worked lately, more than 1 if it could not keep up
	backlog time.Duration // work that has not been done
	counted time.Duration // when the two were brought up to date
}

func newNode(w *world, runs *int) *node {
	*runs++
	return &node{w: w, run: fmt.Sprintf("%040x", *runs), claims: map[string]time.Duration{},
		kept: map[string]time.Duration{}}
}

// copy is a node with the same data in another run.
func (n *node) copy(runs *int) *node {
	c := *n
	*runs++
	c.run, c.claims, c.kept, c.held = fmt.Sprintf("%040x", *runs), maps.Clone(n.claims), maps.Clone(n.kept), nil
	return &c
}

// empty has it lose all data.
func (n *node) empty() {
	n.value, n.leased, n.records = nil, 0, [replay.Parts]replay.Record{}
	clear(n.claims)
	clear(n.kept)
}

// clock is the node's.
func (n *node) clock() time.Duration { return n.w.now + n.offset }

// zero is when the world begins.
var zero = time.UnixMilli(1_700_000_000_000)

func (n *node) fetch() ([]byte, time.Time) {
	if n.value != nil && n.expires <= n.clock() {
		n.value = nil
	}
	return slices.Clone(n.value), zero.Add(n.clock())
}

func (n *node) swap(old, value []byte, keep time.Duration) bool {
	if now, _ := n.fetch(); (now == nil) != (old == nil) || !bytes.Equal(now, old) {
		return false
	}
	n.value, n.expires = slices.Clone(value), n.clock()+keep
	return true
}

func (n *node) lease(d time.Duration) bool {
	if n.leased > n.clock() {
		return false
	}
	n.leased = n.clock() + d
	return true
}

// ask does what replay.Script does, by the same rule in Go.
func (n *node) ask(q replay.Question, policy string) replay.Answer {
	a := replay.Answer{Now: zero.Add(n.clock())}
	if q.Claim == "" {
		a.Policy = policy
	}
	for _, part := range q.Parts {
		verdict := replay.Young
		switch old := n.old(part); {
		case !old:
		case q.Claim == "":
			verdict = replay.Old
		case n.claims[q.Claim] > n.clock():
			verdict = replay.Again
		default:
			n.claims[q.Claim] = n.clock() + q.Keep
			verdict = replay.First
		}
		a.Verdicts = append(a.Verdicts, verdict)
	}
	return a
}

// old looks after the epoch of a part, and reports whether it is old enough.
func (n *node) old(part int) bool {
	if n.seen[part]+2*time.Minute <= n.clock() {
		n.records[part] = replay.Record{} // it has expired
	}
	next, old := n.records[part].Next(n.run, zero.Add(n.clock()).UnixMilli())
	if next != n.records[part] {
		n.records[part], n.seen[part] = next, n.clock()
	}
	return old
}

// memory is for how long the use of a node is looked back at.
const memory = 10 * time.Second

// work takes the cost of a call, and returns how long that waits and works: as one server with one queue, to
// which calls come at random.
func (n *node) work(cost time.Duration, weight float64) time.Duration {
	passed := n.w.now - n.counted
	n.counted = n.w.now
	n.backlog = max(0, n.backlog+time.Duration((n.use-1)*float64(passed)))
	n.use = n.use*math.Exp(-passed.Seconds()/memory.Seconds()) + weight*cost.Seconds()/memory.Seconds()
	queue := min(n.use, 0.98) / (1 - min(n.use, 0.98)) / 2
	return n.backlog + time.Duration((1+queue)*float64(cost))
}
