package ssl_test

import (
	"testing"
	"time"

	"sessl/ssl"
)

// Early data is not trusted from the moment in which the clock is seen to be set back until it has
// passed what was its time then, and the window of the guard.
func TestClockSetBack(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	for name, steps := range map[string][]struct {
		wall, monotonic int // seconds
		want            bool
	}{
		"right":            {{0, 0, true}, {100, 100, true}, {5000, 5000, true}},
		"a little":         {{0, 0, true}, {85, 100, true}, {180, 200, true}, {285, 300, true}},
		"little by little": {{0, 0, true}, {85, 100, true}, {170, 200, false}},
		"two minutes": {{0, 0, true}, {-20, 100, false}, {100, 220, false}, {159, 279, false},
			{161, 281, true}, {200, 320, true}},
		"and again": {{0, 0, true}, {-20, 100, false}, {-100, 110, false}, {100, 310, false},
			{161, 371, true}, {50, 400, false}},
		"forward and right": {{0, 0, true}, {1000, 10, true}, {20, 20, false}, {1000, 1000, false},
			{1071, 1071, true}},
		"forward, and it is":   {{0, 0, true}, {1000, 10, true}, {1100, 110, true}},
		"a machine that slept": {{0, 0, true}, {90_000, 10, true}, {90_010, 20, true}},
	} {
		var c ssl.WallClock
		for i, s := range steps {
			got := c.Trusted(start.Add(time.Duration(s.wall)*time.Second), time.Duration(s.monotonic)*time.Second)
			if got != s.want {
				t.Errorf("%s: step %d: %t", name, i, got)
			}
		}
	}
}
