package ssl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// WriteEarlyData sends b before the handshake is complete (SSL_write_early_data).
//
// On a client it goes out with the first flight, under the keys of the session that is
// offered: see SetSession and UseSessionCache. It must be called before anything else that
// does the handshake, any number of times. Early data can be recorded and sent again by
// anybody on the path, and is not protected by keys that only this connection has: nothing
// may go into it that does harm when it is done twice. Afterwards the handshake is to be
// done, and [Conn.EarlyDataStatus] to be asked: unless that is EarlyDataAccepted, the server
// has not seen b, and nobody sends it again but the caller.
//
// ErrNoEarlyData means that none can be sent on this connection, and that nothing was: there
// is no session, or it does not allow it, has expired, was verified for another name or under
// another configuration, or belongs to a protocol that is not offered. Nor is any sent with a
// VerifyConnection, which is to have its say first. ErrTooLarge means that b is more than the
// session allows, ErrHandshakeStarted that it is too late; in all three cases the connection
// can be used as if there had been no call.
//
// On a server it answers early data, once ReadEarlyData has returned some: what it writes
// does not wait for the client's part of the handshake. The client may be a recording, which
// cannot read the answer. With no early data it is ErrNoEarlyData, and once the handshake is
// complete it is Write. A server that is done still completes the handshake before Close, for
// there is no close_notify before.
func (c *Conn) WriteEarlyData(b []byte) (n int, err error) {
	const op = "Conn.WriteEarlyData"
	if err := c.usable(op); err != nil {
		return 0, err
	}
	if c.server {
		return c.answerEarly(op, b)
	}
	c.handshaking.lock()
	defer c.handshaking.unlock()
	c.offerCached()
	if err := c.mayWriteEarly(op, len(b)); err != nil {
		return 0, err
	}
	c.writing.lock()
	defer c.writing.unlock()
	for n < len(b) {
		put, err := c.writeEarlySome(op, b[n:min(n+maxChunk, len(b))])
		n += put
		c.early.sent += put
		if err != nil {
			return n, c.closedOr(op, inOp(op, err))
		}
	}
	return n, nil
}

// EarlyDataTerms says how many bytes WriteEarlyData can still send on a client's connection
// before its handshake (SSL_SESSION_get_max_early_data of the session that is offered), and
// which protocol they have to speak: that of the session's connection, "" if it had none
// (SSL_SESSION_get0_alpn_selected), whatever the server chooses for what comes later. The error is
// WriteEarlyData's, an ErrNoEarlyData that says why. It is ErrServer on a server.
func (c *Conn) EarlyDataTerms() (limit uint32, protocol string, err error) {
	const op = "Conn.EarlyDataTerms"
	if err := c.usable(op); err != nil {
		return 0, "", err
	}
	if c.server {
		return 0, "", fail(op, ErrServer)
	}
	c.handshaking.lock()
	defer c.handshaking.unlock()
	c.offerCached()
	if err := c.mayWriteEarly(op, 0); err != nil {
		return 0, "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.early.terms.limit - uint32(c.early.sent), c.early.terms.proto, nil
}

// tryEarly writes all of b early, or nothing where that cannot be done.
func (c *Conn) tryEarly(ctx context.Context, b []byte) error {
	stop := closeWith(ctx, c.net)
	_, err := c.WriteEarlyData(b)
	if stop() {
		return fail("Conn.WriteEarlyData", context.Cause(ctx))
	}
	if errors.Is(err, ErrNoEarlyData) || errors.Is(err, ErrTooLarge) {
		return nil
	}
	return err
}

// answerEarly is a server's WriteEarlyData.
func (c *Conn) answerEarly(op string, b []byte) (n int, err error) {
	if c.handshaking.done.Load() {
		return c.Write(b)
	}
	if c.closing.closed.Load() {
		return 0, fail(op, ErrClosed)
	}
	if !c.early.open.Load() {
		return 0, fail(op, fmt.Errorf("%w: none was accepted", ErrNoEarlyData))
	}
	c.writing.calls.lock()
	defer c.writing.calls.unlock()
	n, err = c.writeSome(b)
	return n, c.closedOr(op, inOp(op, err))
}

// mayWriteEarly is why a client cannot send n bytes now. handshaking is held.
func (c *Conn) mayWriteEarly(op string, n int) error {
	c.mu.Lock()
	terms, isOffered := c.early.terms, c.sessions.offered == offered
	c.mu.Unlock()
	if !isOffered && terms.not == "" {
		terms.not = "there is no session to offer"
	}
	switch {
	case c.closing.closed.Load():
		return fail(op, ErrClosed)
	case c.handshaking.err != nil:
		return c.handshaking.err
	case c.early.ended:
		return fail(op, ErrHandshakeStarted)
	case c.ctx.verifyConnection != nil:
		terms.not = "VerifyConnection has its say first"
	case terms.not == "" && !terms.until.After(time.Now()):
		terms.not = "the session has expired"
	}
	if terms.not != "" {
		return fail(op, fmt.Errorf("%w: %s", ErrNoEarlyData, terms.not))
	}
	if uint64(c.early.sent)+uint64(n) > uint64(terms.limit) {
		return fail(op, fmt.Errorf("%w: the session allows %d bytes of early data", ErrTooLarge, terms.limit))
	}
	return nil
}

// writeEarlySome sends b. What the connection underneath does not take is sent by a later
// call or by the handshake, so it counts as written. writing is held.
func (c *Conn) writeEarlySome(op string, b []byte) (int, error) {
	if err := c.canWrite(); err != nil {
		return 0, err
	}
	c.startClock()
	c.gate.enter()
	r := c.stepWriteEarly(op, b)
	c.gate.leave()
	if r.status != stepOK {
		c.handshaking.err = c.closedOr(op, firstError(r.err, io.ErrUnexpectedEOF))
		c.tally(c.handshaking.err)
		return r.n, c.handshaking.err
	}
	return r.n, c.tr.flush()
}

// sni is the name that the client sends.
func (c *Conn) sni() string {
	if isIP(c.name) {
		return ""
	}
	return c.name
}

// offersProto reports whether a server may choose proto; "" is for none.
func (c *Ctx) offersProto(proto string) bool { return proto == "" || slices.Contains(c.protos, proto) }
