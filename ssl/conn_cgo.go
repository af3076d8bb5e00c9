package ssl

/*
#cgo noescape sessl_conn_read
#cgo nocallback sessl_conn_read
#cgo noescape sessl_conn_peek
#cgo nocallback sessl_conn_peek
#cgo noescape sessl_conn_write
#cgo nocallback sessl_conn_write
#cgo noescape sessl_conn_shutdown
#cgo nocallback sessl_conn_shutdown
#cgo noescape sessl_conn_output
#cgo nocallback sessl_conn_output
#cgo noescape sessl_conn_put_back
#cgo nocallback sessl_conn_put_back
#cgo nocallback sessl_session_weight
#cgo nocallback sessl_conn_is_foreign
#cgo noescape sessl_conn_is_foreign
#include "conn.h"
*/
import "C"

import (
	"os"
	"syscall"
	"unsafe"
)

type status int

const (
	stepOK       status = C.SESSL_OK
	stepWantRead status = C.SESSL_WANT_READ
	stepEOF      status = C.SESSL_EOF
	stepFailed   status = C.SESSL_FAILED
	stepIOEOF    status = C.SESSL_IO_EOF
	stepIOError  status = C.SESSL_IO_ERROR
	stepAsks     status = C.SESSL_SUSPENDED
	stepGated    status = -1 // not begun: too many handshakes compute
)

// result is the result of a step, in Go's terms.
type result struct {
	status status
	n      int   // application bytes moved
	out    int   // output bytes in the sink
	waits  int64 // bytes of libssl's answers, as opposed to Write's, that were not sent
	rest   int64 // bytes of all output that were not sent
	fresh  bool  // sessions have arrived
	more   bool  // with stepWantRead: the socket may have more input, so do not wait for it
	ask    ask   // for stepAsks
	holds  bool  // with stepWantRead: a ClientHello, or its rest, is still to come

	midway   bool // a part of a handshake message has arrived
	answered bool // the client's certificate has arrived, and must be checked before anything else

	err    error // for stepFailed and stepIOError
	late   error // an error after the n bytes
	unsent error // output could not be sent to the socket
}

// noFD makes a step use memory, or do no input and output at all.
const noFD = -1

// enter begins a step: the pointer is valid, there is an SSL, and mu is held until leave.
func (c *Conn) enter() (connPtr, bool) {
	p, ok := c.enterUnmade()
	if ok && c.makeSSL("", p) != nil {
		c.leave()
		return nil, false
	}
	return p, ok
}

// enterUnmade is enter for what can do without the SSL, which a server does not make before its client
// has sent a ClientHello.
func (c *Conn) enterUnmade() (connPtr, bool) {
	p, err := c.h.acquire()
	if err == nil {
		c.mu.Lock()
	}
	return p, err == nil
}

func (c *Conn) leave() {
	c.mu.Unlock()
	c.h.release()
}

func closedResult(op string) result {
	return result{status: stepFailed, err: fail(op, ErrClosed)}
}

// takeFresh moves all new sessions from C's queue to handles, so that no session stays in C
// longer than the step that brought it. mu is held.
func (c *Conn) takeFresh(p connPtr) {
	for _, q := range unsafe.Slice(p.fresh, int(p.fresh_n)) {
		c.sessions.fresh = append(c.sessions.fresh, adoptSession(q)) // the queue's reference
	}
	c.sessions.freshWeight += int(p.fresh_weight)
	p.fresh_n, p.fresh_weight = 0, 0
	for !c.server && c.sessions.freshWeight > C.SESSL_FRESH_MAX && len(c.sessions.fresh) > 1 {
		c.takeOldest().Close() // the application does not read
	}
}

// takeOldest takes the first session of fresh. mu is held.
func (c *Conn) takeOldest() *Session {
	s := c.sessions.fresh[0]
	c.sessions.fresh[0] = nil
	c.sessions.fresh = c.sessions.fresh[1:]
	if len(c.sessions.fresh) == 0 { // most often: no need to ask C
		c.sessions.freshWeight = 0
		return s
	}
	s.withPtr("", func(q sessionPtr) error {
		c.sessions.freshWeight -= int(C.sessl_session_weight(q))
		return nil
	})
	return s
}

