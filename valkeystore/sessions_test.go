package valkeystore

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// patient has lookups and writes wait for a busy machine, and polls be quick.
func patient(o *Options) {
	o.Poll = 50 * time.Millisecond
	o.Cache = ssl.ServerCacheOptions{LookupTimeout: patience, WriteThrough: patience}
}

// machine is a server whose sessions are in the database at addr, once the era is known.
func machine(t testing.TB, addr string, srv *ssl.Config, change ...func(*Options)) (*Client, *ssl.Ctx) {
	t.Helper()
	c := opened(t, addr, append([]func(*Options){patient}, change...)...)
	cfg := ssltest.CopyOf(srv, func(cfg *ssl.Config) { cfg.SessionCache = c.Cache() })
	sctx := ssltest.NewServerCtx(t, cfg)
	await(t, "the era", func() bool {
		_, err := c.era()
		return err == nil
	})
	return c, sctx
}

// A client comes back to another machine at once, by id in TLS 1.2 and by a ticket that is an id in 1.3.
func TestSessionsOnEachMachine(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		cctx := ssltest.NewClientCtx(t, cli)
		var servers []*ssl.Ctx
		for range 3 {
			_, sctx := machine(t, db.Addr, srv)
			servers = append(servers, sctx)
		}
		s := ssltest.WantVisit(t, cctx, servers[0], nil, false)
		for i := range 7 {
			s = ssltest.WantVisit(t, cctx, servers[(i+1)%3], ssltest.Dup(t, s), true)
		}
	})
}

// The database has neither ids nor sessions in the clear, and each key has an expiry.
func TestSessionsInTheDatabase(t *testing.T) {
	db := dbtest.Start(t)
	srv, cli := ssltest.TLS12(t)
	srv.SessionTimeout = time.Hour
	_, sctx := machine(t, db.Addr, srv)
	s := ssltest.WantVisit(t, ssltest.NewClientCtx(t, cli), sctx, nil, false)
	id := string(ssltest.Get(t, s.ID))
	keys := db.Keys("shop:s:")
	if len(keys) != 1 || len(keys[0]) != len("shop:s:")+16 {
		t.Fatalf("the keys are %q", keys)
	}
	value := db.Do("GET", keys[0])
	master := string(ssltest.Get(t, s.SecretMasterKey))
	for what, secret := range map[string]string{"id": id, "master key": master} {
		if strings.Contains(value, secret) || strings.Contains(keys[0], secret) {
			t.Errorf("the %s is in the database", what)
		}
	}
	left, err := strconv.Atoi(db.Do("PTTL", keys[0]))
	if hour := int(time.Hour / time.Millisecond); err != nil || left > hour || left < hour-60000 {
		t.Errorf("expires in %d ms, %v", left, err)
	}
	if keys := db.Keys(""); len(keys) > 4 { // with the schedule
		t.Errorf("there are %q", keys)
	}
}

// recorder is a database that records the commands for sessions, and says yes to them.
type recorder struct {
	mu   sync.Mutex
	sets [][]string
	say  string // instead
}

func (r *recorder) answer(words []string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case len(words) < 2 || !strings.HasPrefix(words[1], "shop:s:"):
		return "-ERR not here\r\n"
	case r.say != "":
		return r.say
	}
	r.sets = append(r.sets, words)
	return "+OK\r\n"
}

// Lives are told to the database as they are, and not as times of this machine's clock.
func TestSessionsExpireByTheDatabase(t *testing.T) {
	r := &recorder{}
	s := store{opened(t, dbtest.Fake(t, r.answer))}
	var items []ssl.StoreItem
	for i := range 5 {
		items = append(items, ssl.StoreItem{ID: []byte{byte(i)}, Sealed: []byte("sealed"),
			Expires: time.Now().Add(time.Duration(i) * time.Minute)})
	}
	if errs := s.PutAll(t.Context(), items); errs != nil {
		t.Fatal(errs)
	}
	if len(r.sets) != len(items) {
		t.Fatalf("%d commands, %q", len(r.sets), r.sets)
	}
	for i, words := range r.sets {
		left := 0
		if len(words) == 5 {
			left, _ = strconv.Atoi(words[4])
		}
		if want := max(i*60000, 1); words[0] != "SET" || words[2] != "sealed" || words[3] != "PX" ||
			left > want || left < want-30000 || left < 1 {
			t.Errorf("item %d: %q", i, words)
		}
	}
}

// A reply that is no session is a miss or an error, and a value of another session is for SealKeys to refuse.
func TestSessionsOtherReplies(t *testing.T) {
	r := &recorder{}
	s := store{opened(t, dbtest.Fake(t, r.answer))}
	for _, c := range []struct {
		say, want string
		err       bool
	}{
		{"$-1\r\n", "", false},
		{"_\r\n", "", false},
		{"$3\r\nabc\r\n", "abc", false},
		{":1\r\n", "", true},
		{"*1\r\n+a\r\n", "", true},
		{"#t\r\n", "", false},
		{"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", "", true},
		{"-LOADING Redis is loading the dataset in memory\r\n", "", true},
		{"$2000000\r\n", "", true},
		{"+OK\r\n+OK\r\n", "", true},
	} {
		s.c.keeping.gets = s.c.newCircuit("test", nil)
		r.mu.Lock()
		r.say = c.say
		r.mu.Unlock()
		got, err := s.Get(t.Context(), []byte("id"))
		if c.say == "+OK\r\n+OK\r\n" && err == nil { // the second came later, and ends the connection then
			continue
		}
		if string(got) != c.want || (err != nil) != c.err {
			t.Errorf("%q: %q, %v", c.say, got, err)
		}
	}
}

// Two fleets in one database, with the same keys, have nothing in common.
func TestSessionsOfAnotherNamespace(t *testing.T) {
	db := dbtest.Start(t)
	c, other := opened(t, db.Addr), opened(t, db.Addr)
	other.at.namespace = "shoe"
	a, b := store{c}, store{other}
	if a.key([]byte("id")) == b.key([]byte("id")) || c.hash([]byte("id")) == other.hash([]byte("id")) {
		t.Error("one key for two namespaces")
	}
	c.TicketKeys()
	other.TicketKeys()
	for _, s := range []store{a, b} {
		await(t, "the era", func() bool {
			_, err := s.Binding()
			return err == nil
		})
	}
	x, _ := a.Binding()
	y, _ := b.Binding()
	if x == y {
		t.Errorf("both are bound to %q", x)
	}
}

// What is to be removed is not found, although the database still has it.
func TestSessionsRemovedLater(t *testing.T) {
	s := store{opened(t, dbtest.Fake(t, func(words []string) string {
		if words[0] == "GET" {
			return bulk("sealed")
		}
		return "-ERR no writes\r\n"
	}))}
	id := []byte("id")
	if err := s.Remove(t.Context(), id); err == nil {
		t.Error("removed")
	}
	if got, err := s.Get(t.Context(), id); got != nil || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := s.Get(t.Context(), []byte("other")); string(got) != "sealed" || err != nil {
		t.Errorf("another: %q, %v", got, err)
	}
}
