package replay

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/ssl"
	"sessl/valkeystore/internal/circuit"
)

func TestSHA1(t *testing.T) {
	sum := sha1.Sum([]byte(Script))
	if got := hex.EncodeToString(sum[:]); got != SHA1 {
		t.Errorf("SHA1 is %s, it must be %s", SHA1, got)
	}
}

func TestRecordParses(t *testing.T) {
	r := Record{Node: "ab12", Start: 1, Seen: 1796024742123}
	if got, ok := ParseRecord(r.String()); !ok || got != r {
		t.Errorf("%v, %v", got, ok)
	}
	for _, bad := range []string{"", "1 ab 1", "2 ab 1 2", "1 ab 1 2 3", "1  ab 1 2", "1 ab x 2", "1 ab 01 2"} {
		if got, ok := ParseRecord(bad); ok {
			t.Errorf("%q: %v", bad, got)
		}
	}
}

// ms is a time of the database's clock.
func ms(d time.Duration) int64 { return d.Milliseconds() }

func TestEpochs(t *testing.T) {
	const node, now = "ab", int64(1796024742123)
	kept := func(age, unseen time.Duration) Record {
		return Record{Node: node, Start: now - ms(age), Seen: now - ms(unseen)}
	}
	begun := Record{Node: node, Start: now, Seen: now}
	touched := func(r Record) Record { r.Seen = now; return r }
	for _, c := range []struct {
		name string
		r    Record
		next Record
		old  bool
	}{
		{"none", Record{}, begun, false},
		{"another node", Record{Node: "cd", Start: now - ms(time.Hour), Seen: now}, begun, false},
		{"old", kept(Window, 0), kept(Window, 0), true},
		{"nearly old", kept(Window-time.Millisecond, 0), kept(Window-time.Millisecond, 0), false},
		{"seen long ago", kept(time.Hour, Gap), touched(kept(time.Hour, 0)), true},
		{"seen too long ago", kept(time.Hour, Gap+time.Millisecond), begun, false},
		{"seen before", kept(time.Hour, time.Second), touched(kept(time.Hour, 0)), true},
		{"seen just before", kept(time.Hour, time.Second-1), kept(time.Hour, time.Second-1), true},
		{"seen a little later", kept(time.Hour, -time.Second), kept(time.Hour, -time.Second), true},
		{"seen later", kept(time.Hour, -time.Second-time.Millisecond), begun, false},
		{"begins later", kept(-time.Millisecond, -time.Millisecond), begun, false},
	} {
		if next, old := c.r.Next(node, now); next != c.next || old != c.old {
			t.Errorf("%s: %v, %v; want %v, %v", c.name, next, old, c.next, c.old)
		}
	}
}

// The script does what Record.Next does, for records whose times are not so near to a limit that the
// milliseconds between two looks at the clock would matter.
func TestScriptIsRecordNext(t *testing.T) {
	db := dbtest.Start(t)
	info := db.Do("INFO", "server")
	_, node, _ := strings.Cut(info, "run_id:")
	node, _, _ = strings.Cut(node, "\r")
	random := rand.New(rand.NewPCG(1, 2))
	span := func(limits ...time.Duration) int64 {
		return ms(limits[random.IntN(len(limits))]) + int64(random.IntN(800)) + 100
	}
	kinds := map[string]int{}
	for i := range 400 {
		before := clock(t, db)
		r := Record{Node: node}
		r.Seen = before - span(-time.Hour, -5*time.Second, -2*time.Second, 0, 5*time.Second, Gap-2*time.Second, Gap,
			time.Hour)
		r.Start = r.Seen - span(-5*time.Second, 0, 5*time.Second, Window-Gap, Window, time.Hour)
		if random.IntN(10) == 0 {
			r.Node = "abcd"
		}
		key, name := fmt.Sprintf("e%d", i), fmt.Sprintf("c%d", i)
		db.Do("SET", key, r.String())
		words := []string{"EVAL", Script, "2", key, "begins" + key, "nonce"}
		claims := random.IntN(2) == 0
		if claims {
			words = []string{"EVAL", Script, "2", key, name, "nonce", "60000"}
		}
		got := strings.Split(db.Do(words...), "\n")
		now, _ := strconv.ParseInt(got[3], 10, 64)
		next, old := r.Next(node, now)
		want := map[bool]string{true: "old young", false: "young young"}[old]
		if claims {
			want = map[bool]string{true: "first", false: "young"}[old]
		}
		if got[0] != "nonce" || got[2] != want || db.Do("GET", key) != next.String() {
			t.Fatalf("%v at %d: %q, %q; want %s, %q", r, now, got, db.Do("GET", key), want, next)
		}
		if claims != (got[1] == name) || claims == (len(got) == 5) {
			t.Fatalf("answered %q", got)
		}
		if old && claims && !strings.Contains(db.Do(words...), "\nagain\n") {
			t.Fatal("claimed twice")
		}
		kinds[got[2]]++
	}
	if len(kinds) != 4 {
		t.Errorf("not all verdicts have been seen: %v", kinds)
	}
}

