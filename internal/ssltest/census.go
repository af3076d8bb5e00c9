package ssltest

import (
	"sessl/ssl"
)

// Census is what an operation changes: SSL_SESSION objects of the whole process, and
// handles. Both ends of a connection are in this process, so both are in the numbers.
type Census struct {
	Created, Freed            int // SSL_SESSION objects
	Opened, Closed, collected int // Session handles
	Lent, Back                int // BorrowedSession handles
	Conns, Ctxs               int // more Conns and Ctxs alive
}

// Since is what has been opened and closed since b was read.
func Since(b ssl.Counters) Census {
	a := ssl.ReadCounters()
	d := func(x, y uint64) int { return int(int64(x - y)) }
	return Census{
		Created: d(a.SessionObjectsCreated, b.SessionObjectsCreated), Freed: d(a.SessionObjectsFreed,
			b.SessionObjectsFreed),
		Opened: d(a.Sessions.Opened, b.Sessions.Opened), Closed: d(a.Sessions.Closed, b.Sessions.Closed),
		collected: d(a.Sessions.Collected, b.Sessions.Collected),
		Lent:      d(a.Borrowed.Opened, b.Borrowed.Opened), Back: d(a.Borrowed.Closed, b.Borrowed.Closed),
		Conns: d(a.Conns.Live, b.Conns.Live), Ctxs: d(a.Ctxs.Live, b.Ctxs.Live),
	}
}
