package valkeystore

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/valkey-io/valkey-go"
)

// hash is what the database knows a session or a claim by: 16 bytes that are no id. Who has recorded an id on
// the network and knows the namespace can recognize them.
func (c *Client) hash(id []byte) string {
	h := sha256.New()
	h.Write([]byte{byte(len(c.at.namespace))})
	h.Write([]byte(c.at.namespace))
	h.Write(id)
	return string(h.Sum(nil)[:16])
}

// name is that of a key, or of a channel.
func (c *Client) name(kind, rest string) string { return c.at.namespace + ":" + kind + ":" + rest }

// eval is script where the hash is not at hand.
func (c *Client) eval(ctx context.Context, body string, keys, args []string) (valkey.ValkeyResult, error) {
	sum := sha1.Sum([]byte(body))
	return c.script(ctx, hex.EncodeToString(sum[:]), body, keys, args)
}

// script runs a script in the database, by its hash if the database has it. The whole has one deadline.
func (c *Client) script(ctx context.Context, sha, body string,
	keys, args []string) (valkey.ValkeyResult, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	r, err := c.do(ctx, time.Minute, func(b valkey.Builder) valkey.Completed {
		return b.Evalsha().Sha1(sha).Numkeys(int64(len(keys))).Key(keys...).Arg(args...).Build()
	})
	if err != nil {
		return r, err
	}
	if e, ok := valkey.IsValkeyErr(r.Error()); ok && e.IsNoScript() {
		r, err = c.do(ctx, time.Minute, func(b valkey.Builder) valkey.Completed {
			return b.Eval().Script(body).Numkeys(int64(len(keys))).Key(keys...).Arg(args...).Build()
		})
	}
	if err == nil {
		err = explain(body, r)
	}
	return r, err
}
