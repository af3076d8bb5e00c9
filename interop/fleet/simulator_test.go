package fleet

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// What the simulator and the real machines go through: clients come to machines at random, with pauses whose
// logarithm is normally distributed, and the database is stopped for a third of the time.
const (
	guests = 60
	median = time.Second
)

// The simulator's share of resumed returns is that of three real machines, but for two points.
func TestSimulator(t *testing.T) {
	leakcheck.Test(t)
	b := newTable(t, "The simulator and three real machines", "share", "returns", "resumed",
		"resumed in the simulator")
	third := whole(40*time.Second, 5*time.Second)
	program := filepath.Join(t.TempDir(), "fleetsim")
	build := exec.Command("go", "build", "-o", program, "./internal/fleetsim/cmd")
	build.Dir = "../../valkeystore"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, share := range []string{"keys", "sessions"} {
		t.Run(share, func(t *testing.T) {
			t.Parallel()
			want := simulated(t, program, share, third)
			resumed, returns := roam(t, newFleet(t, options{share: share}), third)
			got := 100 * float64(resumed) / float64(returns)
			b.row(share, returns, fmt.Sprintf("%.1f %%", got), fmt.Sprintf("%.1f %%", want))
			if math.Abs(got-want) > whole(2.0, 20.0) {
				t.Errorf("%.1f %% of %d returns were resumed; in the simulator %.1f %%", got, returns, want)
			}
		})
	}
	b.note("%d clients of TLS 1.3 come to machines at random, after %v in the median. A key encrypts for 2 s. "+
		"The database is stopped for the second of three times %v. The simulator's is the mean of 10 seeds.",
		guests, median, third)
}

var simulatorSays = regexp.MustCompile(`resumed +([0-9.]+) %`)

// simulated is the share in the simulator, in percent.
func simulated(t *testing.T, program, share string, third time.Duration) (mean float64) {
	t.Helper()
	const seeds = 10
	for seed := range seeds {
		cmd := exec.Command(program, "-seed", strconv.Itoa(seed+1), "-servers", strconv.Itoa(machines), "-clients",
			strconv.Itoa(guests), "-sample", strconv.Itoa(guests), "-return", median.String(), "-length",
			(3 * third).String(), "-stop", third.String(), "-for", third.String(), "-rotate", "2s", "-keep", "1m",
			"-sessions="+strconv.FormatBool(share == "sessions"))
		out, err := cmd.CombinedOutput()
		m := simulatorSays.FindSubmatch(out)
		if err != nil || m == nil {
			t.Fatalf("%v\n%s", err, out)
		}
		percent, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		mean += percent / seeds
	}
	return mean
}

// roam has the clients come to three machines, and counts their returns.
func roam(t *testing.T, f *fleet, third time.Duration) (resumed, returns int64) {
	t.Helper()
	ctx := ssltest.NewClientCtx(t, &ssl.Config{RootCAs: ssltest.Roots(t, "ca"), ServerName: "localhost"})
	end := time.Now().Add(3 * third)
	var all sync.WaitGroup
	var back, again atomic.Int64
	for i := range guests {
		all.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(i)))
			var s *ssl.Session
			defer func() { s.Close() }()
			for first := true; ; first = false {
				pass(time.Duration(math.Exp(random.NormFloat64()) * float64(median)))
				if time.Now().After(end) {
					return
				}
				next, reused, err := call(ctx, f.all[random.IntN(machines)].addr, s)
				if err != nil {
					t.Error(err)
					return
				}
				if !first {
					back.Add(1)
				}
				if reused {
					again.Add(1)
				}
				s.Close()
				s = next
			}
		})
	}
	pass(third)
	f.db.Stop()
	pass(third)
	f.db.Continue()
	all.Wait()
	f.end()
	return again.Load(), back.Load()
}

// call makes a connection that offers s, and returns the session to offer the next time; nil if there is
// none.
func call(ctx *ssl.Ctx, addr string, s *ssl.Session) (next *ssl.Session, reused bool, err error) {
	c, err := ssl.DialSession("tcp", addr, ctx, s)
	if err != nil {
		return nil, false, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, request); err != nil {
		return nil, false, err
	}
	if _, err := io.ReadAll(c); err != nil {
		return nil, false, err
	}
	if next, err = c.Session(); err != nil {
		return nil, false, err
	}
	if ok, err := next.Resumable(); !ok || err != nil {
		next.Close()
		next = nil
	}
	return next, c.SessionReused(), nil
}
