package ssl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
)

// laterAuth is a Ctx's settings for authentication after the handshake.
type laterAuth struct {
	client bool // it offers to be asked
	server bool // it asks clients then, and not in the handshake
	asks   bool // ClientAuth asks for certificates at all
}

func (cfg *Config) laterAuth(server bool) laterAuth {
	return laterAuth{
		client: cfg.PostHandshakeAuth && !server,
		server: cfg.PostHandshakeAuth && server,
		asks:   server && cfg.ClientAuth.requests(),
	}
}

func (cfg *Config) checkLaterAuth(server bool) error {
	_, highest := cfg.versions()
	switch {
	case !cfg.PostHandshakeAuth:
		return nil
	case highest < VersionTLS13:
		return configError("PostHandshakeAuth needs TLS 1.3, MaxVersion is %s", VersionName(highest))
	case server && !cfg.ClientAuth.requests():
		return configError("PostHandshakeAuth has no effect: ClientAuth is NoClientCert")
	}
	return nil
}

// postAuth is the state of a server's request for the client's certificate.
type postAuth struct {
	calls   sem
	pending *authAnswer   // for the request that was sent; nil without one; under the Conn's mu
	room    chan struct{} // holds one value when a Read has taken kept data; nil before any was kept
	refused atomic.Bool   // VerifyConnection has refused the client
	held    bool          // libssl issues no tickets any more; under the Conn's mu
}

// authAnswer is the answer to one request.
type authAnswer struct {
	settled chan struct{}
	err     error       // why the client is not authenticated; set before settled is closed
	awaited atomic.Bool // a call waits for it
	keeper  *pump       // reads for that call; under the Conn's mu
}

// RequestClientCertificate asks the client for its certificate and waits until the
// answer has been verified (SSL_verify_client_post_handshake; RFC 8446, section 4.6.2).
// It is for servers, on TLS 1.3, after the handshake. It returns ErrPostHandshakeAuth if
// the client has not offered to be asked: see [Config].PostHandshakeAuth. HTTP/2 forbids
// asking (RFC 8740); with HTTP/1.1 a request in progress may wait for the answer.
//
// ClientAuth and ClientCAs say what certificate is demanded, and whether there must be one;
// with NoClientCert the error is ErrConfig. VerifyConnection is called with the new state
// before this method returns, and before Read returns any byte that came after the
// certificate. From then on ConnectionState has the new PeerCertificates and VerifiedChain.
// A client may be asked again, and its new answer replaces the old one. A client that is
// refused loses its connection: it gets OpenSSL's alert (none if VerifyConnection refused
// it), and all later calls on the connection fail with the same error.
//
// The answer arrives by reading. If a Read is under way, it reads the answer, and
// VerifyConnection and OnNewSession run on its goroutine. Otherwise this method reads,
// and keeps up to 64 KiB of the client's data for later Reads. If more data comes
// before the answer, it waits for a Read to take it. Writing goes on meanwhile.
//
// If ctx ends first, its error is returned, and the connection can be used as before.
// The request cannot be taken back: the answer is verified and takes effect whenever it
// comes, and another call waits for that answer. A read deadline that passes ends the
// wait in the same way. While one call waits, another returns ErrRequestPending.
//
// Sessions issued before belong to a client without this certificate. New TLS 1.3 tickets
// are issued after the authentication, as many as after a handshake (with OpenSSL 1.1.1
// only if there is no VerifyConnection). When one of them is resumed, the client is
// authenticated from the start. A client with OpenSSL 1.1.1 that has resumed any session
// answers without a certificate: https://github.com/openssl/openssl/issues/10370.
func (c *Conn) RequestClientCertificate(ctx context.Context) error {
	const op = "Conn.RequestClientCertificate"
	if err := c.mayRequest(op, ctx); err != nil {
		return err
	}
	if !c.auth.calls.try() {
		return fail(op, ErrRequestPending)
	}
	defer c.auth.calls.unlock()
	a, err := c.sendRequest(op, ctx)
	if err == nil {
		c.flushSoon()
		err = c.awaitAnswer(ctx, a)
		c.deliver()
	}
	return c.closedOr(op, inOp(op, err))
}

func (c *Conn) mayRequest(op string, ctx context.Context) error {
	if err := c.usable(op); err != nil {
		return err
	}
	switch {
	case ctx == nil:
		return fail(op, ErrNil)
	case !c.server:
		return fail(op, ErrClient)
	case c.closing.closed.Load():
		return fail(op, ErrClosed)
	case !c.handshaking.done.Load():
		return fail(op, ErrHandshakeIncomplete)
	case !c.ctx.later.asks:
		return fail(op, configError("ClientAuth is NoClientCert"))
	case ctx.Err() != nil:
		return fail(op, context.Cause(ctx))
	}
	return nil
}

// sendRequest makes the request wait for output, unless an earlier one has not been answered.
func (c *Conn) sendRequest(op string, ctx context.Context) (a *authAnswer, err error) {
	err = c.between(ctx, func(block bool) (err error) {
		a, err = c.stepRequest(op, block)
		return err
	})
	return a, err
}

