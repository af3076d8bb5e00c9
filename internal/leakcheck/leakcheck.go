// Package leakcheck is the gate at the end of every test, and of every test binary: a test has
// closed everything that it opened, and no thread has an error left in OpenSSL's queue.
package leakcheck

import (
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sessl/internal/cshim"
	"sessl/ssl"
)

// Patience bounds the wait for cleanups and for goroutines that are about to end.
var Patience = 20 * time.Second

// Test makes t fail if it ends with more live handles or session objects than it began with.
// Call it first, so that it checks last.
func Test(t testing.TB) {
	t.Helper()
	before := ssl.ReadCounters()
	t.Cleanup(func() {
		if t.Failed() {
			return // its first failure is the interesting one
		}
		for range 256 { // testing keeps references to functions that it has called
			t.Cleanup(func() {})
		}
		if left := settle(before); left != "" {
			t.Errorf("left behind: %s", left)
			ssl.LiveHandles(os.Stderr)
		}
	})
}

// Main runs the tests of a binary (a *testing.M or a wrapper around it), and then checks that
// no handle and no object is left.
func Main(m interface{ Run() int }) {
	code := m.Run()
	if left := settle(ssl.Counters{}); left != "" {
		fmt.Fprintln(os.Stderr, "leakcheck: left behind after all tests:", left)
		ssl.LiveHandles(os.Stderr)
		code = max(code, 1)
	}
	if dirty := DirtyThreads(); len(dirty) > 0 {
		fmt.Fprintln(os.Stderr, "leakcheck: threads with errors in their queue:", strings.Join(dirty, ", "))
		code = max(code, 1)
	}
	os.Exit(code)
}

// settle collects garbage until no more is left than before, or until Patience has passed; it
// describes the surplus.
func settle(before ssl.Counters) string {
	deadline := time.Now().Add(Patience)
	for {
		runtime.GC()
		awaitCleanups(deadline)
		left := surplus(before, ssl.ReadCounters())
		if left == "" || time.Now().After(deadline) {
			return left
		}
	}
}

// Collect collects garbage once, and returns when everything that it found has been freed.
func Collect() {
	runtime.GC()
	awaitCleanups(time.Now().Add(Patience))
}

// awaitCleanups returns when every cleanup queued so far has run.
func awaitCleanups(deadline time.Time) {
	s := []metrics.Sample{
		{Name: "/gc/cleanups/queued:cleanups"},
		{Name: "/gc/cleanups/executed:cleanups"},
	}
	for time.Now().Before(deadline) {
		metrics.Read(s)
		if s[1].Value.Uint64() >= s[0].Value.Uint64() {
			return
		}
		runtime.Gosched()
	}
}

func surplus(before, after ssl.Counters) string {
	var out []string
	add := func(what string, b, a uint64) {
		if a != b {
			out = append(out, fmt.Sprintf("%s %d (was %d)", what, int64(a), int64(b)))
		}
	}
	add("sessions", before.Sessions.Live, after.Sessions.Live)
	add("borrowed sessions", before.Borrowed.Live, after.Borrowed.Live)
	add("conns", before.Conns.Live, after.Conns.Live)
	add("ctxs", before.Ctxs.Live, after.Ctxs.Live)
	add("ticket keys", before.TicketKeys.Live, after.TicketKeys.Live)
	add("id keys", before.IDKeys.Live, after.IDKeys.Live)
	add("sets of id keys, or not wiped", before.IDKeyObjectsCreated-before.IDKeyObjectsWiped,
		after.IDKeyObjectsCreated-after.IDKeyObjectsWiped)
	if after.Certificates.Live > before.Certificates.Live { // older ones may be freed at any time
		add("certificates", before.Certificates.Live, after.Certificates.Live)
	}
	if after.Roots.Live > before.Roots.Live { // the same
		add("roots", before.Roots.Live, after.Roots.Live)
	}
	if after.ECHKeys.Live > before.ECHKeys.Live { // the same
		add("ECH keys", before.ECHKeys.Live, after.ECHKeys.Live)
	}
	if b, a := ticketKeyObjects(before), ticketKeyObjects(after); a > b {
		add("ticket key objects, or not wiped", b, a)
	}
	if b, a := before.PSKObjectsCreated-before.PSKObjectsWiped,
		after.PSKObjectsCreated-after.PSKObjectsWiped; a > b {
		add("PSKs, or not wiped", b, a)
	}
	add("SSL_SESSION objects", before.SessionObjectsCreated-before.SessionObjectsFreed,
		after.SessionObjectsCreated-after.SessionObjectsFreed)
	return strings.Join(out, ", ")
}

func ticketKeyObjects(c ssl.Counters) uint64 {
	return c.TicketKeyObjectsCreated - c.TicketKeyObjectsWiped
}

// DirtyThreads returns the threads that have an error in OpenSSL's queue, and empties the
// queue, so that each thread is reported once. It pins a goroutine to each thread of the
// process that can run Go code: the scheduler uses idle threads before it makes new ones, so
// once new threads appear all old ones are held.
func DirtyThreads() []string {
	var (
		mu    sync.Mutex
		seen  = map[int]bool{}
		dirty []string
		hold  = make(chan struct{})
		done  sync.WaitGroup
	)
	old := Threads()
	for range len(old) + 2 {
		ready := make(chan struct{})
		done.Add(1)
		go func() {
			defer done.Done()
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			mu.Lock()
			tid := syscall.Gettid()
			seen[tid] = true
			if code := cshim.PeekError(); code != 0 {
				dirty = append(dirty, fmt.Sprintf("%d (error %#x)", tid, code))
				cshim.ClearErrors()
			}
			mu.Unlock()
			close(ready)
			<-hold
		}()
		<-ready
	}
	close(hold)
	done.Wait()
	return dirty
}

// Threads lists the threads of the process; nil if there is no /proc.
func Threads() []os.DirEntry {
	t, _ := os.ReadDir("/proc/self/task")
	return t
}
