package tickets_test

import (
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Keys that turn by the hour and libssl agree on the time: a ticket is renewed once its key is old, and
// none outlives its key, although its session would last longer.
func TestTicketKeysTurnUnderTickets(t *testing.T) {
	secret := ssltest.SealKey(7)
	for name, made := range map[string]func() (*ssl.TicketKeys, error){
		"random": func() (*ssl.TicketKeys, error) {
			return ssl.NewTicketKeys(&ssl.TicketKeysOptions{RotateEvery: time.Hour, KeepFor: time.Hour})
		},
		"derived": func() (*ssl.TicketKeys, error) { return ssl.DeriveTicketKeys(secret, time.Hour, time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
				clock := ssltest.NewClock(t)
				keys, err := made()
				if err != nil {
					t.Fatal(err)
				}
				defer keys.Close()
				srv.SessionTimeout, cli.SessionTimeout = 100*time.Hour, 100*time.Hour
				cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.TicketServer(t, srv, keys)
				first := ssltest.WantVisit(t, cctx, sctx, nil, false)
				for hour := uint64(1); hour <= 4; hour++ {
					name := keys.Infos()[0].Name
					clock.Pass(time.Hour)
					if keys.Infos()[0].Name == name || keys.Stats().Rotations != hour {
						t.Errorf("hour %d: %v, %+v", hour, keys.Infos()[0], keys.Stats())
					}
					if hour == 1 {
						ssltest.WantVisit(t, cctx, sctx, ssltest.Dup(t, first), true)
						if st := keys.Stats(); st.Renewed != 1 {
							t.Errorf("with an old key: %+v", st)
						}
					}
				}
				ssltest.WantVisit(t, cctx, sctx, first, false)
				if st := keys.Stats(); st.Unknown != 1 {
					t.Errorf("with a key that is gone: %+v", st)
				}
			})
		})
	}
}

// The age of a key is that of the clock, also on the list for administrators.
func TestTicketKeyAges(t *testing.T) {
	leakcheck.Test(t)
	clock := ssltest.NewClock(t)
	keys := ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)})
	clock.Pass(time.Hour)
	if err := keys.Rotate(ssltest.NewTicketKey(t)); err != nil {
		t.Fatal(err)
	}
	infos := keys.Infos()
	if age := clock.Now().Sub(infos[0].Since); age < time.Hour || age > time.Hour+ssltest.Timeout {
		t.Errorf("%v: the oldest is %v old", infos, age)
	}
}

// A key says from when to when it has encrypted here, also if it comes back into use later.
func TestTicketKeyCurrentTimes(t *testing.T) {
	leakcheck.Test(t)
	clock := ssltest.NewClock(t)
	a, b := ssltest.NewTicketKey(t), ssltest.NewTicketKey(t)
	keys := ssltest.TicketKeys(t, ssl.TicketKeySet{Current: a, Next: b})
	want := func(when string, hoursA, hoursB [2]int) { // ago; 0 for never, or not yet
		t.Helper()
		for _, k := range keys.Infos() {
			hours := hoursA
			if k.Name == b.Name() {
				hours = hoursB
			}
			for i, at := range []time.Time{k.CurrentSince, k.CurrentUntil} {
				ago := time.Duration(hours[i]) * time.Hour
				if got := clock.Now().Sub(at); at.IsZero() != (ago == 0) ||
					ago != 0 && (got < ago || got > ago+ssltest.Timeout) {
					t.Errorf("%s: %s, time %d is %v, want %v ago", when, k.Use, i, at, ago)
				}
			}
		}
	}
	set := func(set ssl.TicketKeySet) {
		t.Helper()
		if err := keys.SetKeys(set); err != nil {
			t.Fatal(err)
		}
		clock.Pass(time.Hour)
	}
	clock.Pass(time.Hour)
	want("at first", [2]int{1, 0}, [2]int{})
	set(ssl.TicketKeySet{Current: b, Old: []ssl.TicketKey{a}})
	want("rotated", [2]int{2, 1}, [2]int{1, 0})
	set(ssl.TicketKeySet{Current: b, Old: []ssl.TicketKey{a}})
	want("set again", [2]int{3, 2}, [2]int{2, 0})
	set(ssl.TicketKeySet{Current: a, Old: []ssl.TicketKey{b}})
	want("back", [2]int{4, 0}, [2]int{3, 1})
	set(ssl.TicketKeySet{Old: []ssl.TicketKey{a, b}})
	want("without a current key", [2]int{5, 1}, [2]int{4, 2})
}
