package valkeystore

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/ssl"
	"sessl/valkeystore/internal/schedule"
)

// A record is what was logged.
type record struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

func (r *record) logger() *slog.Logger { return slog.New(slog.NewTextHandler(r, nil)) }

// The database swaps only what it was expected to have, leases to one, and has a clock.
func TestScheduleDB(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	d := scheduleDB{opened(t, db.Addr)}
	ctx := t.Context()
	want := func(value string, none bool) {
		t.Helper()
		got, now, err := d.Fetch(ctx)
		if err != nil || string(got) != value || (got == nil) != none {
			t.Errorf("Fetch: %q, %v; want %q", got, err, value)
		}
		if off := time.Since(now); off > time.Minute || off < -time.Minute {
			t.Errorf("the clock is off by %v", off)
		}
	}
	swap := func(old, value []byte, want bool) {
		t.Helper()
		if ok, err := d.Swap(ctx, old, value); ok != want || err != nil {
			t.Errorf("Swap %q for %q: %v, %v; want %v", value, old, ok, err, want)
		}
	}
	want("", true)
	swap([]byte("x"), []byte("y"), false)
	swap([]byte{}, []byte("y"), false)
	swap(nil, []byte("\x00a\xff"), true)
	swap(nil, []byte("y"), false)
	want("\x00a\xff", false)
	swap([]byte("\x00a\xff"), []byte(""), true)
	want("", false)
	swap(nil, []byte("y"), false)
	swap([]byte{}, []byte("y"), true)
	if ms := db.Do("PTTL", "shop:t:{t}schedule"); len(ms) != len("32400000") { // 9 hours
		t.Errorf("it expires in %s ms", ms)
	}
	for i, want := range []bool{true, false} {
		if ok, err := d.Lease(ctx, time.Minute); ok != want || err != nil {
			t.Errorf("lease %d: %v, %v", i, ok, err)
		}
	}
	db.Do("SET", "shop:t:{t}schedule", strings.Repeat("x", schedule.MaxValue+1))
	want("too long", false)
	db.Do("DEL", "shop:t:{t}schedule")
	db.Do("SADD", "shop:t:{t}schedule", "x")
	if _, _, err := d.Fetch(ctx); err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
		t.Errorf("a set: %v", err)
	}
	db.Kill()
	if _, _, err := d.Fetch(ctx); err == nil {
		t.Error("an answer without a database")
	}
}

// No answer but the one to the question is believed.
func TestScheduleDBHostile(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	proxy := dbtest.NewProxy(t, db.Addr)
	d := scheduleDB{opened(t, proxy.Addr, func(o *Options) { o.Timeout = 100 * time.Millisecond })}
	if ok, err := d.Swap(t.Context(), nil, []byte("v")); !ok || err != nil {
		t.Fatal(ok, err)
	}
	for _, fault := range []dbtest.Fault{dbtest.Silent, dbtest.Garbage, dbtest.Half, dbtest.Reset,
		dbtest.Shift} {
		proxy.Set(fault, 0)
		for range 5 {
			if v, _, err := d.Fetch(t.Context()); err == nil {
				t.Errorf("fault %d: an answer: %q", fault, v)
			}
			if ok, err := d.Lease(t.Context(), time.Millisecond); err == nil {
				t.Errorf("fault %d: a lease: %v", fault, ok)
			}
			if ok, err := d.Swap(t.Context(), nil, []byte("w")); err == nil {
				t.Errorf("fault %d: a swap: %v", fault, ok)
			}
		}
		proxy.Set(dbtest.None, 0)
		proxy.Cut()
		await(t, "an answer again", func() bool { _, _, err := d.Fetch(t.Context()); return err == nil })
	}
}