func clock(t *testing.T, db *dbtest.Server) int64 {
	t.Helper()
	s := bufio.NewScanner(strings.NewReader(db.Do("TIME")))
	var parts [2]int64
	for i := 0; i < 2 && s.Scan(); i++ {
		parts[i], _ = strconv.ParseInt(s.Text(), 10, 64)
	}
	return parts[0]*1000 + parts[1]/1000
}

// answers is a database that gives the same answer to each question.
type answers struct {
	Answer
	ahead time.Duration // its clock
	err   error
	asked []Question
}

func (a *answers) Ask(_ context.Context, q Question) (Answer, error) {
	a.asked = append(a.asked, q)
	now := a.Answer
	now.Now = time.Now().Add(a.ahead)
	return now, a.err
}

func answer(v ...Verdict) Answer { return Answer{Verdicts: v} }

func newGuard(t *testing.T, db Database) *Guard {
	t.Helper()
	memory, err := ssl.NewReplayGuard(0)
	if err != nil {
		t.Fatal(err)
	}
	var at time.Duration
	return &Guard{Database: db, Memory: memory, Now: time.Now,
		Circuit: circuit.New(func() time.Duration { return at }, rand.Float64, nil),
		Outcome: func(_ context.Context, err error) circuit.Outcome {
			if err != nil {
				return circuit.Failed
			}
			return circuit.OK
		}}
}

func ids(i int) (id []byte, key string) {
	id = fmt.Appendf(nil, "%032d", i)
	return id, string(rune('0'+i)) + string(id[17:])
}

// A database that lies costs one replay on each machine.
func TestLyingDatabase(t *testing.T) {
	db := &answers{Answer: answer(First)}
	g := newGuard(t, db)
	g.Evicts = true
	id, key := ids(1)
	until := time.Now().Add(Window)
	for i := range 3 {
		first, err := g.Claim(t.Context(), id, key, until)
		if first != (i == 0) || err != nil {
			t.Errorf("claim %d: %v, %v", i, first, err)
		}
	}
	if len(db.asked) != 1 || g.Stats.Here.Load() != 2 || g.Stats.First.Load() != 1 {
		t.Errorf("%d questions, %d known here", len(db.asked), g.Stats.Here.Load())
	}
	q := db.asked[0]
	if q.Claim != key || q.Keep < Window || !slices.Equal(q.Parts, []int{int(key[0]) % Parts}) {
		t.Errorf("asked %+v", q)
	}
}

