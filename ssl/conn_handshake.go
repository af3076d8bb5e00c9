package ssl

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"time"
)

// Handshake does the TLS handshake, if it has not been done yet (SSL_do_handshake).
// Read and Write call it. After an error the connection can only be closed, and all
// later calls return the error. A handshake that only met a deadline can go on. A panic
// of a function in the Config reaches one caller, and later calls return an error.
func (c *Conn) Handshake() error {
	return c.HandshakeContext(context.Background())
}

// HandshakeContext is Handshake with a context. If ctx ends before the handshake does, or has ended
// before the call, the connection underneath is closed, and this and all later calls return the
// context's error. A call that waits for the handshake of another goroutine only stops waiting.
func (c *Conn) HandshakeContext(ctx context.Context) error {
	if err := c.usable("handshake"); err != nil {
		return err
	}
	if ctx == nil {
		return fail("handshake", ErrNil)
	}
	if c.handshaking.done.Load() {
		return nil
	}
	returned := false
	defer func() {
		if !returned { // the application's code panicked
			c.abandon()
		}
	}()
	err := c.handshakeOnce(ctx)
	c.deliver()
	returned = true
	return err
}

func (c *Conn) handshakeOnce(ctx context.Context) error {
	if err := c.takeTurn(ctx); err != nil {
		return fail("handshake", err)
	}
	defer c.handshaking.unlock()
	switch {
	case c.handshaking.done.Load():
		return nil
	case c.handshaking.err != nil:
		return c.handshaking.err
	case c.closing.closed.Load():
		return fail("handshake", ErrClosed)
	}
	if ctx.Err() == nil { // otherwise a session would be used up for nothing
		c.offerCached()
	}
	c.startClock()
	w := c.watch(ctx)
	defer w.stop() // also when the application's code panics
	returned := false
	defer c.tallyUnless(&returned)
	err := w.over()
	if err == nil {
		err = c.shakeHands(ctx, w)
	}
	c.dropSent()
	returned = true
	ended := w.stop()
	if ended == nil && err != nil {
		if ended = w.over(); ended != nil { // before the watch could notice
			c.net.Close()
		}
	}
	if ended != nil {
		err = fail("handshake", ended)
	}
	if err != nil && (ended != nil || !c.retryable(err)) {
		c.handshaking.err = err
	}
	c.handshaking.paused = err // for the case that the handshake is never continued
	if err == nil || c.handshaking.err != nil {
		c.tally(c.handshaking.err)
	}
	failed := c.handshaking.err != nil && w.over() == nil && !c.closing.closed.Load()
	if err == nil && !c.info.state.DidResume || failed {
		c.sessions.spoiled.Store(true) // what was offered is useless for this server
	}
	return err
}

// takeTurn waits for handshaking. It fails if ctx ends or the connection is closed while another
// goroutine has it. Otherwise the caller has it, and must end the handshake if ctx has ended.
func (c *Conn) takeTurn(ctx context.Context) error {
	s := &c.handshaking.sem
	if s.try() || s.wait(ctx.Done(), c.closing.done(), nil) {
		return nil
	}
	return cmp.Or(context.Cause(ctx), ErrClosed)
}

// startClock is called by everything that may begin the handshake.
func (c *Conn) startClock() {
	if c.handshaking.begun.IsZero() {
		c.handshaking.begun = time.Now()
	}
}

// retryable reports whether a handshake can go on after err, because only a deadline passed.
func (c *Conn) retryable(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Timeout() && !errors.Is(err, context.DeadlineExceeded)
}

// shakeHands alternates steps with reading and writing. Output of the last step is left
// to the flusher: waiting for it here would be a deadlock with a peer that writes first
// and does not read meanwhile. w is passed to finish.
func (c *Conn) shakeHands(ctx context.Context, w *watch) error {
	if !c.reading.lockBefore(&c.closing) {
		return fail("handshake", ErrClosed)
	}
	defer c.reading.unlock()
	release, err := c.holdWriting()
	if err != nil {
		return fail("handshake", err)
	}
	defer release()
	defer c.leaveGate()
	defer c.logKeys() // of a handshake that fails, too
	if c.server {
		if err := c.drainEarly(ctx); err != nil {
			return err
		}
	}
	c.early.ended = true
	if _, err := c.steps(ctx, handshakeStep, nil); err != nil {
		return err
	}
	if err = c.finish(w); err != nil {
		c.withLive(c.letGo) // an alert is behind it
	}
	if c.ctx.cache != nil {
		ctx, cancel := c.limited(ctx)
		defer cancel()
		c.keepFresh(ctx, &c.reading.until, !c.early.open.Load())
	}
	c.flushSoon()
	return err
}

