package ssl

import (
	"context"
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

// limited is ctx with the end of the client's time. handshaking is held.
func (c *Conn) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.handshaking.clock.limit == 0 {
		return ctx, func() {}
	}
	if c.handshaking.clock.from.IsZero() {
		c.handshaking.clock.from = time.Now()
	}
	end := c.handshaking.clock.from.Add(c.handshaking.clock.limit)
	return context.WithDeadlineCause(ctx, end, ErrHandshakeTimeout)
}

// served says that the client has sent early data that counts. The time that the
// application spends on it, before it reads again, is not the client's.
func (k *handshakeClock) served() { k.from = time.Time{} }
