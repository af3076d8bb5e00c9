package fleetsim

import (
	"fmt"
	"slices"
	"time"
)

// A Fault befalls the fleet at a moment, and some end after a while.
type Fault struct {
	What    What
	At, For time.Duration
	Machine int
	Amount  time.Duration
}

// What a fault is.
type What string

// The faults.
const (
	Killed   What = "killed"   // the database refuses connections, and is empty when it is back
	Stopped  What = "stopped"  // it is silent, and then answers what it was asked
	Flushed  What = "flushed"  // it loses all data, and goes on
	Failover What = "failover" // a replica takes over, which lacks the writes of the last Amount
	Split    What = "split"    // one takes over for half of the machines; in the end its data is lost
	Restored What = "restored" // the schedule of Amount ago is put back
	Garbage  What = "garbage"  // the schedule is replaced by what cannot be opened; later it is removed
	Slow     What = "slow"     // a call takes Amount more
	Set      What = "set"      // its clock is set forward by Amount
	Cut      What = "cut"      // the machine is off from the database
	Restart  What = "restart"  // the machine begins with nothing
)

func (t Fault) String() string {
	return fmt.Sprintf("%v: %s machine %d for %v, %v", t.At, t.What, t.Machine, t.For, t.Amount)
}

func (f *fleet) apply(t Fault) {
	n, end := f.node, func(g func()) { f.world.after(t.For, g) }
	switch t.What {
	case Killed:
		n.down = true
		end(func() {
			if n == f.node {
				f.promote(n.copy(&f.runs))
				f.node.empty()
				f.lost = f.world.now
			}
		})
	case Stopped:
		n.silent = true
		end(n.speak)
	case Flushed:
		n.empty()
		f.lost = f.world.now
	case Failover:
		lagging := n.copy(&f.runs)
		f.world.after(t.Amount, func() {
			if n == f.node && f.second == nil {
				f.set(lagging, t.For)
				n.down = true
				f.promote(lagging)
				f.lost = f.world.now
			}
		})
	case Split:
		f.divide(end)
	case Restored:
		value := slices.Clone(n.value)
		f.world.after(t.Amount, func() {
			if value != nil && string(value) != garbage {
				f.lost = f.world.now
				f.node.value, f.node.expires = value, f.node.clock()+f.c.lifetime()
			}
		})
	case Garbage:
		n.value, n.expires = []byte(garbage), n.clock()+time.Hour
		f.lost = f.world.now
		end(f.clean)
	case Slow:
		f.slow = t.Amount
		end(func() { f.slow = 0 })
	case Set:
		f.set(n, t.Amount)
	case Cut:
		f.machines[t.Machine].cut = true
		end(func() { f.machines[t.Machine].cut = false })
	case Restart:
		f.restart(t.Machine)
	}
}

const garbage = "garbage"

// clean removes garbage, as an operator does: machines leave it alone.
func (f *fleet) clean() {
	if string(f.node.value) == garbage {
		f.node.value = nil
	}
}

// set moves the clock of a node.
func (f *fleet) set(n *node, d time.Duration) {
	n.offset += d
	if d != 0 {
		f.jumped = f.world.now
	}
	if d < 0 {
		f.back = append(f.back, jump{f.world.now, -d})
	}
}

// A jump is a clock set back.
type jump struct{ at, by time.Duration }

// promote has all machines go to another node.
func (f *fleet) promote(n *node) {
	old := f.node
	f.node = n
	n.down, n.silent = false, false
	for _, m := range f.machines {
		if m.node == old {
			m.node = n
		}
	}
	if f.second != nil {
		f.splits[len(f.splits)-1].nodes[n] = true
	}
}

// A split is a time in which machines saw one of two databases.
type split struct {
	from, to time.Duration
	nodes    map[*node]bool
}

// divide has half of the machines go to a replica for a while.
func (f *fleet) divide(end func(func())) {
	if f.second != nil {
		return
	}
	f.second = f.node.copy(&f.runs)
	second := f.second
	f.splits = append(f.splits, split{f.world.now, 1<<63 - 1, map[*node]bool{f.node: true, second: true}})
	second.down, second.silent = false, false
	for _, m := range f.machines[len(f.machines)/2:] {
		m.node = second
	}
	end(func() {
		second.down = true
		f.second, f.rejoined = nil, f.world.now
		f.lost = f.world.now
		f.splits[len(f.splits)-1].to = f.world.now
		for _, m := range f.machines {
			m.node = f.node
		}
	})
}

// restart replaces a machine by one that knows nothing. It reads the clocks as the other did.
func (f *fleet) restart(i int) {
	old := f.machines[i]
	if s := of(old.at.Current); s != nil {
		s.last = max(s.last, old.clock())
	}
	old.gone = true
	m := f.start(i)
	m.skew, m.cut = old.skew, old.cut
	m.node = old.node
	f.machines[i] = m
}
