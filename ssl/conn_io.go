package ssl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	maxChunk  = 256 << 10 // plaintext encrypted by one step
	maxUnsent = 256 << 10 // Write encrypts nothing more while that much waits
	maxReply  = 64 << 10  // Read answers nothing more while that much waits
)

// Read reads decrypted data (SSL_read_ex), after the handshake. At the end it returns
// io.EOF if the peer sent close_notify. It returns io.ErrUnexpectedEOF if the
// connection just ended: then an attacker may have cut the data short. TLS 1.3 tickets
// arrive with reads, so Read calls OnNewSession.
func (c *Conn) Read(b []byte) (int, error) {
	if err := c.Handshake(); err != nil {
		return 0, err
	}
	if c.closing.closed.Load() {
		return 0, fail("read", ErrClosed) // not below: Close holds reading while it delivers
	}
	if len(b) == 0 {
		return 0, nil
	}
	for {
		n, again, err := c.readOnce(readStep, b)
		c.deliver()
		if !again {
			return n, readError(err)
		}
	}
}

// readError makes err an error of Read. Both ends of input stay as crypto/tls returns
// them, because programs compare them with ==.
func readError(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return err
	}
	return inOp("read", err)
}

// readOnce reads until there is data or an error. again says that sessions have arrived
// and should be delivered before waiting for more.
func (c *Conn) readOnce(step pullStep, b []byte) (n int, again bool, err error) {
	if n, err := c.takeKept(b); n > 0 || err != nil {
		return n, false, err // also while the keeper waits for more, with reading held
	}
	returned := false
	defer c.abandonUnless(&returned)
	if !c.reading.lockBefore(&c.closing) {
		returned = true
		return 0, false, fail("read", ErrClosed)
	}
	defer c.reading.unlock()
	if n, err = c.takeKept(b); n == 0 && err == nil {
		n, again, err = c.readLocked(step, b)
	}
	returned = true
	return n, again, err
}

// abandonUnless is deferred outside of the locks: a panic of the application's code
// ends the connection.
func (c *Conn) abandonUnless(returned *bool) {
	if !*returned {
		c.abandon()
	}
}

// canRead returns why no byte may be returned now, even if one is at hand.
func (c *Conn) canRead() error {
	if c.closing.closed.Load() {
		return fail("read", ErrClosed)
	}
	return c.expired(&c.reading.until)
}

// readLocked is readOnce for input from the peer. A permanent error also ends the wait
// for a certificate. reading is held.
func (c *Conn) readLocked(step pullStep, b []byte) (n int, again bool, err error) {
	defer func() {
		if c.reading.err != nil {
			c.settle(c.reading.err)
		}
	}()
	for {
		if c.reading.err != nil {
			return 0, false, c.reading.err
		}
		if err := c.canRead(); err != nil { // even with data at hand: after the deadline no byte is returned
			return 0, false, err
		}
		r, err := c.tr.pull(step, b, maxReply)
		if c.writing.waiting.Load() > 0 {
			c.flushSoon()
		}
		if err != nil {
			if c.declined.Load() && isHangup(err) {
				err = fmt.Errorf("%w: %w", ErrRenegotiation, err)
			}
			return 0, false, c.closedOr("read", err)
		}
		if r.answered {
			c.authenticate() // a refusal is in reading.err, after the data before it
		}
		switch r.status {
		case stepOK:
			c.reading.heard = c.reading.heard || r.n > 0
			c.reading.err = firstError(c.reading.err, r.late)
			return r.n, false, nil
		case stepAsks:
			c.answerLater(r.ask)
		case stepWantRead:
			if r.fresh || r.answered {
				return 0, c.reading.err == nil, c.reading.err
			}
			if r.more && r.waits <= maxReply {
				continue
			}
			if err := c.flushLocked(); err != nil && !c.answersNoMore(err) {
				return 0, false, c.closedOr("read", err)
			}
		default:
			c.reading.err = c.whyEnded(r)
		}
	}
}

// answersNoMore reports whether err means that the peer takes nothing any more. Then answers are
// dropped from now on, so that what the peer has sent before can be read. reading is held.
func (c *Conn) answersNoMore(err error) bool {
	if !isHangup(err) || c.closing.closed.Load() {
		return false
	}
	c.writing.err.CompareAndSwap(nil, stickyError{err})
	c.muteOutput()
	return true
}

// isHangup reports whether err means that the peer takes nothing any more.
func isHangup(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}

// whyEnded is the error of all reads from now on.
func (c *Conn) whyEnded(r *result) error {
	if c.declined.Load() && (r.status == stepEOF || r.status == stepIOEOF) {
		return c.closedOr("read", fail("read", ErrRenegotiation))
	}
	switch r.status {
	case stepEOF:
		return io.EOF
	case stepIOEOF:
		return c.closedOr("read", io.ErrUnexpectedEOF)
	}
	return c.closedOr("read", r.err)
}

