package ssl

import (
	"context"
	"time"
)

const (
	closeTimeout = 500 * time.Millisecond // for the last bytes that are sent
	drainTimeout = 200 * time.Millisecond // for the last bytes that the peer sends
)

// aLongTimeAgo is a deadline that stops all waiting.
var aLongTimeAgo = time.Unix(1, 0)

// CloseWrite sends close_notify (SSL_shutdown) and, if the connection underneath can,
// closes its write side. Reading goes on; answers of libssl are not sent any more. It
// returns ErrHandshakeIncomplete before the end of the handshake. If a part of a
// handshake message of the peer has arrived, it waits for the rest as a Write does. After a write
// deadline it can be called again, and goes on with what could not be sent.
func (c *Conn) CloseWrite() error {
	const op = "Conn.CloseWrite"
	if err := c.usable(op); err != nil {
		return err
	}
	if c.closing.closed.Load() {
		return fail(op, ErrClosed)
	}
	if !c.handshaking.done.Load() {
		return fail(op, ErrHandshakeIncomplete)
	}
	return inOp(op, c.between(context.Background(), func(block bool) error {
		if !c.writing.lockBefore(&c.closing) {
			return ErrClosed
		}
		defer c.writing.unlock()
		return c.sendCloseNotify(block)
	}))
}