func TestVerdicts(t *testing.T) {
	for i, c := range []struct {
		a   Answer
		err error
		is  error
	}{
		{answer(Again), nil, nil},
		{answer(Young), nil, ErrYoung},
		{answer(First), errors.New("late"), nil},
		{answer(Old), nil, nil},
		{answer(""), nil, nil},
	} {
		g := newGuard(t, &answers{Answer: c.a, err: c.err})
		g.Evicts = true
		id, key := ids(i)
		first, err := g.Claim(t.Context(), id, key, time.Now().Add(Window))
		if first || (err == nil) != (c.a.Verdicts[0] == Again) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%+v: %v, %v", c.a, first, err)
		}
	}
}

// Claims need a policy that is known and right, and each node's counts for its part.
func TestPolicies(t *testing.T) {
	db := &answers{Answer: answer(Old)}
	g := newGuard(t, db)
	until := time.Now().Add(Window)
	claim := func(i int) error {
		id, key := ids(i)
		_, err := g.Claim(t.Context(), id, key, until)
		return err
	}
	if err := claim(1); !errors.Is(err, ErrUnseen) || len(db.asked) != 0 {
		t.Errorf("before a look: %v", err)
	}
	if err := g.Tend(t.Context(), 0); err == nil {
		t.Error("an answer without a policy is taken")
	}
	_, key := ids(2)
	db.Policy = "allkeys-lru"
	if err := g.Tend(t.Context(), PartOf(key)); err != nil {
		t.Error(err)
	}
	if err := claim(2); !errors.Is(err, ErrPolicy) || !strings.Contains(err.Error(), "allkeys-lru") {
		t.Errorf("with allkeys-lru: %v", err)
	}
	db.Policy = "noeviction"
	for part := range Parts {
		if _, err := g.State(); err == nil {
			t.Error("the state is good, and not all parts are known")
		}
		if err := g.Tend(t.Context(), part); err != nil {
			t.Error(err)
		}
	}
	if young, err := g.State(); young || err != nil {
		t.Errorf("the state is %v, %v", young, err)
	}
	db.Answer = answer(First)
	if err := claim(3); err != nil {
		t.Errorf("with noeviction: %v", err)
	}
}

// A flight that a machine has accepted could be sent to one whose clock is behind when the claim has expired,
// and would seem to be in time there. So a machine needs a clock that is nearly the database's.
func TestClocks(t *testing.T) {
	for _, ahead := range []time.Duration{0, MaxSkew - time.Second, time.Second - MaxSkew, MaxSkew + time.Second,
		-MaxSkew - time.Second, 5 * time.Minute, -5 * time.Minute} {
		g := newGuard(t, &answers{Answer: Answer{Verdicts: []Verdict{First}}, ahead: ahead})
		g.Evicts = true
		id, key := ids(1)
		first, err := g.Claim(t.Context(), id, key, time.Now().Add(Window))
		if good := ahead.Abs() < MaxSkew; first != good || errors.Is(err, ErrClock) == good {
			t.Errorf("%v ahead: %v, %v", ahead, first, err)
		}
		g.Database = &answers{Answer: Answer{Verdicts: []Verdict{Old}, Policy: "noeviction"}, ahead: ahead}
		err = g.Tend(t.Context(), 0)
		if _, state := g.State(); err != nil || errors.Is(state, ErrClock) == (ahead.Abs() < MaxSkew) {
			t.Errorf("%v ahead: %v, %v", ahead, err, state)
		}
	}
}

// After failures the database is not asked any more.
func TestOpenCircuit(t *testing.T) {
	db := &answers{err: errors.New("down")}
	g := newGuard(t, db)
	g.Evicts = true
	for i := range 2 * circuit.MaxFailures {
		id, key := ids(i)
		first, err := g.Claim(t.Context(), id, key, time.Now().Add(Window))
		if first || err == nil || errors.Is(err, circuit.ErrOpen) != (i >= circuit.MaxFailures) {
			t.Errorf("claim %d: %v, %v", i, first, err)
		}
	}
	if len(db.asked) != circuit.MaxFailures {
		t.Errorf("asked %d times", len(db.asked))
	}
}