// Periods out of range are refused with the name of the option.
func TestOpenRefusesPeriods(t *testing.T) {
	leakcheck.Test(t)
	for text, change := range map[string]func(*Options){
		"Options.RotateEvery is 1ms": func(o *Options) { o.RotateEvery = time.Millisecond },
		"Options.RotateEvery is 169": func(o *Options) { o.RotateEvery = week + time.Hour },
		"Options.KeepFor is -1s":     func(o *Options) { o.KeepFor = -time.Second },
		"Options.KeepFor is 2h":      func(o *Options) { o.RotateEvery = time.Minute },
		"Options.Future is 17":       func(o *Options) { o.Future = 17 },
		"Options.Future is -1":       func(o *Options) { o.Future = -1 },
		"Options.Poll is 1ms":        func(o *Options) { o.Poll = time.Millisecond },
		"Options.Poll is 31m":        func(o *Options) { o.Poll = 31 * time.Minute },
	} {
		o := &Options{SealKeys: sealKeys(t, 1)}
		change(o)
		if c, err := Open("valkey://127.0.0.1:1/shop", o); c != nil || !errors.Is(err, ssl.ErrConfig) ||
			!strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Of an answer to another question, or of one that is none, nothing is believed.
func TestScheduleDBOtherAnswers(t *testing.T) {
	leakcheck.Test(t)
	var answer func(args []string) string
	d := scheduleDB{opened(t, dbtest.Fake(t, func(words []string) string {
		if len(words) < 4 {
			return "+OK\r\n"
		}
		_, args := script(words)
		return answer(args)
	}))}
	const sec, us = "1700000000", "999999"
	fetched := func(parts ...string) func([]string) string {
		return func(a []string) string { return array(append([]string{a[0]}, parts...)...) }
	}
	for name, tc := range map[string]struct {
		reply func(args []string) string
		ok    bool
	}{
		"right":            {fetched(sec, us, "v"), true},
		"of another":       {func([]string) string { return array("x", sec, us, "v") }, false},
		"without a clock":  {fetched("v"), false},
		"without seconds":  {fetched("x", us, "v"), false},
		"before 1970":      {fetched("-1", us, "v"), false},
		"in year 10000":    {fetched("253402300800", us, "v"), false},
		"a second too far": {fetched(sec, "1000000", "v"), false},
		"with more":        {fetched(sec, us, "v", "w"), false},
		"nothing":          {func([]string) string { return "_\r\n" }, false},
		"an empty array":   {func([]string) string { return "*0\r\n" }, false},
		"a number":         {func([]string) string { return ":1\r\n" }, false},
		"an error":         {func([]string) string { return "-NOAUTH no\r\n" }, false},
		"a value that is none": {func(a []string) string {
			return "*4\r\n" + bulk(a[0]) + bulk(sec) + bulk(us) + "*0\r\n"
		}, false},
	} {
		answer = tc.reply
		v, now, err := d.Fetch(t.Context())
		if (err == nil) != tc.ok || tc.ok && (string(v) != "v" || now.UnixMicro() != 1700000000999999) {
			t.Errorf("%s: %q at %v, %v", name, v, now, err)
		}
	}
	for name, tc := range map[string]struct {
		reply     func(args []string) string
		yes, fail bool
	}{
		"yes":            {func(a []string) string { return array(a[0], "1") }, true, false},
		"no":             {func(a []string) string { return array(a[0], "0") }, false, false},
		"two":            {func(a []string) string { return array(a[0], "2") }, false, false},
		"yes to another": {func(a []string) string { return array("x", "1") }, false, true},
		"nothing":        {func(a []string) string { return array(a[0]) }, false, true},
		"a word":         {func(a []string) string { return array(a[0], "yes") }, false, true},
	} {
		answer = tc.reply
		if yes, err := d.Lease(t.Context(), time.Second); yes != tc.yes || (err != nil) != tc.fail {
			t.Errorf("lease, %s: %v, %v", name, yes, err)
		}
		if yes, err := d.Swap(t.Context(), nil, nil); yes != tc.yes || (err != nil) != tc.fail {
			t.Errorf("swap, %s: %v, %v", name, yes, err)
		}
	}
}
