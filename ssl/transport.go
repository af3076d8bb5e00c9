package ssl

import (
	"bytes"
	"io"
	"net"
	"sync"
	"syscall"
)

// A transport moves the bytes of a connection. pull, under reading, may run at the same
// time as push or flush, under writing.
type transport interface {
	// pull runs step, feeding it input as it arrives, until step wants no more input or
	// sessions have arrived. It also returns when more than limit bytes of answers wait to
	// be sent, and after a while if input comes without end. Unsent output of Write does
	// not count: otherwise two peers that write much would wait for each other's Read.
	//
	// The result is valid until the next pull.
	pull(step pullStep, b []byte, limit int64) (*result, error)
	// push encrypts b, at most maxChunk of it, and sends it; n counts the encrypted bytes.
	push(b []byte) (n int, err error)
	// flush sends waiting output.
	flush() error
}

// isDry reports whether a step could do nothing but ask for input. reading is held.
func (c *Conn) isDry() bool {
	return c.reading.dry.Load() && c.writing.waiting.Load() == 0 && c.ended.Load() == nil
}

// over reports whether pull has a result to return before it waits for more input.
func (r *result) over() bool { return r.status != stepWantRead || r.fresh || r.answered }

// pullStep is stepHandshake or stepRead. Its result is c.reading.result, under reading: on the stack it
// would be in each of the many frames that wait for a peer.
type pullStep func(c *Conn, fd int, in, b []byte) *result

// pulled makes r the result of a pull.
func (c *Conn) pulled(r result) *result {
	c.reading.result = r
	return &c.reading.result
}

func handshakeStep(c *Conn, fd int, in, _ []byte) *result {
	if !c.reading.gateHeld && !c.gate.try() {
		return c.pulled(result{status: stepGated})
	}
	c.reading.gateHeld = true
	r := c.stepHandshake(fd, in)
	if r.status != stepOK {
		c.leaveGate()
	} // otherwise finish keeps the place
	return r
}

func readStep(c *Conn, fd int, in, b []byte) *result { return c.stepRead(fd, in, b) }
func peekStep(c *Conn, fd int, in, _ []byte) *result { return c.stepPeek(fd, in) }

// newTransport uses the descriptor of exactly those types that have nothing else: a type
// that wraps one may hold bytes of its own. promised is UnsafeSocket's promise, or nil.
func newTransport(c *Conn, promised *unsafeSocket) transport {
	if promised != nil {
		return newFDTransport(c, promised.rc)
	}
	var sc syscall.Conn
	switch conn := c.net.(type) {
	case *net.TCPConn:
		sc = conn
	case *net.UnixConn:
		if a := conn.LocalAddr(); a == nil || a.Network() != "unix" {
			return &netTransport{c: c}
		}
		sc = conn
	default:
		return &netTransport{c: c}
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return &netTransport{c: c}
	}
	return newFDTransport(c, rc)
}

const (
	bufSize    = 68 << 10 // four full records
	maxRecord  = 16 << 10 // of plaintext
	recordRoom = 4 << 10  // more than records add to the plaintext
)

var bufs = sync.Pool{New: func() any { return new([bufSize]byte) }}

func getBuf() []byte  { return bufs.Get().(*[bufSize]byte)[:] }
func putBuf(b []byte) { bufs.Put((*[bufSize]byte)(b)) }

// smallSize is for connections that wait for a peer that has not said anything yet.
const smallSize = 4 << 10

var smallBufs = sync.Pool{New: func() any { return new([smallSize]byte) }}

// netTransport works on any net.Conn: Go moves the bytes.
type netTransport struct {
	c    *Conn
	held []byte // input of a handshake step that did not get its turn; under reading
}

// buffer returns a buffer for one read from net: a small one on a server whose client
// has not sent its ClientHello yet. giveBack ends its use.
func (r *result) buffer() []byte {
	if r.holds {
		return smallBufs.Get().(*[smallSize]byte)[:]
	}
	return getBuf()
}

func giveBack(b []byte) {
	if len(b) == smallSize {
		smallBufs.Put((*[smallSize]byte)(b))
		return
	}
	putBuf(b)
}

// feed runs step with input, and keeps the input if step must wait for its turn.
func (t *netTransport) feed(step pullStep, in, b []byte) *result {
	t.held = nil
	r := step(t.c, noFD, in, b)
	if r.status == stepGated {
		t.held = bytes.Clone(in)
	}
	return r
}

func (t *netTransport) pull(step pullStep, b []byte, limit int64) (*result, error) {
	r := t.c.pulled(result{status: stepWantRead})
	if t.held != nil || !t.c.isDry() {
		r = t.feed(step, t.held, b)
	}
	if r.over() || r.waits > limit {
		return r, nil
	}
	for {
		t.c.flushSoon() // an answer that the peer may wait for
		var err error
		if r, err = t.take(r, step, b); err != nil || r.over() || r.waits > limit {
			return r, err
		}
	}
}

// take reads from net the input that the step with result r wants, and runs step with it.
func (t *netTransport) take(r *result, step pullStep, b []byte) (*result, error) {
	buf := r.buffer()
	defer giveBack(buf)
	n, err := t.c.net.Read(buf)
	if n > 0 || err == nil {
		return t.feed(step, buf[:n], b), nil
	}
	if err == io.EOF {
		return t.c.pulled(result{status: stepIOEOF}), nil
	}
	return nil, err
}

func (t *netTransport) push(b []byte) (int, error) {
	b = b[:min(len(b), bufSize-recordRoom)]
	buf := getBuf()
	defer putBuf(buf)
	if t.c.writing.waiting.Load() > maxUnsent {
		if err := t.flushThrough(buf); err != nil {
			return 0, err
		}
	}
	r := t.c.stepWrite(noFD, b, buf)
	if err := t.send(buf[:r.out]); err != nil {
		return r.n, err
	}
	if t.c.writing.waiting.Load() > 0 {
		if err := t.flushThrough(buf); err != nil {
			return r.n, err
		}
	}
	return r.n, writeError(r)
}

// writeError is the error of stepWrite's result. There libssl wants to read only in the
// middle of a handshake message of the peer.
func writeError(r result) error {
	switch r.status {
	case stepOK:
		return nil
	case stepFailed:
		return r.err
	case stepWantRead:
		return errMidway
	}
	return io.ErrUnexpectedEOF
}

func (t *netTransport) flush() error {
	buf := getBuf()
	defer putBuf(buf)
	return t.flushThrough(buf)
}

func (t *netTransport) flushThrough(buf []byte) error {
	for {
		r := t.c.stepOutput(noFD, buf)
		if r.status == stepFailed {
			return r.err
		}
		if r.out == 0 {
			return nil
		}
		if err := t.send(buf[:r.out]); err != nil {
			return err
		}
	}
}

// send writes b to the connection underneath. Bytes that it does not take wait.
func (t *netTransport) send(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	n, err := t.c.net.Write(b)
	if err == nil {
		return nil
	}
	if back := t.c.putBack(b[n:]); back != nil {
		t.c.writing.err.CompareAndSwap(nil, stickyError{back}) // otherwise the stream would have a gap
	}
	return err
}