// Write encrypts b (SSL_write_ex) and sends it, after the handshake. n counts the bytes that
// were encrypted. After an error some of them may not have been sent; after a deadline they are
// kept for the next Write. n is 0 if the peer is gone and cannot have received any of them.
//
// After a fatal error of TLS, such as an alert that a Read has received, Write returns
// that error, as all other calls do. A Write that cannot send looks for such an alert,
// for a moment, before it gives up.
func (c *Conn) Write(b []byte) (n int, err error) {
	if err := c.Handshake(); err != nil {
		return 0, err
	}
	if c.closing.closed.Load() {
		return 0, fail("write", ErrClosed) // not below: Close holds writing while it delivers
	}
	if !c.writing.calls.lockBefore(&c.closing) {
		return 0, fail("write", ErrClosed)
	}
	defer c.writing.calls.unlock()
	if n, err = c.writeAll(b); err != nil {
		return c.arrived(n, err), c.closedOr("write", inOp("write", c.whyBroken(err)))
	}
	return n, nil
}

// writeAll is Write after the handshake, also in the middle of a message of the peer. writing.calls is held.
func (c *Conn) writeAll(b []byte) (n int, err error) {
	for {
		put, err := c.writeSome(b[n:])
		n += put
		if err == errMidway {
			err = c.untilWhole(context.Background())
		}
		if err != nil || n == len(b) {
			return n, err
		}
	}
}

// arrived is n for a Write that ends with err, or 0 if the connection is dead and the peer
// cannot have received a byte of it: net/http repeats a request of which nothing was written.
func (c *Conn) arrived(n int, err error) int {
	if isHangup(err) && c.writing.waiting.Load() >= int64(n) { // each record is longer than its content
		return 0
	}
	return n
}

// writeSome is Write up to its end, or errMidway if libssl must read first.
func (c *Conn) writeSome(b []byte) (n int, err error) {
	if !c.writing.lockBefore(&c.closing) {
		return 0, fail("write", ErrClosed)
	}
	defer c.writing.unlock()
	if len(b) == 0 {
		return 0, c.canWrite()
	}
	for n < len(b) {
		if err := c.canWrite(); err != nil {
			return n, err
		}
		put, err := c.tr.push(b[n:min(n+maxChunk, len(b))])
		n += put
		if err != nil {
			c.writing.stuck = c.closing.closed.Load()
			return n, err
		}
		if c.writing.inVain.Load() != 0 {
			c.writing.inVain.Store(0)
		}
	}
	return n, nil
}

// stickyError lets an atomic.Value hold errors of different types.
type stickyError struct{ err error }

// canWrite returns why nothing may be encrypted now.
func (c *Conn) canWrite() error {
	if c.closing.closed.Load() {
		return fail("write", ErrClosed)
	}
	if e, ok := c.writing.err.Load().(stickyError); ok {
		return e.err
	}
	return c.expired(&c.writing.until)
}

// flushLocked sends all waiting output.
func (c *Conn) flushLocked() error {
	if !c.writing.lockBefore(&c.closing) {
		return fail("write", ErrClosed)
	}
	defer c.writing.unlock()
	return c.tr.flush()
}

// flushSoon sends waiting output in the background, with at most one goroutine for a
// connection. Reads and handshakes do not wait for the peer to take it. Output that
// could not be sent waits for another write deadline, or for a Write that succeeds.
func (c *Conn) flushSoon() {
	if c.writing.waiting.Load() == 0 || c.sessions.unkept.Load() ||
		c.writing.inVain.Load() == c.writing.attempt.Load()+1 ||
		!c.writing.flushing.CompareAndSwap(false, true) {
		return
	}
	go func() {
		attempt := c.writing.attempt.Load()
		err := c.flushLocked()
		if err != nil {
			c.writing.inVain.Store(attempt + 1)
		}
		c.writing.flushing.Store(false)
		if err == nil && !c.closing.closed.Load() {
			c.flushSoon() // for output that came between the two
		}
	}()
}

// expired reports whether a deadline has passed.
func (c *Conn) expired(until *atomic.Int64) error {
	t := until.Load()
	switch {
	case t == 0 || time.Now().UnixNano() < t:
		return nil
	case until == &c.writing.until:
		return c.netError("write", os.ErrDeadlineExceeded)
	}
	return c.netError("read", os.ErrDeadlineExceeded)
}

// netError is err as package net returns errors of a Read or Write.
func (c *Conn) netError(op string, err error) error {
	e := &net.OpError{Op: op, Source: c.net.LocalAddr(), Addr: c.net.RemoteAddr(), Err: err}
	if e.Source != nil {
		e.Net = e.Source.Network()
	}
	return e
}
