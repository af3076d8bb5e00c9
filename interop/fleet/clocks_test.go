package fleet

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// skews are by how much the clocks of machines are fast.
var skews = []time.Duration{-5 * time.Minute, 0, 5 * time.Minute}

// Clients resume on machines whose clocks differ by ten minutes, also when one of these is set. With a
// maximum age that is longer, a client has one full handshake at most.
func TestClocks(t *testing.T) {
	leakcheck.Test(t)
	b := newTable(t, "Clocks at -5, 0 and +5 minutes", "share", "--max-age", "visits",
		"full handshakes on return", "of one client, at most", "errors")
	for _, share := range []string{"keys", "both", "sessions"} {
		for _, age := range []string{"", "1h"} {
			t.Run(share+age, func(t *testing.T) {
				o := options{share: share, skews: skews}
				if age != "" {
					o.more = []string{"--max-age", age}
				}
				f := newFleet(t, o)
				l := startLoad(t, f)
				pass(whole(20*time.Second, 5*time.Second))
				if age == "" {
					f.all[2].moveClock(-10 * time.Minute)
					pass(whole(10*time.Second, 5*time.Second))
				}
				l.stop()
				f.end()
				visited(t, f, l)
				s := l.between(time.Time{}, time.Now())
				most := l.fullOfOne()
				b.row(share, age, s.visits, s.full, most, s.errors)
				if s.errors > 0 || s.visits == 0 || age == "" && s.full > 0 || most > 1 {
					t.Errorf("%d errors (%v), full %v", s.errors, s.why, s.kinds)
				}
			})
		}
	}
}

// Early data is accepted by the machine whose clock is right, from its own sessions, and else rejected. No
// connection fails.
func TestClocksAndEarlyData(t *testing.T) {
	leakcheck.Test(t)
	b := newTable(t, "Early data between machines whose clocks differ", "session from", "offered to", "flights",
		"accepted", "rejected", "errors")
	f := newFleet(t, options{share: "keys", skews: skews, more: []string{"--early-data", "1000"}})
	f.all[1].awaitFor(`fleet="early data" state=accepted`, 1, 3*time.Minute)
	const n = 10
	for i, from := range f.all {
		for j, to := range f.all {
			accepted, rejected, failed := 0, 0, 0
			for range n {
				switch word, err := sendEarly(t, from.addr, to.addr); {
				case err != nil:
					t.Error(err)
					failed++
				case word == ssl.EarlyDataAccepted:
					accepted++
				case word == ssl.EarlyDataRejected:
					rejected++
				}
			}
			b.row(fmt.Sprintf("%+g min", skews[i].Minutes()), fmt.Sprintf("%+g min", skews[j].Minutes()), n,
				accepted, rejected, failed)
			want := 0
			if i == 1 && j == 1 {
				want = n
			}
			if accepted != want || accepted+rejected != n {
				t.Errorf("from machine %d to %d: %d accepted, %d rejected", i, j, accepted, rejected)
			}
		}
	}
	f.end()
}

// sendEarly visits one machine, and the other with early data. The second visit must resume.
func sendEarly(t *testing.T, from, to string) (ssl.EarlyDataStatus, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cctx, err := ssl.NewClientCtx(&ssl.Config{RootCAs: ssltest.Roots(t, "ca"), ServerName: "localhost"})
	if err != nil {
		return 0, err
	}
	defer cctx.Close()
	target := from
	d := &ssl.Dialer{Ctx: cctx, DialFunc: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, target)
	}}
	const name = "localhost:443"
	first, err := d.DialContext(ctx, "tcp", name)
	if err != nil {
		return 0, err
	}
	defer first.Close()
	if _, err := io.WriteString(first, request); err != nil {
		return 0, err
	}
	if _, err := io.ReadAll(first); err != nil {
		return 0, err
	}
	target = to
	second, err := d.DialEarly(ctx, "tcp", name, []byte(request))
	if err != nil {
		return 0, err
	}
	defer second.Close()
	word := second.EarlyDataStatus()
	if word != ssl.EarlyDataAccepted {
		if _, err := io.WriteString(second, request); err != nil {
			return 0, err
		}
	}
	text, err := io.ReadAll(second)
	if err == nil && len(text) == 0 {
		err = io.ErrUnexpectedEOF
	}
	if err == nil && !second.SessionReused() {
		err = fmt.Errorf("a full handshake: %v", second.ReuseState())
	}
	return word, err
}
