package valkeystore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/valkeystore/internal/outbox"
	"sessl/valkeystore/internal/replay"
)

// bulk is a string as it goes over the wire.
func bulk(s string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }

func array(parts ...string) string {
	text := fmt.Sprintf("*%d\r\n", len(parts))
	for _, p := range parts {
		text += bulk(p)
	}
	return text
}

// script returns what a call of a script had: its keys and its other arguments.
func script(words []string) (keys, args []string) {
	n := 0
	fmt.Sscan(words[2], &n)
	return words[3 : 3+n], words[3+n:]
}

// Of an answer to another question nothing is believed.
func TestGuardOtherAnswers(t *testing.T) {
	now := strconv.FormatInt(time.Now().UnixMilli(), 10)
	var answer func(keys, args []string) string
	addr := dbtest.Fake(t, func(words []string) string {
		if len(words) < 4 {
			return "+OK\r\n"
		}
		keys, args := script(words)
		if len(args) == 1 {
			return array(args[0], "", strings.Repeat("old ", len(keys)), now, "noeviction")
		}
		return answer(keys, args)
	})
	g := guards(t, addr, 1)[0]
	earlier := ""
	for i, c := range []struct {
		name  string
		reply func(keys, args []string) string
		first bool
	}{
		{"right", func(k, a []string) string { earlier = array(a[0], k[1], "first", now); return earlier }, true},
		{"an earlier one", func(k, a []string) string { return earlier }, false},
		{"another's nonce", func(k, a []string) string { return array("x", k[1], "first", now) }, false},
		{"of another claim", func(k, a []string) string { return array(a[0], k[0], "first", now) }, false},
		{"of no claim", func(k, a []string) string { return array(a[0], "", "first", now) }, false},
		{"short", func(k, a []string) string { return array(a[0], k[1], "first") }, false},
		{"a string", func(k, a []string) string { return bulk("first") }, false},
		{"a number", func(k, a []string) string { return ":1\r\n" }, false},
		{"nothing", func(k, a []string) string { return "_\r\n" }, false},
		{"numbers", func(k, a []string) string { return "*4\r\n:1\r\n:1\r\n:1\r\n:1\r\n" }, false},
		{"right again", func(k, a []string) string { return array(a[0], k[1], "first", now) }, true},
	} {
		g.logic.Circuit = g.c.newCircuit("test", nil)
		answer = c.reply
		first, err := claim(t, g, flights(c.name, 1)[0])
		if first != c.first || c.first != (err == nil) {
			t.Errorf("%d %s: %v, %v", i, c.name, first, err)
		}
	}
}

// pieces are what a hostile database could put together.
var pieces = []string{
	"+OK\r\n", "+PONG\r\n", "+QUEUED\r\n", "-QUEUED\r\n", "-MOVED\r\n", "-ASK 1\r\n", "-ERR no\r\n", ":1\r\n",
	"$-1\r\n", "$-7\r\n", "$99999999999999\r\n", "$3\r\nabc\r\n", "$3\r\nabcde", "*3\r\n", "*-1\r\n",
	"*999999999\r\n", "%1\r\n", "~1\r\n", "|1\r\n", "_\r\n", "#t\r\n", "#x\r\n", ",1\r\n", "(1\r\n", "$?\r\n",
	"*?\r\n", ".\r\n", ";3\r\n", "\r\n", "\x00", "+first\r\n",
	">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n", ">3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:1\r\n",
	">1\r\n+message\r\n", ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n", ">2\r\n+invalidate\r\n_\r\n",
}

// Whatever a database sends, the process goes on, and no claim is accepted.
func TestHostileReplies(t *testing.T) {
	addr := dbtest.Fake(t, func(words []string) string {
		var b strings.Builder
		for range 1 + rand.IntN(3) {
			b.WriteString(pieces[rand.IntN(len(pieces))])
		}
		return b.String()
	})
	g := opened(t, addr, patient, func(o *Options) { o.InsecureEviction = true }).Guard()
	g.c.Cache() // listens, and follows the schedule
	s := store{g.c}
	for i, id := range flights("hostile", 300) {
		g.logic.Circuit = g.c.newCircuit("test", nil)
		if first, err := hastyClaim(t, g, id); first || err == nil {
			t.Fatalf("claim %d: %v, %v", i, first, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		s.Get(ctx, id)
		g.c.send(ctx, []outbox.Write{{Key: "a", Value: id, Until: time.Hour}, {Key: "b"}}) // past the circuit
		g.c.catchUp(ctx, new(string))
		cancel()
		if i%16 == 0 {
			g.logic.Tend(t.Context(), i/16%replay.Parts)
		}
	}
}
