package ssl

import (
	"context"
	"io"
	"sync/atomic"
	"time"
)

// EarlyDataStatus says what became of a connection's early data.
type EarlyDataStatus int

// String names the status.
func (s EarlyDataStatus) String() string {
	switch s {
	case EarlyDataNotSent:
		return "not sent"
	case EarlyDataRejected:
		return "rejected"
	case EarlyDataAccepted:
		return "accepted"
	}
	return "invalid"
}

// maxEarlyData bounds Config.MaxEarlyData, because a handshake keeps unread early data in memory.
const maxEarlyData = 16 << 20

// earlyData is the state of a connection's early data.
type earlyData struct {
	status atomic.Int32 // EarlyDataStatus
	open   atomic.Bool  // a server has accepted early data, and may write

	begun   bool       // a server's application reads it; under handshaking, like all below
	settled bool       // admitEarly has been called
	ended   bool       // there is no more, and will be none
	kept    []byte     // left unread before a handshake
	terms   earlyTerms // a client's, of the session that it offers; under the Conn's mu
	sent    int        // bytes sent by a client
}

// earlyTerms are what a session allows its client.
type earlyTerms struct {
	limit uint32
	until time.Time
	proto string // the protocol that early data must speak
	not   string // why no early data may be sent, "" if some may
}

// earlyCounters are the counters of a Ctx.
type earlyCounters struct {
	accepted, rejected atomic.Uint64
}

func (e *earlyCounters) count(s EarlyDataStatus) {
	switch s {
	case EarlyDataAccepted:
		e.accepted.Add(1)
	case EarlyDataRejected:
		e.rejected.Add(1)
	}
}

// EarlyDataStats count what became of early data on the connections of a Ctx.
type EarlyDataStats struct {
	Accepted uint64 // connections whose early data was accepted
	Rejected uint64 // connections whose early data was rejected

	Replayed      uint64        // rejected connections that the ReplayGuard had seen before
	GuardFailures GuardFailures // rejected connections for which it gave no answer
}

// EarlyDataStats returns the counters of early data, of a server or of a client
// (SSL_get_early_data_status of each connection). Reading them costs almost nothing.
func (c *Ctx) EarlyDataStats() EarlyDataStats {
	if c == nil {
		return EarlyDataStats{}
	}
	s := EarlyDataStats{Accepted: c.early.accepted.Load(), Rejected: c.early.rejected.Load()}
	if g := c.guard; g != nil {
		s.Replayed, s.GuardFailures = g.replayed.Load(), g.failed.read()
	}
	return s
}

// EarlyDataStatus says what became of the client's early data
// (SSL_get_early_data_status). A server knows it once ReadEarlyData has returned, a
// client at the end of the handshake. It also works after Close.
func (c *Conn) EarlyDataStatus() EarlyDataStatus {
	if c == nil {
		return EarlyDataNotSent
	}
	return EarlyDataStatus(c.early.status.Load())
}

// HandshakeComplete reports whether the handshake is complete. Until then, a server's
// early data may come from a recording, although [Conn.ConnectionState] answers.
func (c *Conn) HandshakeComplete() bool { return c != nil && c.handshaking.done.Load() }

// ReadEarlyData reads data that a client has sent with its first flight, before the
// handshake is complete (SSL_read_early_data, RFC 8446, section 2.3). At its end, and if
// there is none, it returns io.EOF. It is for servers, and must be called before anything
// else that does the handshake; otherwise early data is rejected. Read never returns
// early data. A Handshake keeps unread early data for later calls of ReadEarlyData.
//
// Early data can be a recording that an attacker sends. Act on it only if repeating the action
// does no harm, or after the handshake is complete: that proves that the client is there.
// [Config].MaxEarlyData says how recordings are refused, as far as that is possible.
//
// After it has returned data, ConnectionState and SessionReused answer, and WriteEarlyData writes.
// It returns ErrClient on a client, and otherwise Handshake's errors. Too much early data ends the
// connection with the alert unexpected_message. A call that met a read deadline can be repeated.
func (c *Conn) ReadEarlyData(b []byte) (n int, err error) {
	const op = "Conn.ReadEarlyData"
	if err := c.usable(op); err != nil {
		return 0, err
	}
	if !c.server {
		return 0, fail(op, ErrClient)
	}
	returned := false
	defer c.abandonUnless(&returned)
	if !c.handshaking.lockBefore(&c.closing) {
		returned = true
		return 0, fail(op, ErrClosed)
	}
	defer c.handshaking.unlock()
	n, err = c.readEarly(op, b)
	returned = true
	return n, err
}

// readEarly is ReadEarlyData under handshaking.
func (c *Conn) readEarly(op string, b []byte) (n int, err error) {
	switch {
	case c.closing.closed.Load():
		return 0, fail(op, ErrClosed)
	case len(c.early.kept) > 0:
		return takeWiped(b, &c.early.kept), nil
	case c.early.ended:
		return 0, io.EOF
	case c.handshaking.err != nil:
		return 0, c.handshaking.err
	case len(b) == 0:
		return 0, nil
	}
	c.early.begun = true
	c.startClock()
	w := c.watch(context.Background())
	defer w.stop()
	returned := false
	defer c.tallyUnless(&returned)
	if !c.reading.lockBefore(&c.closing) {
		returned = true
		return 0, fail(op, ErrClosed)
	}
	defer c.reading.unlock()
	release, err := c.holdWriting()
	if err != nil {
		returned = true
		return 0, fail(op, err)
	}
	defer release()
	defer c.leaveGate()
	n, err = c.earlyOnce(context.Background(), b)
	if n > 0 {
		c.handshaking.clock.served()
	}
	if ended := w.stop(); ended != nil {
		n, err = 0, fail("handshake", ended)
	}
	if err != nil && err != io.EOF && !c.retryable(err) {
		c.handshaking.err = err
		c.tally(err)
	}
	returned = true
	return n, err
}

