package ssl

import (
	"context"
	"errors"
	"time"
)

// AlertError is an error by which a function that a handshake asks can choose the alert
// that the peer gets, a number of RFC 8446, section 6. It may be wrapped.
//
// GetConfigForClient and GetPSK can choose any; another error of theirs is internal_error. So can
// VerifyConnection of a server, for clients with TLS 1.3 and with OpenSSL 3.0 and later, where
// another error is bad_certificate; others learn of the end of the connection, no more. For
// VerifyConnection of a client libssl can be brought to handshake_failure, bad_certificate,
// unsupported_certificate, certificate_revoked, certificate_expired, unknown_ca, decrypt_error and
// internal_error; all else is bad_certificate. GetCertificate and GetClientCertificate cannot
// choose: there every error is internal_error.
type AlertError uint8

// Error gives the number; its name is the peer's to tell.
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

// answer runs the application's code that a suspended handshake waits for, with no lock
// held but those that keep other handshakes, Reads and Writes of this connection out. An
// error refuses: the next step sends the alert.
func (c *Conn) answer(ctx context.Context, a ask) (err error) {
	ctx, cancel := c.askContext(ctx)
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
	}
	answered = true
	return err
}

// askContext ends with the handshake's context, its deadline, and the connection.
func (c *Conn) askContext(ctx context.Context) (context.Context, context.CancelFunc) {
	cancel := context.CancelFunc(func() {})
	if t := c.reading.until.Load(); t != 0 {
		ctx, cancel = context.WithDeadline(ctx, time.Unix(0, t))
	}
	ctx, end := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.closing.life, func() { end(ErrClosed) })
	return ctx, func() {
		stop()
		end(nil)
		cancel()
	}
}

// askAboutServer calls VerifyConnection once libssl is content with a server's certificate,
// before the client sends anything more.
func (c *Conn) askAboutServer() error {
	state, err := c.stateToJudge()
	if err == nil {
		err = refusal(c.ctx.verifyConnection(state))
	}
	if err != nil {
		c.refuse(alertFor(err, alertBadCertificate))
		return err
	}
	c.handshaking.asked = true
	c.goOn()
	return nil
}

// answerHello settles what depends on the ClientHello: the Ctx, and the sessions and keys
// that the client could use there.
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
	if err := c.lookUps(ctx, hello); err != nil {
		return err
	}
	c.claimEarly(ctx, hello)
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
