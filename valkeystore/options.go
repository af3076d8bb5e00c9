package valkeystore

import (
	"cmp"
	"fmt"
	"log/slog"
	"time"

	"sessl/ssl"
)

// Options are options for [Open]. Zero fields have defaults, but SealKeys must be there.
type Options struct {
	// SealKeys seal all that goes to the database, and open what comes from it. All machines of a
	// fleet need the same. They stay the caller's, who closes them after the Client.
	SealKeys *ssl.SealKeys

	// Ctx is the client's Ctx for TLS to the database, with its roots and perhaps a certificate. It
	// stays the caller's. nil means one with the system's roots. It needs a URL with valkeys or rediss.
	Ctx *ssl.Ctx

	// Password, if not nil, returns the user's password for each new connection; it replaces the one in
	// the URL, which other users of the machine may see in a list of processes. It is not for Sentinels.
	// Goroutines of the Client call it; a panic counts as an error, which the log and Health show.
	Password func() (string, error)

	// RotateEvery is for how long a ticket key encrypts before the next one does; 0 means an hour. From a
	// second to a week. All machines of a fleet have the same, and the same KeepFor and Future.
	RotateEvery time.Duration

	// KeepFor is for how long a ticket key opens tickets after it has stopped encrypting; 0 means two
	// hours, the default of SessionTimeout. From a second to a week, and at most 45-Future times
	// RotateEvery, as there can be 64 keys.
	KeepFor time.Duration

	// Future is how many ticket keys all machines know before they encrypt, and so for how many periods
	// keys rotate without the database; 0 means 3. From 1 to 16.
	Future int

	// Poll is how often the database is asked for the schedule of ticket keys: the next time is half of
	// Poll later or more, at random, and never more than Poll. 0 means 10 s, or a quarter of RotateEvery
	// if that is less. From 50 ms to half of RotateEvery. The first key of a new fleet encrypts after
	// a little more than Poll.
	Poll time.Duration

	// Cache has the limits of the sessions that Client.Cache returns. Its Store and SealKeys must be nil.
	Cache ssl.ServerCacheOptions

	// Backlog is how many writes of sessions wait for a database that fails, besides those of
	// Cache.WriteQueue; 0 means 16384. The oldest are given up for newer ones, and when they take 64 MiB.
	Backlog int

	// Timeout is the deadline of a call that no handshake waits for, and of making a connection; 0
	// means a second. From 10 ms to a minute.
	Timeout time.Duration

	// InsecureEviction lets the guard accept early data although the database may drop claims when its
	// memory is full (a maxmemory-policy other than noeviction): what it has dropped can be replayed.
	InsecureEviction bool

	// KeyFiles are written for nginx and HAProxy. With them, or with HAProxySocket, the Client follows the
	// schedule of ticket keys from Open on (see Client.TicketKeys).
	KeyFiles KeyFiles

	// HAProxySocket is the stats socket of a HAProxy on this machine, level operator or admin: a path, or an
	// address of loopback with a port. The ticket keys are sent there, so that it needs no reload. It is asked
	// every Poll what keys it has, and gets what it lacks, also after a restart. One Client serves a HAProxy.
	HAProxySocket string

	// HAProxyKeys says which keys of that HAProxy are replaced, by the name of the file in its configuration,
	// or # and a number, as "show tls-keys" lists both. It is KeyFiles.HAProxy if it is empty.
	HAProxyKeys string

	// Logger gets a record for each change of state; nil means none.
	Logger *slog.Logger
}

const (
	defaultTimeout = time.Second
	minTimeout     = 10 * time.Millisecond
	maxTimeout     = time.Minute
)

// complete returns a copy with the defaults filled in.
func (o *Options) complete(tls bool) (*Options, error) {
	if o == nil {
		return nil, fmt.Errorf("%w: Options", ssl.ErrNil)
	}
	c := *o
	switch {
	case c.SealKeys == nil:
		return nil, configError("Options.SealKeys are missing")
	case len(c.SealKeys.Infos()) == 0:
		return nil, fmt.Errorf("%w: Options.SealKeys", ssl.ErrClosed)
	}
	if err := checkCtx(c.Ctx, tls); err != nil {
		return nil, err
	}
	if err := span("Timeout", &c.Timeout, defaultTimeout, minTimeout, maxTimeout); err != nil {
		return nil, err
	}
	if err := c.completeTickets(); err != nil {
		return nil, err
	}
	if err := c.completeCache(); err != nil {
		return nil, err
	}
	if err := c.completeNeighbours(); err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &c, nil
}

const (
	week      = 7 * 24 * time.Hour
	maxFuture = 16
	maxPast   = 45 // keys; the rest of the 64 is for those of a fleet that was split
)

func (c *Options) completeTickets() error {
	if err := span("RotateEvery", &c.RotateEvery, time.Hour, time.Second, week); err != nil {
		return err
	}
	if err := span("KeepFor", &c.KeepFor, 2*time.Hour, time.Second, week); err != nil {
		return err
	}
	c.Future = cmp.Or(c.Future, 3)
	if c.Future < 1 || c.Future > maxFuture {
		return configError("Options.Future is %d, it must be from 1 to %d", c.Future, maxFuture)
	}
	if most := time.Duration(maxPast-c.Future) * c.RotateEvery; c.KeepFor > most {
		return configError("Options.KeepFor is %v, it must be at most %v with %v of RotateEvery and a Future of %d",
			c.KeepFor, most, c.RotateEvery, c.Future)
	}
	return span("Poll", &c.Poll, min(10*time.Second, c.RotateEvery/4), 50*time.Millisecond, c.RotateEvery/2)
}

// lifetime is for how long a schedule that was just written opens anything.
func (c *Options) lifetime() time.Duration {
	return time.Duration(c.Future+4)*c.RotateEvery + c.KeepFor
}

func (c *Options) completeCache() error {
	if c.Cache.Store != nil || c.Cache.SealKeys != nil {
		return configError("Options.Cache has a Store or SealKeys: they are the Client's")
	}
	c.Backlog = cmp.Or(c.Backlog, defaultBacklog)
	if c.Backlog < 1 || c.Backlog > maxBacklog {
		return configError("Options.Backlog is %d, it must be from 1 to %d", c.Backlog, maxBacklog)
	}
	return nil
}

func checkCtx(ctx *ssl.Ctx, tls bool) error {
	switch {
	case ctx == nil:
		return nil
	case !tls:
		return configError("Options.Ctx is for TLS, and the URL is for none")
	case ctx.IsServer():
		return configError("Options.Ctx is a server's")
	}
	if _, err := ctx.Stats(); err != nil {
		return fmt.Errorf("%w: Options.Ctx", ssl.ErrClosed)
	}
	return nil
}

// span puts the default into a period that is zero, and checks any other.
func span(name string, d *time.Duration, otherwise, least, most time.Duration) error {
	if *d == 0 {
		*d = otherwise
	}
	if *d < least || *d > most {
		return configError("Options.%s is %v, it must be from %v to %v", name, *d, least, most)
	}
	return nil
}
