package ssl_test

import (
	"fmt"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// census is what an operation changes: SSL_SESSION objects of the whole process, and
// handles. Both ends of a connection are in this process, so both are in the numbers.
type census struct {
	created, freed            int // SSL_SESSION objects
	opened, closed, collected int // Session handles
	lent, back                int // BorrowedSession handles
	conns, ctxs               int // more Conns and Ctxs alive
}

func since(b ssl.Counters) census {
	a := ssl.ReadCounters()
	d := func(x, y uint64) int { return int(int64(x - y)) }
	return census{
		created: d(a.SessionObjectsCreated, b.SessionObjectsCreated), freed: d(a.SessionObjectsFreed, b.SessionObjectsFreed),
		opened: d(a.Sessions.Opened, b.Sessions.Opened), closed: d(a.Sessions.Closed, b.Sessions.Closed),
		collected: d(a.Sessions.Collected, b.Sessions.Collected),
		lent:      d(a.Borrowed.Opened, b.Borrowed.Opened), back: d(a.Borrowed.Closed, b.Borrowed.Closed),
		conns: d(a.Conns.Live, b.Conns.Live), ctxs: d(a.Ctxs.Live, b.Ctxs.Live),
	}
}

// A step is one operation and all that it may change.
type step struct {
	op   string
	do   func() error
	want census
}

func (s step) run(t *testing.T) {
	t.Helper()
	before := ssl.ReadCounters()
	if err := s.do(); err != nil {
		t.Fatalf("%s: %v", s.op, err)
	}
	if got := since(before); got != s.want {
		t.Errorf("%s:\n got %+v\nwant %+v", s.op, got, s.want)
	}
}

func runSteps(t *testing.T, steps []step) {
	t.Helper()
	for _, s := range steps {
		s.run(t)
	}
}

// into makes a step's function of one that returns an owned session.
func into(to **ssl.Session, f func() (*ssl.Session, error)) func() error {
	return func() (err error) { *to, err = f(); return err }
}

func closing(s **ssl.Session) func() error { return func() error { return (*s).Close() } }

func TestOwnershipOfSessions(t *testing.T) {
	leakcheck.Test(t)
	s := filled(t, ssl.VersionTLS12)
	der, text := marshal(t, s), marshalPEM(t, s)
	var empty, up, copied, parsed, fromPEM *ssl.Session
	runSteps(t, []step{
		{"NewSession", into(&empty, ssl.NewSession), census{created: 1, opened: 1}},
		{"Close of the only handle", closing(&empty), census{closed: 1, freed: 1}},
		{"Close again", closing(&empty), census{}},
		{"UpRef", into(&up, s.UpRef), census{opened: 1}},
		{"Dup", into(&copied, s.Dup), census{created: 1, opened: 1}},
		{"Close of one of two handles", closing(&up), census{closed: 1}},
		{"Close of the copy", closing(&copied), census{closed: 1, freed: 1}},
		{"ParseSession", into(&parsed, func() (*ssl.Session, error) { return ssl.ParseSession(der) }), census{created: 1, opened: 1}},
		{"ParseSessionPEM", into(&fromPEM, func() (*ssl.Session, error) { return ssl.ParseSessionPEM(text) }), census{created: 1, opened: 1}},
		{"Close of the parsed", closing(&parsed), census{closed: 1, freed: 1}},
		{"Close of the one from PEM", closing(&fromPEM), census{closed: 1, freed: 1}},
		{"MarshalBinary", func() error { _, err := s.MarshalBinary(); return err }, census{}},
		{"MarshalPEM", func() error { _, err := s.MarshalPEM(); return err }, census{}},
		{"setters", func() error { return s.SetCipher(0xC02F) }, census{}},
		{"SetExData", func() error { return s.SetExData(reflectIndex, 1) }, census{}},
	})
}

func TestOwnershipOfFailedParses(t *testing.T) {
	leakcheck.Test(t)
	der := marshal(t, filled(t, ssl.VersionTLS12))
	before := ssl.ReadCounters()
	for n := range der {
		if s, err := ssl.ParseSession(der[:n]); err == nil {
			s.Close()
			t.Errorf("%d of %d bytes were enough", n, len(der))
		}
	}
	if got := since(before); got.created != got.freed || got.opened != 0 {
		t.Errorf("%+v", got)
	}
}

func TestOwnershipInACache(t *testing.T) {
	leakcheck.Test(t)
	s, same, other := filled(t, ssl.VersionTLS12), filled(t, ssl.VersionTLS12), filled(t, ssl.VersionTLS12)
	var ctx *ssl.Ctx
	add := func(s **ssl.Session, want bool) func() error {
		return func() error {
			added, err := ctx.AddSession(*s)
			if err == nil && added != want {
				err = fmt.Errorf("added is %t", added)
			}
			return err
		}
	}
	remove := func(s **ssl.Session, want bool) func() error {
		return func() error {
			found, err := ctx.RemoveSession(*s)
			if err == nil && found != want {
				err = fmt.Errorf("found is %t", found)
			}
			return err
		}
	}
	number := func(want int64) func() error {
		return func() error {
			st, err := ctx.SessionStats()
			if err == nil && st.Number != want {
				err = fmt.Errorf("%d sessions in the cache, want %d", st.Number, want)
			}
			return err
		}
	}
	if err := other.SetID([]byte("other")); err != nil {
		t.Fatal(err)
	}
	cfg := serverConfig(t)
	runSteps(t, []step{
		{"NewServerCtx", func() (err error) { ctx, err = ssl.NewServerCtx(cfg); return err }, census{ctxs: 1}},
		{"AddSession", add(&s, true), census{}},
		{"AddSession of the same object", add(&s, false), census{}},
		{"one is in", number(1), census{}},
		{"Close of a cached session", closing(&s), census{closed: 1}}, // the cache has its own reference
		{"AddSession of another object with its id", add(&same, true), census{freed: 1}},
		{"one is in", number(1), census{}},
		{"RemoveSession", remove(&same, true), census{}}, // the handle keeps it
		{"RemoveSession again", remove(&same, false), census{}},
		{"none is in", number(0), census{}},
		{"Close of a removed session", closing(&same), census{closed: 1, freed: 1}},
		{"AddSession", add(&other, true), census{}},
		{"Close of a cached session", closing(&other), census{closed: 1}},
		{"FlushSessions of what has expired", func() error { return ctx.FlushSessions(time.Now()) }, census{}},
		{"FlushSessions of everything", func() error { return ctx.FlushSessions(time.Time{}) }, census{freed: 1}},
		{"none is in", number(0), census{}},
	})
	last := filled(t, ssl.VersionTLS12)
	runSteps(t, []step{
		{"AddSession", add(&last, true), census{}},
		{"Close of a cached session", closing(&last), census{closed: 1}},
		{"Ctx.Close", func() error { return ctx.Close() }, census{freed: 1, ctxs: -1}},
		{"Ctx.Close again", func() error { return ctx.Close() }, census{}},
	})
}
