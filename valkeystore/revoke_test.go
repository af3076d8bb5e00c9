package valkeystore

import (
	"context"
	"errors"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// listening returns when the machines listen for revocations, which the database counts.
func listening(t *testing.T, db *dbtest.Server, n string) {
	t.Helper()
	await(t, n+" machines listen", func() bool { return db.Do("PUBSUB", "NUMSUB", "shop:r:") == "shop:r:\n"+n })
}

// resumedOn has the sessions resumed on a machine, so that its own cache has them.
func resumedOn(t *testing.T, cctx, sctx *ssl.Ctx, all ...*ssl.Session) {
	t.Helper()
	for _, s := range all {
		ssltest.WantVisit(t, cctx, sctx, ssltest.Dup(t, s), true)
	}
}

// A session that is revoked on one machine ends on all, also in their own caches; another one does not.
func TestRevoke(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	srv, cli := ssltest.TLS12(t)
	cctx := ssltest.NewClientCtx(t, cli)
	c, one := machine(t, db.Addr, srv)
	c2, two := machine(t, db.Addr, srv)
	listening(t, db, "2")
	revoked := ssltest.WantVisit(t, cctx, one, nil, false)
	other := ssltest.WantVisit(t, cctx, one, nil, false)
	resumedOn(t, cctx, two, revoked, other)
	id := ssltest.Get(t, revoked.ID)
	if err := c.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	await(t, "the other machine forgets", func() bool { return c2.keeping.stats.revoked.Load() == 1 })
	for name, sctx := range map[string]*ssl.Ctx{"here": one, "on the other machine": two} {
		if reused, _ := ssltest.Visit(t, cctx, sctx, ssltest.Dup(t, revoked)); reused {
			t.Errorf("resumed %s", name)
		}
		resumedOn(t, cctx, sctx, other)
	}
	for _, text := range []string{"garbage", "", string(id)} { // nothing that others send counts
		db.Do("PUBLISH", "shop:r:", text)
	}
	await(t, "garbage is counted", func() bool { return c2.keeping.stats.foreign.Load() == 3 })
	if value := db.Do("LRANGE", "shop:r:", "0", "-1"); value == "" || value == string(id) {
		t.Errorf("the list is %q", value)
	}
}

// A machine that was cut off hears of a revocation when it is back.
func TestRevokeReachesTheCutOff(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	proxy := dbtest.NewProxy(t, db.Addr)
	srv, cli := ssltest.TLS12(t)
	cctx := ssltest.NewClientCtx(t, cli)
	c, one := machine(t, db.Addr, srv)
	c2, two := machine(t, proxy.Addr, srv, func(o *Options) {
		o.Cache.LookupTimeout = 50 * time.Millisecond
		o.Timeout = 100 * time.Millisecond
	})
	listening(t, db, "2")
	first := ssltest.WantVisit(t, cctx, one, nil, false)
	revoked := ssltest.WantVisit(t, cctx, one, nil, false)
	other := ssltest.WantVisit(t, cctx, one, nil, false)
	resumedOn(t, cctx, two, first, revoked, other)
	if err := c.Revoke(t.Context(), ssltest.Get(t, first.ID)); err != nil {
		t.Fatal(err)
	}
	await(t, "it forgets the first", func() bool { return c2.keeping.stats.revoked.Load() == 1 })
	proxy.Set(dbtest.Reset, 0)
	if err := c.Revoke(t.Context(), ssltest.Get(t, revoked.ID)); err != nil {
		t.Fatal(err)
	}
	resumedOn(t, cctx, two, revoked) // it cannot know
	proxy.Set(dbtest.None, 0)
	await(t, "it forgets the second", func() bool { return c2.keeping.stats.revoked.Load() == 2 })
	ssltest.WantVisit(t, cctx, two, ssltest.Dup(t, revoked), false)
	resumedOn(t, cctx, two, other)
}

// Revoke says when the database has not taken it, and the session is gone here.
func TestRevokeDuringAnOutage(t *testing.T) {
	db := dbtest.Start(t)
	proxy := dbtest.NewProxy(t, db.Addr)
	srv, cli := ssltest.TLS12(t)
	cctx := ssltest.NewClientCtx(t, cli)
	c, one := machine(t, proxy.Addr, srv, func(o *Options) { o.Timeout = 100 * time.Millisecond })
	s := ssltest.WantVisit(t, cctx, one, nil, false)
	proxy.Set(dbtest.Reset, 0)
	if err := c.Revoke(t.Context(), ssltest.Get(t, s.ID)); err == nil {
		t.Error("no error")
	}
	if err := c.RevokeAll(t.Context()); err == nil {
		t.Error("RevokeAll: no error")
	}
	ssltest.WantVisit(t, cctx, one, ssltest.Dup(t, s), false)
	proxy.Set(dbtest.None, 0)
	await(t, "it is taken", func() bool { return c.Revoke(t.Context(), ssltest.Get(t, s.ID)) == nil })
}

// RevokeAll makes all sessions and tickets void, on each machine once it has polled, and in the database.
func TestRevokeAll(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		db.Do("FLUSHALL")
		cctx := ssltest.NewClientCtx(t, cli)
		c, one := machine(t, db.Addr, srv)
		c2, two := machine(t, db.Addr, srv)
		ticket := ssltest.TicketServer(t, srv, c2.TicketKeys())
		await(t, "a ticket key", func() bool { return c2.Stats().Schedule.State == ScheduleReady })
		s := ssltest.WantVisit(t, cctx, one, nil, false)
		both := ssltest.WantVisit(t, cctx, two, ssltest.Dup(t, s), true)
		held := ssltest.WantVisit(t, cctx, ticket, nil, false)
		ssltest.WantVisit(t, cctx, ticket, ssltest.Dup(t, held), true)
		before, err := c.era()
		if err != nil {
			t.Fatal(err)
		}
		kept := map[string]string{}
		for _, key := range db.Keys("shop:s:") {
			kept[key] = db.Do("GET", key)
		}
		if err := c.RevokeAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		await(t, "both machines are of the new era", func() bool {
			a, err := c.era()
			b, err2 := c2.era()
			c2.keeping.mu.Lock()
			defer c2.keeping.mu.Unlock()
			return err == nil && err2 == nil && a > before && b == a && c2.keeping.era == b
		})
		for key, value := range kept { // as the database could
			db.Do("SET", key, value)
		}
		for name, sctx := range map[string]*ssl.Ctx{"one": one, "two": two} {
			for _, s := range []*ssl.Session{s, both} {
				if reused, _ := ssltest.Visit(t, cctx, sctx, ssltest.Dup(t, s)); reused {
					t.Errorf("resumed on %s", name)
				}
			}
		}
		ssltest.WantVisit(t, cctx, ticket, ssltest.Dup(t, held), false)
		next := ssltest.WantVisit(t, cctx, one, nil, false)
		ssltest.WantVisit(t, cctx, two, ssltest.Dup(t, next), true)
	})
}

func TestRevokeRefuses(t *testing.T) {
	db := dbtest.Start(t)
	c := opened(t, db.Addr)
	if err := c.Revoke(t.Context(), nil); !errors.Is(err, ssl.ErrConfig) {
		t.Errorf("no id: %v", err)
	}
	var noContext context.Context
	if err := c.Revoke(noContext, []byte("id")); !errors.Is(err, ssl.ErrNil) {
		t.Errorf("no context: %v", err)
	}
	c.Close(t.Context())
	var none *Client
	for want, c := range map[error]*Client{ssl.ErrClosed: c, ssl.ErrNil: none} {
		if err := c.Revoke(t.Context(), []byte("id")); !errors.Is(err, want) {
			t.Errorf("Revoke: %v, want %v", err, want)
		}
		if err := c.RevokeAll(t.Context()); !errors.Is(err, want) {
			t.Errorf("RevokeAll: %v, want %v", err, want)
		}
	}
	if none.Cache() != nil || c.Cache().Put(nil) {
		t.Error("a cache of a Client that cannot be used takes sessions")
	}
}
