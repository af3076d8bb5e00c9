package ssl

import (
	"errors"
	"time"
)

// A fatal error of TLS ends both directions of a connection, but only the call that met it
// learns the reason from libssl, most often a Read. What libssl answers to others differs
// with the call and the version, and may be nothing at all. So the first reason is kept, and
// is what all later calls report.

// endWith keeps err, if it is the first.
func (c *Conn) endWith(err error) {
	var e *Error
	if errors.As(err, &e) && c.ended.CompareAndSwap(nil, e) && c.handshaking.done.Load() {
		c.remember(e) // what ends a handshake, that remembers
	}
}

// endedFor is the reason as an error of op, nil while there is none. A step has mu from this
// question on until it has asked libssl.
func (c *Conn) endedFor(op string) error {
	if e := c.ended.Load(); e != nil {
		return inOp(op, e)
	}
	return nil
}

// patience is how long a Write that cannot send waits for a read that is about to end.
const patience = 100 * time.Millisecond

// whyBroken is a better reason than err why a Write could not send, if there is one. A peer
// that refuses a client of TLS 1.3 sends an alert and closes the connection; the client is
// through with its handshake by then, and what it notices first may be that it cannot write,
// with the alert still to be read. writers is held.
func (c *Conn) whyBroken(err error) error {
	var e *Error
	if errors.As(err, &e) || (&Error{Err: err}).Timeout() || c.closing.closed.Load() {
		return err // not the peer's doing
	}
	p := c.startPump()
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-p.ended:
		p.result()
	case <-t.C:
	case <-c.closing.life.Done():
	}
	return firstError(c.endedFor("write"), err)
}
