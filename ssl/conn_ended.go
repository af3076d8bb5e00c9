package ssl

import (
	"errors"
	"time"
)

// A fatal error of TLS ends both directions of a connection, but only one call gets the reason
// from libssl, most often a Read. Other calls get answers that differ with the call and the
// version, or none at all. So the first reason is kept, and all later calls return it.

// endWith keeps err if it is the first.
func (c *Conn) endWith(err error) {
	var e *Error
	if errors.As(err, &e) && c.ended.CompareAndSwap(nil, e) && c.handshaking.done.Load() {
		c.remember(e) // the end of a handshake is remembered by tally
	}
}

// endedFor is the reason as an error of op, or nil if there is none. A step holds mu
// from this question until it has called libssl.
func (c *Conn) endedFor(op string) error {
	if e := c.ended.Load(); e != nil {
		return inOp(op, e)
	}
	return nil
}

// patience is for how long a Write that cannot send waits for a read that is about to end.
const patience = 100 * time.Millisecond

// whyBroken is a better reason than err why a Write could not send, if there is one. A
// peer that refuses a TLS 1.3 client sends an alert and closes the connection. The
// client has completed its handshake by then, and may first notice that it cannot
// write, while the alert has not been read. writing.calls is held.
func (c *Conn) whyBroken(err error) error {
	var e *Error
	if errors.As(err, &e) || (&Error{Err: err}).Timeout() || c.closing.closed.Load() {
		return err // not caused by the peer
	}
	p := c.startPump()
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-p.ended:
		p.result()
	case <-t.C:
	case <-c.closing.done():
	}
	return firstError(c.endedFor("write"), err)
}