// result must end every step. r is what st came to.
func (c *Conn) result(op string, p connPtr, st *C.sessl_step, r *result) {
	if st.fresh > 0 {
		c.takeFresh(p)
	}
	if st.removed != 0 {
		c.sessions.removed.Store(true)
	}
	c.sessions.unkept.Store(p.unkept != 0)
	c.takeKeyLog(p)
	noteThread(p)
	if p.shown != 0 {
		c.readShown(p)
	}
	if st.values != 0 {
		drainValues() // of sessions that libssl has copied and dropped meanwhile
	}
	c.writing.waiting.Store(int64(st.out_waiting))
	c.reading.dry.Store(st.dry != 0)
	c.noteMidway(st.midway != 0)
	c.declined.Store(p.declined != 0)
	if st.status == C.SESSL_FAILED || st.late != 0 {
		c.sessions.spoiled.Store(true)
	}
	*r = result{
		status: status(st.status), n: int(st.n), out: int(st.out_len), waits: int64(st.answers),
		rest: int64(st.out_waiting), fresh: st.fresh > 0, more: st.more != 0, ask: ask(st.ask),
		answered: st.answered != 0, midway: st.midway != 0, holds: p.hold.due != 0,
	}
	if st.send_errno != 0 {
		r.unsent = c.netError("write", os.NewSyscallError("send", syscall.Errno(st.send_errno)))
	}
	switch {
	case r.status == stepFailed:
		r.err = c.failure(op, p)
	case r.status == stepIOError:
		r.err = c.netError("read", os.NewSyscallError("recv", syscall.Errno(st.recv_errno)))
	case st.late != 0:
		r.late = c.failure(op, p)
	}
}

// failure is the error of the last step, or the error that had ended the connection
// before it. mu is held.
func (c *Conn) failure(op string, p connPtr) error {
	if c.ended.Load() == nil {
		c.endWith(c.reason(op, p))
	}
	return c.endedFor(op)
}

func (c *Conn) reason(op string, p connPtr) error {
	if p.alloc_failed != 0 {
		return asError(op, ErrNoMemory, &p.err)
	}
	if p.hello_changed != 0 {
		return asError(op, errHelloChanged, &p.err)
	}
	if C.sessl_conn_is_foreign(p) != 0 && !c.handshaking.done.Load() {
		cause := &notTLS{conn: c.net}
		for i, b := range p.first {
			cause.head[i] = byte(b)
		}
		return asError(op, cause, &p.err)
	}
	if cause := rejection(p); cause != nil {
		return asError(op, cause, &p.err)
	}
	switch {
	case p.declined != 0:
		return asError(op, ErrRenegotiation, &p.err)
	case !c.server && isLegacyServer(&p.err):
		return asError(op, ErrLegacyServer, &p.err)
	}
	err := c.blameStaple(p, asError(op, nil, &p.err))
	c.explain(p, err)
	err = c.explainType(p, err, &p.err)
	return c.explainPSK(err)
}

// stepHandshake continues the handshake (SSL_do_handshake), with input from fd or in.
func (c *Conn) stepHandshake(fd int, in []byte) *result {
	const op = "handshake"
	p, ok := c.enterUnmade()
	if !ok {
		return c.pulled(closedResult(op))
	}
	defer c.leave()
	c.handshaking.started = true
	p.breathes = cBool(c.gate.idle())
	st := &c.reading.step
	C.sessl_conn_handshake(p, C.int(fd), bytePtr(in), C.size_t(len(in)), st) // may call sesslBreathe
	if st.status == C.SESSL_UNMADE {
		if err := c.makeSSL(op, p); err != nil {
			return c.pulled(result{status: stepFailed, err: err})
		}
		C.sessl_conn_handshake(p, C.int(fd), nil, 0, st)
	}
	st.answers = st.out_waiting // no output is the application's yet
	return c.pulledStep(op, p)
}

