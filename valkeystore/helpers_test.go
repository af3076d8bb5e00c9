package valkeystore

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/valkeystore/internal/replay"
)

// patience is for how long an event may take on a busy machine.
const patience = 30 * time.Second

// await returns when it is so.
func await(t testing.TB, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// opened returns a Client of the database at addr that is connected to it.
func opened(t testing.TB, addr string, change ...func(*Options)) *Client {
	t.Helper()
	o := &Options{SealKeys: sealKeys(t, 1)}
	for _, f := range change {
		f(o)
	}
	c, err := Open("valkey://"+addr+"/shop", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	await(t, "a connection", func() bool {
		_, err := c.database()
		return err == nil
	})
	return c
}

// guards returns the guards of n machines, after they have looked at the epochs.
func guards(t testing.TB, addr string, n int) []*Guard {
	t.Helper()
	all := make([]*Guard, n)
	for i := range all {
		all[i] = opened(t, addr).Guard()
	}
	for _, g := range all {
		await(t, "an epoch", func() bool { return g.state() != "unknown" })
	}
	return all
}

// age has all epochs have begun two minutes ago.
func age(t testing.TB, db *dbtest.Server) {
	t.Helper()
	for part := range replay.Parts {
		key := fmt.Sprintf("shop:e:{%x}", part)
		await(t, key, func() bool {
			r, ok := replay.ParseRecord(db.Do("GET", key))
			r.Start -= 2 * replay.Window.Milliseconds()
			if ok {
				db.Do("SET", key, r.String(), "PX", "120000")
			}
			return ok
		})
	}
}

// flights returns the ids of n first flights.
func flights(name string, n int) (ids [][]byte) {
	for i := range n {
		ids = append(ids, fmt.Appendf(nil, "%-32.32s", name+" "+strconv.Itoa(i)))
	}
	return ids
}

// claim makes a claim as package ssl does, but with all the patience of a busy machine.
func claim(t testing.TB, g *Guard, id []byte) (bool, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return g.Claim(ctx, id, time.Now().Add(replay.Window))
}
