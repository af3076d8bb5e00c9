package fakeclock_test

import (
	"testing"
	"time"

	"sessl/internal/clock"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// What Go, this program's C and libssl in its own library say of the time differs by less than a second,
// wherever the clock stands, and the end of a test puts it back.
func TestOneClock(t *testing.T) {
	t.Run("moved", func(t *testing.T) {
		leakcheck.Test(t)
		c := ssltest.NewClock(t)
		for _, by := range []time.Duration{0, time.Hour, 20000 * time.Hour, -30000 * time.Hour} {
			before := time.Now()
			c.Pass(by)
			agrees(t, before.Add(c.Passed()), time.Now().Add(c.Passed()))
		}
		if c.Passed() >= 0 {
			t.Errorf("moved by %v", c.Passed())
		}
	})
	agrees(t, time.Now(), time.Now().Add(time.Second))
}

// agrees compares the clocks with two times that should be around now.
func agrees(t *testing.T, before, after time.Time) {
	t.Helper()
	s, err := ssl.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	at := ssltest.Get(t, s.Time) // by SSL_SESSION_new, in seconds
	if at.Before(before.Truncate(time.Second)) || at.After(after.Add(time.Second)) {
		t.Errorf("libssl says %v, want %v", at, before)
	}
	if now := clock.Now(); now.Before(before) || now.After(after.Add(ssltest.Timeout)) {
		t.Errorf("Go says %v, want %v", now, before)
	}
}

// A timer that is watched runs when it is due by the moved clock, one that was stopped never, and one
// that was reset when that is due.
func TestTimersFollow(t *testing.T) {
	c := ssltest.NewClock(t)
	ran := make(chan string, 10)
	timer := clock.AfterFunc(time.Hour, func() { ran <- "hour" })
	stopped := clock.AfterFunc(time.Minute, func() { ran <- "stopped" })
	if !stopped.Stop() || stopped.Stop() {
		t.Error("Stop does not say whether the timer was running")
	}
	later := clock.AfterFunc(time.Minute, func() { ran <- "later" })
	later.Reset(5 * time.Hour)
	c.Pass(2 * time.Hour)
	if what := <-ran; what != "hour" || timer.Stop() {
		t.Errorf("%s", what)
	}
	timer.Reset(time.Hour)
	c.Pass(3 * time.Hour)
	got := map[string]bool{<-ran: true, <-ran: true}
	if !got["hour"] || !got["later"] || len(ran) != 0 {
		t.Errorf("%v, and %d more", got, len(ran))
	}
}
