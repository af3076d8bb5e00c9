package ownership_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A step is one operation and all that it may change.
type step struct {
	op   string
	do   func() error
	want ssltest.Census
}

func (s step) run(t *testing.T) {
	t.Helper()
	before := ssl.ReadCounters()
	if err := s.do(); err != nil {
		t.Fatalf("%s: %v", s.op, err)
	}
	if got := ssltest.Since(before); got != s.want {
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
	s := ssltest.FilledSession(t, ssl.VersionTLS12)
	der, text := ssltest.Marshal(t, s), ssltest.MarshalPEM(t, s)
	var empty, up, copied, parsed, fromPEM *ssl.Session
	runSteps(t, []step{
		{"NewSession", into(&empty, ssl.NewSession), ssltest.Census{Created: 1, Opened: 1}},
		{"Close of the only handle", closing(&empty), ssltest.Census{Closed: 1, Freed: 1}},
		{"Close again", closing(&empty), ssltest.Census{}},
		{"UpRef", into(&up, s.UpRef), ssltest.Census{Opened: 1}},
		{"Dup", into(&copied, s.Dup), ssltest.Census{Created: 1, Opened: 1}},
		{"Close of one of two handles", closing(&up), ssltest.Census{Closed: 1}},
		{"Close of the copy", closing(&copied), ssltest.Census{Closed: 1, Freed: 1}},
		{"ParseSession", into(&parsed, func() (*ssl.Session, error) { return ssl.ParseSession(der) }),
			ssltest.Census{Created: 1, Opened: 1}},
		{"ParseSessionPEM", into(&fromPEM, func() (*ssl.Session, error) { return ssl.ParseSessionPEM(text) }),
			ssltest.Census{Created: 1, Opened: 1}},
		{"Close of the parsed", closing(&parsed), ssltest.Census{Closed: 1, Freed: 1}},
		{"Close of the one from PEM", closing(&fromPEM), ssltest.Census{Closed: 1, Freed: 1}},
		{"MarshalBinary", func() error { _, err := s.MarshalBinary(); return err }, ssltest.Census{}},
		{"MarshalPEM", func() error { _, err := s.MarshalPEM(); return err }, ssltest.Census{}},
		{"setters", func() error { return s.SetCipher(0xC02F) }, ssltest.Census{}},
		{"SetExData", func() error { return s.SetExData(ssl.NewSessionIndex(), 1) }, ssltest.Census{}},
	})
}

func TestOwnershipOfFailedParses(t *testing.T) {
	leakcheck.Test(t)
	der := ssltest.Marshal(t, ssltest.FilledSession(t, ssl.VersionTLS12))
	before := ssl.ReadCounters()
	for n := range der {
		if s, err := ssl.ParseSession(der[:n]); err == nil {
			s.Close()
			t.Errorf("%d of %d bytes were enough", n, len(der))
		}
	}
	if got := ssltest.Since(before); got.Created != got.Freed || got.Opened != 0 {
		t.Errorf("%+v", got)
	}
}

func TestOwnershipInACache(t *testing.T) {
	leakcheck.Test(t)
	s, same, other := ssltest.FilledSession(t, ssl.VersionTLS12), ssltest.FilledSession(t, ssl.VersionTLS12),
		ssltest.FilledSession(t, ssl.VersionTLS12)
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
	cfg := ssltest.ServerConfig(t)
	runSteps(t, []step{
		{"NewServerCtx", func() (err error) { ctx, err = ssl.NewServerCtx(cfg); return err },
			ssltest.Census{Ctxs: 1}},
		{"AddSession", add(&s, true), ssltest.Census{}},
		{"AddSession of the same object", add(&s, false), ssltest.Census{}},
		{"one is in", number(1), ssltest.Census{}},
		{"Close of a cached session", closing(&s), ssltest.Census{Closed: 1}}, // the cache has its own reference
		{"AddSession of another object with its id", add(&same, true), ssltest.Census{Freed: 1}},
		{"one is in", number(1), ssltest.Census{}},
		{"RemoveSession", remove(&same, true), ssltest.Census{}}, // the handle keeps it
		{"RemoveSession again", remove(&same, false), ssltest.Census{}},
		{"none is in", number(0), ssltest.Census{}},
		{"Close of a removed session", closing(&same), ssltest.Census{Closed: 1, Freed: 1}},
		{"AddSession", add(&other, true), ssltest.Census{}},
		{"Close of a cached session", closing(&other), ssltest.Census{Closed: 1}},
		{"FlushSessions of what has expired", func() error { return ctx.FlushSessions(time.Now()) },
			ssltest.Census{}},
		{"FlushSessions of everything", func() error { return ctx.FlushSessions(time.Time{}) },
			ssltest.Census{Freed: 1}},
		{"none is in", number(0), ssltest.Census{}},
	})
	last := ssltest.FilledSession(t, ssl.VersionTLS12)
	runSteps(t, []step{
		{"AddSession", add(&last, true), ssltest.Census{}},
		{"Close of a cached session", closing(&last), ssltest.Census{Closed: 1}},
		{"Ctx.Close", func() error { return ctx.Close() }, ssltest.Census{Freed: 1, Ctxs: -1}},
		{"Ctx.Close again", func() error { return ctx.Close() }, ssltest.Census{}},
	})
}

func TestOwnershipInAServerCache(t *testing.T) {
	leakcheck.Test(t)
	cache := ssltest.NewServerCache(t, &ssl.ServerCacheOptions{MaxSessions: 1})
	s, same, other := ssltest.FilledSession(t, ssl.VersionTLS12), ssltest.FilledSession(t, ssl.VersionTLS12),
		ssltest.FilledSession(t, ssl.VersionTLS12)
	if err := other.SetID([]byte("other")); err != nil {
		t.Fatal(err)
	}
	var found *ssl.Session
	is := func(ok bool) error {
		if !ok {
			return errors.New("it did not")
		}
		return nil
	}
	put := func(s *ssl.Session) func() error { return func() error { return is(cache.Put(s)) } }
	get := func() error { found = cache.Get([]byte("session id")); return is(found != nil) }
	remove := func() error { return is(cache.Remove([]byte("session id"))) }
	runSteps(t, []step{
		{"Put", put(s), ssltest.Census{Closed: 1}}, // the handle's reference is the cache's
		{"Get", get, ssltest.Census{Opened: 1}},
		{"Put of another object with its id", put(same), ssltest.Census{Closed: 1}}, // the handle keeps the first
		{"Close of what was found", closing(&found), ssltest.Census{Closed: 1, Freed: 1}},
		{"Get", get, ssltest.Census{Opened: 1}},
		{"Remove", remove, ssltest.Census{}},
		{"Close of what was found", closing(&found), ssltest.Census{Closed: 1, Freed: 1}},
		{"Put", put(other), ssltest.Census{Closed: 1}},
		{"Put into a full cache", put(ssltest.FilledSession(t, ssl.VersionTLS12)),
			ssltest.Census{Closed: 1, Freed: 1}},
		{"Close of the cache", cache.Close, ssltest.Census{Freed: 1}},
	})
}
