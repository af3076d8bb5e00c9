package valkeystore

import (
	"errors"
	"fmt"
	"time"
)

// DeliveryStats are about one way to neighbours.
type DeliveryStats struct {
	Done     uint64        // sets of files that were written, or keys that were sent
	Failures uint64        // attempts that failed: to write, to run the command, to send
	Behind   time.Duration // for how long the newest set has not been delivered; 0 if it has
}

// NeighbourStats are about the servers that get ticket keys from this Client.
type NeighbourStats struct {
	Kept   bool          // no key encrypts here, so that neighbours go on with the last keys that they got
	Files  DeliveryStats // those of Options.KeyFiles
	Socket DeliveryStats // that of Options.HAProxySocket
}

// stats returns the counters, with for how long the last set has not been delivered.
func (d *delivery) stats() (s DeliveryStats) {
	if d == nil {
		return s
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s = d.counters
	if d.failed != nil {
		s.Behind = time.Since(d.since)
	}
	return s
}

func (d *delivery) health() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed == nil {
		return nil
	}
	since := time.Since(d.since).Round(time.Millisecond)
	return fmt.Errorf("%w: %s for %v: %w", ErrNeighbours, d.name, since, d.failed)
}

func (c *Client) neighbourStats() NeighbourStats {
	n := &c.neighbours
	return NeighbourStats{Kept: n.keeps(), Files: n.files.stats(), Socket: n.socket.stats()}
}

func (c *Client) neighboursHealth() error {
	var errs []error
	for _, d := range c.neighbours.deliveries() {
		errs = append(errs, d.health())
	}
	return errors.Join(errs...)
}
