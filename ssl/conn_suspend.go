package ssl

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"
)

// AlertError is an error with which a function called by a handshake can choose the
// alert for the peer, by its number in RFC 8446, section 6. It may be wrapped. An alert that the peer has
// sent is found by [Error.Alert], and as a tls.AlertError by errors.As.
//   - GetConfigForClient and GetPSK can choose any alert; their other errors give internal_error.
//   - VerifyConnection on a server can choose any alert for TLS 1.3 clients, with OpenSSL 3.0 and
//     later; its other errors give bad_certificate. Other clients only see the connection end.
//   - VerifyConnection on a client can choose handshake_failure, bad_certificate,
//     unsupported_certificate, certificate_revoked, certificate_expired, unknown_ca, decrypt_error
//     and internal_error, for which libssl has a way; all other errors give bad_certificate.
//   - GetCertificate and GetClientCertificate cannot choose: every error gives internal_error.
type AlertError uint8

// Error returns the name of the alert.
func (a AlertError) Error() string { return "TLS alert " + alertName(uint8(a)) }

const (
	alertBadCertificate = 42
	alertInternalError  = 80
)

func alertFor(err error, otherwise uint8) uint8 {
	var a AlertError
	if errors.As(err, &a) {
		return uint8(a)
	}
	return otherwise
}

// answer runs the application's code that a suspended handshake waits for. The only
// locks held are those that keep other handshakes, Reads and Writes of this connection
// out. After an error the next step sends the alert.
func (c *Conn) answer(ctx context.Context, a ask) (err error) {
	ctx, stop := c.limited(ctx)
	defer stop()
	ctx, cancel := c.askContext(ctx, &c.reading.until)
	defer cancel()
	answered := false
	defer func() {
		if !answered {
			c.handshaking.err = fail("handshake", errPanicked)
			c.withLive(condemn)
		}
	}()
	switch a {
	case askHello:
		err = c.answerHello(ctx)
	case askVerify:
		err = c.askAboutServer()
	case askCertificate:
		err = c.pickCertificate(ctx)
	case askThread:
		err = c.takeThread(ctx)
	case askSignature:
		err = c.sign(ctx)
	}
	answered = true
	return err
}

// askContext ends with ctx, the deadline until, and the connection.
func (c *Conn) askContext(ctx context.Context, until *atomic.Int64) (context.Context, context.CancelFunc) {
	cancel := context.CancelFunc(func() {})
	if t := until.Load(); t != 0 {
		ctx, cancel = context.WithDeadline(ctx, time.Unix(0, t))
	}
	ctx, end := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-c.closing.done():
			end(ErrClosed)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		end(nil)
		cancel()
	}
}

// askAboutServer calls VerifyConnection after libssl has accepted a server's
// certificate, before the client sends anything more.
func (c *Conn) askAboutServer() error {
	state, err := c.stateToJudge()
	if err == nil {
		err = refusal(c.judge()(state))
	}
	if err != nil {
		c.refuse(alertFor(err, alertBadCertificate))
		return err
	}
	c.handshaking.asked = true
	c.goOn()
	return nil
}

// judge is who decides about the server: about the one that was asked for, or about the provider that has
// refused an encrypted ClientHello.
func (c *Conn) judge() func(ConnectionState) error {
	judge := c.ctx.verifyConnection
	c.withLive(func(p connPtr) {
		if _, refused := provider(p); refused {
			judge = c.ctx.ech.judge
		}
	})
	return judge
}

// answerHello settles what depends on the ClientHello: the Ctx, and the sessions and
// keys that the client could use there.
func (c *Conn) answerHello(ctx context.Context) error {
	hello, err := c.clientHello(ctx)
	if err != nil {
		return err
	}
	if c.ctx.configFor != nil {
		if err := c.switchCtx(hello); err != nil {
			return err
		}
	}
	c.catchUp(ctx, hello) // first, as the others look at the ticket
	if err := c.lookUps(ctx, hello); err != nil {
		return err
	}
	c.claimEarly(ctx, hello)
	c.settleForm()
	c.helloDone()
	return nil
}

// switchCtx asks GetConfigForClient which Ctx answers this client.
func (c *Conn) switchCtx(hello *ClientHelloInfo) error {
	chosen, err := c.ctx.configFor(hello)
	switch {
	case err != nil:
		c.refuse(alertFor(err, alertInternalError))
		return fail("handshake", err)
	case chosen == nil || chosen == c.ctx:
		return nil
	}
	if err := c.restart(chosen); err != nil {
		c.refuse(alertInternalError)
		return err
	}
	return nil
}

// willBe13 reports whether a client and this server both can do TLS 1.3, and so will.
func (c *Conn) willBe13(h *ClientHelloInfo) bool {
	return c.ctx.highest >= VersionTLS13 && slices.Contains(h.SupportedVersions, VersionTLS13)
}