// stepRead decrypts input from fd or in into b (SSL_read_ex). It consumes all of in.
func (c *Conn) stepRead(fd int, in, b []byte) *result {
	p, ok := c.enter()
	if !ok {
		return c.pulled(closedResult("read"))
	}
	defer c.leave()
	st := &c.reading.step
	C.sessl_conn_read(p, C.int(fd), bytePtr(in), C.size_t(len(in)), bytePtr(b), C.size_t(len(b)), st)
	return c.pulledStep("read", p)
}

// stepPeek reads up to the first application byte, which is not consumed (SSL_peek_ex);
// n is 1 then.
func (c *Conn) stepPeek(fd int, in []byte) *result {
	p, ok := c.enter()
	if !ok {
		return c.pulled(closedResult("read"))
	}
	defer c.leave()
	C.sessl_conn_peek(p, C.int(fd), bytePtr(in), C.size_t(len(in)), &c.reading.step)
	return c.pulledStep("read", p)
}

// pulledStep makes what c.reading.step came to the result of a pull.
func (c *Conn) pulledStep(op string, p connPtr) *result {
	c.result(op, p, &c.reading.step, &c.reading.result)
	return &c.reading.result
}

// stepWrite encrypts b (SSL_write_ex). The records go to fd or sink; the rest waits.
func (c *Conn) stepWrite(fd int, b, sink []byte) result {
	p, ok := c.enter()
	if !ok {
		return closedResult("write")
	}
	defer c.leave()
	if err := c.endedFor("write"); err != nil {
		return result{status: stepFailed, err: err}
	}
	var st C.sessl_step
	C.sessl_conn_write(p, C.int(fd), bytePtr(b), C.size_t(len(b)), bytePtr(sink), C.size_t(len(sink)), &st)
	var r result
	c.result("write", p, &st, &r)
	if c.midway.blocked = false; r.status == stepWantRead {
		c.midway.block()
	}
	return r
}

// stepShutdown makes close_notify wait for output (SSL_shutdown), or sends it to fd; for block see
// mayBegin.
func (c *Conn) stepShutdown(fd int, block bool) result {
	p, ok := c.enter()
	if !ok {
		return closedResult("close")
	}
	defer c.leave()
	if err := c.unended("close", p); err != nil {
		return result{status: stepFailed, err: err}
	}
	var st C.sessl_step
	C.sessl_conn_shutdown(p, C.int(fd), &st)
	var r result
	c.result("close", p, &st, &r)
	if r.status == stepWantRead {
		if block {
			c.midway.block()
		}
		return result{status: stepFailed, err: errMidway}
	}
	return r
}

// stepOutput moves waiting output to fd or sink.
func (c *Conn) stepOutput(fd int, sink []byte) result {
	p, ok := c.enterUnmade()
	if !ok {
		return closedResult("write")
	}
	defer c.leave()
	var st C.sessl_step
	C.sessl_conn_output(p, C.int(fd), bytePtr(sink), C.size_t(len(sink)), &st)
	var r result
	c.result("write", p, &st, &r)
	return r
}

// putBack returns output that could not be sent to the front of the waiting output.
func (c *Conn) putBack(b []byte) error {
	p, ok := c.enter()
	if !ok {
		return fail("write", ErrClosed)
	}
	defer c.leave()
	if C.sessl_conn_put_back(p, bytePtr(b), C.size_t(len(b))) == 0 {
		return fail("write", ErrNoMemory)
	}
	c.writing.waiting.Add(int64(len(b)))
	return nil
}

// muteOutput drops waiting output, and whatever libssl will answer from now on.
func (c *Conn) muteOutput() {
	c.withLive(func(p connPtr) {
		p.mute = 1
		p.out.head, p.answers = p.out.tail, 0
		c.writing.waiting.Store(0)
	})
}

// tickets counts the TLS 1.3 tickets that the connection has processed.
func (c *Conn) tickets() int {
	p, ok := c.enter()
	if !ok {
		return 0
	}
	defer c.leave()
	return int(p.tickets)
}
