package debugpage

import (
	"time"

	"sessl/ssl"
)

// keyring is the ticket keys of a server on a line of time.
type keyring struct {
	Keys     []key
	Ticks    []tick
	Now      float64
	Lifetime string // of tickets
	Counts   []pair
	Note     string // if there are no keys
	Doc      docLink
}

// A key is one line: what is drawn, and the same in words.
type key struct {
	Name, Use, Bits string
	Segments        []segment
	Text            string
}

// A segment is a stretch of time: Kind is "here" while a server has a key and does not encrypt with it,
// "current" while it does, and "opens" while tickets from before may come back.
type segment struct {
	Kind, Title string
	X, Width    float64
}

// leastWidth is what can still be seen, in percent.
const leastWidth = 0.05

// pastSpans bounds the axis to the left, in lifetimes of tickets.
const pastSpans = 3

// keyringOf returns nil for clients, and for servers whose sessions are in a cache alone.
func (p *Page) keyringOf(ctx *ssl.Ctx, stats ssl.Stats, now time.Time) *keyring {
	if !ctx.IsServer() || stats.TicketKeys == nil && stats.Cache != nil {
		return nil
	}
	r := &keyring{Doc: p.link("ticket-keys")}
	settings, err := ctx.SessionSettings()
	if err != nil {
		return nil
	}
	life := settings.Timeout
	r.Lifetime = span(life)
	if stats.TicketKeys == nil {
		r.Note = "No TicketKeys: if tickets are issued, libssl's own key encrypts them. It belongs to this Ctx, " +
			"is never replaced, and other processes do not have it."
		return r
	}
	r.Counts = ticketCounts(*stats.TicketKeys)
	infos := ctx.TicketKeyInfos()
	if len(infos) == 0 {
		r.Note = "There is no key: no ticket is issued, and none resumes."
		return r
	}
	first := now
	for _, k := range infos {
		if k.Since.Before(first) {
			first = k.Since
		}
	}
	if limit := now.Add(-pastSpans * life); first.Before(limit) {
		first = limit
	}
	first = first.Add(-life / 20)
	line := axis{from: first, to: now.Add(life + life/20)}
	r.Now = line.at(now)
	r.Ticks = line.ticks(now)
	for _, k := range infos {
		r.Keys = append(r.Keys, line.key(k, life, now))
	}
	return r
}

func (a axis) key(k ssl.TicketKeyInfo, life time.Duration, now time.Time) key {
	out := key{Name: k.Name, Use: k.Use, Bits: number(k.Bits)}
	add := func(kind, title string, from, to time.Time) {
		x, end := a.at(from), a.at(to)
		if end-x > leastWidth {
			out.Segments = append(out.Segments, segment{Kind: kind, Title: title, X: x, Width: end - x})
		}
	}
	switch {
	case k.Use == "current":
		add("here", "here, not yet current", k.Since, k.CurrentSince)
		add("current", "encrypts tickets", k.CurrentSince, now)
		add("opens", "a ticket of now can resume until here", now, now.Add(life))
		out.Text = "encrypts since " + span(now.Sub(k.CurrentSince)) + "; a ticket of now resumes for " + span(life)
	case !k.CurrentUntil.IsZero():
		end := k.CurrentUntil.Add(life)
		add("here", "here, not yet current", k.Since, k.CurrentSince)
		add("current", "encrypted tickets", k.CurrentSince, k.CurrentUntil)
		add("opens", "its tickets can resume until here", k.CurrentUntil, end)
		out.Text = "stopped " + ago(now, k.CurrentUntil) + "; "
		if left := end.Sub(now); left > 0 {
			out.Text += "its tickets resume for " + span(left) + " more"
		} else {
			add("here", "all its tickets have expired", end, now)
			out.Text += "all tickets that it has encrypted here have expired"
		}
	default:
		add("here", "opens tickets of other servers", k.Since, now)
		out.Text = "here for " + span(now.Sub(k.Since)) + ", has encrypted nothing here; opens tickets of "
		if k.Use == "old" {
			out.Text += "servers and runs before"
		} else {
			out.Text += "servers that are ahead"
		}
	}
	if !k.Made.IsZero() {
		out.Text += "; made " + ago(now, k.Made)
	}
	return out
}

// An axis is a stretch of time from left to right.
type axis struct{ from, to time.Time }

func (a axis) at(t time.Time) float64 {
	x := 100 * float64(t.Sub(a.from)) / float64(a.to.Sub(a.from))
	return min(max(x, 0), 100)
}

var steps = []time.Duration{time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
	time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour,
	6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}

// ticks are at whole steps from now.
func (a axis) ticks(now time.Time) []tick {
	step := steps[len(steps)-1]
	for _, s := range steps {
		if a.to.Sub(a.from)/s < mostTicks {
			step = s
			break
		}
	}
	out := []tick{{X: a.at(now), Label: "now", Anchor: "middle"}}
	for i := time.Duration(1); i <= 100; i++ {
		for _, sign := range []time.Duration{-1, 1} {
			t := now.Add(sign * i * step)
			label := "+" + span(i*step)
			if sign < 0 {
				label = "−" + span(i*step)
			}
			if x := a.at(t); x > 3 && x < 97 {
				out = append(out, tick{X: x, Label: label, Anchor: "middle"})
			}
		}
	}
	return out
}

func ticketCounts(s ssl.TicketKeyStats) []pair {
	return nonzero([]pair{
		{"issued", number(s.Issued), true}, {"resumed", number(s.Resumed), true},
		{"renewed", number(s.Renewed), s.Renewed > 0}, {"declined", number(s.Declined), s.Declined > 0},
		{"of an unknown key", number(s.Unknown), s.Unknown > 0}, {"withheld", number(s.Withheld), s.Withheld > 0},
		{"caught up", number(s.CaughtUp), s.CaughtUp > 0}, {"rotations", number(s.Rotations), true},
		{"failed rotations", number(s.FailedRotations), s.FailedRotations > 0},
	})
}