// steps runs step, and does what it asks for, until it is complete. reading is held,
// and writing too unless a server may write early.
func (c *Conn) steps(ctx context.Context, step pullStep, b []byte) (*result, error) {
	for {
		if c.closing.closed.Load() { // Close has ended what the last step asked for
			return nil, fail("handshake", ErrClosed)
		}
		if err := c.expired(&c.reading.until); err != nil {
			return nil, fail("handshake", err)
		}
		r, err := c.tr.pull(step, b, c.answerLimit())
		if err != nil {
			return r, c.ioError("handshake", err)
		}
		switch r.status {
		case stepOK, stepEarlyEnd:
			return r, nil
		case stepAsks:
			if err := c.answer(ctx, r.ask); err != nil {
				c.stepHandshake(noFD, nil) // without any input: it only makes the alert
				c.flushSoon()
				return r, c.closedOr("handshake", err)
			}
		case stepGated:
			if err := c.waitGate(ctx); err != nil {
				return r, fail("handshake", err)
			}
		case stepWantRead:
			err := r.unsent
			if err == nil {
				err = c.sendAnswer()
			}
			if err != nil {
				return r, c.ioError("handshake", err)
			}
		case stepIOEOF, stepEOF: // close_notify, which an attacker can send before there are keys
			return r, c.ioError("handshake", io.ErrUnexpectedEOF)
		default:
			c.flushSoon() // an alert tells the peer why
			return r, c.closedOr("handshake", r.err)
		}
	}
}

// answerLimit is how many bytes of answers may wait for the peer while a step wants input.
func (c *Conn) answerLimit() int64 {
	if c.early.open.Load() {
		return maxReply // the peer may be waiting for the application's output
	}
	return 0
}

// sendAnswer sends the output of the last step, in the background if the application
// may be writing.
func (c *Conn) sendAnswer() error {
	if c.early.open.Load() {
		c.flushSoon()
		return nil
	}
	return c.tr.flush()
}

// finish decides whether a handshake that OpenSSL accepts satisfies this package and
// the application. It ends the watch: from then on the connection underneath stays open.
func (c *Conn) finish(w *watch) error {
	if err := c.inspect(); err != nil {
		c.lastWord(err)
		return err
	}
	c.leaveGate()
	if err := c.logKeys(); err != nil {
		c.withLive(condemn)
		return err
	}
	if err := c.askApplication(); err != nil {
		return err
	}
	c.peer = c.net.RemoteAddr()
	if w.stop() != nil {
		return fail("handshake", ErrClosed)
	}
	c.handshaking.done.Store(true)
	return nil
}

// askApplication calls VerifyConnection without holding mu. A panic in it fails the
// handshake for good, and goes on to the caller.
func (c *Conn) askApplication() (err error) {
	if c.ctx.verifyConnection == nil || c.handshaking.asked {
		return nil
	}
	passed := false
	defer func() {
		if !passed {
			c.withLive(condemn)
		}
		if !passed && err == nil {
			c.handshaking.err = fail("handshake", errPanicked)
		}
	}()
	state := c.info.complete()
	if err := c.ctx.verifyConnection(state); err != nil {
		c.lastWord(err)
		return fail("handshake", err)
	}
	passed = true
	n := c.ownTickets()
	if !c.ctx.issues || n == 0 || state.Version != VersionTLS13 {
		return nil
	}
	if state.DidResume || state.PSKIdentity != "" {
		n = min(n, 1) // as libssl does
	}
	return c.issueUnlessVetoed("handshake", n)
}

// inspect reads what the handshake has settled, and checks what a resumption skips.
func (c *Conn) inspect() error {
	p, ok := c.enter()
	if !ok {
		return fail("handshake", ErrClosed)
	}
	defer c.leave()
	now := c.readInfo(p)
	c.noteEarly(now.early)
	c.takeStaple(p)
	if err := c.checkPeer(p, now); err != nil {
		condemn(p)
		return err
	}
	return c.readPeer(p, now)
}

// checkPeer checks what a resumption skips, and stamps the sessions of an accepted
// peer. mu is held.
func (c *Conn) checkPeer(p connPtr, now settled) error {
	if now.anonymous && !c.server && c.judges() {
		return fail("handshake", errAnonymous)
	}
	if !c.ctx.verify {
		if c.server || c.info.state.DidResume {
			return nil // a resumed session keeps the name of its first connection
		}
		return c.setStamp(p, c.stampOfKind(stampUnverified))
	}
	if c.info.state.DidResume && !c.resumedOK(now) {
		return fail("handshake", ErrUnverified)
	}
	if c.info.state.PSKIdentity != "" {
		return c.stampPSK(p)
	}
	if !now.hasPeer {
		return nil // a server whose client sent none; libssl demands one where it must
	}
	c.info.state.Verified = true
	return c.setStamp(p, c.stampNow())
}

// judges reports whether a client verifies its server, or the application does. Then the server must
// show something. TLS 1.2 has suites for servers that show nothing, which libssl allows at security
// level 0, and in which it ignores SSL_VERIFY_PEER.
func (c *Conn) judges() bool { return c.ctx.verify || c.ctx.verifyConnection != nil }

// stampNow is the stamp of sessions whose peer this connection has verified.
func (c *Conn) stampNow() []byte { return c.stampOfKind(stampCertificate) }

func (c *Conn) stampOfKind(kind byte) []byte {
	return slices.Concat([]byte{kind}, c.ctx.stamp[1:], []byte(c.name))
}

// closedOr is err, or ErrClosed if the connection was closed meanwhile.
func (c *Conn) closedOr(op string, err error) error {
	if c.closing.closed.Load() && !errors.Is(err, ErrClosed) {
		return fail(op, ErrClosed)
	}
	return err
}

// ioError wraps an error of the connection underneath.
func (c *Conn) ioError(op string, err error) error {
	return c.closedOr(op, fail(op, err))
}
