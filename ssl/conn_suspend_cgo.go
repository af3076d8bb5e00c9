package ssl

/*
#cgo nocallback sessl_conn_hello_done
#cgo noescape sessl_conn_restart
#cgo nocallback sessl_conn_restart
#cgo nocallback sessl_conn_refuse
#cgo nocallback sessl_conn_last_word
#cgo nocallback sessl_conn_no_cert
#cgo nocallback SSL_version
#cgo noescape sessl_conn_judged_cert
#cgo nocallback sessl_conn_judged_cert
#cgo nocallback sessl_conn_judged
#cgo nocallback SSL_alert_desc_string_long
#include <openssl/ssl.h>

#include "cert.h"
#include "conn.h"
*/
import "C"

import (
	"context"
	"crypto/tls"
	"unsafe"
)

// ask says what a suspended handshake waits for.
type ask int

const (
	askHello  ask = C.SESSL_ASK_HELLO  // which Ctx answers
	askVerify ask = C.SESSL_ASK_VERIFY // whether the application accepts the server's certificate

	askCertificate ask = C.SESSL_ASK_CERTIFICATE // which certificate to show
)

// helloUse says what is done with the ClientHello of a connection of ctx.
func helloUse(ctx *Ctx) C.int {
	switch {
	case ctx.configFor != nil:
		return C.SESSL_HELLO_ASK
	case ctx.getCert != nil:
		return C.SESSL_HELLO_COPY
	}
	return C.SESSL_HELLO_UNSEEN
}

// clientHello is the client's ClientHello (SSL_client_hello_get0_ext and others).
func (c *Conn) clientHello(ctx context.Context) (*ClientHelloInfo, error) {
	p, ok := c.enter()
	if !ok {
		return nil, fail("handshake", ErrClosed)
	}
	defer c.leave()
	h := parseHello(helloBytes(p))
	h.Conn, h.ctx = c.net, ctx
	return h, nil
}

// helloBytes copies the peer's message, which the shim has kept. mu is held.
func helloBytes(p connPtr) []byte {
	b := &p.hello
	return C.GoBytes(unsafe.Add(unsafe.Pointer(b.p), b.head), C.int(b.tail-b.head))
}

// certificateRequest is the server's request (SSL_get_sigalgs, SSL_get0_peer_CA_list).
func (c *Conn) certificateRequest(ctx context.Context) (*CertificateRequestInfo, error) {
	p, ok := c.enter()
	if !ok {
		return nil, fail("handshake", ErrClosed)
	}
	defer c.leave()
	r := reader(helloBytes(p))
	info := &CertificateRequestInfo{
		SignatureSchemes: uint16s[tls.SignatureScheme](r.bytes(2)),
		Version:          uint16(C.SSL_version(p.ssl)), ctx: ctx,
	}
	for len(r) > 0 {
		info.AcceptableCAs = append(info.AcceptableCAs, r.bytes(2))
	}
	return info, nil
}

// show makes cert the connection's certificate; nil keeps those of the Ctx, and the
// zero Certificate means none.
func (c *Conn) show(cert *Certificate) error {
	p, ok := c.enter()
	if !ok {
		return fail("handshake", ErrClosed)
	}
	defer c.leave()
	p.chosen = C.SESSL_CHOSEN_GIVEN
	switch {
	case cert == nil:
		p.chosen = C.SESSL_CHOSEN_OWN
		return nil
	case cert.c == nil:
		c.setOwn(p, nil)
		C.sessl_conn_no_cert(p)
		return nil
	}
	if err := signersFit("handshake", c.ctx.query, *cert); err != nil {
		return err
	}
	if err := keysFit(c.ctx.types.own, *cert); err != nil {
		return fail("handshake", err)
	}
	c.setOwn(p, []*ownChain{cert.c.chain})
	return c.useCertificate("handshake", p, *cert)
}

// helloDone lets the handshake go on with the connection's own Ctx.
func (c *Conn) helloDone() { c.withLive(func(p connPtr) { C.sessl_conn_hello_done(p) }) }

// refuse makes the next step end the handshake with an alert.
func (c *Conn) refuse(alert uint8) {
	c.withLive(func(p connPtr) { C.sessl_conn_refuse(p, C.int(alert)) })
}

// lastWord ends a connection whose handshake libssl has completed. A server's client is
// told why, if that is possible: see AlertError. A client cannot tell its server.
func (c *Conn) lastWord(err error) {
	if !c.server {
		c.withLive(condemn)
		return
	}
	c.withLive(func(p connPtr) {
		if q := C.SSL_get0_session(p.ssl); q != nil { // libssl begins a ticket of it
			l := lockOf(q)
			l.Lock()
			defer l.Unlock()
		}
		C.sessl_conn_last_word(p, C.int(alertFor(err, alertBadCertificate)))
		c.writing.waiting.Store(int64(p.out.tail - p.out.head))
	})
}

// restart begins the handshake anew from another Ctx (SSL_new), with the bytes of the
// ClientHello that has arrived.
func (c *Conn) restart(ctx *Ctx) error {
	const op = "GetConfigForClient"
	if !ctx.server {
		return fail(op, ErrClient)
	}
	return ctx.withPtr(op, func(q ctxPtr) error {
		p, ok := c.enter()
		if !ok {
			return fail("handshake", ErrClosed)
		}
		defer c.leave()
		var e cErr
		if C.sessl_conn_restart(p, q, C.uint64_t(ctx.number), &e) == 0 {
			return asError(op, nil, &e)
		}
		c.ctx = ctx
		return c.equip(op, p)
	})
}

// stateToJudge is the state for VerifyConnection in the middle of the handshake.
func (c *Conn) stateToJudge() (ConnectionState, error) {
	p, ok := c.enter()
	if !ok {
		return ConnectionState{}, fail("handshake", ErrClosed)
	}
	defer c.leave()
	c.readInfo(p)
	if err := c.info.keyKnown(); err != nil {
		return ConnectionState{}, err
	}
	state := c.info.state
	state.Verified = c.ctx.verify
	if name, refused := provider(p); refused {
		state.ServerName, state.Verified = name, false
	}
	chain := func(built C.int) ([][]byte, error) {
		return certsOf(func(i C.int, out **C.uint8_t) C.int { return C.sessl_conn_judged_cert(p, built, i, out) })
	}
	sent, err := chain(0)
	if err == nil {
		err = legible(sent)
	}
	if err != nil {
		return state, err
	}
	verified, err := chain(1)
	if err != nil {
		return state, err
	}
	state.PeerCertificates, state.VerifiedChain = parseChain(sent), parseChain(verified)
	return state, nil
}

// goOn lets the handshake go on after VerifyConnection.
func (c *Conn) goOn() { c.withLive(func(p connPtr) { C.sessl_conn_judged(p) }) }

// alertName is the name of an alert's number (SSL_alert_desc_string_long).
func alertName(a uint8) string { return C.GoString(C.SSL_alert_desc_string_long(C.int(a))) }
