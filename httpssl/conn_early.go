package httpssl

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"sessl/ssl"
)

// earlyConn is a client's connection of HTTP/1.1 whose handshake waits for the first request,
// which may be sent with it. net/http sees it as an opaque connection, in all versions. If a
// request may not go early, the handshake is done before it. It therefore does no harm if
// another request than the intended one gets the connection.
type earlyConn struct {
	*started
	ask *earlyAsk       // the request that the connection was made for
	ctx context.Context // of that request, for its httptrace

	next atomic.Pointer[earlyAsk] // the request whose bytes come next; nil if it may not go early
	once sync.Once
	done chan struct{} // closed when the handshake is over
	over atomic.Bool   // the same
	err  error         // of the handshake
	end  sync.Once
	gone chan struct{} // closed by Close
}

func (c *earlyConn) unwrap() *ssl.Conn { return c.Conn }

// Read waits for the first request, because net/http reads from the beginning. If the request
// that the connection was made for has gone elsewhere, Read does the handshake: it is unknown
// when another request will use the connection.
func (c *earlyConn) Read(b []byte) (int, error) {
	if !c.over.Load() && !c.await() {
		return 0, ssl.ErrClosed
	}
	if c.err != nil {
		return 0, c.err
	}
	return c.Conn.Read(b)
}

// await returns true after the handshake, or false after Close.
func (c *earlyConn) await() bool {
	select {
	case <-c.done:
		return true
	case <-c.gone:
		return false
	case <-c.ask.settled:
	}
	if c.ask.chosen != c {
		c.send(nil)
	}
	select {
	case <-c.done:
		return true
	case <-c.gone:
		return false
	}
}

// Write sends the first request, as early data or after the handshake.
func (c *earlyConn) Write(b []byte) (int, error) {
	if !c.over.Load() && c.send(b) {
		return len(b), nil
	}
	if c.err != nil {
		return 0, c.err
	}
	return c.Conn.Write(b)
}

// ReadFrom is Write for io.Copy.
func (c *earlyConn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(writer{c}, r) }

// Close also ends a Read that waits for a request.
func (c *earlyConn) Close() error {
	c.end.Do(func() { close(c.gone) })
	return c.Conn.Close()
}

// send does the handshake, once, and reports whether the server has b by then.
func (c *earlyConn) send(b []byte) (sent bool) {
	c.once.Do(func() {
		defer close(c.done)
		defer c.over.Store(true)
		ctx, cancel := c.bound(context.Background())
		defer cancel()
		ask := c.next.Load()
		if ask == nil || !bytes.HasSuffix(b, []byte("\r\n\r\n")) || !ask.taken.CompareAndSwap(false, true) {
			ask = nil // it must not go early, or b is only a part of it
		}
		if ask != nil && !c.writeEarly(ctx, b) {
			ask = nil
		}
		c.err = c.finish(ctx)
		sent = ask.conclude(c)
	})
	return sent
}

// writeEarly reports whether b goes with the first flight.
func (c *earlyConn) writeEarly(ctx context.Context, b []byte) bool {
	stop := context.AfterFunc(ctx, func() { c.NetConn().Close() })
	defer stop()
	n, _ := c.Conn.WriteEarlyData(b) // bytes that it has taken are sent, or the handshake fails
	return n > 0
}

// finish does the handshake, and reports it to httptrace.
func (c *earlyConn) finish(ctx context.Context) error {
	if err := c.traced(c.ctx, func() error { return c.Conn.HandshakeContext(ctx) }); err != nil {
		return err
	}
	if c.ConnectionState().NegotiatedProtocol == protoH2 {
		return errNowHTTP2
	}
	return c.spoken.check(c.ConnectionState().NegotiatedProtocol)
}

// errNowHTTP2 reports a server that did not resume the session, and now speaks HTTP/2.
var errNowHTTP2 = errors.New("httpssl: the server now negotiates h2")
