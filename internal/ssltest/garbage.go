package ssltest

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"sessl/ssl"
)

// CollectGarbage returns when what was unreachable has been cleaned up, as far as one
// cycle of the collector sees it.
func CollectGarbage() {
	runtime.GC()
	s := []metrics.Sample{
		{Name: "/gc/cleanups/queued:cleanups"},
		{Name: "/gc/cleanups/executed:cleanups"},
	}
	for metrics.Read(s); s[1].Value.Uint64() < s[0].Value.Uint64(); metrics.Read(s) {
		runtime.Gosched()
	}
}

// Eventually collects garbage until ok.
func Eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(Timeout); !ok(); CollectGarbage() {
		if time.Now().After(end) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

// SpinGC keeps the collector running until the test ends.
func SpinGC(t *testing.T) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-stopped })
}

// MustNew is an empty session.
func MustNew(t testing.TB) *ssl.Session {
	t.Helper()
	s, err := ssl.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	return s
}
