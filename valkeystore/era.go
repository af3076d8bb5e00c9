package valkeystore

import (
	"context"
	"errors"
	"time"

	"sessl/ssl"
)

// ErrEraUnknown says that the schedule of ticket keys is not known yet, which has the era that sessions
// are bound to. Until then sessions are neither put into the database nor looked up.
var ErrEraUnknown = errors.New("the fleet's era is not known yet")

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
	k.cache.Flush(time.Time{})
	time.AfterFunc(settled, func() { k.cache.Flush(time.Time{}) }) // for lookups that were under way
	c.opts.Logger.Info("valkeystore: era", "era", era)
}

// RevokeAll makes all sessions and tickets of before void: at once here and for the database, and on each
// other machine as soon as it asks for the schedule of ticket keys, within Options.Poll. It begins another
// era, with new ticket keys; sessions are bound to the era. It returns an error if the database does not
// take it, and then nothing has changed.
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
	if err != nil {
		return fail(op, err)
	}
	return nil
}
