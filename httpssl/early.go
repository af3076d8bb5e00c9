package httpssl

import (
	"context"
	"io"
	"net/http"
	"time"

	"sessl/ssl"
)

// EarlyData returns a handler that lets next answer requests which arrived as early data
// (0-RTT), and makes sure that they do no harm (RFC 8470). An http.Server reads early data if
// its Ctx has MaxEarlyData and its Handler is such a handler when Configure or Serve is called.
// Any other server rejects early data, and clients send their requests again.
//
// Until the handshake is complete, early data may be a recording that an attacker sends. A
// request that is handled before that has the header Early-Data: 1 when next gets it, and goes
// to next only if it is safe. If safe is nil, GET, HEAD, OPTIONS and TRACE without a body are
// safe. Any other request is answered with 425 (Too Early), so that the client sends it again
// after the handshake. A handler may also answer with 425: see [TooEarly]. A request that
// already has the header, from a proxy before this server, is treated the same, whatever the value.
func EarlyData(next http.Handler, safe func(*http.Request) bool) http.Handler {
	if safe == nil {
		safe = isSafe
	}
	return &earlyHandler{next: next, safe: safe}
}

const earlyHeader = "Early-Data"

// TooEarly answers a request with 425 (Too Early) if it arrived as early data and the handshake
// is not complete; it reports whether it did. It is for handlers behind EarlyData that find out
// later that a request must not be replayed.
func TooEarly(w http.ResponseWriter, r *http.Request) bool {
	if !isMarked(r) {
		return false
	}
	http.Error(w, http.StatusText(http.StatusTooEarly), http.StatusTooEarly)
	return true
}

// isMarked reports whether r has the header, whatever its value (RFC 8470, section 5.1): the first of
// several may be the client's own, which a proxy has passed on.
func isMarked(r *http.Request) bool { return len(r.Header[earlyHeader]) > 0 }

type earlyHandler struct {
	next http.Handler // nil means http.DefaultServeMux
	safe func(*http.Request) bool
}

// ServeHTTP marks the request, and passes it on or refuses it.
func (h *earlyHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c, ok := r.Context().Value(connKey{}).(*conn); isMarked(r) || ok && c.isEarly() {
		r.Header.Set(earlyHeader, "1")
		if !h.safe(r) {
			TooEarly(w, r)
			return
		}
	}
	next := h.next
	if next == nil {
		next = http.DefaultServeMux
	}
	next.ServeHTTP(w, r)
}

func isSafe(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return r.ContentLength == 0
	}
	return false
}

// isEarly reports whether the client may be a recording.
func (b *base) isEarly() bool {
	return b.Conn.EarlyDataStatus() == ssl.EarlyDataAccepted && !b.Conn.HandshakeComplete()
}

// readEarly does as much of the handshake as is needed for the first early data, if the server
// wants early data and the client has sent some.
func (b *base) readEarly(ctx context.Context) error {
	if !b.server.early {
		return nil
	}
	stop := context.AfterFunc(ctx, func() { b.NetConn().Close() })
	defer stop()
	buf := make([]byte, 4096)
	n, err := b.Conn.ReadEarlyData(buf)
	b.first, b.more = buf[:n], err == nil
	switch {
	case err == io.EOF:
		return nil
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return err
}

// Read returns early data first, and then the rest. Only one goroutine at a time may call it,
// as net/http does.
func (b *base) Read(p []byte) (int, error) {
	if len(b.first) > 0 {
		n := copy(p, b.first)
		b.first = b.first[n:]
		return n, nil
	}
	if b.more {
		n, err := b.Conn.ReadEarlyData(p)
		if err != io.EOF {
			return n, err
		}
		b.more = false
	}
	return b.Conn.Read(p)
}

// Write does not wait for the end of the handshake if it answers early data.
func (b *base) Write(p []byte) (int, error) {
	if b.isEarly() {
		return b.Conn.WriteEarlyData(p)
	}
	return b.Conn.Write(p)
}

// ReadFrom is Write for io.Copy.
func (b *base) ReadFrom(r io.Reader) (int64, error) {
	if b.isEarly() {
		return io.Copy(writer{b}, r)
	}
	return b.Conn.ReadFrom(r)
}

type writer struct{ io.Writer }

// lastWords bounds how long a Close waits for the end of a handshake.
const lastWords = 500 * time.Millisecond

// Close completes the handshake first, for a moment: otherwise the client could lose the answer
// to its early data.
func (b *base) Close() error {
	if b.isEarly() {
		b.Conn.SetReadDeadline(time.Now().Add(lastWords))
		b.Conn.Handshake()
	}
	return b.Conn.Close()
}
