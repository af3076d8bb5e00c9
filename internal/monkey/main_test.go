package monkey_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sessl/internal/leakcheck"
)

var (
	seedFlag   = flag.Uint64("seed", 0, "of the random choices; 0 takes one from the clock")
	forFlag    = flag.Duration("for", 2*time.Second, "how long to go on")
	roundFlag  = flag.Int64("round", -1, "only this round, again and again")
	atOnceFlag = flag.Int("at-once", 32, "rounds at the same time")
)

func TestMain(m *testing.M) {
	flag.Parse()
	leakcheck.Main(m)
}

// patience bounds a round. A round that takes longer hangs: its calls have deadlines of
// milliseconds, and Close has its own.
const patience = 60 * time.Second

// chance is the random source of one goroutine.
type chance struct{ *rand.Rand }

func newChance(seed uint64, round int64, part uint64) chance {
	return chance{rand.New(rand.NewPCG(seed, uint64(round)<<8|part))}
}

// oneIn returns true once in n times.
func (r chance) oneIn(n int) bool { return r.IntN(n) == 0 }

func pick[T any](r chance, from []T) T { return from[r.IntN(len(from))] }

// soon returns a moment that is now, or some milliseconds later.
func (r chance) soon() time.Duration { return time.Duration(r.IntN(8000)) * time.Microsecond }

// A finding is an outcome that a round must not have.
type finding struct {
	mu   sync.Mutex
	said []string
}

func (f *finding) add(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.said = append(f.said, fmt.Sprintf(format, args...))
}

// TestMonkey repeats a run with -args -seed and the seed of the run's first line. The
// scheduling of threads is not repeated, so a failed round may have to be repeated several
// times: -round.
func TestMonkey(t *testing.T) {
	leakcheck.Test(t)
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	fmt.Printf("monkey: seed %d\n", seed)
	before := runtime.NumGoroutine()
	z := newZoo(t)
	end := time.Now().Add(*forFlag)
	var rounds atomic.Int64
	var all sync.WaitGroup
	for range *atOnceFlag {
		all.Go(func() {
			for time.Now().Before(end) && !t.Failed() {
				n := rounds.Add(1)
				if *roundFlag >= 0 {
					n = *roundFlag
				}
				z.round(t, seed, n)
			}
		})
	}
	all.Wait()
	z.close()
	t.Logf("%d rounds, %s", rounds.Load(), &z.tally)
	until := time.Now().Add(patience)
	for runtime.NumGoroutine() > before && time.Now().Before(until) {
		leakcheck.Collect() // flushers and lookups may be about to end
	}
	if now := runtime.NumGoroutine(); now > before {
		buf := make([]byte, 1<<20)
		t.Errorf("%d goroutines, %d before\n%s", now, before, buf[:runtime.Stack(buf, true)])
	}
}
