package valkeystore

import (
	"net"
	"testing"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
)

// The name of the database is given to its replica, which takes over, and the node of before becomes a
// replica that ends no connection: its answer is that it takes no writes.
func TestReadOnlyBehindAName(t *testing.T) {
	leakcheck.Test(t)
	before := dbtest.Start(t, "--repl-diskless-sync-delay", "0")
	after := dbtest.StartReplica(t, before)
	name := dbtest.NewProxy(t, before.Addr)
	c := opened(t, name.Addr, patient)
	c.Cache()
	listening(t, before, "1")
	await(t, "a schedule", func() bool { _, err := c.era(); return err == nil })
	if err := c.Revoke(t.Context(), []byte("before")); err != nil {
		t.Fatal(err)
	}
	after.Await("LLEN shop:r:", "1")
	host, port, _ := net.SplitHostPort(after.Addr)
	name.Rename(after.Addr)
	after.Do("REPLICAOF", "NO", "ONE")
	before.Do("REPLICAOF", host, port)
	await(t, "a write", func() bool { return c.Revoke(t.Context(), []byte("after")) == nil })
	if n := after.Do("LLEN", "shop:r:"); n != "2" {
		t.Errorf("%s revocations are in the database", n)
	}
}
