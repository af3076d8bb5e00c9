package contender

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// A Report is the line that a contender prints. Times are in microseconds.
type Report struct {
	User     float64 `json:"user_us"` // processor time of the process, of all units
	Sys      float64 `json:"sys_us"`
	Wall     float64 `json:"wall_us"`
	Count    int     `json:"count"`   // units
	Resumed  int     `json:"resumed"` // handshakes, as the clients see it
	P50      float64 `json:"p50_us"`  // latency of a unit, as the clients see it
	P90      float64 `json:"p90_us"`
	P99      float64 `json:"p99_us"`
	Threads  int     `json:"threads"`
	RSS      int     `json:"rss_kb"`
	Switches int     `json:"switches"` // of threads that waited
	Sysmon   int     `json:"sysmon"`   // sleeps of Go's monitor, which has a thread of its own
	Bytes    float64 `json:"bytes"`    // resident, of one unit, after a garbage collection
	Peak     float64 `json:"peak"`     // resident, of one unit, with what Go has not collected yet
	Puts     float64 `json:"puts"`     // a second
	Lookups  float64 `json:"lookups"`  // a second, of all processors

	// Instructions of a unit are counted from outside.
	Instructions float64 `json:"-"`
}

// A meter measures from its start to the last unit.
type meter struct {
	begun, ended snapshot
	done         atomic.Int64
	first, last  int64 // the units after which it starts and stops by itself
	over         chan struct{}
}

type snapshot struct {
	at        time.Time
	usage     syscall.Rusage
	sleeps    int
	user, sys time.Duration
}

func newMeter(first, n int) *meter {
	return &meter{first: int64(first), last: int64(first + n), over: make(chan struct{})}
}

// tick counts a unit that a server has done.
func (m *meter) tick(busy time.Duration) {
	switch m.done.Add(1) {
	case m.first:
		spin(busy)
		m.begun = now()
	case m.last:
		m.ended = now()
		close(m.over)
	}
}

func now() (s snapshot) {
	s.at = time.Now()
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &s.usage); err != nil {
		panic(err)
	}
	s.user, s.sys = time.Duration(s.usage.Utime.Nano()), time.Duration(s.usage.Stime.Nano())
	s.sleeps = sysmonSleeps()
	return s
}

func (m *meter) report(n int) *Report {
	return &Report{
		User: micros(m.ended.user - m.begun.user), Sys: micros(m.ended.sys - m.begun.sys),
		Wall: micros(m.ended.at.Sub(m.begun.at)), Count: n,
		Threads: statusOf("self", "Threads:"), RSS: statusOf("self", "VmRSS:"),
		Switches: int(m.ended.usage.Nvcsw - m.begun.usage.Nvcsw),
		Sysmon:   m.ended.sleeps - m.begun.sleeps,
	}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// latencies fills in the percentiles. It sorts d.
func (r *Report) latencies(d []time.Duration) {
	if len(d) == 0 {
		return
	}
	slices.Sort(d)
	at := func(q int) float64 { return micros(d[(len(d)-1)*q/100]) }
	r.P50, r.P90, r.P99 = at(50), at(90), at(99)
}

// sysmonSleeps returns how often the runtime's monitor has slept. Its thread is the first that
// the runtime starts.
func sysmonSleeps() int {
	return statusOf(fmt.Sprintf("self/task/%d", sysmonThread), "voluntary_ctxt_switches:")
}

var sysmonThread = secondThread()

func secondThread() int {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		panic(err)
	}
	var ids []int
	for _, t := range tasks {
		id, _ := strconv.Atoi(t.Name())
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids[min(1, len(ids)-1)]
}

// statusOf returns a number of a process's or a thread's status.
func statusOf(task, field string) int {
	text, err := os.ReadFile("/proc/" + task + "/status")
	if err != nil {
		panic(err)
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte(field)); ok {
			var n int
			fmt.Sscan(string(rest), &n)
			return n
		}
	}
	panic("no " + field + " in the status of " + task)
}

// spin computes in Go for some time. Go's monitor then sleeps for 10 ms at a time, until it has
// seen all processors of Go without work.
func spin(d time.Duration) {
	if d == 0 {
		return
	}
	x := 0
	for start := time.Now(); time.Since(start) < d; {
		for range 1000 {
			x++
		}
	}
	runtime.KeepAlive(x)
}
