package ssl

import (
	"context"
	"net"
	"sync"
	"time"
)

// DefaultHandshakeTimeout is the handshake timeout if [Config].HandshakeTimeout is 0.
const DefaultHandshakeTimeout = 30 * time.Second

// ErrHandshakeTimeout says that a server's handshake took longer than [Config].HandshakeTimeout.
// It is also a context.DeadlineExceeded, and a timeout for net.Error.
var ErrHandshakeTimeout error = handshakeTimeoutError{}

type handshakeTimeoutError struct{}

func (handshakeTimeoutError) Error() string   { return "the handshake took longer than HandshakeTimeout" }
func (handshakeTimeoutError) Timeout() bool   { return true }
func (handshakeTimeoutError) Temporary() bool { return true }
func (handshakeTimeoutError) Unwrap() error   { return context.DeadlineExceeded }

// handshakeTimeout is a server's limit; 0 means none.
func (cfg *Config) handshakeTimeout(server bool) time.Duration {
	switch {
	case !server || cfg.HandshakeTimeout < 0:
		return 0
	case cfg.HandshakeTimeout == 0:
		return DefaultHandshakeTimeout
	}
	return cfg.HandshakeTimeout
}

func (cfg *Config) checkLimits(server bool) error {
	switch {
	case cfg.HandshakeLimit < 0:
		return configError("HandshakeLimit is negative")
	case !server && cfg.HandshakeTimeout != 0:
		return configError("HandshakeTimeout is for servers; " +
			"a client's handshake ends with the context that it is given, or the limits of its Dialer")
	}
	return nil
}

// handshakeClock is the time that a server allows its client for the handshake.
type handshakeClock struct {
	limit time.Duration // 0: none
	from  time.Time     // when the client's time began; zero: with the next step. Under handshaking
}

// end is the end of the client's time, or zero for none. handshaking is held.
func (k *handshakeClock) end() time.Time {
	if k.limit == 0 {
		return time.Time{}
	}
	if k.from.IsZero() {
		k.from = time.Now()
	}
	return k.from.Add(k.limit)
}

// limited is ctx with the end of the client's time, for what has to wait. handshaking is held.
func (c *Conn) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	end := c.handshaking.clock.end()
	if end.IsZero() {
		return ctx, func() {}
	}
	return context.WithDeadlineCause(ctx, end, ErrHandshakeTimeout)
}

// A watch closes the connection underneath when a context ends, or the client's time. It costs less
// than a context that ends with both, which a handshake needs only if the application is asked about it.
// A nil watch watches nothing.
type watch struct {
	conn    net.Conn
	ctx     context.Context
	end     time.Time   // zero for none
	timer   *time.Timer // of end
	dismiss func() bool // of ctx

	mu      sync.Mutex // held while conn is closed
	stopped bool
	cause   error // why conn was closed
}

// watch begins to watch over a handshake. handshaking is held.
func (c *Conn) watch(ctx context.Context) *watch {
	end := c.handshaking.clock.end()
	if ctx.Done() == nil && end.IsZero() {
		return nil
	}
	w := &watch{conn: c.net, ctx: ctx, end: end}
	if !end.IsZero() {
		w.timer = time.AfterFunc(time.Until(end), func() { w.close(ErrHandshakeTimeout) })
	}
	if ctx.Done() != nil {
		w.dismiss = context.AfterFunc(ctx, func() { w.close(context.Cause(ctx)) })
	}
	return w
}

func (w *watch) close(cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stopped && w.cause == nil {
		w.cause = cause
		w.conn.Close()
	}
}

// stop ends the watch, and returns why the connection underneath has been closed, if it has: also if the
// context, or the time, has ended and the call of close is still to come. More calls return the same.
func (w *watch) stop() error {
	if w == nil {
		return nil
	}
	if w.dismiss != nil && !w.dismiss() {
		w.close(context.Cause(w.ctx)) // without effect after the first call
	}
	if w.timer != nil && !w.timer.Stop() {
		w.close(ErrHandshakeTimeout)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	return w.cause
}

// over returns why the time has ended, if it has, whether or not the watch has noticed.
func (w *watch) over() error {
	switch {
	case w == nil:
		return nil
	case w.ctx.Err() != nil:
		return context.Cause(w.ctx)
	case !w.end.IsZero() && !time.Now().Before(w.end):
		return ErrHandshakeTimeout
	}
	return nil
}

// served says that the client has sent early data that counts. The time that the
// application spends on it, before it reads again, is not the client's.
func (k *handshakeClock) served() { k.from = time.Time{} }
