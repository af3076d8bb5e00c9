package valkeystore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"

	"sessl/ssl"
	"sessl/valkeystore/internal/schedule"
)

// A Survey is what the database says of a fleet at one moment, without a secret.
type Survey struct {
	Now     time.Time     // the database's clock
	Latency time.Duration // the median of a few calls, with the database's work for each
	Policy  string        // the maxmemory-policy of the node that has the schedule: noeviction for a Guard

	Era        uint64 // all keys and sessions of an earlier one are void
	Generation uint64 // grows with each change of the schedule; 0 if there is none

	// Keys of the schedule, in the order in which they encrypt; behind them those that only open.
	Keys []SurveyKey

	// Refused says why the schedule cannot be used, ErrScheduleRefused; nil if it can, or there is none.
	Refused error
}

// A SurveyKey is one ticket key of the fleet. Times are the database's.
type SurveyKey struct {
	Name string    // in hexadecimal, as at the front of its tickets
	Use  string    // as in [ssl.TicketKeyInfo]: "current" is the one that began to encrypt last
	Made time.Time // when a machine made it
	From time.Time // from when it encrypts; zero if it only opens, since its schedule gave way to another
}

// surveyScript is fetchScript, and the eviction policy.
const surveyScript = `local t = redis.call('TIME')
local policy = string.match(redis.call('INFO', 'memory'), 'maxmemory_policy:([%w-]+)')
local v = redis.call('GET', KEYS[1])
if v and #v > tonumber(ARGV[2]) then v = 'too long' end
return {ARGV[1], t[1], t[2], policy or '', v}`

// surveyCalls is over how many calls the latency is taken.
const surveyCalls = 9

// Survey reads from the database what the fleet has agreed on, and measures how long that takes. It writes
// nothing, and needs none of the options but SealKeys, so that it may be called by a process that is no
// machine of the fleet. It waits for the connection until ctx ends. It returns ErrNotConnected, with the
// reason, or the database's error; and ErrNil or ErrClosed for a Client that cannot be used.
func (c *Client) Survey(ctx context.Context) (*Survey, error) {
	const op = "Client.Survey"
	if _, err := c.database(); errors.Is(err, ssl.ErrNil) || errors.Is(err, ssl.ErrClosed) {
		return nil, fail(op, err)
	}
	if ctx == nil {
		return nil, fail(op, ssl.ErrNil)
	}
	select {
	case <-c.up:
	case <-c.life.Done():
	case <-ctx.Done():
	}
	s, err := c.survey(ctx)
	if err != nil {
		return nil, fail(op, err)
	}
	return s, nil
}

func (c *Client) survey(ctx context.Context) (*Survey, error) {
	var parts []valkey.ValkeyMessage
	var took []time.Duration
	var err error
	for i := range surveyCalls + 1 {
		begun := time.Now()
		parts, err = scheduleDB{c}.ask(ctx, surveyScript, "schedule", strconv.Itoa(schedule.MaxValue))
		if err != nil {
			return nil, err
		}
		if i > 0 { // the first call may have sent the script
			took = append(took, time.Since(begun))
		}
	}
	slices.Sort(took)
	s := &Survey{Latency: took[len(took)/2]}
	if len(parts) < 3 {
		return nil, errOtherReply
	}
	if s.Now, err = serverTime(parts); err != nil {
		return nil, err
	}
	if s.Policy = text(parts[2]); strings.Trim(s.Policy, policyLetters) != "" || len(s.Policy) > maxPolicy {
		return nil, errOtherReply
	}
	if len(parts) == 3 || parts[3].IsNil() {
		return s, nil
	}
	value, err := parts[3].ToString()
	if err != nil {
		return nil, err
	}
	s.read(value, vault{c})
	return s, nil
}

// What a maxmemory-policy is made of.
const (
	policyLetters = "abcdefghijklmnopqrstuvwxyz-"
	maxPolicy     = 32
)

// read takes the schedule apart.
func (s *Survey) read(value string, v vault) {
	all, err := schedule.Decode([]byte(value), v)
	if err != nil {
		s.Refused = fmt.Errorf("%w: %w", ErrScheduleRefused, err)
		return
	}
	s.Era, s.Generation = all.Era, all.Generation
	ahead, current := "next", -1
	for i, k := range all.Keys {
		use := "old"
		switch {
		case k.From.IsZero():
		case k.From.After(s.Now):
			use, ahead = ahead, "future"
		default:
			current = i
		}
		s.Keys = append(s.Keys, SurveyKey{Name: k.Name(), Use: use, Made: k.Made, From: k.From})
	}
	if current >= 0 {
		s.Keys[current].Use = "current"
	}
}
