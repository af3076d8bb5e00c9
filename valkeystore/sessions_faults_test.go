package valkeystore

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
	"sessl/valkeystore/internal/circuit"
	"sessl/valkeystore/internal/outbox"
)

// Whatever becomes of the values, a client gets a full handshake, and its next session resumes.
func TestSessionsSpoiled(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	srv, cli := ssltest.TLS12(t)
	cctx := ssltest.NewClientCtx(t, cli)
	_, one := machine(t, db.Addr, srv)
	c, two := machine(t, db.Addr, srv)
	values := func(change func(key, value string)) func() {
		return func() {
			for _, key := range db.Keys("shop:s:") {
				change(key, db.Do("GET", key))
			}
		}
	}
	for _, test := range []struct {
		name  string
		spoil func()
		count func(ssl.StoreStats) uint64
	}{
		{"as it is", func() {}, func(s ssl.StoreStats) uint64 { return s.Hits }},
		{"flushed", func() { db.Do("FLUSHALL") }, func(s ssl.StoreStats) uint64 { return s.Misses }},
		{"garbage", values(func(key, _ string) { db.Do("SET", key, "garbage") }),
			func(s ssl.StoreStats) uint64 { return s.Refused }},
		{"cut short", values(func(key, v string) { db.Do("SET", key, v[:len(v)-1]) }),
			func(s ssl.StoreStats) uint64 { return s.Refused }},
		{"empty", values(func(key, _ string) { db.Do("SET", key, "") }),
			func(s ssl.StoreStats) uint64 { return s.Misses }},
		{"too long", values(func(key, v string) { db.Do("SETRANGE", key, "1100000", "x") }),
			func(s ssl.StoreStats) uint64 { return s.Errors }},
		{"another type", values(func(key, _ string) { db.Do("DEL", key); db.Do("LPUSH", key, "x") }),
			func(s ssl.StoreStats) uint64 { return s.Errors }},
	} {
		db.Do("FLUSHALL")
		s := ssltest.WantVisit(t, cctx, one, nil, false)
		test.spoil()
		before := c.Cache().StoreStats()
		next := ssltest.WantVisit(t, cctx, two, ssltest.Dup(t, s), test.name == "as it is")
		if st := c.Cache().StoreStats(); test.count(st) != test.count(before)+1 {
			t.Errorf("%s: %+v, before %+v", test.name, st, before)
		}
		if test.name != "as it is" {
			ssltest.WantVisit(t, cctx, one, ssltest.Dup(t, next), true)
		}
	}
}

// A machine with other seal keys does full handshakes, and spoils nothing for the others.
func TestSessionsOfOtherSealKeys(t *testing.T) {
	db := dbtest.Start(t)
	srv, cli := ssltest.TLS12(t)
	cctx := ssltest.NewClientCtx(t, cli)
	_, one := machine(t, db.Addr, srv)
	_, two := machine(t, db.Addr, srv)
	alien := opened(t, db.Addr, patient, func(o *Options) { o.SealKeys = sealKeys(t, 77) })
	cfg := ssltest.CopyOf(srv, func(cfg *ssl.Config) { cfg.SessionCache = alien.Cache() })
	three := ssltest.NewServerCtx(t, cfg)
	s := ssltest.WantVisit(t, cctx, one, nil, false)
	ssltest.WantVisit(t, cctx, three, ssltest.Dup(t, s), false)
	ssltest.WantVisit(t, cctx, two, ssltest.Dup(t, s), true)
}

