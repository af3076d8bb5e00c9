package ssl_test

import (
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

func TestHandleCountsCloseAndCollection(t *testing.T) {
	leakcheck.Test(t)
	var freed atomic.Int64
	k := ssl.NewFakeKind(func(int) { freed.Add(1) })
	f := k.New(1)
	if c := k.Counts(); c != (ssl.HandleCounts{Opened: 1, Live: 1}) {
		t.Errorf("open: %+v", c)
	}
	if !f.Close() || f.Close() || f.Call(func(int) { t.Error("a call on a closed handle") }) {
		t.Error("only the first Close counts, and nothing works afterwards")
	}
	if c := k.Counts(); c != (ssl.HandleCounts{Opened: 1, Closed: 1}) || freed.Load() != 1 {
		t.Errorf("closed: %+v, %d freed", c, freed.Load())
	}
	func() { k.New(2) }()
	ssltest.Eventually(t, "a dropped handle is freed", func() bool { return freed.Load() == 2 })
	if c := k.Counts(); c != (ssl.HandleCounts{Opened: 2, Closed: 1, Collected: 1}) {
		t.Errorf("dropped: %+v", c)
	}
	runtime.KeepAlive(f)
}

func TestZeroHandleIsClosed(t *testing.T) {
	leakcheck.Test(t)
	var f ssl.Fake
	if f.Close() || f.Call(func(int) {}) {
		t.Error("a zero handle did something")
	}
}

// A handle that is in a cycle is collected all the same. A finalizer would not run.
func TestHandleInCycleIsCollected(t *testing.T) {
	leakcheck.Test(t)
	var freed atomic.Int64
	k := ssl.NewFakeKind(func(int) { freed.Add(1) })
	const pairs = 50
	func() {
		for i := range pairs {
			a, b := k.New(2*i), k.New(2*i+1)
			a.Peer, b.Peer = b, a
		}
	}()
	ssltest.Eventually(t, "all cycles are freed", func() bool { return freed.Load() == 2*pairs })
}

type node struct {
	s    *ssl.Session
	next *node
}

func TestSessionInCycleIsCollected(t *testing.T) {
	leakcheck.Test(t)
	before := ssl.ReadCounters()
	const pairs = 50
	func() {
		for range pairs {
			a := &node{s: ssltest.MustNew(t)}
			a.next = &node{s: ssltest.MustNew(t), next: a}
		}
	}()
	ssltest.Eventually(t, "all sessions in cycles are freed", func() bool {
		now := ssl.ReadCounters()
		return now.Sessions.Collected-before.Sessions.Collected == 2*pairs &&
			now.SessionObjectsFreed-before.SessionObjectsFreed == 2*pairs
	})
}

// The collector must not free what a call is using, though nothing refers to the handle
// any more when the call has begun.
func TestHandleLivesThroughItsCall(t *testing.T) {
	leakcheck.Test(t)
	const n = 200
	var calling, early [n]atomic.Bool
	var freed atomic.Int64
	k := ssl.NewFakeKind(func(i int) {
		early[i].Store(calling[i].Load())
		freed.Add(1)
	})
	for i := range n {
		k.New(i).Call(func(i int) {
			calling[i].Store(true)
			ssltest.CollectGarbage()
			calling[i].Store(false)
		})
	}
	ssltest.Eventually(t, "all handles are freed afterwards", func() bool { return freed.Load() == n })
	for i := range n {
		if early[i].Load() {
			t.Fatalf("handle %d was freed during its own call", i)
		}
	}
}

// The same through the choke point that all methods of Session share.
func TestSessionLivesThroughItsCall(t *testing.T) {
	leakcheck.Test(t)
	var calling atomic.Bool
	var early, freed atomic.Int64
	const n = 200
	for range n {
		s, err := ssl.NewWatchedSession(func() {
			if calling.Load() {
				early.Add(1)
			}
			freed.Add(1)
		})
		if err != nil {
			t.Fatal(err)
		}
		was := freed.Load()
		err = s.Hold(func() {
			calling.Store(true)
			ssltest.CollectGarbage()
			calling.Store(false)
		})
		if err != nil {
			t.Fatal(err)
		}
		ssltest.Eventually(t, "the session is freed after its call", func() bool { return freed.Load() == was+1 })
	}
	if e := early.Load(); e != 0 {
		t.Errorf("%d of %d sessions were freed during their own call", e, n)
	}
}

// 800 slow calls on sessions that are not used afterwards, with the collector running:
// each comes out whole.
func TestDroppedSessionsFinishTheirCalls(t *testing.T) {
	leakcheck.Test(t)
	ssltest.SpinGC(t)
	want := ssltest.MarshalPEM(t, ssltest.FilledSession(t, ssl.VersionTLS12))
	before := ssl.ReadCounters()
	const n = 800
	for i := range n {
		s, err := ssl.ParseSessionPEM(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.MarshalPEM()
		if err != nil || string(got) != string(want) {
			t.Fatalf("call %d: %v, %d bytes", i, err, len(got))
		}
	}
	ssltest.Eventually(t, "all of them are collected", func() bool {
		now := ssl.ReadCounters()
		return now.Sessions.Collected-before.Sessions.Collected == n &&
			now.Sessions.Closed == before.Sessions.Closed
	})
}

func TestCloseWaitsForCalls(t *testing.T) {
	leakcheck.Test(t)
	var freed atomic.Int64
	k := ssl.NewFakeKind(func(int) { freed.Add(1) })
	f := k.New(1)
	f.Call(func(int) {
		f.Call(func(int) {
			if !f.Close() {
				t.Error("Close during a call did nothing")
			}
			if f.Call(func(int) {}) {
				t.Error("a call began after Close")
			}
			if freed.Load() != 0 {
				t.Error("freed during two calls")
			}
		})
		if freed.Load() != 0 {
			t.Error("freed during one call")
		}
	})
	if freed.Load() != 1 {
		t.Errorf("freed %d times after the last call", freed.Load())
	}
}

func TestOverReleasePanics(t *testing.T) {
	leakcheck.Test(t)
	panics := func(f func()) (did bool) {
		defer func() { did = recover() != nil }()
		f()
		return false
	}
	var freed atomic.Int64
	k := ssl.NewFakeKind(func(int) { freed.Add(1) })
	open := k.New(1)
	open.Release() // the owner's
	if !panics(open.Release) {
		t.Error("a release too many on an open handle went unnoticed")
	}
	closed := k.New(2)
	closed.Close()
	if !panics(closed.Release) {
		t.Error("a release after the last one went unnoticed")
	}
	if freed.Load() != 1 {
		t.Errorf("%d objects freed, want the closed one only", freed.Load())
	}
}

// 48,000 handles, each used and closed by several goroutines or dropped, under the
// collector: each is freed once, and never before its last user is done.
func TestConcurrentUseAndClose(t *testing.T) {
	leakcheck.Test(t)
	ssltest.SpinGC(t)
	const rounds, width, users = 6000, 8, 4
	var using, freed [rounds * width]atomic.Int32
	var bad, sum atomic.Int64
	k := ssl.NewFakeKind(func(i int) {
		if using[i].Load() != 0 || freed[i].Add(1) != 1 {
			bad.Add(1)
		}
		sum.Add(1)
	})
	var wg sync.WaitGroup
	work := make(chan []*ssl.Fake)
	for range users {
		wg.Go(func() {
			for fs := range work {
				for _, f := range fs {
					f.Call(func(i int) {
						using[i].Add(1)
						if freed[i].Load() != 0 {
							bad.Add(1)
						}
						using[i].Add(-1)
					})
				}
				for i, f := range fs[1:] {
					if i%2 == 0 {
						f.Close()
					}
				}
			}
		})
	}
	for r := range rounds {
		fs := make([]*ssl.Fake, width)
		for i := range fs {
			fs[i] = k.New(r*width + i)
		}
		for range users {
			work <- fs
		}
	}
	close(work)
	wg.Wait()
	ssltest.Eventually(t, "every handle is freed", func() bool { return sum.Load() == rounds*width })
	if bad.Load() != 0 {
		t.Errorf("%d handles were freed twice or in use", bad.Load())
	}
	c := k.Counts()
	if c.Closed != rounds*width/2 || c.Collected != rounds*width/2 || c.Live != 0 {
		t.Errorf("half were closed and half dropped, but %+v", c)
	}
}

// The same with real sessions: a Close that comes during a call is after it.
func TestConcurrentSessionUseAndClose(t *testing.T) {
	leakcheck.Test(t)
	ssltest.SpinGC(t)
	before := ssl.ReadCounters()
	const n = 300
	for range n {
		s := ssltest.FilledSession(t, ssl.VersionTLS13)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { isNilOr(t, s.Print(io.Discard), ssl.ErrClosed) })
			wg.Go(func() {
				u, err := s.UpRef()
				if isNilOr(t, err, ssl.ErrClosed); err == nil {
					u.Close()
				}
			})
			wg.Go(func() { s.Close() })
		}
		wg.Wait()
	}
	now := ssl.ReadCounters()
	if c, f := now.SessionObjectsCreated-before.SessionObjectsCreated,
		now.SessionObjectsFreed-before.SessionObjectsFreed; c != n || f != n {
		t.Errorf("%d objects created and %d freed, want %d each", c, f, n)
	}
}

