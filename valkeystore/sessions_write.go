package valkeystore

import (
	"context"
	"math"
	mathrand "math/rand/v2"
	"time"

	"github.com/valkey-io/valkey-go"

	"sessl/internal/clock"
	"sessl/ssl"
	"sessl/valkeystore/internal/circuit"
	"sessl/valkeystore/internal/outbox"
)

// Put implements [ssl.SessionStore].
func (s store) Put(ctx context.Context, id, sealed []byte, expires time.Time) error {
	errs := s.PutAll(ctx, []ssl.StoreItem{{ID: id, Sealed: sealed, Expires: expires}})
	if errs != nil {
		return errs[0]
	}
	return nil
}

// PutAll implements [ssl.SessionBatchStore]: one pipeline. What the database does not take now waits
// for it, which is no error.
func (s store) PutAll(ctx context.Context, items []ssl.StoreItem) []error {
	ws := make([]outbox.Write, len(items))
	for i, it := range items {
		ws[i] = outbox.Write{Key: s.key(it.ID), Value: it.Sealed,
			Until: s.c.keeping.now() + it.Expires.Sub(clock.Now())}
	}
	s.c.write(ctx, ws)
	return nil
}

// Remove implements [ssl.SessionStore]. If the database does not take it now, it waits like a Put, and Remove
// returns why.
func (s store) Remove(ctx context.Context, id []byte) error {
	return s.c.write(ctx, []outbox.Write{{Key: s.key(id), Until: math.MaxInt64}})
}

// write makes writes, or has them wait. It returns the first error.
func (c *Client) write(ctx context.Context, ws []outbox.Write) error {
	k := &c.keeping
	call, ok := k.puts.Begin()
	if !ok {
		c.writeLater(ws, nil)
		return ErrCircuitOpen
	}
	for i := range ws {
		if err := k.box.Supersede(ctx, ws[i].Key); err != nil {
			call.End(circuit.Ignored)
			c.writeLater(ws, nil)
			return err
		}
	}
	errs := c.send(ctx, ws)
	return c.sent(ctx, call, errs, func() { c.writeLater(ws, errs) })
}

// sent ends a call, and has what failed done again. It returns the first error.
func (c *Client) sent(ctx context.Context, call circuit.Call, errs []error, again func()) error {
	var first error
	good := 0
	for _, err := range errs {
		switch {
		case err == nil:
			good++
		case first == nil:
			first = err
		}
	}
	if good > 0 {
		call.End(circuit.OK) // another node of a cluster may be away
	} else {
		call.End(outcomeOf(ctx, first))
	}
	if first != nil {
		c.keeping.mu.Lock()
		c.keeping.why = first
		c.keeping.mu.Unlock()
		again()
	}
	return first
}

// writeLater has those writes wait that have an error; without errors all.
func (c *Client) writeLater(ws []outbox.Write, errs []error) {
	for i := range ws {
		if errs == nil || errs[i] != nil {
			c.keeping.box.Add(ws[i])
			c.keeping.stats.waited.Add(1)
		}
	}
	c.keeping.wakeUp()
}

func (k *keeping) wakeUp() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// send makes writes in one pipeline. It returns an error or nil for each.
func (c *Client) send(ctx context.Context, ws []outbox.Write) []error {
	errs := make([]error, len(ws))
	rs, err := c.doMulti(ctx, c.opts.Timeout, func(b valkey.Builder) (cmds []valkey.Completed) {
		for i := range ws {
			cmds = append(cmds, c.command(b, &ws[i]))
		}
		return cmds
	})
	for i := range ws {
		if errs[i] = err; err == nil {
			errs[i] = written(&ws[i], rs[i])
		}
	}
	return errs
}

// command sets the value with what is left of its life, which the database's clock measures.
func (c *Client) command(b valkey.Builder, w *outbox.Write) valkey.Completed {
	if w.Value == nil {
		return b.Del().Key(w.Key).Build()
	}
	left := max(w.Until-c.keeping.now(), time.Millisecond)
	return b.Set().Key(w.Key).Value(valkey.BinaryString(w.Value)).PxMilliseconds(left.Milliseconds()).Build()
}

// written returns nil if that is the reply to the write.
func written(w *outbox.Write, r valkey.ValkeyResult) error {
	if w.Value == nil {
		_, err := r.ToInt64()
		return err
	}
	ok, err := r.ToString()
	if err == nil && ok != "OK" {
		err = errOtherReply
	}
	return err
}

const (
	writeBatch = 128
	writePause = 50 * time.Millisecond
)

// keepWriting makes the writes that wait, and while the circuit is open tries whether the database takes
// writes again, so that no client has to wait for that.
func (c *Client) keepWriting() {
	k := &c.keeping
	defer close(k.idle)
	var again <-chan time.Time // nil if there is nothing to do
	for {
		select {
		case <-k.stop:
			return
		case <-c.life.Done():
			return
		case <-k.wake:
		case <-again:
		}
		good := true
		if call, ok := k.puts.Begin(); ok {
			good = c.writeSome(c.life, call)
		}
		again = nil
		if _, open := k.puts.Open(); open || k.box.Len() > 0 {
			pause := time.Duration(0)
			if open || !good {
				pause = writePause/2 + mathrand.N(writePause)
			}
			again = time.After(pause)
		}
	}
}

// writeSome makes the oldest of the writes that wait, or one that tries the database if the call is a
// probe. It reports whether all went well.
func (c *Client) writeSome(ctx context.Context, call circuit.Call) bool {
	k := &c.keeping
	ws := k.box.Take(writeBatch)
	defer k.box.Landed(ws)
	if len(ws) == 0 {
		if !call.Probe() {
			call.End(circuit.Ignored)
			return true
		}
		try := []outbox.Write{{Key: c.name("p", ""), Value: []byte("1"), Until: k.now() + time.Second}}
		return c.sent(ctx, call, c.send(ctx, try), func() {}) == nil
	}
	errs := c.send(ctx, ws)
	return c.sent(ctx, call, errs, func() {
		var failed []outbox.Write
		for i := range ws {
			if errs[i] != nil {
				failed = append(failed, ws[i])
			}
		}
		k.box.Return(failed)
	}) == nil
}

// closeCache closes the cache and makes what writes are left, until the database fails or ctx ends. It
// returns how many are lost.
func (c *Client) closeCache(ctx context.Context) (lost int) {
	k := &c.keeping
	lost, _ = k.cache.CloseContext(ctx)
	close(k.stop)
	c.mu.Lock()
	idle := k.idle
	c.mu.Unlock()
	if idle != nil {
		<-idle
	}
	for k.box.Len() > 0 && ctx.Err() == nil && c.writeSome(ctx, circuit.Call{}) {
	}
	return lost + k.box.Len()
}