// awaitAnswer waits, and makes sure that a goroutine reads.
func (c *Conn) awaitAnswer(ctx context.Context, a *authAnswer) error {
	a.awaited.Store(true)
	defer a.awaited.Store(false)
	for {
		k := c.startKeeper(a)
		select {
		case <-a.settled:
			return a.outcome(k)
		case <-k.ended:
			if err := k.result(); err != nil && !a.isSettled() {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-c.closing.done():
			if a.isSettled() { // that ended the connection
				return a.outcome(k)
			}
			return ErrClosed
		}
	}
}

// outcome is the result of a settled request. A panic of the keeper goes on here.
func (a *authAnswer) outcome(k *pump) error {
	if errors.Is(a.err, errPanicked) {
		<-k.ended
		k.result()
	}
	return a.err
}

func (a *authAnswer) isSettled() bool {
	select {
	case <-a.settled:
		return true
	default:
		return false
	}
}

// settle ends the wait for an answer, if there is one.
func (c *Conn) settle(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.auth.pending
	if a == nil {
		return
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	c.auth.pending = nil
	a.err = err
	close(a.settled)
}

// maxKept bounds the data that is kept if a client sends it before its answer.
const maxKept = 64 << 10

// startKeeper returns the pump that reads for a, or a new one.
func (c *Conn) startKeeper(a *authAnswer) *pump {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.auth.room == nil {
		c.auth.room = make(chan struct{}, 1)
	}
	if a.keeper == nil || a.keeper.over() {
		a.keeper = &pump{ended: make(chan struct{})}
		go a.keeper.run(func() (bool, error) { return c.keepOnce(a) })
	}
	return a.keeper
}

// keepOnce reads data and keeps it for a Read, or waits for a Read if there is no room.
// again says that more reading is wanted.
func (c *Conn) keepOnce(a *authAnswer) (again bool, err error) {
	full, err := c.keepSome(a)
	if full {
		select {
		case <-c.auth.room:
		case <-a.settled:
		case <-c.closing.done():
			return false, nil
		}
	}
	return a.awaited.Load() && !a.isSettled(), err
}

func (c *Conn) keepSome(a *authAnswer) (full bool, err error) {
	returned := false
	defer c.abandonUnless(&returned)
	if !c.reading.lockBefore(&c.closing) {
		returned = true
		return false, fail("read", ErrClosed)
	}
	defer c.reading.unlock()
	c.reading.keeping.Lock()
	room := maxKept - len(c.reading.kept)
	c.reading.keeping.Unlock()
	if full = room <= 0; !full && a.awaited.Load() && !a.isSettled() {
		var n int
		buf := make([]byte, min(room, 16<<10))
		n, _, err = c.readLocked(readStep, buf)
		c.reading.keeping.Lock()
		c.reading.kept = appendWiped(c.reading.kept, buf[:n])
		clear(buf[:n])
		c.reading.keeps.Store(len(c.reading.kept) > 0)
		c.reading.keeping.Unlock()
	}
	returned = true
	return full, err
}

// takeKept moves kept data into b, if there is any and a Read may return it.
func (c *Conn) takeKept(b []byte) (n int, err error) {
	if len(b) == 0 || !c.reading.keeps.Load() {
		return 0, nil
	}
	c.reading.keeping.Lock()
	defer c.reading.keeping.Unlock()
	if len(c.reading.kept) == 0 {
		return 0, nil
	}
	if err := c.canRead(); err != nil {
		return 0, err
	}
	if n = takeWiped(b, &c.reading.kept); len(c.reading.kept) == 0 {
		c.reading.kept = nil
		c.reading.keeps.Store(false)
	}
	select {
	case c.auth.room <- struct{}{}:
	default:
	}
	return n, nil
}

// authenticate decides about the client's answer. reading is held, and libssl reads nothing
// until the decision. A panic of VerifyConnection ends the connection, and goes on.
func (c *Conn) authenticate() {
	err := fail("read", errPanicked)
	defer func() {
		if err != nil {
			c.refuseClient(err)
		}
		c.settle(err)
	}()
	err = c.checkAnswer()
}

func (c *Conn) checkAnswer() error {
	info, err := c.inspectAnswer()
	if err != nil {
		return err
	}
	if c.ctx.verifyConnection != nil {
		if err := c.ctx.verifyConnection(info.complete()); err != nil {
			return fail("read", err)
		}
	}
	return c.acceptAnswer(info)
}

// refuseClient ends a connection whose client libssl has accepted. reading is held.
func (c *Conn) refuseClient(err error) {
	c.auth.refused.Store(true)
	c.reading.err = err
	c.endWith(err)
	c.lastWord(err)
	c.flushSoon()
}

// acceptAnswer makes the client's new identity the connection's, and issues tickets for it.
func (c *Conn) acceptAnswer(info connInfo) error {
	if err := c.adoptAnswer(info); err != nil {
		return err
	}
	n := c.ownTickets()
	if info.state.DidResume {
		n = min(n, 1) // as libssl does
	}
	if n == 0 {
		return nil
	}
	err := c.issueUnlessVetoed("read", n)
	if err != nil && !errors.Is(err, ErrUnsupported) { // 1.1.1 has issued them itself
		return err
	}
	c.keepFresh(context.Background(), &c.reading.until, true)
	c.flushSoon()
	return nil
}

// answerLater runs the application's code that a client needs when a server asks after the
// handshake. Its error becomes reading.err, and an alert for the server. reading is held.
func (c *Conn) answerLater(a ask) {
	if err := c.answer(context.Background(), a); err != nil {
		c.reading.err = c.closedOr("read", inOp("read", err))
		c.endWith(c.reading.err)
		c.stepPeek(noFD, nil) // without any input: it only makes the alert
		c.flushSoon()
	}
}

// cannotAsk is the cause if libssl refuses to send a request.
func cannotAsk(why string) error { return fmt.Errorf("%w: %s", ErrPostHandshakeAuth, why) }
