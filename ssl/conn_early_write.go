package ssl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"sessl/internal/clock"
)

// WriteEarlyData sends b before the handshake is complete (SSL_write_early_data).
//
// On a client b is sent with the first flight, under the keys of the session that is offered: see
// SetSession and UseSessionCache. WriteEarlyData must be called before anything else that does
// the handshake, any number of times. An attacker on the path can record early data and send it
// again, and its keys are not of this connection alone. So it may contain only requests that do
// no harm when they are carried out twice. After the handshake, check [Conn.EarlyDataStatus]:
// unless it is EarlyDataAccepted, the server has not seen b, and the caller must send it again.
//
// WriteEarlyData returns one of three errors after which the connection can be used as
// if there had been no call:
//   - ErrNoEarlyData: no early data can be sent on this connection, and none was. There
//     is no session, or it does not allow early data, has expired, was verified for
//     another name or under another configuration, or belongs to a protocol that is not
//     offered. With a VerifyConnection none is sent, because it must be called first.
//   - ErrTooLarge: b is longer than the session allows.
//   - ErrHandshakeStarted: the call came too late.
//
// On a server WriteEarlyData answers early data, after ReadEarlyData has returned some, without
// waiting for the client's part of the handshake. The client may be a recording, which cannot read
// the answer. Without early data it returns ErrNoEarlyData. After the handshake it is Write.
// Before Close, a server must complete the handshake, because close_notify cannot be sent earlier.
func (c *Conn) WriteEarlyData(b []byte) (n int, err error) {
	const op = "Conn.WriteEarlyData"
	if err := c.usable(op); err != nil {
		return 0, err
	}
	if c.server {
		return c.answerEarly(op, b)
	}
	if !c.handshaking.lockBefore(&c.closing) {
		return 0, fail(op, ErrClosed)
	}
	defer c.handshaking.unlock()
	c.offerCached()
	if err := c.mayWriteEarly(op, len(b)); err != nil {
		return 0, err
	}
	if !c.writing.lockBefore(&c.closing) {
		return 0, fail(op, ErrClosed)
	}
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

// EarlyDataTerms says how many more bytes WriteEarlyData can send on a client's connection
// before its handshake (SSL_SESSION_get_max_early_data of the session that is offered),
// and which protocol they must speak: that of the session's connection, "" if it had none
// (SSL_SESSION_get0_alpn_selected), whatever the server chooses for later data. It returns
// ErrNoEarlyData with the reason, like WriteEarlyData, and ErrServer on a server.
func (c *Conn) EarlyDataTerms() (limit uint32, protocol string, err error) {
	const op = "Conn.EarlyDataTerms"
	if err := c.usable(op); err != nil {
		return 0, "", err
	}
	if c.server {
		return 0, "", fail(op, ErrServer)
	}
	if !c.handshaking.lockBefore(&c.closing) {
		return 0, "", fail(op, ErrClosed)
	}
	defer c.handshaking.unlock()
	c.offerCached()
	if err := c.mayWriteEarly(op, 0); err != nil {
		return 0, "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.early.terms.limit - uint32(c.early.sent), c.early.terms.proto, nil
}

// tryEarly writes all of b early, or nothing if that is not possible.
func (c *Conn) tryEarly(ctx context.Context, b []byte) error {
	w := c.watch(ctx)
	_, err := c.WriteEarlyData(b)
	if ended := w.stop(); ended != nil {
		return fail("Conn.WriteEarlyData", ended)
	}
	if errors.Is(err, ErrNoEarlyData) || errors.Is(err, ErrTooLarge) {
		return nil
	}
	return err
}

// answerEarly is WriteEarlyData on a server.
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
	if !c.writing.calls.lockBefore(&c.closing) {
		return 0, fail(op, ErrClosed)
	}
	defer c.writing.calls.unlock()
	n, err = c.writeAll(b)
	return n, c.closedOr(op, inOp(op, err))
}

// mayWriteEarly returns why a client cannot send n bytes now. handshaking is held.
func (c *Conn) mayWriteEarly(op string, n int) error {
	c.mu.Lock()
	terms, isOffered := c.early.terms, c.sessions.offered == offered
	if terms.not == "" && !c.offersProto(terms.proto) {
		terms.not = "the session's protocol is not offered"
	}
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
	case terms.not == "" && !terms.until.After(clock.Now()):
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

// writeEarlySome sends b. Bytes that the connection underneath does not take are sent
// by a later call or by the handshake, so they count as written. writing is held.
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

// offersProto reports whether a server may choose proto; "" means none. mu is held.
func (c *Conn) offersProto(proto string) bool {
	return proto == "" || slices.Contains(c.protosToOffer(), proto)
}
