package ssl_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A lock goes to those who wait for it, in order and without those who have given up.
func TestLockQueue(t *testing.T) {
	var l ssl.Lock
	if !l.Take(nil) {
		t.Fatal("a new lock is not free")
	}
	const callers = 4
	quit := make([]chan struct{}, callers)
	got, left := make(chan int, callers), make(chan int, callers)
	for i := range callers {
		quit[i] = make(chan struct{})
		go func() {
			if l.Take(quit[i]) {
				got <- i
			} else {
				left <- i
			}
		}()
		ssltest.Eventually(t, "another caller waits", func() bool { return l.Waiting() == i+1 })
	}
	close(quit[1])
	if i := <-left; i != 1 {
		t.Fatalf("caller %d has given up", i)
	}
	var order []int
	for range callers - 1 {
		l.Release()
		order = append(order, <-got)
	}
	if want := []int{0, 2, 3}; !slices.Equal(order, want) {
		t.Errorf("the lock went to %v, want %v", order, want)
	}
	l.Release()
	if !l.Take(nil) || l.Waiting() != 0 {
		t.Error("the lock is not free in the end")
	}
}

// A watch has noticed the end of its context at the latest when it is stopped.
func TestWatchNoticesInTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	a, b := net.Pipe()
	defer b.Close()
	first, second := ssl.WatchUntil(ctx, a, cancel)
	if !errors.Is(first, context.Canceled) || !errors.Is(second, context.Canceled) {
		t.Errorf("stopped: %v, and again: %v", first, second)
	}
	if err := a.SetDeadline(time.Time{}); err != io.ErrClosedPipe {
		t.Errorf("the connection is not closed: %v", err)
	}
}
