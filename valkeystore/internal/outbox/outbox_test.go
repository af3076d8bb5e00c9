package outbox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sessl/valkeystore/internal/circuit"
)

type clock struct {
	mu sync.Mutex
	at time.Duration
}

func (c *clock) now() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func newBox(max int) (*Box, *clock) {
	c := &clock{}
	return New(c.now, max, 1000), c
}

func put(key, value string) Write { return Write{Key: key, Value: []byte(value), Until: time.Hour} }

// taken takes all writes, and says which they were.
func taken(b *Box) string {
	ws := b.Take(1000)
	b.Landed(ws)
	return text(ws)
}

func text(ws []Write) string {
	var all []string
	for _, w := range ws {
		all = append(all, w.Key+string(w.Value))
	}
	return strings.Join(all, " ")
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestOrder(t *testing.T) {
	b, _ := newBox(10)
	for _, w := range []Write{put("a", "1"), put("b", "1"), put("a", "2"), put("c", "1"), {Key: "b", Until: 1}} {
		b.Add(w)
	}
	if !b.Removed("b") || b.Removed("a") || b.Removed("x") || b.Len() != 3 {
		t.Errorf("%d wait", b.Len())
	}
	want(t, "the newest of each key", taken(b), "a2 c1 b")
	want(t, "then", taken(b), "")
}

func TestOldestOutFirst(t *testing.T) {
	b, _ := newBox(3)
	for i := range 5 {
		b.Add(put(fmt.Sprint("k", i), ":"))
	}
	if room, age := b.Lost(); room != 2 || age != 0 {
		t.Errorf("%d and %d are lost", room, age)
	}
	want(t, "the newest", taken(b), "k2: k3: k4:")
	b.Add(put("a", strings.Repeat("x", 600)))
	b.Add(put("b", strings.Repeat("x", 600)))
	b.Add(put("c", strings.Repeat("x", 300)))
	ws := b.Take(10)
	if b.Len() != 2 {
		t.Errorf("%d are being made", b.Len())
	}
	if b.Landed(ws); len(ws) != 2 || ws[0].Key != "b" {
		t.Errorf("took %d", len(ws))
	}
	b.Add(put("d", strings.Repeat("x", 1000)))
	if room, _ := b.Lost(); b.Len() != 0 || room != 4 {
		t.Errorf("%d wait, %d are lost", b.Len(), room)
	}
}

func TestDeadWritesAreNotMade(t *testing.T) {
	b, c := newBox(10)
	b.Add(Write{Key: "a", Value: []byte("1"), Until: time.Second})
	b.Add(Write{Key: "b", Value: []byte("1"), Until: 2 * time.Second})
	c.at = time.Second
	want(t, "those that live", taken(b), "b1")
	if room, age := b.Lost(); room != 0 || age != 1 {
		t.Errorf("%d and %d are lost", room, age)
	}
}

func TestReturned(t *testing.T) {
	b, _ := newBox(4)
	for _, k := range []string{"a", "b", "c"} {
		b.Add(put(k, "1"))
	}
	ws := b.Take(2)
	b.Add(put("d", "1"))
	b.Add(put("b", "2"))
	b.Return(ws)
	b.Landed(ws)
	want(t, "in front, but for what is newer", taken(b), "a1 c1 d1 b2")
	for _, k := range []string{"a", "b", "c", "d"} {
		b.Add(put(k, "1"))
	}
	ws = b.Take(2)
	b.Add(put("e", "1"))
	b.Return(ws)
	want(t, "the oldest has no room", taken(b), "b1 c1 d1 e1")
}

// Long writes are taken a few at a time, and one that is longer than that by itself.
func TestLongWrites(t *testing.T) {
	c := &clock{}
	b := New(c.now, 10, 16<<20)
	for i, size := range []int{batchBytes / 2, batchBytes / 4, batchBytes / 2, 2 * batchBytes, 1} {
		b.Add(put(string(rune('a'+i)), strings.Repeat("x", size)))
	}
	for _, want := range []int{2, 1, 1, 1, 0} {
		ws := b.Take(10)
		b.Landed(ws)
		if len(ws) != want {
			t.Errorf("%d were taken, want %d", len(ws), want)
		}
	}
}

// A thousand writes that have waited take one pipeline, so that a database which is slow by 200 ms gets
// 5,000 a second.
func TestManyInOnePipeline(t *testing.T) {
	c := &clock{}
	b := New(c.now, 2*batch, 1<<20)
	var sent []int
	w := &Writer{Box: b, Wake: func() {}, Jitter: func() float64 { return 0 },
		Circuit: circuit.New(c.now, func() float64 { return 0 }, func(bool) {}),
		Send: func(_ context.Context, ws []Write) []error {
			sent = append(sent, len(ws))
			return make([]error, len(ws))
		}}
	for i := range 1000 {
		w.Later([]Write{put(fmt.Sprint(i), "1")})
	}
	if _, more := w.Step(t.Context()); more || !slices.Equal(sent, []int{1000}) {
		t.Errorf("%v went at one time", sent)
	}
}

// Who supersedes a write that is being made waits for its end.
func TestSuperseded(t *testing.T) {
	b, _ := newBox(10)
	b.Add(put("a", "1"))
	b.Add(put("b", "1"))
	if err := b.Supersede(t.Context(), "a"); err != nil || b.Len() != 1 {
		t.Errorf("%v, %d wait", err, b.Len())
	}
	ws := b.Take(1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Supersede(ctx, "b"); err == nil {
		t.Error("a write that is being made is no hindrance")
	}
	done := make(chan error)
	go func() { done <- b.Supersede(t.Context(), "b") }()
	other := b.Take(1) // what lands meanwhile is another write
	b.Landed(other)
	b.Return(ws)
	b.Landed(ws)
	if err := <-done; err != nil || b.Len() != 0 {
		t.Errorf("%v, %d wait", err, b.Len())
	}
}

func TestBoxOfMany(t *testing.T) {
	b, _ := newBox(100)
	var all sync.WaitGroup
	var mu sync.Mutex
	var got []string
	for i := range 8 {
		all.Go(func() {
			for j := range 10 {
				b.Add(put(fmt.Sprintf("%d-%d", i, j), ""))
				ws := b.Take(1)
				b.Landed(ws)
				mu.Lock()
				got = append(got, text(ws))
				mu.Unlock()
			}
		})
	}
	all.Wait()
	slices.Sort(got)
	if n := len(slices.Compact(got)); n != 80 || b.Len() != 0 || b.bytes != 0 {
		t.Errorf("%d writes, %d wait, %d bytes", n, b.Len(), b.bytes)
	}
}

// A removal is one until it is made: what is removed is not looked up while the database is told.
func TestRemovedWhileItIsMade(t *testing.T) {
	b, _ := newBox(10)
	b.Add(Write{Key: "a", Until: time.Hour})
	b.Add(put("b", "1"))
	ws := b.Take(10)
	if !b.Removed("a") || b.Removed("b") {
		t.Error("while it is made: ", b.Removed("a"), b.Removed("b"))
	}
	b.Add(put("a", "2"))
	if b.Removed("a") {
		t.Error("with a newer value")
	}
	b.Landed(ws)
	if b.Take(1); b.Removed("a") {
		t.Error("afterwards")
	}
}
