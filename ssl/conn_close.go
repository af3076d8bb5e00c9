package ssl

import "time"

const (
	closeTimeout = 500 * time.Millisecond // for the last bytes we send
	drainTimeout = 200 * time.Millisecond // for the last bytes the peer sends
)

// aLongTimeAgo is a deadline that stops whatever waits.
var aLongTimeAgo = time.Unix(1, 0)

// CloseWrite sends close_notify (SSL_shutdown) and, where the connection underneath can,
// closes its write side. Reading goes on. It needs a completed handshake.
func (c *Conn) CloseWrite() error {
	const op = "Conn.CloseWrite"
	if err := c.usable(op); err != nil {
		return err
	}
	if c.closed.Load() {
		return fail(op, ErrClosed)
	}
	if !c.done.Load() {
		return fail(op, ErrHandshakeIncomplete)
	}
	c.writing.lock()
	defer c.writing.unlock()
	return c.sendCloseNotify(op)
}

// sendCloseNotify is the end of our side. writing is held.
func (c *Conn) sendCloseNotify(op string) error {
	if c.notified {
		return nil // a second SSL_shutdown would read
	}
	if r := c.stepShutdown(); r.status == stepFailed {
		return inOp(op, r.err)
	}
	c.notified = true
	c.writeErr.CompareAndSwap(nil, stickyError{fail("write", ErrClosed)})
	if err := c.tr.flush(); err != nil {
		return inOp(op, err)
	}
	if w, ok := c.net.(interface{ CloseWrite() error }); ok {
		if err := w.CloseWrite(); err != nil {
			return fail(op, err)
		}
	}
	return nil
}

// Close ends the connection and frees the SSL. Read, Write and Handshake calls that wait
// return ErrClosed at once. The peer is told with close_notify unless it does not take
// what was sent before; nothing waits longer than a fraction of a second. Sessions of the
// connection stay resumable, except after a fatal TLS error, where OpenSSL invalidates
// the current one. Later calls do nothing and return nil.
//
// A TLS 1.3 client that has not read its tickets yet reads them now: closing with unread
// data would make the kernel reset the connection, and the server could lose what it has
// not read. OnNewSession is called for such tickets.
func (c *Conn) Close() (err error) {
	if c.usable("Conn.Close") != nil || !c.closed.CompareAndSwap(false, true) {
		return nil
	}
	c.end()
	// Closed first, then kicked: whoever comes later sees the flag before it waits.
	owned := c.kick() && c.takeOver()
	defer func() { err = c.finalize(owned) }() // also when OnNewSession panics
	if owned {
		c.farewell()
	}
	c.deliver()
	return nil
}

// abandon is Close for when the application's code has panicked: nothing is sent to the
// peer, and nothing more delivered.
func (c *Conn) abandon() {
	if !c.closed.CompareAndSwap(false, true) {
		return
	}
	c.end()
	c.finalize(c.kick() && c.takeOver())
}

// finalize frees what the connection holds.
func (c *Conn) finalize(owned bool) error {
	c.tallyUnfinished()
	c.dropFresh()
	c.dropTaken()
	c.h.close() // SSL_free, with SSL_SENT_SHUTDOWN set in the same C call
	err := c.net.Close()
	if c.done.Load() { // before, SSL_free removes nothing
		defer c.ctx.deliverRemoved()
	}
	if owned {
		c.writing.unlock()
		c.reading.unlock()
	}
	if err != nil {
		return fail("Conn.Close", err)
	}
	return nil
}

// kick ends all waiting on the connection underneath. It reports whether it could.
func (c *Conn) kick() bool {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	return c.net.SetDeadline(aLongTimeAgo) == nil
}

// takeOver waits until the goroutines that Close has kicked are gone. On a connection
// that does not honour deadlines they may not be: then there is no farewell.
func (c *Conn) takeOver() bool {
	if !c.reading.lockFor(closeTimeout) {
		return false
	}
	if !c.writing.lockFor(closeTimeout) {
		c.reading.unlock()
		return false
	}
	return true
}

// farewell sends what waits, close_notify, and reads what must not be left unread.
func (c *Conn) farewell() {
	if c.net.SetWriteDeadline(time.Now().Add(closeTimeout)) != nil {
		return
	}
	if c.stuck || c.tr.flush() != nil || !c.done.Load() || c.auth.refused.Load() {
		return
	}
	if c.sendCloseNotify("Conn.Close") == nil {
		c.drain()
	}
}

// drain reads the tickets of a TLS 1.3 client that has not seen any.
func (c *Conn) drain() {
	if c.server || c.info.state.Version != VersionTLS13 || c.tickets() > 0 || c.readErr != nil {
		return
	}
	if c.net.SetReadDeadline(time.Now().Add(drainTimeout)) != nil {
		return
	}
	data := make([]byte, 4096)
	for total := 0; total < maxReply; {
		r, err := c.tr.pull(readStep, data, maxReply)
		if err != nil || r.status != stepOK && !r.fresh {
			return
		}
		total += r.n
	}
}
