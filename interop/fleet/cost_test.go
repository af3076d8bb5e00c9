package fleet

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// slots is how many clients there are: each comes back after all others, so that what it has left behind has
// reached the database.
const slots = 64

// A stall is two processes of one form, and the clients that come to them one after the other.
type stall struct {
	form string
	all  [2]*worker
	ctx  *ssl.Ctx
	have [slots]*ssl.Session
	came int

	resumed, visits int
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

// visit has the next client come, and to the other process than the time before if that has its session.
func (s *stall) visit(t *testing.T) {
	t.Helper()
	slot, round := s.came%slots, s.came/slots
	s.came++
	to := slot
	if s.form == inDatabase || s.form == agreedKeys {
		to += round
	}
	c, err := ssl.DialSession("tcp", s.all[to%len(s.all)].addr, s.ctx, s.have[slot])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := []byte{0}
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatal(err)
	}
	s.visits++
	if c.SessionReused() {
		s.resumed++
	}
	h, err := c.Session()
	if err != nil {
		t.Fatal(err)
	}
	s.have[slot].Close()
	s.have[slot] = h
}

// run returns the processor time of a visit, of clients and servers together.
func (s *stall) run(t *testing.T, n int) time.Duration {
	t.Helper()
	took := func() time.Duration { return processorTime() + s.all[0].took() + s.all[1].took() }
	before := took()
	for range n {
		s.visit(t)
	}
	return (took() - before) / time.Duration(n)
}

// A fleet's form costs little more than that of a machine alone. Times are those of processors, and what is
// compared is run by turns, because other programs run, too.
func TestCost(t *testing.T) {
	leakcheck.Test(t)
	b := newTable(t, "Processor time of a resumption, clients and servers together", "", "alone", "in a fleet",
		"ratio, middle of the rounds", "from", "to", "not resumed", "of the database, in addition")
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
			n := whole(1000, 2*slots)
			alone.run(t, 2*slots) // the first of each client is full
			fleet.run(t, 2*slots)
			alone.resumed, fleet.resumed, alone.visits, fleet.visits = 0, 0, 0, 0
			var ratios []float64
			var costs [2][]time.Duration
			database := -databaseTime(t, db)
			for range whole(15, 3) {
				x, y := alone.run(t, n), fleet.run(t, n)
				ratios = append(ratios, float64(y)/float64(x))
				costs[0], costs[1] = append(costs[0], x), append(costs[1], y)
			}
			database = (database + databaseTime(t, db)) / time.Duration(fleet.visits)
			missed := alone.visits - alone.resumed + fleet.visits - fleet.resumed
			b.row(tc.name, micros(middle(costs[0])), micros(middle(costs[1])),
				fmt.Sprintf("%.3f", middle(ratios)), fmt.Sprintf("%.2f", slices.Min(ratios)),
				fmt.Sprintf("%.2f", slices.Max(ratios)), fmt.Sprintf("%d of %d", missed,
					alone.visits+fleet.visits), micros(database))
			if 100*missed > alone.visits+fleet.visits {
				t.Errorf("%d of %d visits were not resumed", missed, alone.visits+fleet.visits)
			}
		})
	}
	b.note("Two processes that do nothing but handshakes and one byte, %d clients by turns, %v.", slots,
		ssl.OpenSSLVersion())
}

func middle[T int | float64 | time.Duration](all []T) T {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

func micros(d time.Duration) string { return fmt.Sprintf("%.1f µs", float64(d.Nanoseconds())/1000) }

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
