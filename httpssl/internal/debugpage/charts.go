package debugpage

import (
	"slices"
	"time"

	"sessl/ssl"
)

// Widths and places in charts are in percent, so that the browser fits the chart to its window and the
// text in it keeps its size.

// A bar is one line of the chart of outcomes.
type bar struct {
	Label, Kind  string // Kind is the class of its colour: resumed, full, other, failed
	Count, Share string
	Width        float64
	Look         string // where to look, if this outcome is not wanted
	Doc          docLink
}

// outcomes is the order of the bars.
var outcomes = []ssl.ReuseState{ssl.ReusedTicket, ssl.ReusedID, ssl.ReuseNoSession, ssl.ReuseDeclined,
	ssl.ReuseUnknownID, ssl.ReuseExpired, ssl.ReuseOtherConfig, ssl.ReuseNotResumable, ssl.ReuseExternalPSK}

// barsOf are the outcomes that there were. The failed handshakes are not among the completed ones, but are
// drawn to the same scale.
func (p *Page) barsOf(stats ssl.Stats) (bars []bar) {
	total, _ := handshakes(stats)
	all := total + stats.Failed
	for _, state := range outcomes {
		n := stats.Handshakes[state]
		if n == 0 {
			continue
		}
		b := bar{Label: state.String(), Kind: "full", Count: number(n),
			Share: percent(n, total), Width: share(n, all)}
		switch {
		case state.Resumed():
			b.Kind = "resumed"
		case state == ssl.ReuseExternalPSK:
			b.Kind = "other"
		}
		b.Look, b.Doc = states[state], p.link(stateAnchor(state))
		bars = append(bars, b)
	}
	if stats.Failed > 0 {
		bars = append(bars, bar{Label: "failed", Kind: "failed", Count: number(stats.Failed),
			Width: share(stats.Failed, all), Look: "the last failures, below"})
	}
	return bars
}

// durations are two histograms over one axis.
type durations struct {
	Full, Resumed distribution
	Ticks         []tick
	Empty         bool
}

// A distribution is one of them.
type distribution struct {
	Name, Kind, Count, Median, P95 string
	Columns                        []column
	Mark                           float64 // where the median is
	HasMark                        bool
}

type column struct {
	X, Width, Y, Height float64
	Title               string
}

type tick struct {
	X      float64
	Label  string
	Anchor string // of SVG's text-anchor
}

const (
	leastColumns = 6
	mostTicks    = 6
	columnGap    = 0.6 // percent
)

func durationsOf(full, resumed ssl.Histogram) durations {
	d := durations{Empty: full.Count+resumed.Count == 0}
	if d.Empty {
		return d
	}
	a, b := alone(full), alone(resumed)
	from, to := len(a), 0
	for i := range a {
		if a[i]+b[i] > 0 {
			from, to = min(from, i), max(to, i+1)
		}
	}
	from, to = max(from-1, 0), min(to+1, len(a))
	to = min(max(to, from+leastColumns), len(a))
	from = min(from, max(to-leastColumns, 0))
	top := 0.0 // the highest share of both
	for i := from; i < to; i++ {
		top = max(top, share(a[i], full.Count), share(b[i], resumed.Count))
	}
	d.Full = distributionOf("full", full, a, from, to, top)
	d.Resumed = distributionOf("resumed", resumed, b, from, to, top)
	wide := 100 / float64(to-from)
	step := (to-from)/mostTicks + 1
	for i := from; i < to && i < len(full.Buckets); i++ {
		if (i-from)%step == step-1 && i+1 < to {
			at := float64(i-from+1) * wide
			d.Ticks = append(d.Ticks, tick{X: at, Label: short(full.Buckets[i].UpTo), Anchor: "middle"})
		}
	}
	return d
}

// alone counts the durations of each bucket by itself; the last are those above all bounds.
func alone(h ssl.Histogram) []uint64 {
	counts := make([]uint64, len(h.Buckets)+1)
	before := uint64(0)
	for i, b := range h.Buckets {
		counts[i], before = b.Count-before, b.Count
	}
	counts[len(h.Buckets)] = h.Count - before
	return counts
}

func distributionOf(name string, h ssl.Histogram, counts []uint64, from, to int, top float64) distribution {
	d := distribution{Name: name, Kind: name, Count: number(h.Count),
		Median: quantile(h, 0.5), P95: quantile(h, 0.95)}
	wide := 100 / float64(to-from)
	for i := from; i < to; i++ {
		if counts[i] == 0 {
			continue
		}
		high := max(share(counts[i], h.Count)/top*100, 2)
		d.Columns = append(d.Columns, column{X: float64(i-from)*wide + columnGap/2, Width: wide - columnGap,
			Y: 100 - high, Height: high,
			Title: rangeOf(h.Buckets, i) + ": " + number(counts[i]) + " " + name +
				" (" + percent(counts[i], h.Count) + ")"})
	}
	if at, ok := quantileOf(h, 0.5); ok && h.Count > 0 {
		i := slices.IndexFunc(h.Buckets, func(b ssl.HistogramBucket) bool { return at <= b.UpTo })
		var low time.Duration
		if i > 0 {
			low = h.Buckets[i-1].UpTo
		}
		in := float64(at-low) / float64(h.Buckets[i].UpTo-low)
		d.Mark, d.HasMark = (float64(i-from)+in)*wide, true
	}
	return d
}

func rangeOf(buckets []ssl.HistogramBucket, i int) string {
	switch {
	case i == 0:
		return "up to " + short(buckets[0].UpTo)
	case i == len(buckets):
		return "over " + short(buckets[i-1].UpTo)
	}
	return short(buckets[i-1].UpTo) + " to " + short(buckets[i].UpTo)
}
