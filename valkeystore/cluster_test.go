package valkeystore

import (
	"fmt"
	"testing"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/valkeystore/internal/replay"
)

// ageCluster has the epochs on all nodes have begun two minutes ago, and returns how many each node has.
func ageCluster(t *testing.T, nodes []*dbtest.Server) (count []int) {
	t.Helper()
	all := 0
	for _, n := range nodes {
		keys := n.Keys("shop:e:")
		for _, key := range keys {
			r, ok := replay.ParseRecord(n.Do("GET", key))
			if !ok {
				t.Fatalf("%s has no record", key)
			}
			r.Start -= 2 * replay.Window.Milliseconds()
			n.Do("SET", key, r.String(), "PX", "120000")
		}
		count, all = append(count, len(keys)), all+len(keys)
	}
	if all != replay.Parts {
		t.Fatalf("%v epochs", count)
	}
	return count
}

// In a cluster each node has some of the epochs. Claims are accepted once; a node that is flushed
// takes none, while those of the others are good.
func TestGuardOfACluster(t *testing.T) {
	nodes := dbtest.StartCluster(t)
	all := guards(t, nodes[0].Addr, 3)
	for i, n := range ageCluster(t, nodes) {
		if n == 0 {
			t.Errorf("node %d has no epoch", i)
		}
	}
	ids := flights("cluster", 64)
	wantAll(t, "at one instant", sent(t, all, ids), 1)
	wantAll(t, "again", sent(t, guards(t, nodes[1].Addr, 2), ids), 0)
	nodes[2].Do("FLUSHALL")
	fresh := guards(t, nodes[0].Addr, 2)
	wantAll(t, "after one node was flushed", sent(t, fresh, ids), 0)
	n := map[int64]int{}
	for _, times := range sent(t, fresh, flights("later", 64)) {
		n[times]++
	}
	if n[0] == 0 || n[1] == 0 || n[0]+n[1] != 64 {
		t.Errorf("new flights were accepted so many times: %v", n)
	}
}

// Sessions are spread over the nodes, and resume; a revocation reaches the machines through any node.
func TestSessionsInACluster(t *testing.T) {
	leakcheck.Test(t)
	nodes := dbtest.StartCluster(t)
	srv, cli := ssltest.TLS12(t)
	cctx := ssltest.NewClientCtx(t, cli)
	c, one := machine(t, nodes[0].Addr, srv)
	c2, two := machine(t, nodes[1].Addr, srv)
	await(t, "both listen", func() bool {
		n := 0
		for _, node := range nodes {
			var of int
			fmt.Sscanf(node.Do("PUBSUB", "NUMSUB", "shop:r:"), "shop:r:\n%d", &of)
			n += of
		}
		return n == 2
	})
	for range 30 {
		s := ssltest.WantVisit(t, cctx, one, nil, false)
		ssltest.WantVisit(t, cctx, two, ssltest.Dup(t, s), true)
	}
	for i, n := range nodes {
		if len(n.Keys("shop:s:")) == 0 {
			t.Errorf("node %d has no session", i)
		}
	}
	s := ssltest.WantVisit(t, cctx, one, nil, false)
	resumedOn(t, cctx, two, s)
	if err := c.Revoke(t.Context(), ssltest.Get(t, s.ID)); err != nil {
		t.Fatal(err)
	}
	await(t, "the other machine forgets", func() bool { return c2.keeping.stats.revoked.Load() == 1 })
	ssltest.WantVisit(t, cctx, two, ssltest.Dup(t, s), false)
}
