package valkeystore

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
)

// logged asks the database often, and writes to log.
func logged(log *record) func(*Options) {
	return func(o *Options) {
		o.RotateEvery, o.KeepFor, o.Poll, o.Logger = time.Minute, time.Minute, 50*time.Millisecond, log.logger()
	}
}

// A database that a machine may not use, or that is not there, is in the log once with the reason, and once
// more when it is well. The password is not there.
func TestLogNotConnected(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	db.Do("ACL", "SETUSER", "fleet", "on", ">right", "~*", "&*", "+@all")
	var log record
	o := &Options{SealKeys: sealKeys(t, 1)}
	logged(&log)(o)
	vk, err := Open("valkey://fleet:hunter2@"+db.Addr+"/shop", o)
	if err != nil {
		t.Fatal(err)
	}
	defer vk.Close(context.Background())
	vk.TicketKeys()
	await(t, "a line", func() bool { return strings.Contains(log.String(), "WRONGPASS") })
	db.Do("ACL", "SETUSER", "fleet", ">hunter2")
	await(t, "a line when it is well", func() bool {
		return strings.Contains(log.String(), "level=INFO msg=\"valkeystore: database\" state=connected")
	})
	text := log.String()
	if n := strings.Count(text, "msg=\"valkeystore: database\""); n != 2 || strings.Contains(text, "hunter2") {
		t.Errorf("%d lines, want 2 and no password:\n%s", n, text)
	}
}

// A schedule that cannot be read or written is in Health and the log after a few times in a row, in whichever
// state the machine is, and no longer when it is well.
func TestHealthScheduleFails(t *testing.T) {
	const key = "shop:t:{t}schedule"
	broken := func(name, reason, state string, begin, spoil, mend func(*dbtest.Server)) {
		t.Run(name, func(t *testing.T) {
			leakcheck.Test(t)
			db := dbtest.Start(t)
			begin(db)
			var log record
			vk := opened(t, db.Addr, logged(&log))
			vk.TicketKeys()
			if state == "ready" {
				await(t, "ready", func() bool { return vk.Stats().Schedule.State == ScheduleReady })
			}
			spoil(db)
			line := "level=WARN msg=\"valkeystore: ticket keys\" state=" + state
			await(t, "a line", func() bool {
				_, rest, found := strings.Cut(log.String(), line)
				return found && strings.Contains(rest, reason)
			})
			want := ErrScheduleFails
			if state != "ready" {
				want = ErrScheduleStale
			}
			if err := vk.Health(); !errors.Is(err, want) || !strings.Contains(err.Error(), reason) {
				t.Errorf("Health: %v, want %v", err, want)
			}
			if n := strings.Count(log.String(), line); n != 1 {
				t.Errorf("%d lines of %s:\n%s", n, state, log.String())
			}
			mend(db)
			await(t, "health", func() bool { return vk.Health() == nil })
			await(t, "a line when it is well", func() bool {
				text := log.String()
				return strings.LastIndex(text, "level=INFO") > strings.LastIndex(text, "level=WARN")
			})
		})
	}
	nothing := func(*dbtest.Server) {}
	full := func(db *dbtest.Server) { db.Do("CONFIG", "SET", "maxmemory", "1") }
	free := func(db *dbtest.Server) { db.Do("CONFIG", "SET", "maxmemory", "0") }
	broken("another type", "WRONGTYPE", "ready", nothing, func(db *dbtest.Server) {
		db.Do("EVAL", "redis.call('DEL', KEYS[1]) redis.call('LPUSH', KEYS[1], 'a')", "1", key)
	}, func(db *dbtest.Server) { db.Do("DEL", key) })
	broken("lost and full", "OOM", "ready", nothing,
		func(db *dbtest.Server) { full(db); db.Do("DEL", key) }, free)
	broken("empty and full", "OOM", "starting", full, nothing, free)
}

// A machine that does not hear says so again when there is another reason: the first one may be no more than
// that the connection has ended.
func TestLogNotHeardWhy(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	var log record
	vk := opened(t, db.Addr, logged(&log))
	vk.Cache()
	db.Await("PUBSUB NUMSUB shop:r:", "\n1")
	db.Do("CONFIG", "SET", "requirepass", "hunter2")
	client, err := vk.database()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"pubsub", "normal"} {
		client.Do(t.Context(), client.B().Arbitrary("CLIENT", "KILL", "TYPE", kind, "SKIPME", "no").Build())
	}
	await(t, "the reason", func() bool { return strings.Contains(log.String(), "not heard\" error=\"NOAUTH") })
}