// holdWriting keeps writers out until the returned function is called, unless a server
// may write early: then a Write does not wait for the client's answer.
func (c *Conn) holdWriting() (release func(), err error) {
	if c.early.open.Load() {
		return func() {}, nil
	}
	if !c.writing.lockBefore(&c.closing) {
		return nil, ErrClosed
	}
	return c.writing.unlock, nil
}

// earlyOnce reads a record of early data, or returns io.EOF at its end. reading is held.
func (c *Conn) earlyOnce(ctx context.Context, b []byte) (int, error) {
	r, err := c.steps(ctx, earlyStep, b)
	c.flushSoon()
	if err != nil {
		return 0, err
	}
	if !c.early.settled {
		if err := c.admitEarly(); err != nil {
			return 0, err
		}
		c.early.settled = true
	}
	if r.status == stepEarlyEnd {
		c.early.ended = true
		return 0, io.EOF
	}
	return r.n, nil
}

// drainEarly keeps unread early data for ReadEarlyData, because libssl continues the
// handshake only after it. MaxEarlyData bounds its size. reading is held.
func (c *Conn) drainEarly(ctx context.Context) error {
	if !c.early.begun || c.early.ended {
		return nil
	}
	buf := getBuf()
	defer putBuf(buf)
	for {
		n, err := c.earlyOnce(ctx, buf)
		if err != nil {
			return endIsNone(err)
		}
		c.early.kept = appendWiped(c.early.kept, buf[:n])
		clear(buf[:n]) // it will be used for other connections
	}
}

func endIsNone(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// earlyStep takes a place in the gate until early data is open, because it computes
// like a handshake step.
func earlyStep(c *Conn, fd int, in, b []byte) *result {
	if c.early.open.Load() {
		return c.stepReadEarly(fd, in, b)
	}
	if !c.reading.gateHeld && !c.gate.try() {
		return c.pulled(result{status: stepGated})
	}
	c.reading.gateHeld = true
	defer c.leaveGate()
	return c.stepReadEarly(fd, in, b)
}

// checkEarly refuses early data that would not be protected from replays.
func (cfg *Config) checkEarly(server bool) error {
	_, highest := cfg.versions()
	stateless, cached := cfg.TicketKeys != nil, cfg.SessionCache != nil
	switch {
	case !server && (cfg.MaxEarlyData != 0 || cfg.ReplayGuard != nil || cfg.ReplayGuardTimeout != 0):
		return configError("MaxEarlyData, ReplayGuard and ReplayGuardTimeout are for servers; " +
			"a client sends early data when it calls WriteEarlyData")
	case unmade(cfg.ReplayGuard):
		return configError("the ReplayGuard was not made by NewReplayGuard")
	case cfg.ReplayGuardTimeout < 0:
		return configError("ReplayGuardTimeout is %v: it is negative", cfg.ReplayGuardTimeout)
	case cfg.ReplayGuardTimeout != 0 && cfg.ReplayGuard == nil:
		return configError("ReplayGuardTimeout has no effect: there is no ReplayGuard")
	case cfg.ReplayGuard != nil && cfg.MaxEarlyData == 0:
		return configError("ReplayGuard has no effect: MaxEarlyData is 0")
	case cfg.MaxEarlyData == 0:
		return nil
	case cfg.MaxEarlyData > maxEarlyData:
		return configError("MaxEarlyData is %d, the limit is %d", cfg.MaxEarlyData, maxEarlyData)
	case highest < VersionTLS13:
		return configError("MaxEarlyData needs TLS 1.3, MaxVersion is %s", VersionName(highest))
	case cfg.VerifyConnection != nil:
		return configError("MaxEarlyData and VerifyConnection exclude each other: " +
			"early data comes before VerifyConnection could refuse it")
	case cfg.ReplayGuard == nil && stateless:
		return configError("MaxEarlyData with TicketKeys needs a ReplayGuard: " +
			"else each server with the keys, this one too, accepts the same early data again")
	case cfg.ReplayGuard == nil && cached:
		return configError("MaxEarlyData with a SessionCache needs a ReplayGuard: " +
			"libssl keeps track of used tickets in its internal cache only")
	case cfg.ReplayGuard != nil && !stateless && !cached:
		return configError("ReplayGuard needs TicketKeys or a SessionCache: " +
			"without them tickets are those of this Ctx alone, which remembers them itself")
	case !cfg.guardsItself() && cfg.ReplayGuard == nil && cfg.SessionCacheMode == SessionCacheNoInternal:
		return configError("MaxEarlyData needs libssl's internal cache, which SessionCacheNoInternal turns off")
	}
	return nil
}

// claimEarly asks the guard about a first flight whose early data the application
// reads. Only the first identity counts for early data, and only a client that has the
// session may claim it (RFC 8446, section 8.2). Otherwise an observer of a ticket could
// use up its early data, and any client could fill the guard.
func (c *Conn) claimEarly(ctx context.Context, h *ClientHelloInfo) {
	g := c.ctx.guard
	if g == nil || !c.early.begun || !h.offersEarly() {
		return
	}
	if id := h.identities[0]; c.hasSession(id) && g.first(ctx, id) {
		c.allowEarly()
	}
}
