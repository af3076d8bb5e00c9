// Package schedule is how the machines of a fleet agree on ticket keys: one value in a database says from
// when each key encrypts, by the database's clock. Each machine puts the keys in their places by itself,
// and whoever sees too few of them ahead appends some.
//
// The package knows neither a network nor a clock nor a cipher: it is given them, so that a test or a
// simulation drives the same code as a server does.
package schedule

import (
	"context"
	"time"
)

// A DB is the one place that all machines see.
type DB interface {
	// Fetch returns the value, nil if there is none, and the database's clock.
	Fetch(ctx context.Context) (value []byte, now time.Time, err error)

	// Swap replaces the value, but only if it is old; nil is for none.
	Swap(ctx context.Context, old, value []byte) (swapped bool, err error)

	// Lease reports whether this machine may write for a while. There is one lease for all machines.
	Lease(ctx context.Context, d time.Duration) (bool, error)
}

// A Secret is the key behind a name. Names differ.
type Secret interface {
	Name() string                 // no secret
	SecretBytes() ([]byte, error) // SecretLen of them, which the caller wipes
}

// SecretLen is the length of a ticket key: a name of 16 bytes, two keys of 32.
const SecretLen = 80

// A Vault makes secrets, and seals what has them.
type Vault interface {
	New() (Secret, error)
	Parse(b []byte) (Secret, error) // keeps no reference to b
	Seal(plain []byte) ([]byte, error)
	Open(sealed []byte) ([]byte, error) // the caller wipes the result
}

// A Clock is a monotonic one: what has passed since some moment of the past.
type Clock interface{ Elapsed() time.Duration }

// A Sink takes the keys of a machine, whenever one of them changes its place.
type Sink interface{ Put(Places) error }