// Sessions that are made while the database is away are there when it is back, without another visit; and
// meanwhile it is said to be down, although no client asks.
func TestSessionsAfterAnOutage(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	srv, cli := ssltest.TLS12(t)
	cctx := ssltest.NewClientCtx(t, cli)
	for name, f := range map[string]dbtest.Fault{"reset": dbtest.Reset, "silent": dbtest.Silent,
		"garbage": dbtest.Garbage, "half": dbtest.Half} {
		t.Run(name, func(t *testing.T) {
			proxy := dbtest.NewProxy(t, db.Addr)
			c, one := machine(t, proxy.Addr, srv, func(o *Options) {
				o.Cache = ssl.ServerCacheOptions{LookupTimeout: 50 * time.Millisecond}
				o.Timeout = 100 * time.Millisecond
			})
			_, two := machine(t, db.Addr, srv)
			proxy.Set(f, 0)
			var made []*ssl.Session
			for range 2 * circuit.MaxFailures {
				made = append(made, ssltest.WantVisit(t, cctx, one, nil, false))
			}
			down := store{c}
			await(t, "the circuit opens", down.Down)
			st := c.Cache().StoreStats()
			proxy.Set(dbtest.None, 0)
			await(t, "the circuit closes, and nothing waits", func() bool {
				return !down.Down() && c.keeping.box.Len() == 0 && c.Cache().StoreStats().Pending == 0
			})
			if st.Dropped != 0 {
				t.Errorf("dropped: %+v", st)
			}
			for _, s := range made {
				ssltest.WantVisit(t, cctx, two, ssltest.Dup(t, s), true)
			}
		})
	}
}

// While lookups find nothing in time, no handshake waits for a write: what is to be put waits by itself, and
// is made.
func TestSessionsPutWhileLookupsFail(t *testing.T) {
	db := dbtest.Start(t)
	proxy := dbtest.NewProxy(t, db.Addr)
	c := opened(t, proxy.Addr)
	c.Cache()
	proxy.Set(dbtest.Reset, 0)
	for range circuit.MaxFailures {
		if _, err := (store{c}).Get(t.Context(), []byte("id")); err == nil {
			t.Fatal("there is an answer")
		}
	}
	proxy.Set(dbtest.None, 0)
	given, up := context.WithCancel(t.Context())
	up() // it would be an error to begin a write with it
	item := ssl.StoreItem{ID: []byte("id"), Sealed: []byte("sealed"), Expires: time.Now().Add(time.Hour)}
	if errs := (store{c}).PutAll(given, []ssl.StoreItem{item}); errs != nil {
		t.Error(errs)
	}
	if err := c.keeping.writer.Why(); err != nil {
		t.Error("the write was begun: ", err)
	}
	await(t, "the write", func() bool { return len(db.Keys("shop:s:")) == 1 })
}

// A database that is stopped costs one lookup's deadline, and after five of them nothing; a lookup is then
// a miss. It comes back with what it had.
func TestSessionsStopped(t *testing.T) {
	db := dbtest.Start(t)
	srv, cli := ssltest.TLS12(t)
	cctx := ssltest.NewClientCtx(t, cli)
	_, one := machine(t, db.Addr, srv)
	s := ssltest.WantVisit(t, cctx, one, nil, false)
	c, two := machine(t, db.Addr, srv, func(o *Options) {
		o.Cache = ssl.ServerCacheOptions{LookupTimeout: 50 * time.Millisecond}
	})
	db.Stop()
	late := 0
	await(t, "a miss", func() bool {
		late++
		ssltest.WantVisit(t, cctx, two, ssltest.Dup(t, s), false)
		return c.Cache().StoreStats().Misses > 0
	})
	// Whichever of the two deadlines is seen first, the cache's or the store's own, the lookup failed.
	st := c.Cache().StoreStats()
	if st.Late+st.Errors < circuit.MaxFailures || c.keeping.stats.unasked.Load() == 0 {
		t.Errorf("%d visits: %+v", late, st)
	}
	db.Continue()
	await(t, "a hit", func() bool {
		reused, _ := ssltest.Visit(t, cctx, two, ssltest.Dup(t, s))
		return reused
	})
}

// A full database takes nothing; what it did not take it gets when there is room.
func TestSessionsFull(t *testing.T) {
	db := dbtest.Start(t)
	srv, cli := ssltest.TLS12(t)
	cctx := ssltest.NewClientCtx(t, cli)
	c, one := machine(t, db.Addr, srv)
	_, two := machine(t, db.Addr, srv)
	db.Do("CONFIG", "SET", "maxmemory", "1")
	s := ssltest.WantVisit(t, cctx, one, nil, false)
	ssltest.WantVisit(t, cctx, two, ssltest.Dup(t, s), false)
	db.Do("CONFIG", "SET", "maxmemory", "0")
	await(t, "nothing waits", func() bool { return c.keeping.box.Len() == 0 })
	ssltest.WantVisit(t, cctx, two, ssltest.Dup(t, s), true)
}

