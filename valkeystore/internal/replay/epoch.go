// Package replay is the logic of a guard against replayed early data whose claims are in a database: what
// the database does with a claim, and what a machine makes of its answer. The database is an interface, so
// that a simulated one can drive the same code.
//
// A claim in a database is worth nothing if the database could have lost earlier ones. So an epoch stands
// beside the claims: a record of which node they are on and since when that node has had them. Without a
// record, or with that of another node or of another run of it, a new epoch begins, and as long as it is
// younger than the window of replay no claim is good.
package replay

import (
	"fmt"
	"time"
)

const (
	// Window is for how long a flight could be replayed; package ssl demands a claim for that long.
	Window = time.Minute

	// Gap is after how long without a question an epoch ends, by the database's clock. A claim expires by
	// that clock, too: when it was put forward by less, a claim still outlives the ten seconds for which
	// libssl takes a flight. When it was put forward by more, that looks like such a pause.
	Gap = 45 * time.Second

	// MaxSkew is how far a machine's clock may be from the database's. libssl takes a flight for ten seconds
	// by the machine's clock. So of two machines that take it one does at most twice MaxSkew and ten
	// seconds after the other, and its claim lasts longer; also if claims were lost to a node whose clock
	// is half a minute behind. libssl itself rejects early data with the tickets of a machine whose clock
	// is ten seconds off.
	MaxSkew = 10 * time.Second

	// slack is how far the clock may go back without notice; seen is written at most so often.
	slack = time.Second

	// Parts is the number of epochs. All claims with one beginning are on one node of a cluster.
	Parts = 16
)

// A Record is an epoch. Times are milliseconds of the database's clock.
type Record struct {
	Node  string // the run of a node that the epoch began on
	Start int64
	Seen  int64 // when it was asked about
}

// String is the form in the database.
func (r Record) String() string { return fmt.Sprintf("1 %s %d %d", r.Node, r.Start, r.Seen) }

// ParseRecord is the inverse of String. What is not a record is none: a new epoch begins.
func ParseRecord(s string) (r Record, ok bool) {
	_, err := fmt.Sscanf(s, "1 %s %d %d", &r.Node, &r.Start, &r.Seen)
	return r, err == nil && r.String() == s
}

// Next returns the record that a question at now leaves on node, and whether the epoch is old enough. The
// script does the same in the database.
func (r Record) Next(node string, now int64) (next Record, old bool) {
	if r.Node != node || r.Start > now || now < r.Seen-slack.Milliseconds() || now > r.Seen+Gap.Milliseconds() {
		return Record{Node: node, Start: now, Seen: now}, false
	}
	if now >= r.Seen+slack.Milliseconds() {
		r.Seen = now
	}
	return r, now-r.Start >= Window.Milliseconds()
}
