package valkeystore

import (
	"context"
	"crypto/rand"
	"strconv"
	"time"

	"github.com/valkey-io/valkey-go"

	"sessl/valkeystore/internal/schedule"
)

// The scripts name their question in the answer, so that no other answer is believed. Each touches one node:
// the key has a hash tag.
const (
	// Redis 7.0 has no SET IFEQ. What is expected begins with v; anything else stands for no value.
	swapScript = `local v = redis.call('GET', KEYS[1])
if (v and 'v' .. v or 'n') ~= ARGV[2] then return {ARGV[1], 0} end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return {ARGV[1], 1}`

	fetchScript = `local t = redis.call('TIME')
local v = redis.call('GET', KEYS[1])
if v and #v > tonumber(ARGV[2]) then v = 'too long' end
return {ARGV[1], t[1], t[2], v}`

	leaseScript = `if redis.call('SET', KEYS[1], '', 'NX', 'PX', ARGV[2]) then return {ARGV[1], 1} end
return {ARGV[1], 0}`
)

// scheduleDB is the database as the schedule sees it.
type scheduleDB struct{ c *Client }

func (d scheduleDB) Fetch(ctx context.Context) (value []byte, now time.Time, err error) {
	parts, err := d.ask(ctx, fetchScript, "schedule", strconv.Itoa(schedule.MaxValue))
	if err != nil {
		return nil, now, err
	}
	if len(parts) != 3 && len(parts) != 2 { // an array of Lua ends where nil is
		return nil, now, errOtherReply
	}
	if now, err = serverTime(parts); err != nil {
		return nil, now, err
	}
	if len(parts) == 2 || parts[2].IsNil() {
		return nil, now, nil
	}
	v, err := parts[2].ToString()
	return []byte(v), now, err
}

// serverTime returns the database's clock, as TIME begins an answer.
func serverTime(parts []valkey.ValkeyMessage) (now time.Time, err error) {
	s, err1 := strconv.ParseInt(text(parts[0]), 10, 64)
	us, err2 := strconv.ParseInt(text(parts[1]), 10, 64)
	if err1 != nil || err2 != nil || s <= 0 || s > maxTime || us < 0 || us >= 1e6 {
		return now, errOtherReply
	}
	return time.Unix(s, us*1000), nil
}

// maxTime, in seconds, is in the year 9999.
const maxTime = 253402300799

func (d scheduleDB) Swap(ctx context.Context, old, value []byte) (bool, error) {
	expected := "n"
	if old != nil {
		expected = "v" + string(old)
	}
	return d.yes(ctx, swapScript, "schedule", expected, string(value), millis(d.c.opts.lifetime()))
}

func (d scheduleDB) Lease(ctx context.Context, limit time.Duration) (bool, error) {
	return d.yes(ctx, leaseScript, "lease", millis(limit))
}

func (d scheduleDB) yes(ctx context.Context, script, key string, args ...string) (bool, error) {
	parts, err := d.ask(ctx, script, key, args...)
	if err != nil {
		return false, err
	}
	if len(parts) != 1 {
		return false, errOtherReply
	}
	n, err := parts[0].AsInt64()
	return n == 1, err
}

// ask runs a script on the key, and returns what follows the question's name in the answer.
func (d scheduleDB) ask(ctx context.Context, script, key string, args ...string) ([]valkey.ValkeyMessage,
	error) {
	nonce := rand.Text()
	r, err := d.c.eval(ctx, script, []string{d.c.name("t", "{t}"+key)},
		append([]string{nonce}, args...))
	if err != nil {
		return nil, err
	}
	parts, err := r.ToArray()
	if err != nil {
		return nil, err
	}
	if len(parts) < 1 || text(parts[0]) != nonce {
		return nil, errOtherReply
	}
	return parts[1:], nil
}

func millis(d time.Duration) string { return strconv.FormatInt(max(1, d.Milliseconds()), 10) }
