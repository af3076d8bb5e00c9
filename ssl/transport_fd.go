package ssl

import (
	"net"
	"os"
	"syscall"
)

// fdTransport lets the step in C use the socket itself, so that a Read or Write is one crossing. Where the
// step could do nothing but ask for input, that is received here, and a Read that waits has one as well.
// Either must happen inside the RawConn callback; outside of it the poller's edge would be lost and the wait
// would not end.
//
// The callbacks are made once, and take their arguments from in and out, so that a Read
// or Write allocates nothing.
type fdTransport struct {
	c               *Conn
	rc              syscall.RawConn
	in              fdPull // under reading
	out             fdPush // under writing
	onRead, onWrite func(fd uintptr) bool
}

type fdPull struct {
	step  pullStep
	b     []byte
	limit int64
	dry   bool // the step would find nothing to do
}

type fdPush struct {
	b    []byte // nil: only flush
	done bool   // b has been encrypted
	n    int
	err  error
}

func newFDTransport(c *Conn, rc syscall.RawConn) *fdTransport {
	t := &fdTransport{c: c, rc: rc}
	t.onRead = t.readReady
	t.onWrite = t.writeReady
	return t
}

// readReady reports whether pull is complete; otherwise it waits until the socket is readable.
func (t *fdTransport) readReady(fd uintptr) bool {
	var r *result
	if t.in.dry && canReceive {
		r = t.receive(int(fd))
	} else {
		r = t.in.step(t.c, int(fd), nil, t.in.b)
	}
	switch {
	case r == nil:
		return false
	case r.over() || r.more || r.waits > t.in.limit:
		return true
	}
	t.in.dry = t.c.isDry()
	t.c.flushSoon() // an answer that the socket did not take, and that the peer may wait for
	return false
}

// receive runs the step with what the socket has. If that is nothing it returns nil, and has not crossed
// into C.
func (t *fdTransport) receive(fd int) *result {
	buf := getBuf()
	defer putBuf(buf)
	n, err := receive(fd, buf[:min(max(len(t.in.b), maxRecord)+recordRoom, bufSize)])
	switch {
	case err == syscall.EAGAIN:
		return nil
	case err != 0:
		err := t.c.netError("read", os.NewSyscallError("recv", err))
		return t.c.pulled(result{status: stepIOError, err: err})
	case n == 0:
		return t.c.pulled(result{status: stepIOEOF})
	}
	return t.in.step(t.c, fd, buf[:n], t.in.b)
}

// writeReady reports whether push is complete; otherwise it waits until the socket is writable. What
// other calls have added meanwhile is theirs to send: the socket is not full, and would not wake this one.
func (t *fdTransport) writeReady(fd uintptr) bool {
	if t.out.done || t.c.writing.waiting.Load() > maxUnsent {
		r := t.c.stepOutput(int(fd), nil)
		t.out.err = firstError(r.err, r.unsent)
		if t.out.err != nil || t.out.done {
			return t.out.err != nil || r.rest == 0
		}
		if r.rest > maxUnsent {
			return false
		}
	}
	r := t.c.stepWrite(int(fd), t.out.b, nil)
	t.out.done = true
	t.out.n = r.n
	t.out.err = firstError(writeError(r), r.unsent)
	return t.out.err != nil || r.rest == 0
}

func (t *fdTransport) pull(step pullStep, b []byte, limit int64) (*result, error) {
	t.in = fdPull{step: step, b: b, limit: limit, dry: t.c.isDry()}
	err := t.rc.Read(t.onRead)
	t.in = fdPull{}
	r := &t.c.reading.result
	if r.status == stepIOError {
		return r, firstError(t.ownError("read", err), r.err)
	}
	return r, t.ownError("read", err)
}

// ownError is an error of a Read or Write of rc, without a word of how it came about.
func (t *fdTransport) ownError(op string, err error) error {
	if e, ok := err.(*net.OpError); ok {
		return t.c.netError(op, e.Err)
	}
	return err
}

func (t *fdTransport) push(b []byte) (int, error) {
	return t.run(fdPush{b: b})
}

func (t *fdTransport) flush() error {
	if t.c.writing.waiting.Load() == 0 {
		return nil
	}
	_, err := t.run(fdPush{done: true})
	return err
}

func (t *fdTransport) run(p fdPush) (int, error) {
	t.out = p
	err := t.rc.Write(t.onWrite)
	p = t.out
	t.out = fdPush{}
	return p.n, firstError(p.err, t.ownError("write", err))
}
