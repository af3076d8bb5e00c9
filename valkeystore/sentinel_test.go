package valkeystore

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/valkey-io/valkey-go"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// behindSentinel returns the database and its replica, and a Client that knows the Sentinel alone, with a
// schedule, the claims' epochs and a cache.
func behindSentinel(t *testing.T, change ...func(*Options)) (master, replica *dbtest.Server, vk *Client) {
	t.Helper()
	master = dbtest.Start(t, "--repl-diskless-sync-delay", "0")
	replica = dbtest.StartReplica(t, master)
	sentinel := dbtest.StartSentinel(t, "shopdb", master)
	sentinel.Await("SENTINEL MASTER shopdb", "num-slaves\n1")
	o := &Options{SealKeys: sealKeys(t, 1), Poll: 200 * time.Millisecond}
	for _, f := range change {
		f(o)
	}
	vk, err := Open("valkey://"+sentinel.Addr+"/shop?master=shopdb", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { vk.Close(context.Background()) })
	return master, replica, vk
}

// When the database dies, Sentinel has its replica take over. The keys stay and sessions of before resume, by
// ticket and by id; a flight of before is not accepted again, nor is any other for a minute.
func TestSentinelAfterFailover(t *testing.T) {
	leakcheck.Test(t)
	log := &record{}
	master, replica, vk := behindSentinel(t, func(o *Options) { o.Logger = log.logger() })
	tickets := ssltest.TicketServer(t, ssltest.ServerConfig(t), vk.TicketKeys())
	srv, cli := ssltest.TLS12(t)
	srv = ssltest.CopyOf(srv, func(c *ssl.Config) { c.SessionCache = vk.Cache() })
	ids := ssltest.NewServerCtx(t, srv)
	byTicket, byID := ssltest.NewClientCtx(t, ssltest.ClientConfig(t)), ssltest.NewClientCtx(t, cli)
	g := vk.Guard()
	await(t, "keys", func() bool { return currentOf(vk) != "" })
	await(t, "an epoch", func() bool { return g.state() != "unknown" })
	age(t, master)
	flight := flights("before", 1)[0]
	if first, err := claim(t, g, flight); !first || err != nil {
		t.Fatal(first, err)
	}
	ticket := ssltest.WantVisit(t, byTicket, tickets, nil, false)
	session := ssltest.WantVisit(t, byID, ids, nil, false)
	await(t, "the session in the replica", func() bool { return len(replica.Keys("shop:s:")) == 1 })
	key := currentOf(vk)

	master.Kill()
	replica.Await("ROLE", "master\n")
	fetched := vk.Stats().Schedule.Fetches
	await(t, "an answer of the replica", func() bool { return vk.Stats().Schedule.Fetches > fetched+1 })
	await(t, "an answer to a claim", func() bool {
		_, err := claim(t, g, flights(time.Now().String(), 1)[0])
		return errors.Is(err, ErrEpochYoung)
	})
	if first, _ := claim(t, freshGuard(t, vk), flight); first {
		t.Error("a flight was accepted twice")
	}
	if now := currentOf(vk); now != key {
		t.Errorf("the key was replaced: %q, %q", now, key)
	}
	ssltest.WantVisit(t, byTicket, tickets, ticket, true)
	vk.Cache().Flush(time.Time{}) // so that the database is asked
	await(t, "lookups", func() bool { _, err := store{vk}.Get(t.Context(), []byte("x")); return err == nil })
	ssltest.WantVisit(t, byID, ids, session, true)
	await(t, "health", func() bool { return vk.Health() == nil })
	if strings.Contains(log.String(), "generation=1 ") {
		t.Error("a schedule was begun anew:\n", log.String())
	}
}

// freshGuard is one without the memory of before, as after a restart of the process.
func freshGuard(t *testing.T, vk *Client) *Guard {
	t.Helper()
	return newGuard(vk)
}

// The password is the database's: the Sentinels, which know no such user, are not shown it.
func TestSentinelIsShownNoPassword(t *testing.T) {
	leakcheck.Test(t)
	master := dbtest.Start(t)
	master.Do("ACL", "SETUSER", "fleet", "on", ">PASSWORD", "~*", "&*", "+@all")
	sentinel := dbtest.StartSentinel(t, "shopdb", master)
	o := &Options{SealKeys: sealKeys(t, 1), Password: func() (string, error) { return "PASSWORD", nil }}
	vk, err := Open("valkey://fleet@"+sentinel.Addr+"/shop?master=shopdb", o)
	if err != nil {
		t.Fatal(err)
	}
	defer vk.Close(context.Background())
	await(t, "a connection", func() bool { return vk.Stats().Connected })
	r, err := vk.do(t.Context(), patience, func(b valkey.Builder) valkey.Completed {
		return b.AclWhoami().Build()
	})
	if err != nil {
		t.Fatal(err)
	}
	if who, err := r.ToString(); who != "fleet" {
		t.Errorf("it is %q, %v", who, err)
	}
}
