package ssl

import (
	"io"
	"sync"
)

// ReadFrom and WriteTo move up to maxChunk at a time: sixteen records for one crossing into C
// and one send. They wait with less than that, so that a copy at rest holds no more memory
// than io.Copy does by itself.
const restChunk = 32 << 10

var (
	restBufs = sync.Pool{New: func() any { return new([restChunk]byte) }}
	bulkBufs = sync.Pool{New: func() any { return new([maxChunk]byte) }}
)

// A copyBuf is what a copy reads into: small until a read has filled it, and small again
// after one that brought little.
type copyBuf struct {
	b    []byte
	rest *[restChunk]byte
	bulk *[maxChunk]byte
}

func newCopyBuf() *copyBuf {
	p := &copyBuf{rest: restBufs.Get().(*[restChunk]byte)}
	p.b = p.rest[:]
	return p
}

// next prepares for the read after one that brought n bytes.
func (p *copyBuf) next(n int) {
	switch {
	case n == restChunk && p.bulk == nil:
		p.bulk = bulkBufs.Get().(*[maxChunk]byte)
		p.b = p.bulk[:]
	case n < restChunk && p.bulk != nil:
		bulkBufs.Put(p.bulk)
		p.bulk = nil
		p.b = p.rest[:]
	}
}

func (p *copyBuf) free() {
	if p.bulk != nil {
		bulkBufs.Put(p.bulk)
	}
	restBufs.Put(p.rest)
}

// ReadFrom writes what r has, up to its io.EOF, and returns how much was encrypted
// (SSL_write_ex). io.Copy calls it; it takes fewer and larger steps than a loop over Write
// would. What a Read of r brought is sent before the next one, so nothing waits for more.
//
// Nothing is taken from r while a Write could not begin: before the handshake, after
// CloseWrite, and with a write deadline in the past. If a Write fails halfway, n tells how
// far it got, as with Write itself; what had been taken from r beyond that is lost, as
// with io.Copy. The errors are Write's and r's; io.EOF is none.
func (c *Conn) ReadFrom(r io.Reader) (n int64, err error) {
	const op = "Conn.ReadFrom"
	if r == nil {
		return 0, fail(op, ErrNil)
	}
	if err := c.Handshake(); err != nil {
		return 0, err
	}
	buf := newCopyBuf()
	defer buf.free()
	for {
		if err := firstError(c.canWrite(), c.endedFor("write")); err != nil {
			return n, inOp("write", err)
		}
		got, end := r.Read(buf.b)
		if got < 0 || got > len(buf.b) {
			return n, fail(op, ErrRange)
		}
		put, err := c.Write(buf.b[:got])
		n += int64(put)
		switch {
		case err != nil:
			return n, err
		case end == io.EOF:
			return n, nil
		case end != nil:
			return n, end
		}
		buf.next(got)
	}
}

// WriteTo reads until the peer's close_notify and writes all of it to w (SSL_read_ex), and
// returns how much w took. io.Copy calls it; it takes fewer and larger steps than a loop
// over Read would. After a read deadline it can go on, and nothing is missing. What w did
// not take when it failed is lost, as with io.Copy. The errors are Read's and w's; io.EOF
// is none, but io.ErrUnexpectedEOF is.
func (c *Conn) WriteTo(w io.Writer) (n int64, err error) {
	const op = "Conn.WriteTo"
	if w == nil {
		return 0, fail(op, ErrNil)
	}
	buf := newCopyBuf()
	defer buf.free()
	for {
		got, end := c.Read(buf.b)
		if got > 0 {
			put, err := w.Write(buf.b[:got])
			if put < 0 || put > got {
				return n, fail(op, ErrRange)
			}
			n += int64(put)
			if err == nil && put < got {
				err = io.ErrShortWrite
			}
			if err != nil {
				return n, err
			}
		}
		if end == io.EOF {
			return n, nil
		}
		if end != nil {
			return n, end
		}
		buf.next(got)
	}
}
