package valkeystore

import (
	"errors"
	"fmt"
	"time"

	"sessl/valkeystore/internal/circuit"
)

// ClaimStats count the claims of the [Guard], by what came of them.
type ClaimStats struct {
	First     uint64        // accepted
	Replayed  uint64        // the database had them
	Here      uint64        // this process had them; the database was not asked
	Young     uint64        // rejected, because the database may have lost claims of the last minute
	Policy    uint64        // rejected, because the database may drop claims, or has not said whether
	Clock     uint64        // rejected, because this machine's clock is too far from the database's
	Unasked   uint64        // rejected, because the circuit was open
	Errors    uint64        // no answer, or one that is none
	OpenSince time.Duration // how long ago the circuit opened; 0 if it is closed
}

// SessionStats are about the sessions of [Client.Cache], besides those of its StoreStats.
type SessionStats struct {
	Unasked     uint64        // lookups that were not made, because the circuit was open: misses
	Deferred    uint64        // writes that the database did not take at once
	Waiting     int           // those of them that wait for it
	Dropped     uint64        // those that were given up for newer ones: see Options.Backlog
	Expired     uint64        // those that were given up, because their sessions had expired
	Revoked     uint64        // revocations that were heard of
	Foreign     uint64        // messages that are no revocations, or were sealed with other keys
	LookupsOpen time.Duration // how long ago the circuit of lookups opened; 0 if it is closed
	WritesOpen  time.Duration // that of writes
}

func (c *Client) claimStats() (s ClaimStats) {
	c.mu.Lock()
	g := c.guarding.guard
	c.mu.Unlock()
	if g == nil {
		return s
	}
	n := &g.logic.Stats
	s = ClaimStats{First: n.First.Load(), Replayed: n.Again.Load(), Here: n.Here.Load(), Young: n.Young.Load(),
		Policy: n.Policy.Load(), Clock: n.Clock.Load(), Unasked: n.Open.Load(), Errors: n.Failed.Load()}
	s.OpenSince, _ = g.logic.Circuit.Open()
	return s
}

func (c *Client) sessionStats() (s SessionStats) {
	k := &c.keeping
	s = SessionStats{Unasked: k.stats.unasked.Load(), Deferred: k.writer.Waited(), Waiting: k.box.Len(),
		Revoked: k.stats.revoked.Load(), Foreign: k.stats.foreign.Load()}
	s.Dropped, s.Expired = k.box.Lost()
	s.LookupsOpen, _ = k.gets.Open()
	s.WritesOpen, _ = k.puts.Open()
	return s
}

func (c *Client) claimsHealth() error {
	c.mu.Lock()
	g := c.guarding.guard
	c.mu.Unlock()
	if g == nil {
		return nil
	}
	why := c.guarding.why.get()
	_, err := g.logic.State()
	if errors.Is(err, ErrEvictionUnknown) && why != nil {
		err = fmt.Errorf("%w: %w", err, why)
	}
	return errors.Join(openSince("claims", g.logic.Circuit, why), err)
}

func (c *Client) sessionsHealth() error {
	k := &c.keeping
	errs := []error{openSince("lookups", k.gets, k.why.get()), openSince("writes", k.puts, k.writer.Why())}
	if err := k.deaf.get(); err != nil {
		errs = append(errs, fmt.Errorf("%w: %w", ErrDeaf, err))
	}
	return errors.Join(errs...)
}

// ErrDeaf says that this machine does not hear of revocations, and why. Its own cache may have sessions that
// another machine has revoked; when it hears again, it catches up.
var ErrDeaf = errors.New("revocations are not heard")

// openSince is the error of a circuit that is open.
func openSince(kind string, k *circuit.Circuit, why error) error {
	since, open := k.Open()
	switch since = since.Round(time.Millisecond); {
	case !open:
		return nil
	case why != nil:
		return fmt.Errorf("%w: %s for %v: %w", ErrCircuitOpen, kind, since, why)
	}
	return fmt.Errorf("%w: %s for %v", ErrCircuitOpen, kind, since)
}
