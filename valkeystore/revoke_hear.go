package valkeystore

import (
	"context"
	"math"
	"slices"

	"github.com/valkey-io/valkey-go"

	"sessl/valkeystore/internal/outbox"
)

// hearRevocations listens until Close.
func (c *Client) hearRevocations() {
	last := ""
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		if c.listen(&last) {
			pause = firstPause
		}
		if !c.rest(pause) {
			return
		}
	}
}

// listen takes revocations from the channel until the connection ends, and reports whether it has read the
// list of those that came before. last is the newest of those that were heard without a gap: until the list
// has been read there may be one.
func (c *Client) listen(last *string) (caughtUp bool) {
	db, err := c.database()
	if err != nil {
		return false
	}
	ctx, cancel := context.WithCancel(c.life)
	defer cancel()
	subscribed := make(chan struct{}, 1)
	heard := make(chan string, maxRevoked)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer recovered(&err)
		hook := valkey.WithOnSubscriptionHook(ctx, func(valkey.PubSubSubscription) {
			select {
			case subscribed <- struct{}{}:
			default:
			}
		})
		subscribe := db.B().Subscribe().Channel(c.channel()).Build()
		err = db.Receive(hook, subscribe, func(m valkey.PubSubMessage) {
			select {
			case heard <- m.Message:
			case <-ctx.Done():
			}
		})
	}()
	for {
		select {
		case <-subscribed:
			err := c.catchUp(ctx, last)
			if caughtUp = err == nil; !caughtUp {
				cancel()
			}
			c.hears(err)
		case text := <-heard:
			if c.forget(text, false) && caughtUp {
				*last = text
			}
		case <-ended:
			if ctx.Err() == nil {
				c.hears(err)
			}
			return caughtUp
		}
	}
}

// hears notes why revocations are not heard, nil if they are, and logs it if that has changed. What the
// database says, such as NOAUTH, comes after the end of a connection, of which no more is known.
func (c *Client) hears(err error) {
	was, k := c.keeping.deaf.set(err), &c.keeping
	said := saidBy(err)
	switch {
	case c.life.Err() != nil:
	case err == nil && was != nil:
		k.told = ""
		c.opts.Logger.Info("valkeystore: revocations", "state", "heard")
	case err != nil && (was == nil || said != "" && said != k.told):
		k.told = said
		c.opts.Logger.Warn("valkeystore: revocations", "state", "not heard", "error", err.Error())
	}
}

// saidBy is the database's own error; empty for those of the network.
func saidBy(err error) string {
	if e, ok := valkey.IsValkeyErr(err); ok {
		return e.Error()
	}
	return ""
}

// catchUp reads the list, and forgets what is newer there than last. If that is not in it, more may be
// missing, because the list is too short or the database has lost it: then the whole cache is emptied, as
// what is still good is in the database.
func (c *Client) catchUp(ctx context.Context, last *string) error {
	r, err := c.do(ctx, c.opts.Timeout, func(b valkey.Builder) valkey.Completed {
		return b.Lrange().Key(c.channel()).Start(0).Stop(maxRevoked - 1).Build()
	})
	if err != nil {
		return err
	}
	list, err := r.AsStrSlice()
	if err != nil {
		return err
	}
	missed, known := list, -1
	if *last != "" {
		known = slices.Index(list, *last)
	}
	switch {
	case known >= 0:
		missed = list[:known]
	case *last != "" || len(list) >= maxRevoked:
		c.keeping.empty()
	}
	for _, text := range missed {
		c.forget(text, true)
	}
	*last = ""
	if len(list) > 0 {
		*last = list[0]
	}
	return nil
}

// forget drops a session here that another machine has revoked, and reports whether the text is a revocation.
// Late is one that was missed when it came.
func (c *Client) forget(sealed string, late bool) bool {
	k := &c.keeping
	id, err := c.opts.SealKeys.Open([]byte(sealed), c.revoking())
	if err != nil || len(id) == 0 {
		k.stats.foreign.Add(1)
		return false
	}
	k.cache.Forget(id)
	if k.box.Len() > 0 || k.cache.StoreStats().Pending > 0 {
		k.cache.Remove(id) // behind the writes that wait, of which one may be of that session
	}
	if late && k.writer.Waited() > 0 { // or one has been made since
		k.writer.Later([]outbox.Write{{Key: store{c}.key(id), Until: math.MaxInt64}})
	}
	k.stats.revoked.Add(1)
	return true
}
