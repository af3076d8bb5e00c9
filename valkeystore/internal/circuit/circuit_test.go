package circuit

import (
	"sync"
	"testing"
	"time"
)

// clock is a clock that a test moves.
type clock struct {
	mu sync.Mutex
	at time.Duration
}

func (c *clock) now() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at += d
}

func half() float64 { return 0.5 } // each gap is ProbeGap

func call(t *testing.T, c *Circuit, o Outcome) {
	t.Helper()
	k, ok := c.Begin()
	if !ok {
		t.Fatal("a call is not allowed")
	}
	k.End(o)
}

func isOpen(c *Circuit) bool {
	_, open := c.Open()
	return open
}

func opened(t *testing.T, clk *clock) *Circuit {
	t.Helper()
	c := New(clk.now, half, nil)
	for range MaxFailures {
		call(t, c, Failed)
	}
	if !isOpen(c) {
		t.Fatalf("%d failures in a row have not opened it", MaxFailures)
	}
	return c
}

func TestFiveFailuresInARowOpen(t *testing.T) {
	var clk clock
	c := New(clk.now, half, nil)
	for range 20 {
		for range MaxFailures - 1 {
			call(t, c, Failed)
		}
		call(t, c, OK)
	}
	if isOpen(c) {
		t.Fatal("open, and never were five in a row")
	}
	for i := range MaxFailures {
		if isOpen(c) {
			t.Fatalf("open after %d failures", i)
		}
		call(t, c, Failed)
	}
	clk.move(3 * time.Second)
	if since, open := c.Open(); !open || since != 3*time.Second {
		t.Errorf("open %v, for %v", open, since)
	}
}

func TestHalfOfFiftyLateOpens(t *testing.T) {
	var clk clock
	c := New(clk.now, half, nil)
	for range Window - 1 { // every second one is late, fifty have not been seen
		call(t, c, Late)
		call(t, c, OK)
		if c.seen == Window-2 {
			break
		}
	}
	call(t, c, OK)
	if isOpen(c) {
		t.Fatal("open before there were fifty answers")
	}
	call(t, c, Late) // 25 of 50
	if !isOpen(c) {
		t.Fatal("closed with half of the last fifty late")
	}
}

func TestFewerLateOnesDoNotOpen(t *testing.T) {
	var clk clock
	c := New(clk.now, half, nil)
	for range 20 { // 24 of each 50
		for range 24 {
			call(t, c, Late)
			call(t, c, OK)
		}
		call(t, c, OK)
		call(t, c, OK)
	}
	if isOpen(c) {
		t.Fatal("open with 24 of 50 late")
	}
	for range Window { // failures that are not late are not counted as late
		call(t, c, Failed)
		call(t, c, OK)
	}
	if isOpen(c) {
		t.Fatal("open with 25 of 50 failed, but not in a row")
	}
}

func TestLateOnesInARowAreFailures(t *testing.T) {
	var clk clock
	c := New(clk.now, half, nil)
	for range MaxFailures {
		call(t, c, Late)
	}
	if !isOpen(c) {
		t.Error("closed after five late ones in a row")
	}
}

func TestSlow(t *testing.T) {
	var clk clock
	c := New(clk.now, half, nil)
	want := func(what string, want bool) {
		t.Helper()
		if c.Slow() != want {
			t.Errorf("%s: %v", what, !want)
		}
	}
	want("at first", false)
	call(t, c, Late)
	want("after a late answer", true)
	call(t, c, OK)
	want("after one in time", false)
	call(t, c, Late)
	call(t, c, Failed)
	want("after a failure at once", false)
	call(t, c, Late)
	clk.move(ProbeGap)
	want("a second after a late answer", false)
	for !isOpen(c) {
		call(t, c, Failed)
	}
	clk.move(time.Hour)
	want("while it is open", true)
}

