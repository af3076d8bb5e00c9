package ssl_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// More questions than may wait are not asked, and cost nothing but early data. A deadline that was
// set is the guard's, and what it says after that is still among its errors.
func TestReplayGuardBusy(t *testing.T) {
	leakcheck.Test(t)
	const room = 256
	entered, release := make(chan bool, 2*room), make(chan struct{})
	spy := ssltest.NewSpyGuard(t)
	spy.OnClaim = func(ctx context.Context, _ []byte) (bool, error) {
		left, ok := ctx.Deadline()
		entered <- ok && time.Until(left) > time.Second
		<-release
		return false, errors.New("down")
	}
	g := ssl.NewGuarding(&ssl.Config{ReplayGuard: spy, ReplayGuardTimeout: time.Hour})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan bool)
	for range room {
		go func() { done <- g.First(ctx, []byte("ticket")) }()
	}
	for range room {
		if !<-entered {
			t.Error("the guard has another deadline")
		}
	}
	if g.First(ctx, []byte("one more")) || g.Failures() != (ssl.GuardFailures{Busy: 1}) || spy.Count() != room {
		t.Errorf("%+v, asked %d times", g.Failures(), spy.Count())
	}
	cancel() // the clients leave
	for range room {
		if <-done {
			t.Error("a guard that did not answer lets early data in")
		}
	}
	if f := g.Failures(); f != (ssl.GuardFailures{Busy: 1, Late: room}) || f.Sum() != room+1 {
		t.Errorf("%+v", f)
	}
	close(release)
	for end := time.Now().Add(ssltest.Timeout); g.Claims().Count < room; {
		if time.Now().After(end) {
			t.Fatalf("%+v", g.Claims())
		}
	}
	if all := g.Errors(); len(all) != 16 || all[0].Err.Error() != "down" {
		t.Errorf("%v", all)
	}
}
