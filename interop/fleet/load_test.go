package fleet

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"
)

// clients is how many come back. It is not a multiple of three, or each would come back to its own machine.
const clients = 25

// A visit of a client is a connection with a request and its answer.
type visit struct {
	client int
	kind   string
	at     time.Time
	took   time.Duration // to the end of the answer
	full   bool
	cut    bool // a first one has died with its machine
	err    error
}

// A load is clients that come back to a fleet until it is stopped.
type load struct {
	cancel context.CancelFunc
	jobs   sync.WaitGroup

	mu     sync.Mutex
	visits []visit
}

// startLoad returns when all clients have been there once.
func startLoad(t *testing.T, f *fleet) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{cancel: cancel}
	t.Cleanup(l.stop)
	kinds := kindsOf(f.options.share)
	every := clients * time.Second / time.Duration(*rate)
	for i := range clients {
		c := newClient(t, kinds[i%len(kinds)], f.port())
		c.anew = f.options.anew
		if v := c.visit(); v.err != nil {
			t.Fatalf("the first visit of %s: %v", c.kind, v.err)
		}
		l.jobs.Go(func() { l.comeBack(ctx, i, c, every, time.Duration(i)*every/clients) })
	}
	return l
}

// stop returns when the last visit has ended.
func (l *load) stop() {
	l.cancel()
	l.jobs.Wait()
}

// comeBack visits at fixed times, as all other clients do at others.
func (l *load) comeBack(ctx context.Context, n int, c *client, every, first time.Duration) {
	wait := time.NewTimer(first)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
	}
	again := time.NewTicker(every)
	defer again.Stop()
	for ctx.Err() == nil {
		v := c.visit()
		v.client = n
		l.mu.Lock()
		l.visits = append(l.visits, v)
		l.mu.Unlock()
		select {
		case <-again.C:
		case <-ctx.Done():
		}
	}
}

// A span is what came of the visits that began in a time.
type span struct {
	visits, errors, full int
	cut                  int            // made again
	why                  error          // the first error
	kinds                map[string]int // full handshakes
	times                []time.Duration
}

// between returns what came of the visits that began from there until there. Some may not have ended.
func (l *load) between(from, to time.Time) span {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := span{kinds: map[string]int{}}
	for _, v := range l.visits {
		if v.at.Before(from) || !v.at.Before(to) {
			continue
		}
		s.visits++
		s.times = append(s.times, v.took)
		if v.cut {
			s.cut++
		}
		switch {
		case v.err != nil:
			s.errors++
			if s.why == nil {
				s.why = v.err
			}
		case v.full:
			s.full++
			s.kinds[v.kind]++
		}
	}
	slices.Sort(s.times)
	return s
}

// fullOfOne is the number of full handshakes of the client that came back with the most of them.
func (l *load) fullOfOne() (most int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var n [clients]int
	for _, v := range l.visits {
		if v.err == nil && v.full {
			n[v.client]++
		}
	}
	return slices.Max(n[:])
}

// percentile is how long n of 100 visits took at most.
func (s span) percentile(n int) time.Duration {
	if len(s.times) == 0 {
		return 0
	}
	return s.times[min(len(s.times)-1, len(s.times)*n/100)]
}

// without returns the span without its n slowest visits.
func (s span) without(n int) span {
	s.times = s.times[:max(0, len(s.times)-n)]
	return s
}
