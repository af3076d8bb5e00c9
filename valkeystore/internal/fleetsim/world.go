package fleetsim

import (
	"container/heap"
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"time"
)

// A world has the clock, and what is to happen.
type world struct {
	now   time.Duration
	rand  *rand.Rand
	queue events
	seq   uint64
	tasks map[*task]bool // those that have not ended
}

type event struct {
	at  time.Duration
	seq uint64 // of two at one time the older goes first
	do  func()
}

type events []event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(e any)   { *q = append(*q, e.(event)) }
func (q *events) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = event{}
	*q = (*q)[:last]
	return e
}

func newWorld(seed uint64) *world {
	return &world{rand: rand.New(rand.NewPCG(seed, 1)), tasks: map[*task]bool{}}
}

// after has f called when d has passed.
func (w *world) after(d time.Duration, f func()) {
	w.seq++
	heap.Push(&w.queue, event{w.now + max(d, 0), w.seq, f})
}

// run goes from event to event until end.
func (w *world) run(end time.Duration) {
	for len(w.queue) > 0 && w.queue[0].at <= end {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		e.do()
	}
	w.now = end
}

// close ends the tasks that have not ended.
func (w *world) close() {
	for t := range w.tasks {
		t.stop()
	}
}

// up returns a duration from 0 to d at random.
func (w *world) up(d time.Duration) time.Duration {
	return time.Duration(w.rand.Float64() * float64(d))
}

// A task is a function that can wait, as code that asks a database does. One task runs at a time.
type task struct {
	w      *world
	of     *machine // with whose end it ends, or nil
	yield  func(struct{}) bool
	resume func() (struct{}, bool)
	stop   func()
}

var errEnded = errors.New("the task has ended")

// spawn runs f until it waits for the first time.
func (w *world) spawn(of *machine, f func(context.Context)) {
	t := &task{w: w, of: of}
	w.tasks[t] = true
	ctx := context.WithValue(context.Background(), taskKey{}, t)
	t.resume, t.stop = iter.Pull(func(yield func(struct{}) bool) {
		t.yield = yield
		defer func() {
			if r := recover(); r != nil && r != errEnded {
				panic(r)
			}
		}()
		f(ctx)
	})
	t.goOn()
}

type taskKey struct{}

func taskOf(ctx context.Context) *task { return ctx.Value(taskKey{}).(*task) }

// goOn runs the task until it waits or ends.
func (t *task) goOn() {
	if _, waits := t.resume(); !waits {
		delete(t.w.tasks, t)
	}
}

// sleep has the task wait for d.
func (t *task) sleep(d time.Duration) {
	t.w.after(d, t.goOn)
	t.wait()
}

// wait has the task wait for goOn. It does not return when the machine of the task is gone.
func (t *task) wait() {
	if !t.yield(struct{}{}) || t.of != nil && t.of.gone {
		panic(errEnded)
	}
}
