package valkeystore

import (
	"context"
	"math"
	"time"

	"github.com/valkey-io/valkey-go"

	"sessl/internal/clock"
	"sessl/ssl"
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
// for it, which is no error. While lookups are late, all waits: a handshake that is to wait for the write,
// because of WriteThrough, gains nothing from a session that no machine finds in time.
func (s store) PutAll(ctx context.Context, items []ssl.StoreItem) []error {
	ws := make([]outbox.Write, len(items))
	for i, it := range items {
		ws[i] = outbox.Write{Key: s.key(it.ID), Value: it.Sealed,
			Until: s.c.keeping.now() + it.Expires.Sub(clock.Now())}
	}
	if s.c.keeping.gets.Slow() {
		s.c.keeping.writer.Later(ws)
	} else {
		s.c.keeping.writer.Write(ctx, ws)
	}
	return nil
}

// Remove implements [ssl.SessionStore]. If the database does not take it now, it waits like a Put, and Remove
// returns why.
func (s store) Remove(ctx context.Context, id []byte) error {
	return s.c.keeping.writer.Write(ctx, []outbox.Write{{Key: s.key(id), Until: math.MaxInt64}})
}

// wakeUp has keepWriting look again.
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

// try is a write that finds out whether the database takes writes.
func (c *Client) try() outbox.Write {
	return outbox.Write{Key: c.name("p", ""), Value: []byte("1"), Until: c.keeping.now() + time.Second}
}

// keepWriting makes the writes that wait.
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
		again = nil
		if after, more := k.writer.Step(c.life); more {
			again = time.After(after)
		}
	}
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
		select {
		case <-idle:
		case <-ctx.Done(): // a database that does not answer may have a pipeline for as long as Timeout
			return lost + k.box.Len()
		}
	}
	k.writer.Flush(ctx)
	return lost + k.box.Len()
}
