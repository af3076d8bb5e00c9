package fleet

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// slots is how many clients there are, and atOnce how many of them visit at one time. Each comes back after
// others, so that what it has left behind has reached the database.
const (
	slots  = 64
	atOnce = 16
)

// A stall is two processes of one form, and the clients that come to them.
type stall struct {
	form  string
	all   [2]*worker
	ctx   *ssl.Ctx
	have  [slots]*ssl.Session
	round int

	resumed, visits atomic.Int64
}

func newStall(t *testing.T, form string, version uint16, url, seal string) *stall {
	t.Helper()
	s := &stall{form: form}
	for i := range s.all {
		s.all[i] = startWorker(t, form, url, seal)
	}
	s.ctx = ssltest.NewClientCtx(t, &ssl.Config{RootCAs: ssltest.Roots(t, "ca"), ServerName: "localhost",
		MaxVersion: version})
	t.Cleanup(func() {
		for _, h := range s.have {
			h.Close()
		}
	})
	return s
}

// visit has a client come, and to the other process than in the round before if that has its session.
func (s *stall) visit(slot, round int) error {
	to := slot
	if s.form == inDatabase || s.form == agreedKeys {
		to += round
	}
	c, err := ssl.DialSession("tcp", s.all[to%len(s.all)].addr, s.ctx, s.have[slot])
	if err != nil {
		return err
	}
	defer c.Close()
	b := []byte{0}
	if _, err := c.Write(b); err != nil {
		return err
	}
	if _, err := io.ReadFull(c, b); err != nil {
		return err
	}
	s.visits.Add(1)
	if c.SessionReused() {
		s.resumed.Add(1)
	}
	h, err := c.Session()
	if err != nil {
		return err
	}
	s.have[slot].Close()
	s.have[slot] = h
	return nil
}

// run has each client come that many times, and returns the processor time of a visit, of clients and
// servers together.
func (s *stall) run(t *testing.T, rounds int) time.Duration {
	t.Helper()
	took := func() time.Duration { return processorTime() + s.all[0].took() + s.all[1].took() }
	before := took()
	var all sync.WaitGroup
	for first := range atOnce {
		all.Go(func() {
			for round := range rounds {
				for slot := first; slot < slots; slot += atOnce {
					if err := s.visit(slot, s.round+round); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	all.Wait()
	s.round += rounds
	return (took() - before) / time.Duration(slots*rounds)
}

// A fleet's form costs little more than that of a machine alone. Times are those of processors, and what is
// compared is run by turns, because other programs run, too.
func TestCost(t *testing.T) {
	leakcheck.Test(t)
	b := newTable(t, "Processor time of a resumption, clients and servers together", "", "alone", "in a fleet",
		"ratio, middle of the rounds", "from", "to", "not resumed", "lookups of a visit",
		"of the database, besides")
	db := dbtest.Start(t)
	seal := filepath.Join(t.TempDir(), "seal")
	if err := os.WriteFile(seal, sealKey(t), 0o600); err != nil {
		t.Fatal(err)
	}
	url := "valkey://" + db.Addr + "/cost"
	for _, tc := range []struct {
		name         string
		version      uint16
		alone, fleet string
	}{
		{"TLS 1.3, session in the store", ssl.VersionTLS13, inProcess, inDatabase},
		{"TLS 1.2, session in the store", ssl.VersionTLS12, inProcess, inDatabase},
		{"TLS 1.3, agreed ticket keys", ssl.VersionTLS13, ownKeys, agreedKeys},
		{"TLS 1.2, agreed ticket keys", ssl.VersionTLS12, ownKeys, agreedKeys},
	} {
		t.Run(tc.name, func(t *testing.T) {
			alone := newStall(t, tc.alone, tc.version, url, seal)
			fleet := newStall(t, tc.fleet, tc.version, url, seal)
			n := whole(20, 2)
			alone.run(t, 2) // the first of each client is full
			fleet.run(t, 2)
			for _, s := range []*stall{alone, fleet} {
				s.visits.Store(0)
				s.resumed.Store(0)
			}
			var ratios []float64
			var costs [2][]time.Duration
			database, lookups := -databaseTime(t, db), -lookupsIn(t, db)
			for range whole(15, 3) {
				x, y := alone.run(t, n), fleet.run(t, n)
				ratios = append(ratios, float64(y)/float64(x))
				costs[0], costs[1] = append(costs[0], x), append(costs[1], y)
			}
			database = (database + databaseTime(t, db)) / time.Duration(fleet.visits.Load())
			asked := float64(lookups+lookupsIn(t, db)) / float64(fleet.visits.Load())
			visits := alone.visits.Load() + fleet.visits.Load()
			missed := visits - alone.resumed.Load() - fleet.resumed.Load()
			b.row(tc.name, micros(middle(costs[0])), micros(middle(costs[1])),
				fmt.Sprintf("%.3f", middle(ratios)), fmt.Sprintf("%.2f", slices.Min(ratios)),
				fmt.Sprintf("%.2f", slices.Max(ratios)), fmt.Sprintf("%d of %d", missed, visits),
				fmt.Sprintf("%.2f", asked), micros(database))
			if 100*missed > visits || (tc.fleet == inDatabase && asked < 0.9) {
				t.Errorf("%d of %d visits were not resumed, and one asked the database %.2f times", missed, visits,
					asked)
			}
		})
	}
	b.note("Two processes that do nothing but handshakes and one byte, %d clients, of which %d come at one "+
		"time, %v.", slots, atOnce, ssl.OpenSSLVersion())
}

func middle[T int | float64 | time.Duration](all []T) T {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

func micros(d time.Duration) string { return fmt.Sprintf("%.1f µs", float64(d.Nanoseconds())/1000) }

var getCalls = regexp.MustCompile(`cmdstat_get:calls=(\d+)`)

// lookupsIn is how often the database was asked for a value.
func lookupsIn(t *testing.T, db *dbtest.Server) int {
	t.Helper()
	m := getCalls.FindStringSubmatch(db.Do("INFO", "commandstats"))
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

var usedCPU = regexp.MustCompile(`used_cpu_(?:sys|user):([0-9.]+)`)

// databaseTime is the processor time that the database has taken.
func databaseTime(t *testing.T, db *dbtest.Server) (sum time.Duration) {
	t.Helper()
	for _, m := range usedCPU.FindAllStringSubmatch(db.Do("INFO", "cpu"), -1) {
		s, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(s * float64(time.Second))
	}
	return sum
}
