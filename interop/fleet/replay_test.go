package fleet

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// dead is when libssl takes a flight no longer.
const dead = 10 * time.Second

// A thief makes first flights with early data, and sends them as often as it likes.
type thief struct {
	t   *testing.T
	f   *fleet
	ctx *ssl.Ctx
}

// newThief returns when all machines accept early data.
func newThief(t *testing.T, f *fleet) *thief {
	t.Helper()
	for _, m := range f.all {
		m.awaitFor(`fleet="early data" state=accepted`, 1, 3*time.Minute)
	}
	return &thief{t: t, f: f, ctx: ssltest.NewClientCtx(t, ssltest.ClientConfig(t))}
}

// flight is a new first flight, with a ticket of its own: a fleet accepts early data with a ticket once.
func (h *thief) flight(from *machine) []byte {
	h.t.Helper()
	c, err := ssl.DialSession("tcp", from.addr, h.ctx, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		h.t.Fatal(err)
	}
	if _, err := io.ReadAll(c); err != nil {
		h.t.Fatal(err)
	}
	s, err := c.Session()
	if err != nil {
		h.t.Fatal(err)
	}
	defer s.Close()
	return ssltest.EarlyFlight(h.t, h.ctx, s, "pay")
}

// send sends a flight to each of those machines at one instant, and returns how many of them say that they
// have accepted its early data.
func (h *thief) send(flight []byte, to ...*machine) (accepted int) {
	h.t.Helper()
	now := make(chan struct{})
	var all sync.WaitGroup
	lines := make([]func() string, len(to))
	for i, m := range to {
		n := m.printed()
		c, err := net.Dial("tcp", m.addr)
		if err != nil {
			h.t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		lines[i] = func() string { return m.line(c.LocalAddr().String()+" ", n) }
		all.Go(func() {
			<-now
			c.Write(flight)
			c.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, c)
		})
	}
	close(now)
	all.Wait()
	for _, line := range lines {
		if strings.Contains(line(), " early=accepted ") {
			accepted++
		}
	}
	return accepted
}

// early has machines take early data.
func early(share string) options {
	return options{share: share, rotate: time.Minute, more: []string{"--early-data", "100", "--debug", "0"}}
}

// Each flight is sent twice to all machines at one instant, and one of the six is accepted.
func TestReplay(t *testing.T) {
	leakcheck.Test(t)
	b := newTable(t, "Flights with early data, each sent twice to all machines at one instant",
		"share", "flights", "connections", "accepted once", "more often", "claims without an answer in time")
	for _, share := range []string{"keys", "both"} {
		t.Run(share, func(t *testing.T) {
			f := newFleet(t, early(share))
			h := newThief(t, f)
			flights := whole(1000, 50)
			once, twice := 0, 0
			for i := range flights {
				switch h.send(h.flight(f.all[i%machines]), append(f.all[:machines:machines], f.all...)...) {
				case 0:
				case 1:
					once++
				default:
					twice++
				}
			}
			said := earlyData(t, f)
			late := int(said.GuardFailures.Late)
			b.row(share, flights, 2*machines*flights, once, twice, late)
			// A claim whose answer is late may have been made: then no other connection is the first.
			if twice > 0 || 100*(once+late) < 99*flights {
				t.Errorf("%d of %d flights were accepted once, and %d more often; the machines say %+v", once,
					flights, twice, said)
			}
			f.end()
		})
	}
}

// earlyData adds up what the machines say of early data.
func earlyData(t *testing.T, f *fleet) (sum ssl.EarlyDataStats) {
	t.Helper()
	for _, m := range f.all {
		resp, err := http.Get(strings.TrimPrefix(m.line("debug page on ", 0), "debug page on ") + "?format=json")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var page struct {
			Contexts map[string]struct {
				Stats struct{ EarlyData ssl.EarlyDataStats }
			}
		}
		if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
			t.Fatal(err)
		}
		s, n := page.Contexts["serve"].Stats.EarlyData, &sum.GuardFailures
		sum.Accepted, sum.Rejected, sum.Replayed = sum.Accepted+s.Accepted, sum.Rejected+s.Rejected,
			sum.Replayed+s.Replayed
		n.Errors, n.Late = n.Errors+s.GuardFailures.Errors, n.Late+s.GuardFailures.Late
		n.Busy, n.Clock = n.Busy+s.GuardFailures.Busy, n.Clock+s.GuardFailures.Clock
	}
	return sum
}

