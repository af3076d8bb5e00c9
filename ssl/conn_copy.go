package ssl

import (
	"io"
	"sync"
)

// restChunk is what ReadFrom and WriteTo read while data is scarce. They move up to
// maxChunk at a time, sixteen records for one crossing into C and one send, but wait
// with less, so that a copy at rest holds no more memory than io.Copy does by itself.
const restChunk = 32 << 10

var (
	restBufs = sync.Pool{New: func() any { return new([restChunk]byte) }}
	bulkBufs = sync.Pool{New: func() any { return new([maxChunk]byte) }}
)

// A copyBuf is the buffer of a copy: small until a read has filled it, and small again
// after a read that brought little. It is wiped before other connections get it.
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

// next prepares for the next read, after one that brought n bytes.
func (p *copyBuf) next(n int) {
	switch {
	case n == restChunk && p.bulk == nil:
		p.bulk = bulkBufs.Get().(*[maxChunk]byte)
		p.b = p.bulk[:]
	case n < restChunk && p.bulk != nil:
		p.freeBulk()
		p.b = p.rest[:]
	}
}

func (p *copyBuf) freeBulk() {
	clear(p.bulk[:])
	bulkBufs.Put(p.bulk)
	p.bulk = nil
}

func (p *copyBuf) free() {
	if p.bulk != nil {
		p.freeBulk()
	}
	clear(p.rest[:])
	restBufs.Put(p.rest)
}

// ReadFrom writes the data of r up to io.EOF, and returns how much was encrypted
// (SSL_write_ex). io.Copy calls it; it takes fewer and larger steps than a loop over Write
// would. Data of one Read of r is sent before the next Read, so nothing waits for more.
//
// ReadFrom takes nothing from r while a Write could not begin: before the handshake,
// after CloseWrite, and after the write deadline. If a Write fails halfway, n tells how
// far it got, as with Write itself; data taken from r beyond that is lost, as with
// io.Copy. It returns Write's and r's errors, and nil at io.EOF.
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

// WriteTo reads until the peer's close_notify and writes everything to w (SSL_read_ex).
// It returns how much w took. io.Copy calls it; it takes fewer and larger steps than a
// loop over Read would. After a read deadline it can be called again, and nothing is
// missing. If w fails, data that it did not take is lost, as with io.Copy. WriteTo
// returns Read's and w's errors, nil at io.EOF, and io.ErrUnexpectedEOF as it is.
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
