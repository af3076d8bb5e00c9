package ssl

import (
	"sync/atomic"
	"time"

	"sessl/internal/clock"
)

// histogramBounds are the upper bounds of the buckets; the last bucket has none.
var histogramBounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// A Histogram counts durations by how long they were. The bounds of its buckets are 0.1, 0.25, 0.5, 1,
// 2.5, 5, 10, 25, 50, 100, 250 and 500 milliseconds, and 1, 2.5, 5 and 10 seconds. What took longer is
// in Count and Sum alone.
type Histogram struct {
	Count   uint64
	Sum     time.Duration
	Buckets []HistogramBucket // from the shortest; the bounds are always the same
}

// A HistogramBucket counts the durations of a Histogram that were no longer than UpTo,
// including those of the buckets before it, as Prometheus counts.
type HistogramBucket struct {
	UpTo  time.Duration
	Count uint64
}

// histogram is a Histogram that can be added to without a lock.
type histogram struct {
	sum     atomic.Int64
	buckets [len(histogramBounds) + 1]atomic.Uint64 // each counts only its own durations
}

func (h *histogram) observe(d time.Duration) {
	i := 0
	for i < len(histogramBounds) && d > histogramBounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.sum.Add(int64(d))
}

// since observes the time from begun on.
func (h *histogram) since(begun time.Time) { h.observe(clock.Now().Sub(begun)) }

func (h *histogram) read() Histogram {
	out := Histogram{Sum: time.Duration(h.sum.Load()), Buckets: make([]HistogramBucket, len(histogramBounds))}
	for i := range h.buckets {
		out.Count += h.buckets[i].Load()
		if i < len(out.Buckets) {
			out.Buckets[i] = HistogramBucket{UpTo: histogramBounds[i], Count: out.Count}
		}
	}
	return out
}