// What is removed during an outage is removed after it, and a session that waits does not come back.
func TestRemovedDuringAnOutage(t *testing.T) {
	db := dbtest.Start(t)
	proxy := dbtest.NewProxy(t, db.Addr)
	srv, cli := ssltest.TLS12(t)
	cctx := ssltest.NewClientCtx(t, cli)
	c, one := machine(t, proxy.Addr, srv, func(o *Options) { o.Timeout = 100 * time.Millisecond })
	_, two := machine(t, db.Addr, srv)
	stored := ssltest.WantVisit(t, cctx, one, nil, false)
	proxy.Set(dbtest.Reset, 0)
	waits := ssltest.WantVisit(t, cctx, one, nil, false)
	for _, s := range []*ssl.Session{stored, waits} {
		if err := c.Cache().RemoveContext(t.Context(), ssltest.Get(t, s.ID)); err == nil {
			t.Error("removed, although the database is away")
		}
	}
	proxy.Set(dbtest.None, 0)
	await(t, "nothing waits", func() bool { return c.keeping.box.Len() == 0 })
	for _, s := range []*ssl.Session{stored, waits} {
		ssltest.WantVisit(t, cctx, two, ssltest.Dup(t, s), false)
	}
}

// Close makes the writes that wait, and says how many it could not make.
func TestCloseFlushes(t *testing.T) {
	for _, back := range []bool{true, false} {
		db := dbtest.Start(t)
		proxy := dbtest.NewProxy(t, db.Addr)
		c := opened(t, proxy.Addr, func(o *Options) { o.Timeout = 100 * time.Millisecond })
		c.Cache()
		proxy.Set(dbtest.Reset, 0)
		s := store{c}
		for i := range 300 {
			s.Put(t.Context(), fmt.Append(nil, i), []byte("sealed"), time.Now().Add(time.Hour))
		}
		want := 300
		if back {
			proxy.Set(dbtest.None, 0)
			want = 0
		}
		lost, err := c.Close(context.Background())
		if lost != want || err != nil {
			t.Errorf("back %t: %d are lost, %v", back, lost, err)
		}
		if n := len(db.Keys("shop:s:")); n != 300-want {
			t.Errorf("back %t: %d are in the database", back, n)
		}
	}
}

// Close does not wait for writes that are being made when its context has ended: they count as lost.
func TestCloseWhileWritesAreMade(t *testing.T) {
	c := opened(t, dbtest.Start(t).Addr)
	begun, release := make(chan struct{}, 1), make(chan struct{})
	t.Cleanup(func() { close(release) }) // before the Close of opened
	c.keeping.writer.Send = func(_ context.Context, ws []outbox.Write) []error {
		begun <- struct{}{}
		<-release
		return make([]error, len(ws))
	}
	c.Cache()
	c.keeping.writer.Later([]outbox.Write{{Key: "a", Until: time.Hour}})
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	closed := make(chan int)
	go func() {
		lost, _ := c.Close(ctx)
		closed <- lost
	}()
	select {
	case lost := <-closed:
		if lost != 1 {
			t.Errorf("%d are lost", lost)
		}
	case <-time.After(patience):
		t.Fatal("Close waits")
	}
}

// That the database takes writes again is found out although no client comes, and no write waits.
func TestDownWithoutClients(t *testing.T) {
	var probes, works atomic.Int64
	c := opened(t, dbtest.Fake(t, func(words []string) string {
		if len(words) < 2 || words[0] != "SET" || works.Load() == 0 {
			probes.Add(int64(ssltest.If(len(words) > 1 && words[1] == "shop:p:", 1, 0)))
			return "-ERR no\r\n"
		}
		return "+OK\r\n"
	}))
	c.Cache()
	s := store{c}
	for i := range circuit.MaxFailures {
		s.Put(t.Context(), []byte{byte(i)}, []byte("sealed"), time.Now())
	}
	await(t, "two probes", func() bool { return probes.Load() >= 2 })
	if !s.Down() || c.keeping.box.Len() != 0 {
		t.Errorf("down is %t, %d writes wait", s.Down(), c.keeping.box.Len())
	}
	works.Store(1)
	await(t, "it is not down", func() bool { return !s.Down() })
	if st := c.Stats().Sessions; st.Expired != circuit.MaxFailures {
		t.Errorf("%+v", st)
	}
}