func TestDroppedSessionsAreCollected(t *testing.T) {
	leakcheck.Test(t)
	before := ssl.ReadCounters()
	const n = 100_000
	for range n {
		if _, err := ssl.NewSession(); err != nil {
			t.Fatal(err)
		}
	}
	ssltest.Eventually(t, "no session is left", func() bool {
		return ssl.ReadCounters().Sessions.Live == before.Sessions.Live
	})
	now := ssl.ReadCounters()
	if c := now.Sessions.Collected - before.Sessions.Collected; c != n {
		t.Errorf("%d collected, want %d", c, n)
	}
	if f := now.SessionObjectsFreed - before.SessionObjectsFreed; f != n {
		t.Errorf("%d objects freed, want %d", f, n)
	}
	if now.Sessions.Closed != before.Sessions.Closed {
		t.Error("collected sessions count as closed")
	}
}

// A Put while a getter is under way keeps the session, and the getter's object.
func TestPutDuringACall(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.FilledSession(t, ssl.VersionTLS12)
	id, err := s.ID()
	if err != nil {
		t.Fatal(err)
	}
	cache, err := ssl.NewServerSessionCache(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	before := ssl.ReadCounters()
	err = s.Hold(func() {
		if !cache.Put(s) || !cache.Remove(id) {
			t.Error("not kept")
		}
		if n := ssl.ReadCounters(); n.SessionObjectsFreed != before.SessionObjectsFreed {
			t.Error("the object ended during the call")
		}
	})
	if _, closed := s.ID(); err != nil || !errors.Is(closed, ssl.ErrClosed) {
		t.Errorf("%v; afterwards %v", err, closed)
	}
}
