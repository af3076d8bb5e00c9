package valkeystore

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
)

// accessRules are those of the line for users.acl in docs/fleet.md, behind the user's name.
func accessRules(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile("../docs/fleet.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if words := strings.Fields(line); len(words) > 2 && words[0] == "user" && words[1] == "fleet" {
			return words[2:]
		}
	}
	t.Fatal("docs/fleet.md has no line for users.acl")
	return nil
}

// allow gives the user fleet those rules, and closes its connections.
func allow(t *testing.T, db *dbtest.Server, rules []string) {
	t.Helper()
	db.Do(append([]string{"ACL", "SETUSER", "fleet", "reset"}, rules...)...)
	db.Do("SCRIPT", "FLUSH")
	db.Do("FLUSHALL")
	db.Do("ACL", "LOG", "RESET")
}

// tasks are all that a Client does.
type tasks struct {
	t    *testing.T
	db   *dbtest.Server
	c    *Client
	g    *Guard
	n    int
	said string // in errors and by Health, until now
}

func newTasks(t *testing.T, db *dbtest.Server) *tasks {
	t.Helper()
	c := open(t, db)
	c.TicketKeys()
	c.Cache()
	return &tasks{t: t, db: db, c: c, g: c.Guard()}
}

// open returns a Client of the user.
func open(t *testing.T, db *dbtest.Server) *Client {
	t.Helper()
	o := &Options{SealKeys: sealKeys(t, 1), Poll: 100 * time.Millisecond}
	c, err := Open("valkey://fleet:PASSWORD@"+db.Addr+"/shop", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// done does everything once, and reports whether all of it worked.
func (k *tasks) done() bool {
	k.n++
	id := fmt.Appendf(nil, "%032d", k.n)
	s := store{k.c}
	ctx, cancel := context.WithTimeout(k.t.Context(), time.Second)
	defer cancel()
	first, claimed := k.g.Claim(ctx, id, time.Now().Add(time.Minute))
	_, got := s.Get(ctx, id)
	errs := []error{claimed, s.Put(ctx, id, []byte("x"), time.Now().Add(time.Minute)), got, s.Remove(ctx, id),
		k.c.Revoke(ctx, id), k.c.Health()}
	for _, err := range errs {
		if err != nil {
			k.said += err.Error() + "\n"
		}
	}
	return first && !slices.ContainsFunc(errs, func(err error) bool { return err != nil }) &&
		currentOf(k.c) != "" && k.c.Stats().Sessions.Revoked > 0
}

// age has the epochs that are there have begun two minutes ago.
func (k *tasks) age() {
	if len(k.db.Keys("shop:e:")) == 16 {
		age(k.t, k.db)
	}
}

// quiet are commands that nothing depends on in a database alone: how the client library finds out what it is
// talking to, and whether it is there. Denied, they leave a line in the database's ACL LOG.
var quiet = []string{"ping", "cluster|slots", "cluster|shards"}

// The line in the documentation for users.acl allows all that is done, and each of its commands is needed:
// without it an error says which one is missing. No key and no channel outside of the namespace is touched.
func TestAccess(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	rules := accessRules(t)
	allow(t, db, rules)
	k := newTasks(t, db)
	await(t, "everything", func() bool { k.age(); return k.done() })
	k.c.Close(t.Context())
	idle := open(t, db)
	await(t, "a ping", func() bool { return strings.Contains(db.Do("INFO", "commandstats"), "cmdstat_ping") })
	idle.Close(t.Context())
	if log := db.Do("ACL", "LOG"); log != "" {
		t.Errorf("denied:\n%s", log)
	}
	for _, rule := range rules {
		name, ok := strings.CutPrefix(rule, "+")
		if !ok || slices.Contains(quiet, name) {
			continue
		}
		t.Run("without "+name, func(t *testing.T) {
			allow(t, db, slices.DeleteFunc(slices.Clone(rules), func(r string) bool { return r == rule }))
			k := newTasks(t, db)
			await(t, "an error with "+name, func() bool {
				k.age()
				if k.done() {
					t.Fatalf("all is well; so far:\n%s", k.said)
				}
				return strings.Contains(k.said, "'"+name+"'")
			})
			if strings.Contains(k.said, "PASSWORD") {
				t.Error("the password is in an error")
			}
		})
	}
}
