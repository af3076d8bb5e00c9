package valkeystore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// quick has keys rotate as fast as they can.
func quick(o *Options) {
	o.RotateEvery, o.KeepFor, o.Poll = time.Second, 20*time.Second, 100*time.Millisecond
}

// A fleet is servers that share ticket keys, and clients that come back to another one each time.
type fleet struct {
	t       *testing.T
	vks     []*Client
	servers []*ssl.Ctx
	clients []*ssl.Ctx
	have    []*ssl.Session // of each client
	next    int            // server
	returns int
}

// newFleet starts n servers on the database at addr and one client for each version of TLS, and waits
// until all servers issue tickets.
func newFleet(t *testing.T, addr string, n int, change ...func(*Options)) *fleet {
	t.Helper()
	f := &fleet{t: t}
	srv := ssltest.ServerConfig(t)
	for range n {
		vk := opened(t, addr, append([]func(*Options){quick}, change...)...)
		f.vks = append(f.vks, vk)
		f.servers = append(f.servers, ssltest.TicketServer(t, srv, vk.TicketKeys()))
	}
	for _, v := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
		cfg := ssltest.CopyOf(ssltest.ClientConfig(t), ssltest.Version(v))
		f.clients = append(f.clients, ssltest.NewClientCtx(t, cfg))
	}
	f.have = make([]*ssl.Session, len(f.clients))
	t.Cleanup(func() {
		for _, s := range f.have {
			s.Close()
		}
	})
	f.await(ScheduleReady)
	for i := range f.clients {
		f.visit(i, false)
	}
	return f
}

// await waits until all servers are in a state.
func (f *fleet) await(state ScheduleState) {
	f.t.Helper()
	for i, vk := range f.vks {
		await(f.t, fmt.Sprint("server ", i, " is ", state), func() bool {
			return vk.Stats().Schedule.State == state
		})
	}
}

// visit has a client come back, to another server than the last one.
func (f *fleet) visit(client int, want bool) {
	f.t.Helper()
	f.next = (f.next + 1) % len(f.servers)
	old := f.have[client]
	f.have[client] = ssltest.WantVisit(f.t, f.clients[client], f.servers[f.next], old, want)
	old.Close()
	f.returns++
}

// load has the clients come back, resumed each time, until it is so.
func (f *fleet) load(what string, until func() bool) {
	f.t.Helper()
	await(f.t, what, func() bool {
		for i := range f.clients {
			f.visit(i, true)
		}
		return until()
	})
}

// current is the name of the key that a server encrypts with, or "".
func (f *fleet) current(server int) string { return currentOf(f.vks[server]) }

// rotations has the clients come back until all servers have replaced their key n times.
func (f *fleet) rotations(n int) {
	f.t.Helper()
	for server := range f.servers {
		if server > 0 {
			f.load("the same key everywhere", func() bool { return f.current(server) == f.current(0) })
			continue
		}
		for range n {
			key := f.current(0)
			f.load("the next key", func() bool { return f.current(0) != key })
		}
	}
}

// Clients resume on whatever server they come to while keys are replaced.
func TestFleetRotates(t *testing.T) {
	leakcheck.Test(t)
	f := newFleet(t, dbtest.Start(t).Addr, 3)
	f.rotations(5)
	if f.returns < 100 {
		t.Errorf("only %d returns", f.returns)
	}
	writes := uint64(0)
	for i, vk := range f.vks {
		s := vk.Stats().Schedule
		writes += s.Writes
		if s.Age > time.Minute || s.Keys < 5 || s.Fetches == 0 || s.Refused != (ScheduleRefusals{}) {
			t.Errorf("server %d: %+v", i, s)
		}
		if err := vk.Health(); err != nil {
			t.Errorf("server %d: %v", i, err)
		}
	}
	if writes < 4 {
		t.Errorf("%d schedules were written", writes)
	}
}

// The database is away for two periods, and comes back empty: no client notices, and the schedule is put
// back.
func TestFleetWithoutDatabase(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	f := newFleet(t, db.Addr, 3)
	for what, away := range map[string]func(bool){
		"restarted empty": func(away bool) {
			if away {
				db.Kill()
			} else {
				db.Restart()
			}
		},
		"suspended": func(away bool) {
			if away {
				db.Stop()
			} else {
				db.Continue()
			}
		},
		"flushed": func(away bool) {
			if !away {
				db.Do("FLUSHALL")
			}
		},
	} {
		before := f.vks[0].Stats().Schedule
		away(true)
		f.rotations(2)
		away(false)
		f.rotations(1)
		for i, vk := range f.vks {
			f.load(what+": all is well again", func() bool { return vk.Health() == nil })
			if s := vk.Stats().Schedule; s.Generation <= before.Generation || s.Refused.Unopened > 0 {
				t.Errorf("%s: server %d: %+v", what, i, s)
			}
		}
		if db.Do("EXISTS", "shop:t:{t}schedule") != "1" {
			t.Errorf("%s: the schedule was not put back", what)
		}
	}
}

// When the schedule has run out, connections go on: no ticket is issued, those of before resume.
func TestFleetRunsOut(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	f := newFleet(t, db.Addr, 2)
	db.Kill()
	f.rotations(3)
	f.await(ScheduleWithheld)
	for i, vk := range f.vks {
		if err := vk.Health(); !errors.Is(err, ErrScheduleStale) || !strings.Contains(err.Error(), "withheld") {
			t.Errorf("server %d: %v", i, err)
		}
		if f.current(i) != "" {
			t.Errorf("server %d encrypts", i)
		}
	}
	reused, s := ssltest.Visit(t, f.clients[0], f.servers[0], f.have[0])
	defer s.Close()
	if !reused {
		t.Error("a ticket of before was not resumed")
	}
	db.Restart()
	f.await(ScheduleReady)
	f.visit(0, true)
	f.rotations(1)
}

