package valkeystore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valkey-io/valkey-go"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
)

// What is heard before the list has been read does not stand for what was missed before it.
func TestRevokeHeardBeforeTheList(t *testing.T) {
	leakcheck.Test(t)
	var c *Client
	begun := make(chan struct{})
	sealed := func(id string) string {
		<-begun
		text, err := c.opts.SealKeys.Seal([]byte(id), c.revoking())
		if err != nil {
			t.Error(err)
		}
		return string(text)
	}
	missed, heard := sync.OnceValue(func() string { return sealed("missed") }),
		sync.OnceValue(func() string { return sealed("heard") })
	var lists, subscriptions atomic.Int32
	addr := dbtest.Fake(t, func(words []string) string {
		switch words[0] {
		case "SUBSCRIBE":
			text := ">3\r\n" + bulk("subscribe") + bulk(words[1]) + ":1\r\n"
			if subscriptions.Add(1) == 1 {
				text += ">3\r\n" + bulk("message") + bulk(words[1]) + bulk(heard())
			}
			return text
		case "LRANGE":
			if lists.Add(1) == 1 {
				return "-BUSY a script\r\n"
			}
			return array(heard(), missed())
		}
		return "-ERR not here\r\n"
	})
	c = opened(t, addr)
	close(begun)
	c.Cache()
	// What is heard may be dropped with its connection, as the list has it, too.
	await(t, "all are forgotten", func() bool { return lists.Load() > 1 && c.keeping.stats.revoked.Load() >= 2 })
}

// missing is a machine that is cut off and has a session in its own cache, which another one has revoked.
type missing struct {
	t      *testing.T
	db     *dbtest.Server
	proxy  *dbtest.Proxy
	c, cut *Client
	resume func() bool // a client with the session comes to the machine that is cut off
}

// newMissing has the other machine revoke that session. With heard, both have heard of another one before.
func newMissing(t *testing.T, heard bool) *missing {
	leakcheck.Test(t)
	m := &missing{t: t, db: dbtest.Start(t)}
	m.proxy = dbtest.NewProxy(t, m.db.Addr)
	srv, cli := ssltest.TLS12(t)
	cctx := ssltest.NewClientCtx(t, cli)
	c, one := machine(t, m.db.Addr, srv)
	cut, two := machine(t, m.proxy.Addr, srv, func(o *Options) {
		o.Cache.LookupTimeout = 50 * time.Millisecond
		o.Timeout = 100 * time.Millisecond
	})
	m.c, m.cut = c, cut
	listening(t, m.db, "2")
	s := ssltest.WantVisit(t, cctx, one, nil, false)
	resumedOn(t, cctx, two, s)
	if heard {
		if err := c.Revoke(t.Context(), []byte("another")); err != nil {
			t.Fatal(err)
		}
		await(t, "it hears", func() bool { return cut.keeping.stats.revoked.Load() > 0 })
	}
	m.proxy.Set(dbtest.Reset, 0)
	if err := c.Revoke(t.Context(), ssltest.Get(t, s.ID)); err != nil {
		t.Fatal(err)
	}
	m.resume = func() bool {
		reused, _ := ssltest.Visit(t, cctx, two, ssltest.Dup(t, s))
		return reused
	}
	if !m.resume() {
		t.Fatal("it is cut off, and has heard")
	}
	return m
}

// back ends the interruption, and returns when the machine has forgotten all.
func (m *missing) back() {
	m.t.Helper()
	m.proxy.Set(dbtest.None, 0)
	await(m.t, "an empty cache", func() bool { return m.cut.keeping.cache.Stats().Sessions == 0 })
	if m.resume() {
		m.t.Error("a session that was revoked is resumed")
	}
}

// More was revoked than the list has, since a time when nothing had ever been revoked.
func TestRevokeMoreThanTheListHas(t *testing.T) {
	m := newMissing(t, false)
	words := append([]string{"LPUSH", "shop:r:"}, slices.Repeat([]string{"x"}, maxRevoked)...)
	m.db.Do(words...)
	m.db.Do("LTRIM", "shop:r:", "0", strconv.Itoa(maxRevoked-1))
	m.back()
}

// The database has lost the list of what was revoked meanwhile.
func TestRevokeInAListThatIsLost(t *testing.T) {
	m := newMissing(t, true)
	m.db.Do("DEL", "shop:r:")
	m.back()
}

// Messages have the order of the list, also when several machines revoke at once.
func TestRevokeInOrder(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	listener := opened(t, db.Addr)
	subscribed := make(chan struct{})
	messages := make(chan string, maxRevoked)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		hook := valkey.WithOnSubscriptionHook(ctx, func(valkey.PubSubSubscription) { close(subscribed) })
		vk, _ := listener.database()
		vk.Receive(hook, vk.B().Subscribe().Channel("shop:r:").Build(),
			func(m valkey.PubSubMessage) { messages <- m.Message })
	}()
	<-subscribed
	var all sync.WaitGroup
	for i := range 4 {
		c := opened(t, db.Addr)
		all.Go(func() {
			for j := range 50 {
				if err := c.Revoke(t.Context(), fmt.Appendf(nil, "%d %d", i, j)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	r, err := listener.do(ctx, patience, func(b valkey.Builder) valkey.Completed {
		return b.Lrange().Key("shop:r:").Start(0).Stop(-1).Build()
	})
	if err != nil {
		t.Fatal(err)
	}
	list, err := r.AsStrSlice()
	if err != nil || len(list) != 200 {
		t.Fatal(len(list), err)
	}
	for i, text := range slices.Backward(list) {
		if <-messages != text {
			t.Fatalf("message %d is not that of the list", len(list)-i)
		}
	}
}

// A session waits for the database on the machine that made it, which is cut off, and is revoked meanwhile.
// It does not get into the database.
func TestRevokeOfAWriteThatWaits(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	proxy := dbtest.NewProxy(t, db.Addr)
	srv, cli := ssltest.TLS12(t)
	c, _ := machine(t, db.Addr, srv)
	cut, sctx := machine(t, proxy.Addr, srv, func(o *Options) {
		o.Cache.LookupTimeout = 50 * time.Millisecond
		o.Cache.WriteThrough = 0
		o.Timeout = 100 * time.Millisecond
	})
	listening(t, db, "2")
	proxy.Set(dbtest.Reset, 0)
	s := ssltest.WantVisit(t, ssltest.NewClientCtx(t, cli), sctx, nil, false)
	await(t, "a write that waits", func() bool { return cut.Stats().Sessions.Waiting > 0 })
	id := ssltest.Get(t, s.ID)
	if err := c.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	proxy.Set(dbtest.None, 0)
	await(t, "all is heard and written", func() bool {
		n := cut.Stats().Sessions
		return n.Revoked > 0 && n.Waiting == 0 && n.WritesOpen == 0 && cut.Cache().StoreStats().Pending == 0
	})
	if keys := db.Keys("shop:s:"); len(keys) > 0 {
		t.Errorf("%d sessions are in the database", len(keys))
	}
}
