package ssl

/*
#cgo nocallback sessl_ctx_offer_auth
#cgo nocallback sessl_ctx_auth_later
#cgo noescape sessl_conn_ask_auth
#cgo nocallback sessl_conn_ask_auth
#cgo nocallback sessl_conn_auth_done
#cgo nocallback sessl_conn_peer_scheme
#cgo nocallback sessl_conn_answer_cert
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "cert.h"
#include "certcomp.h"
#include "conn.h"
*/
import "C"

// setLaterAuth must come after setTrust, because it adds to the verification mode.
func setLaterAuth(_ string, _ *Config, c *Ctx, p ctxPtr) error {
	if c.later.client {
		C.sessl_ctx_offer_auth(p)
	}
	if c.later.server {
		C.sessl_ctx_auth_later(p)
	}
	return nil
}

// stepRequest makes the request wait for output (SSL_verify_client_post_handshake).
// With block, the end of a partly received handshake message wakes the caller.
func (c *Conn) stepRequest(op string, block bool) (*authAnswer, error) {
	p, ok := c.enter()
	if !ok {
		return nil, fail(op, ErrClosed)
	}
	defer c.leave()
	if err := c.endedFor(op); err != nil {
		return nil, err
	}
	if c.auth.pending != nil {
		return c.auth.pending, nil
	}
	if err := c.mayBegin(op, p, block); err != nil {
		return nil, err
	}
	// Tickets are held back until after VerifyConnection, if the library can make them then.
	hold := C.SESSL_HAVE_3_0 != 0 || c.ctx.verifyConnection != nil
	var e cErr
	switch C.sessl_conn_ask_auth(p, cBool(hold), &e) {
	case C.SESSL_REQUEST_REFUSED:
		return nil, asError(op, refusedRequest(&e), &e)
	case C.SESSL_REQUEST_FAILED:
		return nil, asError(op, nil, &e)
	}
	c.writing.waiting.Store(int64(p.out.tail - p.out.head))
	c.auth.held = c.auth.held || hold
	c.auth.pending = &authAnswer{settled: make(chan struct{})}
	return c.auth.pending, nil
}

func refusedRequest(e *cErr) error {
	if e.n == 0 {
		return nil
	}
	switch {
	case C.sessl_err_is(e.code[0], C.ERR_LIB_SSL, C.SSL_R_WRONG_SSL_VERSION) != 0:
		return cannotAsk("only TLS 1.3 has that")
	case C.sessl_err_is(e.code[0], C.ERR_LIB_SSL, C.SSL_R_EXTENSION_NOT_RECEIVED) != 0:
		return cannotAsk("it has not offered to be asked")
	}
	return nil
}

// inspectAnswer finds out who the client is now, and notes it with the session that
// libssl has made for it, a copy of the one before.
func (c *Conn) inspectAnswer() (connInfo, error) {
	p, ok := c.enter()
	if !ok {
		return connInfo{}, fail("read", ErrClosed)
	}
	defer c.leave()
	info := c.info
	var now C.sessl_conn_info
	C.sessl_conn_get_info(p, &now)
	has := now.has_peer != 0
	readPeerType(&info, now.session, rawPeer(now.raw))
	if err := info.keyKnown(); err != nil {
		return info, err
	}
	info.state.Verified = c.ctx.verify && has
	info.state.PeerSignatureScheme = 0
	if has { // libssl keeps the scheme of an earlier answer
		info.state.PeerSignatureScheme = schemeByName(heapString(C.sessl_conn_peer_scheme(p)))
	}
	info.state.PeerCertificateCompressed = p.compressed&C.SESSL_COMPRESSED_THEIRS != 0
	var stamp []byte // without a verified peer the earlier stamp must go
	if info.state.Verified {
		stamp = c.stampNow()
	}
	if err := c.setStamp(p, stamp); err != nil {
		return info, err
	}
	var err error
	if info.peer, err = c.shownChains(p, info.state.Verified); err != nil {
		return info, err
	}
	if s := C.SSL_get0_session(p.ssl); s != nil { // borrowed, under mu
		err = notePeer(s, info.peer)
	}
	return info, err
}

// readShown notes what this client has shown when it was asked after the handshake. mu is held.
func (c *Conn) readShown(p connPtr) {
	p.shown = 0
	if c.handshaking.done.Load() { // before, readInfo is to come
		c.readOwn(p, uint64(C.sessl_conn_answer_cert(p)))
		c.info.state.LocalCertificateCompressed = p.compressed&C.SESSL_COMPRESSED_OURS != 0
	}
}

// adoptAnswer makes info's peer the connection's, and lets libssl go on.
func (c *Conn) adoptAnswer(info connInfo) error {
	p, ok := c.enter()
	if !ok {
		return fail("read", ErrClosed)
	}
	defer c.leave()
	c.info.state.Verified = info.state.Verified
	c.info.state.PeerCertificateCompressed = info.state.PeerCertificateCompressed
	c.info.state.PeerSignatureScheme = info.state.PeerSignatureScheme
	c.info.state.PeerRawPublicKey = info.state.PeerRawPublicKey
	c.info.state.PeerCertificateType = info.state.PeerCertificateType
	c.info.peer = info.peer
	C.sessl_conn_auth_done(p)
	return nil
}