// A server with other seal keys is on its own: its clients get full handshakes and no errors, it says what is
// wrong, and it leaves the others' schedule alone.
func TestFleetStranger(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	f := newFleet(t, db.Addr, 2)
	other := opened(t, db.Addr, quick, func(o *Options) { o.SealKeys = sealKeys(t, 9) })
	server := ssltest.TicketServer(t, ssltest.ServerConfig(t), other.TicketKeys())
	f.load("the stranger has seen the schedule", func() bool { return other.Health() != nil })
	if err := other.Health(); !errors.Is(err, ErrScheduleRefused) || errors.Is(err, ErrScheduleStale) {
		t.Error(err)
	}
	reused, s := ssltest.Visit(t, f.clients[1], server, f.have[1])
	defer s.Close()
	if reused {
		t.Error("the stranger opened a ticket")
	}
	f.rotations(1)
	if s := other.Stats().Schedule; s.State != ScheduleStarting || s.Refused.Unopened == 0 || s.Writes != 0 {
		t.Errorf("%+v", s)
	}
	for i, vk := range f.vks {
		if s := vk.Stats().Schedule; s.Refused != (ScheduleRefusals{}) {
			t.Errorf("server %d: %+v", i, s)
		}
	}
}

// Two fleets in one database know nothing of each other, also if one has the other's seal keys and takes over
// its schedule.
func TestFleetNamespaces(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	f := newFleet(t, db.Addr, 1)
	o := &Options{SealKeys: sealKeys(t, 1)}
	quick(o)
	other, err := Open("valkey://"+db.Addr+"/other", o)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.Background())
	db.Do("SET", "other:t:{t}schedule", db.Do("GET", "shop:t:{t}schedule"))
	server := ssltest.TicketServer(t, ssltest.ServerConfig(t), other.TicketKeys())
	await(t, "a refusal", func() bool { return other.Stats().Schedule.Refused.Unopened > 0 })
	for i := range f.clients {
		reused, s := ssltest.Visit(t, f.clients[i], server, f.have[i])
		s.Close()
		if reused {
			t.Error("a session of another fleet was resumed")
		}
	}
	db.Do("DEL", "other:t:{t}schedule")
	await(t, "keys of its own", func() bool { return other.Stats().Schedule.State == ScheduleReady })
	f.rotations(1)
}

// A server that does not know yet what the others have agreed on asks when a client shows it such a ticket.
func TestFleetCatchesUp(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	slow := func(o *Options) { o.RotateEvery, o.KeepFor = time.Hour, time.Hour }
	f := newFleet(t, db.Addr, 1, slow)
	behind := opened(t, db.Addr, slow, func(o *Options) { o.Poll = 30 * time.Minute })
	server := ssltest.TicketServer(t, ssltest.ServerConfig(t), behind.TicketKeys())
	await(t, "the first keys", func() bool { return behind.Stats().Schedule.State == ScheduleReady })
	if _, err := f.vks[0].tickets.machine.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.await(ScheduleWithheld)
	f.await(ScheduleReady)
	f.visit(1, false)
	reused, s := ssltest.Visit(t, f.clients[1], server, f.have[1])
	defer s.Close()
	if s := behind.TicketKeys().Stats(); !reused || s.CaughtUp != 1 {
		t.Errorf("resumed: %v, %d connections caught up", reused, s.CaughtUp)
	}
}

// The state is logged when it changes, once and without a secret.
func TestFleetLogs(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	log := &record{}
	f := newFleet(t, db.Addr, 1, func(o *Options) { o.Logger = log.logger() })
	db.Kill()
	f.await(ScheduleExtended)
	f.await(ScheduleWithheld)
	await(t, "the last record", func() bool {
		return strings.Count(log.String(), "state=withheld") == 2
	})
	text := log.String()
	for _, state := range []string{"withheld", "ready", "stale", "extended"} {
		if n := strings.Count(text, "state="+state); n < 1 || n > 2 {
			t.Errorf("%s is logged %d times:\n%s", state, n, text)
		}
	}
	for _, secret := range []string{string(sealKey(1)), hex.EncodeToString(sealKey(1))} {
		if strings.Contains(text, secret) {
			t.Error("a secret is logged")
		}
	}
}

// The keys of a Client that is nil or closed make no server.
func TestTicketKeysOfClosed(t *testing.T) {
	leakcheck.Test(t)
	closed, err := Open("valkey://127.0.0.1:1/shop", &Options{SealKeys: sealKeys(t, 1)})
	if err != nil {
		t.Fatal(err)
	}
	closed.TicketKeys()
	closed.Close(t.Context())
	for _, c := range []*Client{nil, closed} {
		cfg := ssltest.ServerConfig(t)
		cfg.TicketKeys = c.TicketKeys()
		if ctx, err := ssl.NewServerCtx(cfg); !errors.Is(err, ssl.ErrConfig) {
			ctx.Close()
			t.Errorf("%v: %v", c == nil, err)
		}
		want := map[bool]error{true: ssl.ErrNil, false: ssl.ErrClosed}[c == nil]
		if err := c.Health(); !errors.Is(err, want) {
			t.Errorf("%v: Health: %v", c == nil, err)
		}
		if c.Stats().Connected {
			t.Error("connected")
		}
	}
}
