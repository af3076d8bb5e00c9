package valkeystore

import (
	"context"
	"errors"
	"time"

	"github.com/valkey-io/valkey-go"

	"sessl/ssl"
)

const (
	maxRevoked  = 1024               // that a machine which was cut off can catch up with
	keepRevoked = 7 * 24 * time.Hour // as long as a session can live
)

// Revoke makes one session void on all machines: it removes it here and from the database, and tells the
// others, which forget it. A machine that is cut off from the database hears of it when it is back. Revoke
// returns when the database has answered. If it returns an error, the session is gone from this process, but
// perhaps not from the others: call it again. Tickets that contain their session are not affected.
func (c *Client) Revoke(ctx context.Context, id []byte) error {
	const op = "Client.Revoke"
	if _, err := c.database(); errors.Is(err, ssl.ErrNil) || errors.Is(err, ssl.ErrClosed) {
		return fail(op, err)
	}
	if ctx == nil {
		return fail(op, ssl.ErrNil)
	}
	if err := c.keeping.cache.RemoveContext(ctx, id); err != nil {
		return fail(op, err)
	}
	text, err := c.opts.SealKeys.Seal(id, c.revoking())
	if err == nil {
		err = c.announce(ctx, valkey.BinaryString(text))
	}
	if err != nil {
		return fail(op, err)
	}
	return nil
}

// revoking is what revocations are sealed for.
func (c *Client) revoking() string { return "valkeystore revocation in " + c.at.namespace }

// channel is the name of the list of revocations, and of the channel.
func (c *Client) channel() string { return c.name("r", "") }

// announce adds a revocation to the list before it tells those who listen: who begins to listen reads the
// list afterwards, and so misses none.
func (c *Client) announce(ctx context.Context, text string) error {
	rs, err := c.doMulti(ctx, c.opts.Timeout, func(b valkey.Builder) []valkey.Completed {
		return []valkey.Completed{
			b.Lpush().Key(c.channel()).Element(text).Build(),
			b.Ltrim().Key(c.channel()).Start(0).Stop(maxRevoked - 1).Build(),
			b.Pexpire().Key(c.channel()).Milliseconds(keepRevoked.Milliseconds()).Build(),
		}
	})
	for i := 0; err == nil && i < len(rs); i++ {
		err = rs[i].Error()
	}
	if err != nil {
		return err
	}
	r, err := c.do(ctx, c.opts.Timeout, func(b valkey.Builder) valkey.Completed {
		return b.Publish().Channel(c.channel()).Message(text).Build()
	})
	if err == nil {
		err = r.Error()
	}
	return err
}

// hearRevocations listens until Close.
func (c *Client) hearRevocations() {
	last := ""
	for c.life.Err() == nil {
		c.listen(&last)
		select {
		case <-time.After(firstPause):
		case <-c.life.Done():
		}
	}
}

// listen takes revocations from the channel until the connection ends. What came before the channel was
// open it reads from the list, up to the last that it has heard of.
func (c *Client) listen(last *string) {
	db, err := c.database()
	if err != nil {
		return
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
			if err != nil {
				cancel()
			}
			c.hears(err)
		case text := <-heard:
			*last = text
			c.forget(text)
		case <-ended:
			if ctx.Err() == nil {
				c.hears(err)
			}
			return
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

// catchUp reads the list. A machine that has just begun has nothing to forget; one that has missed more
// than the list has, empties its cache, as what is still good is in the database.
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
	before := *last
	for i, text := range list {
		if i == 0 {
			*last = text
		}
		if text == before {
			return nil
		}
		c.forget(text)
	}
	if before != "" && len(list) == maxRevoked {
		c.keeping.cache.Flush(time.Time{})
	}
	return nil
}

// forget drops a session here that another machine has revoked.
func (c *Client) forget(sealed string) {
	text, err := c.opts.SealKeys.Open([]byte(sealed), c.revoking())
	if err != nil || len(text) == 0 {
		c.keeping.stats.foreign.Add(1)
		return
	}
	c.keeping.cache.Forget(text)
	c.keeping.stats.revoked.Add(1)
}