func TestOneProbeASecond(t *testing.T) {
	var clk clock
	c := opened(t, &clk)
	for second := range 10 {
		clk.move(ProbeGap - time.Nanosecond)
		if _, ok := c.Begin(); ok || c.Due() {
			t.Fatalf("second %d: a probe too early", second)
		}
		clk.move(time.Nanosecond)
		if !c.Due() {
			t.Fatalf("second %d: no probe is due", second)
		}
		k, ok := c.Begin()
		if !ok {
			t.Fatalf("second %d: no probe", second)
		}
		if _, ok := c.Begin(); ok {
			t.Fatalf("second %d: two probes at one time", second)
		}
		k.End(Failed)
	}
	clk.move(ProbeGap)
	call(t, c, OK)
	if isOpen(c) {
		t.Fatal("open after a probe that succeeded")
	}
	for range MaxFailures - 1 { // and nothing of before counts
		call(t, c, Failed)
	}
	if isOpen(c) {
		t.Error("open again after four failures")
	}
}

// A probe that never ends in time is the only one.
func TestOneProbeAtATime(t *testing.T) {
	var clk clock
	c := opened(t, &clk)
	clk.move(ProbeGap)
	k, ok := c.Begin()
	if !ok {
		t.Fatal("no probe")
	}
	clk.move(10 * ProbeGap)
	if _, ok := c.Begin(); ok || c.Due() {
		t.Fatal("two probes at one time")
	}
	k.End(Ignored)
	if !c.Due() {
		t.Error("no probe is due, and the last one was given up")
	}
}

func TestProbesHaveJitter(t *testing.T) {
	for _, test := range []struct {
		random float64
		want   time.Duration
	}{{0, 750 * time.Millisecond}, {0.5, time.Second}, {0.999999999, 1250*time.Millisecond - 1}} {
		c := New(new(clock).now, func() float64 { return test.random }, nil)
		if got := c.gap(); got.Round(time.Microsecond) != test.want.Round(time.Microsecond) {
			t.Errorf("%v: %v, want %v", test.random, got, test.want)
		}
	}
}

// Calls that began before the circuit opened say nothing about the time since.
func TestStragglersDoNotCount(t *testing.T) {
	var clk clock
	c := New(clk.now, half, nil)
	early, _ := c.Begin()
	for range MaxFailures {
		call(t, c, Failed)
	}
	early.End(OK)
	if !isOpen(c) {
		t.Fatal("closed by a call of before")
	}
	clk.move(ProbeGap)
	call(t, c, OK)
	for range MaxFailures {
		early.End(Failed)
	}
	if isOpen(c) {
		t.Fatal("opened by calls of before")
	}
	(Call{}).End(OK) // a call that was not allowed
}

func TestIgnoredCallsDoNotCount(t *testing.T) {
	var clk clock
	c := New(clk.now, half, nil)
	for range 2 * MaxFailures {
		call(t, c, Ignored)
	}
	for range MaxFailures - 1 {
		call(t, c, Failed)
	}
	call(t, c, Ignored)
	if isOpen(c) {
		t.Fatal("open after four failures")
	}
	call(t, c, Failed)
	if !isOpen(c) {
		t.Fatal("an ignored call has broken the row")
	}
}

func TestChangesAreTold(t *testing.T) {
	var clk clock
	var told []bool
	c := New(clk.now, half, func(open bool) { told = append(told, open) })
	for range 3 {
		for range MaxFailures {
			call(t, c, Failed)
		}
		for range 3 {
			clk.move(ProbeGap)
			call(t, c, Failed)
		}
		clk.move(ProbeGap)
		call(t, c, OK)
		call(t, c, OK)
	}
	if len(told) != 6 || !told[0] || told[1] || !told[4] || told[5] {
		t.Errorf("told %v", told)
	}
}

// Of many goroutines that find the circuit open, one makes the probe.
func TestProbesOfMany(t *testing.T) {
	var clk clock
	c := opened(t, &clk)
	clk.move(ProbeGap)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var probes []Call
	for range 16 {
		wg.Go(func() {
			if k, ok := c.Begin(); ok {
				mu.Lock()
				probes = append(probes, k)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(probes) != 1 {
		t.Fatalf("%d probes at one time", len(probes))
	}
	probes[0].End(OK)
	if isOpen(c) {
		t.Error("still open")
	}
}
