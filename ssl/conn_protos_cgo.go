package ssl

/*
#cgo noescape sessl_conn_set_alpn
#cgo nocallback sessl_conn_set_alpn
#include "conn.h"
*/
import "C"

import "slices"

// SetNextProtos replaces the application protocols of the Ctx for this connection
// (SSL_set_alpn_protos): the protocols that a client offers, or that a server accepts. On a
// server they also hold if GetConfigForClient chooses another Ctx. An empty list means no
// ALPN. It is for facts about one connection, such as that a protocol cannot be spoken on it.
//
// Caches keep sessions apart by the offered protocols. If [Conn.UseSessionCache] or a
// [Dialer] has chosen a session before, the Ctx's protocols count for that. Such a
// session resumes, but takes no early data unless its own protocol is still offered.
//
// SetNextProtos returns ErrConfig for a list that a Config could not have, and
// ErrHandshakeStarted after the handshake has begun.
func (c *Conn) SetNextProtos(protos []string) error {
	const op = "Conn.SetNextProtos"
	if err := c.usable(op); err != nil {
		return err
	}
	if err := (&Config{NextProtos: protos}).checkProtos(c.server); err != nil {
		return fail(op, err)
	}
	p, ok := c.enterUnmade() // a client's is made
	if !ok {
		return fail(op, ErrClosed)
	}
	defer c.leave()
	if c.handshaking.started {
		return fail(op, ErrHandshakeStarted)
	}
	wire := alpnWire(protos)
	var e cErr
	if C.sessl_conn_set_alpn(p, bytePtr(wire), C.size_t(len(wire)), &e) == 0 {
		return asError(op, ErrNoMemory, &e)
	}
	own := slices.Clone(protos)
	c.protos = &own
	return nil
}

// protosToOffer are the protocols of a client's ClientHello. mu is held.
func (c *Conn) protosToOffer() []string {
	if c.protos != nil {
		return *c.protos
	}
	return c.ctx.protos
}
