package leakcheck_test

import (
	"runtime"
	"testing"
	"time"

	"sessl/internal/cshim"
	"sessl/internal/leakcheck"
	"sessl/ssl"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// recorder is a testing.TB that notes failures instead of failing.
type recorder struct {
	testing.TB
	cleanups []func()
	failed   bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Cleanup(f func())      { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(string, ...any) { r.failed = true }
func (r *recorder) Failed() bool          { return r.failed }

func TestNoticesLeak(t *testing.T) {
	leakcheck.Test(t)
	defer func(d time.Duration) { leakcheck.Patience = d }(leakcheck.Patience)
	leakcheck.Patience = 0
	r := &recorder{TB: t}
	leakcheck.Test(r)
	s, err := ssl.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	r.cleanups[0]()
	if !r.failed {
		t.Error("a live session went unnoticed")
	}
	s.Close()
}

func TestNoticesErrorOnAnyThread(t *testing.T) {
	leakcheck.Test(t)
	done, stop := make(chan struct{}), make(chan struct{})
	cleared := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		cshim.LeaveErrorBehind()
		close(done)
		<-stop
		cshim.ClearErrors()
		close(cleared)
	}()
	<-done
	// That thread is still pinned, so it is not checked.
	if d := leakcheck.DirtyThreads(); len(d) != 0 {
		t.Errorf("dirty threads %v, want none: the only one is pinned", d)
	}
	close(stop)
	<-cleared

	// Now on this thread, which can be checked while the test waits.
	runtime.LockOSThread()
	cshim.LeaveErrorBehind()
	runtime.UnlockOSThread()
	if d := leakcheck.DirtyThreads(); len(d) != 1 {
		t.Errorf("dirty threads %v, want one", d)
	}
}