// sendCloseNotify ends the writing side; for block see mayBegin. writing is held.
func (c *Conn) sendCloseNotify(block bool) error {
	if !c.writing.notified { // a second SSL_shutdown would read
		if r := c.stepShutdown(noFD, block); r.status == stepFailed {
			return r.err
		}
		c.writing.notified = true
		c.writing.err.CompareAndSwap(nil, stickyError{fail("write", ErrClosed)})
	}
	if c.writing.shut {
		return nil
	}
	if err := c.tr.flush(); err != nil {
		return err
	}
	c.writing.shut = true
	if w, ok := c.net.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// Close ends the connection and frees the SSL. Read, Write and Handshake calls that
// wait return ErrClosed at once. Close sends close_notify, unless the peer does not
// take earlier output; it never waits longer than a fraction of a second. Sessions of
// the connection stay resumable, except after a fatal TLS error, where OpenSSL
// invalidates the current one. Later calls do nothing and return nil.
//
// A TLS 1.3 client that has not read its tickets yet reads them now: closing with
// unread data would make the kernel reset the connection, and the server could lose
// data that it has not read. OnNewSession is called for such tickets.
func (c *Conn) Close() (err error) {
	if c.usable("Conn.Close") != nil || !c.closing.closed.CompareAndSwap(false, true) {
		return nil
	}
	c.closing.end()
	// First the flag, then the kick: a call that comes later sees the flag before it waits.
	h, calm := c.takeFree()
	if !calm {
		h = c.takeOver(c.kick())
	}
	defer func() { err = c.finalize(h) }() // also when OnNewSession panics
	if !calm || !c.leaveAtOnce() {
		c.farewell(&h)
	}
	c.deliver()
	return nil
}

// abandon is Close after a panic of the application's code: nothing is sent to the
// peer, and nothing more is delivered.
func (c *Conn) abandon() {
	if !c.closing.closed.CompareAndSwap(false, true) {
		return
	}
	c.closing.end()
	c.finalize(c.takeOver(c.kick()))
}

// finalize frees what the connection holds.
func (c *Conn) finalize(h hold) error {
	c.tallyUnfinished()
	c.dropFresh()
	c.dropTaken()
	c.wipeKept()
	c.h.close() // SSL_free, with SSL_SENT_SHUTDOWN set in the same C call
	err := c.net.Close()
	if h.cut {
		err = nil // it has been closed already
	}
	if c.handshaking.done.Load() { // before that, SSL_free removes nothing
		defer c.ctx.deliverRemoved()
	}
	if h.writing {
		c.writing.unlock()
	}
	if h.reading {
		c.reading.unlock()
	}
	if err != nil {
		return fail("Conn.Close", err)
	}
	return nil
}

// wipeKept wipes data that the application has not read.
func (c *Conn) wipeKept() {
	c.reading.keeping.Lock()
	clear(c.reading.kept)
	c.reading.kept = nil
	c.reading.keeps.Store(false)
	c.reading.keeping.Unlock()
	if c.handshaking.lockFor(0) {
		clear(c.early.kept)
		c.early.kept = nil
		c.handshaking.unlock()
	}
}

// kick ends all waiting on the connection underneath, and reports whether it could.
func (c *Conn) kick() bool {
	c.closing.deadlines.Lock()
	defer c.closing.deadlines.Unlock()
	return c.net.SetDeadline(aLongTimeAgo) == nil
}

// hold says which locks of a connection Close holds.
type hold struct {
	reading, writing bool
	cut              bool // the connection underneath has been closed
}

// takeFree takes the locks if no goroutine has one of them: then no call waits that would have to be ended.
func (c *Conn) takeFree() (h hold, ok bool) {
	if !c.reading.lockFor(0) {
		return hold{}, false
	}
	if !c.writing.lockFor(0) {
		c.reading.unlock()
		return hold{}, false
	}
	return hold{reading: true, writing: true}, true
}

// takeOver waits until the goroutines that Close has kicked are gone. If the connection
// does not honour deadlines, they may stay. A Read that stays does not prevent a
// farewell; a Write that stays does.
func (c *Conn) takeOver(kicked bool) (h hold) {
	patience := closeTimeout
	if !kicked {
		patience = 0 // it would not end
	}
	if h.reading = c.reading.lockFor(patience); h.reading || !kicked {
		patience = closeTimeout
	} else {
		patience = 0
	}
	h.writing = c.writing.lockFor(patience)
	return h
}

// farewell sends waiting output and close_notify, and reads what must not stay unread.
// A socket's deadlines bound it. Other connections may not support deadlines, so there
// it runs in a goroutine with a timer.
func (c *Conn) farewell(h *hold) {
	if !h.writing || c.writing.stuck || c.auth.refused.Load() {
		return
	}
	if _, socket := c.tr.(*fdTransport); socket {
		c.sayGoodbye(h.reading)
		return
	}
	if !c.handshaking.done.Load() && c.writing.waiting.Load() == 0 {
		return
	}
	said := make(chan struct{})
	locks := *h
	go func() {
		defer close(said)
		c.sayGoodbye(locks.reading)
	}()
	t := time.NewTimer(closeTimeout + drainTimeout)
	defer t.Stop()
	select {
	case <-said:
		return
	case <-t.C:
	}
	h.cut = true
	c.net.Close()
	t.Reset(closeTimeout)
	select {
	case <-said:
	case <-t.C: // not even that ends its Write: the goroutine keeps the locks
		h.reading, h.writing = false, false
	}
}

// leaveAtOnce is farewell where it takes one step: if the socket takes all output, and nothing has to
// be read. The end of the connection underneath is left to its Close. reading and writing are held.
func (c *Conn) leaveAtOnce() bool {
	t, socket := c.tr.(*fdTransport)
	if !socket || !c.handshaking.done.Load() || c.writing.stuck || c.auth.refused.Load() || c.missesTickets() {
		return false
	}
	if c.writing.notified {
		return c.writing.waiting.Load() == 0
	}
	left := false
	err := t.rc.Control(func(fd uintptr) {
		r := c.stepShutdown(int(fd), false)
		left = r.err == nil && r.unsent == nil && c.writing.waiting.Load() == 0
		c.writing.notified = r.err == nil
	})
	return err == nil && left
}

// sayGoodbye is farewell without the bound. writing is held, and so is reading if reads is set.
func (c *Conn) sayGoodbye(reads bool) {
	c.net.SetWriteDeadline(time.Now().Add(closeTimeout))
	if c.tr.flush() != nil || !c.handshaking.done.Load() {
		return
	}
	err := c.sendCloseNotify(true)
	if err == errMidway {
		c.awaitWhole(reads)
		err = c.sendCloseNotify(false)
	}
	if err == nil && reads {
		c.drain()
	}
}

// awaitWhole reads the rest of a handshake message of which a part has arrived, or lets
// the Read that stays do so, for a moment.
func (c *Conn) awaitWhole(reads bool) {
	if !reads {
		t := time.NewTimer(drainTimeout)
		defer t.Stop()
		select {
		case <-c.midway.whole:
		case <-t.C:
		}
		return
	}
	if c.net.SetReadDeadline(time.Now().Add(drainTimeout)) != nil {
		return
	}
	for {
		r, err := c.tr.pull(wholeStep, nil, maxReply)
		switch {
		case err != nil:
			return
		case r.status == stepAsks && r.ask == askSignature: // the application's, too
			return
		case r.status == stepAsks: // the application is not called any more
			if c.show(&Certificate{}) != nil {
				return
			}
		case r.status != stepWantRead || !r.midway:
			return
		}
	}
}

// wholeStep is peekStep up to the end of a handshake message.
func wholeStep(c *Conn, fd int, in, b []byte) *result {
	r := peekStep(c, fd, in, b)
	if r.status == stepWantRead && !r.midway {
		r.status = stepOK
	}
	return r
}

// missesTickets reports whether tickets may be on their way to a TLS 1.3 client. Except for data
// sent before the end of the handshake, a server sends tickets before data: if data has
// arrived, no tickets are left.
func (c *Conn) missesTickets() bool {
	if c.server || c.info.state.Version != VersionTLS13 || c.tickets() > 0 || c.reading.err != nil {
		return false
	}
	return !c.reading.heard || c.EarlyDataStatus() == EarlyDataAccepted
}

// drain reads the tickets of a client that has not seen any.
func (c *Conn) drain() {
	if !c.missesTickets() || c.net.SetReadDeadline(time.Now().Add(drainTimeout)) != nil {
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
