package valkeystore

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"sessl/valkeystore/internal/neighbours"
	"sessl/valkeystore/internal/schedule"
)

// ErrNeighbours says that servers beside this process do not have the newest ticket keys: those of
// [KeyFiles], or the one of Options.HAProxySocket. The text has the reason.
var ErrNeighbours = errors.New("neighbours do not have the newest ticket keys")

// neighbouring is what a Client does for other servers on its machine.
type neighbouring struct {
	files  *delivery // nil: none
	socket *delivery // nil: none

	mu     sync.Mutex
	set    neighbours.Set // the newest; zero before the first
	number uint64         // of set
	kept   bool           // no key encrypts, and neighbours go on with those of before
	period time.Duration  // Options.RotateEvery
}

// A delivery is one way to neighbours, with what came of it.
type delivery struct {
	name  string
	do    func(ctx context.Context, set neighbours.Set, number uint64) error
	every time.Duration // how often to look although nothing has changed; 0: never
	wake  chan struct{} // has one element when there is another set

	mu       sync.Mutex
	failed   error // why the newest set is not there; nil if it is
	since    time.Time
	counters DeliveryStats
}

// prepareNeighbours makes the deliveries that the options ask for.
func (c *Client) prepareNeighbours() {
	n := &c.neighbours
	n.period = c.opts.RotateEvery
	if o := c.opts.KeyFiles; o.written() {
		n.files = &delivery{name: "key files", do: c.writeKeys(o), wake: make(chan struct{}, 1)}
	}
	if c.opts.HAProxySocket != "" {
		n.socket = &delivery{name: "haproxy", do: c.sendKeys(), wake: make(chan struct{}, 1), every: c.opts.Poll}
	}
}

// serveNeighbours begins the deliveries.
func (c *Client) serveNeighbours() {
	for _, d := range c.neighbours.deliveries() {
		c.TicketKeys()
		c.jobs.Go(func() { c.deliver(d) })
	}
}

func (n *neighbouring) deliveries() (all []*delivery) {
	for _, d := range []*delivery{n.files, n.socket} {
		if d != nil {
			all = append(all, d)
		}
	}
	return all
}

// take keeps what neighbours should have, and has it delivered. Without a key that encrypts they stay as they
// are.
func (n *neighbouring) take(at schedule.Places) {
	set, ok := neighbours.SetOf(at, n.period)
	if len(n.deliveries()) == 0 {
		return
	}
	n.mu.Lock()
	n.kept = !ok
	same := !ok || set.Equal(n.set)
	if !same {
		n.set = set
		n.number++
	}
	n.mu.Unlock()
	if same {
		return
	}
	for _, d := range n.deliveries() {
		select {
		case d.wake <- struct{}{}:
		default:
		}
	}
}

// keeps reports whether neighbours go on with keys of before.
func (n *neighbouring) keeps() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.kept && n.number > 0
}

// drop gives up the keys, when the deliveries have ended.
func (n *neighbouring) drop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.set = neighbours.Set{}
}

func (n *neighbouring) newest() (set neighbours.Set, number uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.set, n.number
}

const (
	firstRetry = 250 * time.Millisecond
	lastRetry  = 10 * time.Second
)

// deliver hands sets on until Close. What fails is tried again.
func (c *Client) deliver(d *delivery) {
	pause := firstRetry
	for {
		var again <-chan time.Time
		if set, number := c.neighbours.newest(); number > 0 {
			err := d.do(c.life, set, number)
			if c.life.Err() != nil {
				return
			}
			c.delivered(d, err)
			switch {
			case err != nil:
				again = time.After(pause/2 + rand.N(pause))
				pause = min(2*pause, lastRetry)
			case d.every > 0:
				again = time.After(d.every/2 + rand.N(d.every/2))
				pause = firstRetry
			default:
				pause = firstRetry
			}
		}
		select {
		case <-again:
		case <-d.wake:
			pause = firstRetry
		case <-c.life.Done():
			return
		}
	}
}

// delivered notes what came of an attempt, and logs it if that has changed.
func (c *Client) delivered(d *delivery, err error) {
	d.mu.Lock()
	was := d.failed
	d.failed = err
	if err != nil {
		d.counters.Failures++
		if was == nil {
			d.since = time.Now()
		}
	}
	d.mu.Unlock()
	switch log := c.opts.Logger.With("of", d.name); {
	case err != nil && (was == nil || was.Error() != err.Error()):
		log.LogAttrs(c.life, slog.LevelWarn, "valkeystore: neighbours", slog.String("state", "behind"),
			slog.String("error", err.Error()))
	case err == nil && was != nil:
		log.LogAttrs(c.life, slog.LevelInfo, "valkeystore: neighbours", slog.String("state", "up to date"))
	}
}

// writeKeys returns what writes each set once, and then runs the command until that has worked.
func (c *Client) writeKeys(o KeyFiles) func(context.Context, neighbours.Set, uint64) error {
	files := neighbours.Files{HAProxy: o.HAProxy, Nginx: o.Nginx}
	written := uint64(0)
	return func(ctx context.Context, set neighbours.Set, number uint64) error {
		if written != number {
			if err := files.Write(set); err != nil {
				return err
			}
			written = number
			c.neighbours.files.done(1)
		}
		if len(o.Command) == 0 {
			return nil
		}
		return neighbours.Run(ctx, o.Command, o.Timeout)
	}
}

// sendTimeout is for one look at HAProxy's keys, or for sending all.
const sendTimeout = 2 * time.Second

// sendKeys returns what looks whether HAProxy has a set, and sends it what that lacks: it may have been
// restarted, and have begun with an old file.
func (c *Client) sendKeys() func(context.Context, neighbours.Set, uint64) error {
	h := neighbours.HAProxy{Network: socketNetwork(c.opts.HAProxySocket), Addr: c.opts.HAProxySocket,
		ID: c.opts.HAProxyKeys}
	return func(ctx context.Context, set neighbours.Set, _ uint64) error {
		ctx, cancel := context.WithTimeout(ctx, sendTimeout)
		defer cancel()
		n, err := h.Send(ctx, set)
		if err == nil && n > 0 {
			c.neighbours.socket.done(n)
		}
		return err
	}
}

func (d *delivery) done(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counters.Done += uint64(n)
}