// A lapse is something that could have a fleet forget which flights it has accepted.
type lapse struct {
	name  string
	site  func(t *testing.T, f *fleet)
	begin func(f *fleet)
}

var lapses = []lapse{
	{name: "nothing", begin: func(*fleet) {}},
	{name: "FLUSHALL", begin: func(f *fleet) { f.db.Do("FLUSHALL") }},
	{name: "database restarted", begin: func(f *fleet) { f.db.Restart() }},
	{name: "failover that lost the claims", site: withReplica, begin: func(f *fleet) {
		for _, p := range f.proxies {
			p.Retarget(f.nodes[1].Addr)
		}
	}},
	{name: "servers restarted", begin: func(f *fleet) {
		for i, m := range f.all {
			m.end()
			f.again(i)
		}
	}},
	{name: "a server's clock 30 s back", begin: func(f *fleet) { f.all[1].moveClock(-30 * time.Second) }},
	{name: "all servers' clocks 30 s back", begin: func(f *fleet) {
		for _, m := range f.all {
			m.moveClock(-30 * time.Second)
		}
	}},
	{name: "database stopped", begin: func(f *fleet) { f.db.Kill() }},
}

// withReplica is a database and a replica that has all of it until lapse.
func withReplica(t *testing.T, f *fleet) {
	t.Helper()
	alone(t, f)
	f.nodes = []*dbtest.Server{f.db, dbtest.StartReplica(t, f.db)}
}

// A flight that was accepted is accepted nowhere else as long as libssl takes it, whatever is lost meanwhile.
func TestReplayAfterLoss(t *testing.T) {
	leakcheck.Test(t)
	b := newTable(t, "Flights that were accepted, sent again for ten seconds",
		"meanwhile", "accepted", "sent again", "accepted a second time")
	fleets := make([]*fleet, len(lapses))
	for i, l := range lapses { // an epoch is young for a minute, in all of them at one time
		o := early("keys")
		o.site = l.site
		fleets[i] = newFleet(t, o)
	}
	for i, l := range lapses {
		t.Run(l.name, func(t *testing.T) { l.try(t, b, fleets[i]) })
		fleets[i].end()
	}
	b.note("They are sent to all machines in turn, until ten seconds after they were made. With clocks set " +
		"back, until forty seconds after.")
}

func (l lapse) try(t *testing.T, b *table, f *fleet) {
	h := newThief(t, f)
	const flights = 20
	all := make([][]byte, flights)
	if l.site != nil {
		f.nodes[1].Do("REPLICAOF", "NO", "ONE") // it misses the claims from now on
	}
	from, first := time.Now(), 0
	var times [flights]int
	for i := range all {
		all[i] = h.flight(f.all[i%machines])
		times[i] = h.send(all[i], f.all[(i+1)%machines])
		first += times[i]
	}
	l.begin(f)
	until := from.Add(dead)
	if strings.Contains(l.name, "clock") {
		until = until.Add(30 * time.Second)
	}
	sent, again := 0, 0
	for ; time.Now().Before(until); sent++ {
		n := sent % flights
		before := times[n]
		times[n] += h.send(all[n], f.all...)
		again += max(0, times[n]-max(1, before)) // one that was late at first may be accepted now
		pass(20 * time.Millisecond)
	}
	b.row(l.name, first, sent*machines, again)
	if again > 0 || 10*first < 9*flights || sent < flights {
		t.Errorf("%d of %d flights were accepted, and %d of %d that were sent again", first, flights, again,
			sent*machines)
	}
}
