package valkeystore

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// A survey has what the machines of the fleet have, in their order, and writes nothing.
func TestSurvey(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	looker := opened(t, db.Addr)
	s, err := looker.Survey(t.Context())
	if err != nil || s.Generation != 0 || s.Keys != nil || s.Refused != nil || s.Policy != "noeviction" ||
		s.Latency <= 0 || time.Since(s.Now).Abs() > time.Minute {
		t.Errorf("an empty database: %+v, %v", s, err)
	}
	if keys := db.Keys("shop:"); len(keys) != 0 {
		t.Errorf("a survey has written %q", keys)
	}
	f := newFleet(t, db.Addr, 1)
	f.rotations(1)
	var keys []ssl.TicketKeyInfo
	await(t, "a survey between two turns", func() bool {
		keys = f.vks[0].TicketKeys().Infos()
		if s, err = looker.Survey(t.Context()); err != nil {
			t.Fatal(err)
		}
		return len(s.Keys) == len(keys) && s.Generation == f.vks[0].Stats().Schedule.Generation &&
			keys[0] == f.vks[0].TicketKeys().Infos()[0]
	})
	uses := ""
	for _, k := range s.Keys {
		for _, had := range keys {
			if had.Name == k.Name && (had.Use != k.Use || !had.Made.Equal(k.Made)) {
				t.Errorf("%+v is %+v", k, had)
			}
		}
		if k.From.IsZero() || k.From.After(s.Now) != (k.Use == "next" || k.Use == "future") {
			t.Errorf("at %v: %+v", s.Now, k)
		}
		uses += k.Use + " "
	}
	if !strings.HasPrefix(uses, "old current next future ") {
		t.Error(uses)
	}
}

// What is no schedule of this fleet is refused, and a policy is told.
func TestSurveyRefused(t *testing.T) {
	leakcheck.Test(t)
	db := dbtest.Start(t)
	c := opened(t, db.Addr)
	db.Do("SET", "shop:t:{t}schedule", "nonsense")
	db.Do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	s, err := c.Survey(t.Context())
	if err != nil || !errors.Is(s.Refused, ErrScheduleRefused) || s.Generation != 0 ||
		s.Policy != "allkeys-lru" {
		t.Errorf("%+v, %v", s, err)
	}
	db.Do("DEL", "shop:t:{t}schedule")
	db.Do("SADD", "shop:t:{t}schedule", "x")
	if s, err := c.Survey(t.Context()); err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
		t.Errorf("%+v, %v", s, err)
	}
}

// Without a database, and with a Client that is of no use, there is an error.
func TestSurveyErrors(t *testing.T) {
	leakcheck.Test(t)
	c, err := Open("valkey://127.0.0.1:1/shop", &Options{SealKeys: sealKeys(t, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := c.Survey(ended); s != nil || !errors.Is(err, ErrNotConnected) {
		t.Errorf("%+v, %v", s, err)
	}
	var none context.Context
	if s, err := c.Survey(none); s != nil || !errors.Is(err, ssl.ErrNil) {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if s, err := c.Survey(t.Context()); s != nil || !errors.Is(err, ssl.ErrClosed) {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := (*Client)(nil).Survey(t.Context()); s != nil || !errors.Is(err, ssl.ErrNil) {
		t.Errorf("%+v, %v", s, err)
	}
}

// Answers to other questions are not believed.
func TestSurveyOtherAnswers(t *testing.T) {
	leakcheck.Test(t)
	for _, reply := range []string{"*0\r\n", "*4\r\n$1\r\nx\r\n:1\r\n:1\r\n$0\r\n\r\n", ":1\r\n", "$-1\r\n"} {
		c := opened(t, dbtest.Fake(t, func([]string) string { return reply }))
		if s, err := c.Survey(t.Context()); err == nil {
			t.Errorf("%q: %+v", reply, s)
		}
	}
	short := opened(t, dbtest.Fake(t, func(words []string) string {
		nonce := words[len(words)-2]
		return "*2\r\n$26\r\n" + nonce + "\r\n$1\r\n1\r\n"
	}))
	if s, err := short.Survey(t.Context()); !errors.Is(err, errOtherReply) {
		t.Errorf("%+v, %v", s, err)
	}
}

// A policy is a word, or the answer is none.
func TestSurveyPolicy(t *testing.T) {
	leakcheck.Test(t)
	policy := ""
	c := opened(t, dbtest.Fake(t, func(words []string) string {
		if len(words) < 4 {
			return "+OK\r\n"
		}
		_, args := script(words)
		return array(args[0], "1800000000", "0", policy)
	}))
	for _, x := range []struct {
		policy string
		good   bool
	}{{"noeviction", true}, {"volatile-lru", true}, {"no\x1b[2J", false}, {strings.Repeat("a", 33), false}} {
		policy = x.policy
		s, err := c.Survey(t.Context())
		if x.good != (err == nil) || x.good && s.Policy != x.policy {
			t.Errorf("%q: %+v, %v", x.policy, s, err)
		}
	}
}
