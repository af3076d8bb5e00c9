package fleet

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"sessl/internal/dbtest"
)

// A fault is something that goes wrong for a while.
type fault struct {
	name    string
	site    func(t *testing.T, f *fleet) // nil means one database
	begin   func(f *fleet)
	again   func(f *fleet) // twenty times a second while it lasts; nil means nothing
	end     func(f *fleet) // nil means nothing
	misses  bool           // clients of other machines cannot resume meanwhile, whatever is shared
	cutsOff bool           // connections to a machine end with it
}

// faults are all that docs/fleet.md tells of.
var faults = []fault{
	{name: "database stopped", begin: func(f *fleet) { f.db.Kill() }, end: func(f *fleet) { f.db.Restart() }},
	{name: "database frozen (SIGSTOP)", again: func(f *fleet) { f.db.Stop() }, // it may be continued by others
		end: func(f *fleet) { f.db.Continue() }},
	{name: "database silent", begin: set(dbtest.Silent, 0), end: set(dbtest.None, 0)},
	{name: "slow by 200 ms", begin: set(dbtest.None, 200*time.Millisecond), end: set(dbtest.None, 0)},
	{name: "restarted empty", begin: func(f *fleet) { f.db.Restart() }},
	{name: "flushed", begin: func(f *fleet) { f.db.Do("FLUSHALL") }},
	{name: "full", begin: memory("1"), end: memory("0")},
	{name: "garbage on the wire", begin: set(dbtest.Garbage, 0), end: set(dbtest.None, 0)},
	{name: "garbage values", again: overwrite(func(string) string { return "garbage" }), end: schedule("")},
	{name: "values cut short", again: overwrite(func(s string) string { return s[:len(s)/2] }),
		end: schedule("")},
	{name: "another fleet's seal key on one machine", begin: otherSeal, end: ownSeal, misses: true},
	{name: "failed over by Sentinel", site: behindSentinel, begin: func(f *fleet) { f.db.Kill() }},
	{name: "a node of a cluster lost", site: inCluster, begin: loseNode},
	{name: "a server killed", begin: func(f *fleet) { f.all[1].kill() }, end: func(f *fleet) { f.again(1) },
		cutsOff: true},
	{name: "one machine cut off", begin: func(f *fleet) { f.proxies[1].Set(dbtest.Reset, 0) },
		end: func(f *fleet) { f.proxies[1].Set(dbtest.None, 0) }},
	{name: "seal keys replaced in use", begin: replaceSeals},
	{name: "an older schedule put back", begin: putBack},
}

// set returns what sets a fault on the way of all machines to the database.
func set(fault dbtest.Fault, delay time.Duration) func(f *fleet) {
	return func(f *fleet) { f.setProxies(fault, delay) }
}

func memory(limit string) func(f *fleet) {
	return func(f *fleet) { f.db.Do("CONFIG", "SET", "maxmemory", limit) }
}

// overwrite returns what changes all values that fleets have in the database.
func overwrite(change func(string) string) func(f *fleet) {
	return func(f *fleet) {
		for _, key := range f.db.Keys(namespace + ":") {
			if f.db.Do("TYPE", key) != "string" || strings.Contains(key, "lease") {
				continue
			}
			if v := f.db.Do("GET", key); len(v) > len("garbage") {
				f.db.Do("SET", key, change(v), "XX", "KEEPTTL")
			}
		}
	}
}

const scheduleKey = namespace + ":t:{t}schedule"

// schedule returns what puts a schedule into the database, or takes it away, as docs/fleet.md tells
// administrators to do with one that is refused.
func schedule(value string) func(f *fleet) {
	return func(f *fleet) {
		if value == "" {
			f.db.Do("DEL", scheduleKey)
		} else {
			f.db.Do("SET", scheduleKey, value)
		}
	}
}

// putBack puts the schedule of now back after two others.
func putBack(f *fleet) {
	old := f.db.Do("GET", scheduleKey)
	for seen := map[string]bool{old: true}; len(seen) < 3; pass(50 * time.Millisecond) {
		seen[f.db.Do("GET", scheduleKey)] = true
	}
	schedule(old)(f)
}

// otherSeal starts machine 1 again with other seal keys, and ownSeal with those of the fleet.
func otherSeal(f *fleet) {
	f.setSeals(1, sealKey(f.t), sealKey(f.t))
	f.restart(1, false)
}

func ownSeal(f *fleet) {
	f.setSeals(1, f.keys[0], f.keys[1])
	f.restart(1, true)
}

// replaceSeals takes the three steps of docs/fleet.md.
func replaceSeals(f *fleet) {
	old, fresh := f.keys[0], sealKey(f.t)
	for _, step := range [][][]byte{{old, fresh}, {fresh, old}, {fresh, sealKey(f.t)}} {
		for i, m := range f.all {
			f.setSeals(i, step...)
			m.reload()
		}
		if bytes.Equal(step[1], old) {
			f.sealedAnew()
		}
	}
}

// sealedAnew returns when the schedule was sealed with other keys, which happens with the next key.
func (f *fleet) sealedAnew() {
	n := f.generation()
	for f.generation() == n {
		pass(50 * time.Millisecond)
	}
}

// behindSentinel is a database with a replica, which takes over when that is gone.
func behindSentinel(t *testing.T, f *fleet) {
	t.Helper()
	f.db = dbtest.Start(t, "--repl-diskless-sync-delay", "0")
	dbtest.StartReplica(t, f.db)
	s := dbtest.StartSentinel(t, "proofdb", f.db)
	s.Await("SENTINEL MASTER proofdb", "num-slaves\n1")
	f.urls = slices.Repeat([]string{"valkey://" + s.Addr + "/" + namespace + "?master=proofdb"}, machines)
}

// inCluster is three databases with a replica each.
func inCluster(t *testing.T, f *fleet) {
	t.Helper()
	f.nodes = dbtest.StartClusterOfSix(t)
	more := "?addr=" + f.nodes[1].Addr + "&addr=" + f.nodes[2].Addr
	f.urls = slices.Repeat([]string{"valkey://" + f.nodes[0].Addr + "/" + namespace + more}, machines)
}

// loseNode kills the node that has the schedule.
func loseNode(f *fleet) {
	for _, n := range f.nodes {
		if strings.HasPrefix(n.Do("ROLE"), "master") && slices.Contains(n.Keys(namespace), scheduleKey) {
			n.Kill()
			return
		}
	}
	f.t.Fatal("no node has the schedule")
}
