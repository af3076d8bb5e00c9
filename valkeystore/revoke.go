package valkeystore

import (
	"context"
	"errors"
	"strconv"
	"time"

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
		err = c.announce(ctx, string(text))
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

// announceScript adds a revocation to the list, and tells those who listen. Both are one step, so that
// messages have the order of the list: who has heard of one, and then reads the list, has missed what is
// newer there.
const announceScript = `redis.call('LPUSH', KEYS[1], ARGV[1])
redis.call('LTRIM', KEYS[1], 0, ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return redis.call('PUBLISH', KEYS[1], ARGV[1])`

// announce returns when the database has a revocation.
func (c *Client) announce(ctx context.Context, text string) error {
	r, err := c.eval(ctx, announceScript, []string{c.channel()},
		[]string{text, strconv.Itoa(maxRevoked - 1), millis(keepRevoked)})
	if err != nil {
		return err
	}
	_, err = r.AsInt64()
	return err
}
