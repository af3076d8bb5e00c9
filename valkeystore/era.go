package valkeystore

import (
	"context"
	"errors"
	"time"

	"sessl/ssl"
	"sessl/valkeystore/internal/schedule"
)

// ErrEraUnknown says that the schedule of ticket keys is not known yet, which has the era that sessions
// are bound to. Until then sessions are neither put into the database nor looked up.
var ErrEraUnknown = errors.New("the fleet's era is not known yet")

// ErrNoSchedule says that there is nothing to revoke, as neither the database nor the Client has a
// schedule of ticket keys. Either the namespace is not that of the fleet, or the database has lost the
// schedule, and the fleet's machines put it back within Options.Poll.
var ErrNoSchedule = errors.New("the fleet has no schedule of ticket keys in the database: either this is " +
	"another namespace, or the database has lost it, and running servers will put it back")

// settled is after how long a lookup that was under way has ended.
const settled = 2 * time.Second

// era returns the fleet's. Sessions and tickets of an earlier one are void.
func (c *Client) era() (uint64, error) {
	era, known := c.tickets.machine.Era()
	if !known {
		return 0, ErrEraUnknown
	}
	return era, nil
}

// sawEra empties the cache if the era is another one than that of the sessions in it.
func (c *Client) sawEra() {
	k := &c.keeping
	era, err := c.era()
	if err != nil {
		return
	}
	k.mu.Lock()
	turned := k.era != era
	k.era = era
	k.mu.Unlock()
	if !turned {
		return
	}
	k.empty()
	c.opts.Logger.Info("valkeystore: era", "era", era)
}

// empty forgets all sessions here.
func (k *keeping) empty() {
	k.cache.Flush(time.Time{})
	time.AfterFunc(settled, func() { k.cache.Flush(time.Time{}) }) // for lookups that were under way
}

// RevokeAll makes all sessions and tickets of before void: at once here and for the database, and on each
// other machine as soon as it asks for the schedule of ticket keys, within Options.Poll. It begins another
// era, with new ticket keys; sessions are bound to the era. Eras are times of the database's clock, so
// another one is later than all before, also than those that the database has lost.
//
// It returns ErrNoSchedule if nothing can be revoked, and an error if the database does not take the new
// era. Then nothing has changed, unless the database has taken it and its answer was lost: RevokeAll can
// be called again.
func (c *Client) RevokeAll(ctx context.Context) error {
	const op = "Client.RevokeAll"
	if _, err := c.database(); err != nil {
		return fail(op, err)
	}
	if ctx == nil {
		return fail(op, ssl.ErrNil)
	}
	_, err := c.tickets.machine.Renew(ctx)
	c.sawEra()
	c.turnNow()
	if errors.Is(err, schedule.ErrNone) {
		err = ErrNoSchedule
	}
	if err != nil {
		return fail(op, err)
	}
	return nil
}
