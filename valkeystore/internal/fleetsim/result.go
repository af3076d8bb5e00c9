package fleetsim

import (
	"slices"
	"time"
)

// A Result is what comes of a run.
type Result struct {
	Calls    [Kinds]float64 // of the database, by all clients and not by the sample
	Busy     float64        // seconds that it worked
	Minutes  []Minute
	Unasked  int // lookups while the circuit was open
	Flights  int // of clients
	Accepted int
	Attacks  int // flights that were sent again and again
	Once     int // those that were accepted
	Twice    int // more often than once, by two databases at one time
	Turns    int // machines that began with another key
	Lone     int // keys that began when none encrypted
	Broken   []string
	Excused  Excuses

	Kept, Claims float64         // in the database at the end
	Ages         []time.Duration // from when a key was made until it was used for the last time
	Leads        []time.Duration // from when the last machine had a key until the first one used it
}

// A Minute is what clients have seen in one of them.
type Minute struct {
	Returns, Resumed int
}

// Excuses are why machines had not the key that another one began to encrypt with.
type Excuses struct {
	Split    int // they had been told by different databases, or the other one when there were two
	CutOff   int // the one had not been told anything within a period
	Garbage  int // the other had been told garbage
	Clock    int // the database's clock had been set
	Lost     int // the database had lost the key, and it was not back when the other asked
	LostLone int // such a key began when none encrypted
	Twice    int // flights: the database's clock had been set back by more than half a minute
}

func (e *Excuses) add(o Excuses) {
	e.Split += o.Split
	e.CutOff += o.CutOff
	e.Garbage += o.Garbage
	e.Clock += o.Clock
	e.Lost += o.Lost
	e.LostLone += o.LostLone
	e.Twice += o.Twice
}

func (r *Result) bucket(at time.Duration) *Minute {
	n := int(at / time.Minute)
	for len(r.Minutes) <= n {
		r.Minutes = append(r.Minutes, Minute{})
	}
	return &r.Minutes[n]
}

// Share is how many clients resumed of those that came back in time, from one moment to another.
func (r *Result) Share(from, to time.Duration) (share float64, returns int) {
	resumed := 0
	for i, b := range r.Minutes {
		if at := time.Duration(i) * time.Minute; at >= from && at < to {
			returns += b.Returns
			resumed += b.Resumed
		}
	}
	return float64(resumed) / float64(max(1, returns)), returns
}

// end notes how things are when the run ends.
func (f *fleet) end() {
	for _, until := range f.node.kept {
		if until > f.node.clock() {
			f.r.Kept += f.weight
		}
	}
	for _, until := range f.node.claims {
		if until > f.node.clock() {
			f.r.Claims += f.weight
		}
	}
	for _, s := range f.order {
		if s.first > 0 && s.last > 0 {
			f.r.Ages = append(f.r.Ages, s.last-s.made.Sub(zero))
		}
	}
	slices.Sort(f.r.Ages)
	slices.Sort(f.r.Leads)
}
