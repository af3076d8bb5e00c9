package ssl

/*
#cgo noescape sessl_conn_new
#cgo nocallback sessl_conn_new
#cgo noescape sessl_conn_make
#cgo nocallback sessl_conn_make
#cgo nocallback sessl_conn_free
#include "conn.h"
*/
import "C"

import (
	"unsafe"
)

// freeConn ends a connection that is not used any more. SSL_SENT_SHUTDOWN is set in the
// same call, unless the connection failed, so that its sessions stay resumable.
func freeConn(p connPtr) {
	makers.enter()
	defer makers.leave()
	place := p.place != 0
	C.sessl_conn_free(p)
	if place {
		signers.leave()
	}
}

// newConnPtr makes a connection: a client's with its SSL, a server's without. A client sends its name as SNI
// (SSL_set_tlsext_host_name), unless it is an address, and checks it in the certificate if the Ctx verifies.
func newConnPtr(op string, ctx ctxPtr, c *Conn) (connPtr, error) {
	makers.enter()
	defer makers.leave()
	var ip []byte
	if !c.server { // which has no name
		if addr, ok := parseAddr(c.name); ok {
			ip = addr.AsSlice()
		}
	}
	name := (*C.char)(unsafe.Pointer(unsafe.StringData(c.name)))
	var e cErr
	p := C.sessl_conn_new(ctx, cBool(c.server), C.uint64_t(c.ctx.number), name, C.size_t(len(c.name)),
		bytePtr(ip), C.size_t(len(ip)), cBool(c.ctx.verify), &e)
	if p == nil {
		return nil, asError(op, nil, &e)
	}
	if err := c.prepare(op, p); err != nil {
		C.sessl_conn_free(p) // freeConn would wait for a second place
		return nil, err
	}
	return p, nil
}

// makeSSL makes the SSL of a server's connection, if there is none (SSL_new), and gives it the certificates
// and keys of now. One without them is not used: another call tries again. mu is held.
func (c *Conn) makeSSL(op string, p connPtr) error {
	if p.ssl != nil && p.go_makes == 0 {
		return nil
	}
	makers.enter()
	defer makers.leave()
	var e cErr
	if p.ssl == nil && C.sessl_conn_make(p, &e) == 0 {
		return asError(op, nil, &e)
	}
	if err := c.serveECH(op, p); err != nil {
		return err
	}
	return c.endow(op, p)
}

// endow gives the SSL certificates, if Go does that.
func (c *Conn) endow(op string, p connPtr) error {
	if err := c.takeCertificates(op, p); err != nil {
		return err
	}
	p.go_makes = 0
	return nil
}

// equip gives a connection the settings of its Ctx that an SSL does not inherit from
// its SSL_CTX: to a new connection, and to one whose server has chosen another Ctx. mu
// is held, or the connection is new.
func (c *Conn) equip(op string, p connPtr) error {
	c.setForms(p)
	p.lookup = cBool(c.ctx.cache != nil)
	p.only_tls12 = cBool(c.ctx.highest < VersionTLS13)
	p.psk.ask = cBool(c.ctx.psk.get != nil)
	p.guarded = cBool(c.ctx.guard != nil)
	p.ask_key = cBool(c.ctx.ticketKeys.asksForKeys())
	p.go_makes = cBool(c.ctx.reload != nil || c.ctx.ech.keys != nil)
	c.sessions.tickets13 = nil
	c.setOwn(p, c.ctx.own)
	if p.ssl == nil {
		return nil
	}
	return c.endow(op, p)
}

// prepare makes a new connection ready for its handshake.
func (c *Conn) prepare(op string, p connPtr) error {
	p.hello_use = helloUse(c.ctx) // only once: a chosen Ctx does not choose again
	c.offerECH(p)
	return c.equip(op, p)
}
