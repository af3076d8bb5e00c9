package ssl

import (
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	bufSize       = 68 << 10  // four full records
	maxChunk      = 64 << 10  // plaintext encrypted by one step
	maxUnsent     = 256 << 10 // Write encrypts nothing more while so much waits
	maxReplyBytes = 64 << 10  // Read answers nothing more while so much waits
)

var bufs = sync.Pool{New: func() any { return new([bufSize]byte) }}

func getBuf() []byte  { return bufs.Get().(*[bufSize]byte)[:] }
func putBuf(b []byte) { bufs.Put((*[bufSize]byte)(b)) }

// Read reads decrypted data (SSL_read_ex), after the handshake. At the end it returns
// io.EOF if the peer sent close_notify, and io.ErrUnexpectedEOF if the connection just
// ended: the data may have been cut short by someone else then. TLS 1.3 tickets arrive
// with reads, so that is when OnNewSession is called.
func (c *Conn) Read(b []byte) (int, error) {
	if err := c.Handshake(); err != nil {
		return 0, err
	}
	if c.closed.Load() {
		return 0, fail("read", ErrClosed) // not below: Close holds reading while it delivers
	}
	if len(b) == 0 {
		return 0, nil
	}
	for {
		n, again, err := c.readOnce(b)
		c.deliver()
		if !again {
			return n, err
		}
	}
}

// readOnce reads until there is data or an error; again says that sessions have arrived
// and should be delivered before waiting for more.
func (c *Conn) readOnce(b []byte) (n int, again bool, err error) {
	c.reading.lock()
	defer c.reading.unlock()
	if c.readErr != nil {
		return 0, false, c.readErr
	}
	var in, buf []byte
	defer func() {
		if buf != nil {
			putBuf(buf)
		}
	}()
	for {
		if c.closed.Load() {
			return 0, false, fail("read", ErrClosed)
		}
		// Also with data at hand: a deadline in the past means no byte.
		if in == nil {
			if err := c.expired(&c.readUntil); err != nil {
				return 0, false, err
			}
		}
		r := c.stepRead(in, b)
		if c.waiting.Load() > 0 {
			c.flushSoon()
		}
		switch r.status {
		case stepOK:
			return r.n, false, nil
		case stepEOF:
			c.readErr = io.EOF
			return 0, false, io.EOF
		case stepFailed:
			c.readErr = c.closedOr(r.err)
			return 0, false, c.readErr
		}
		if r.fresh {
			return 0, true, nil
		}
		if buf == nil {
			buf = getBuf()
		}
		if c.waiting.Load() > maxReplyBytes {
			if err := c.flushLocked(buf); err != nil {
				return 0, false, c.ioError("read", err)
			}
		}
		if in, err = c.fill(buf); err != nil {
			return 0, false, err
		}
	}
}

// fill waits for bytes from the connection underneath.
func (c *Conn) fill(buf []byte) ([]byte, error) {
	n, err := c.net.Read(buf)
	if n > 0 {
		return buf[:n], nil // an error will come again
	}
	switch {
	case c.closed.Load():
		return nil, fail("read", ErrClosed)
	case err == io.EOF:
		c.readErr = io.ErrUnexpectedEOF
		return nil, c.readErr
	}
	return nil, err
}

// Write encrypts b (SSL_write_ex) and sends it, after the handshake. The n that it
// returns counts what was encrypted: with an error, some of it may not have been sent
// yet, and is kept for the next Write if the error was a deadline.
func (c *Conn) Write(b []byte) (int, error) {
	if err := c.Handshake(); err != nil {
		return 0, err
	}
	if c.closed.Load() {
		return 0, fail("write", ErrClosed) // not below: Close holds writing while it delivers
	}
	c.writing.lock()
	defer c.writing.unlock()
	buf := getBuf()
	defer putBuf(buf)
	if c.waiting.Load() > maxUnsent {
		if err := c.flush(buf); err != nil {
			return 0, err
		}
	}
	n := 0
	for n < len(b) {
		if err := c.canWrite(); err != nil {
			return n, err
		}
		r := c.stepWrite(b[n:min(n+maxChunk, len(b))], buf)
		n += r.n
		if err := c.sendAll(buf, r.out); err != nil {
			c.stuck = c.closed.Load()
			return n, err
		}
		switch {
		case r.status == stepFailed:
			return n, c.closedOr(r.err)
		case r.status != stepOK:
			return n, c.ioError("write", io.ErrUnexpectedEOF)
		}
	}
	return n, nil
}

// sendAll sends the first n bytes of buf, then what found no place there.
func (c *Conn) sendAll(buf []byte, n int) error {
	if err := c.send(buf[:n]); err != nil || c.waiting.Load() == 0 {
		return err
	}
	return c.flush(buf)
}

// stickyError lets an atomic.Value hold errors of different types.
type stickyError struct{ error }

// canWrite is why nothing may be encrypted now.
func (c *Conn) canWrite() error {
	if c.closed.Load() {
		return fail("write", ErrClosed)
	}
	if e, ok := c.writeErr.Load().(stickyError); ok {
		return e.error
	}
	return c.expired(&c.sendUntil)
}

// send writes b to the connection underneath; what it does not take waits. writing is held.
func (c *Conn) send(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	n, err := c.net.Write(b)
	if err == nil {
		return nil
	}
	if back := c.putBack(b[n:]); back != nil {
		c.writeErr.CompareAndSwap(nil, stickyError{back})
	}
	return c.ioError("write", err)
}

// flush sends all that waits, through buf. writing is held.
func (c *Conn) flush(buf []byte) error {
	for {
		r := c.stepOutput(buf)
		if r.status == stepFailed {
			return r.err
		}
		if r.out == 0 {
			return nil
		}
		if err := c.send(buf[:r.out]); err != nil {
			return err
		}
	}
}

func (c *Conn) flushLocked(buf []byte) error {
	c.writing.lock()
	defer c.writing.unlock()
	return c.flush(buf)
}

// flushSoon has what waits sent in the background, by at most one goroutine a connection.
// Reads and handshakes do not wait for the peer to take it.
func (c *Conn) flushSoon() {
	if c.waiting.Load() == 0 || !c.flushing.CompareAndSwap(false, true) {
		return
	}
	go func() {
		buf := getBuf()
		defer putBuf(buf)
		err := c.flushLocked(buf)
		c.flushing.Store(false)
		if err == nil && !c.closed.Load() {
			c.flushSoon() // what came between the two
		}
	}()
}

// expired reports a deadline that has passed.
func (c *Conn) expired(until *atomic.Int64) error {
	if t := until.Load(); t != 0 && time.Now().UnixNano() >= t {
		return os.ErrDeadlineExceeded
	}
	return nil
}
