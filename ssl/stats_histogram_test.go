package ssl_test

import (
	"testing"
	"time"

	"sessl/ssl"
)

// The buckets are cumulative, and nothing is left out of Count.
func TestHistogramBuckets(t *testing.T) {
	h := ssl.HistogramOf(0, 100*time.Microsecond, 101*time.Microsecond, time.Hour)
	if h.Count != 4 || h.Sum != time.Hour+201*time.Microsecond {
		t.Errorf("count %d, sum %v", h.Count, h.Sum)
	}
	for i, want := range []uint64{2, 3, 3} {
		if h.Buckets[i].Count != want {
			t.Errorf("up to %v: %d, want %d", h.Buckets[i].UpTo, h.Buckets[i].Count, want)
		}
	}
	if last := h.Buckets[len(h.Buckets)-1]; last.Count != 3 {
		t.Errorf("up to %v: %d", last.UpTo, last.Count)
	}
}
