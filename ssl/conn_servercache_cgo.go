package ssl

/*
#cgo nocallback sessl_conn_found
#cgo nocallback sessl_ctx_ask_for_sessions
#include "cache.h"
*/
import "C"

import "context"

// setCache makes libssl ask for sessions instead of keeping them (SSL_CTX_sess_set_get_cb).
func setCache(_ string, cfg *Config, c *Ctx, p ctxPtr) error {
	if c.cache = cfg.SessionCache; c.cache == nil {
		return nil
	}
	c.forms = cfg.forms()
	C.sessl_ctx_ask_for_sessions(p, cBool(c.forms != oneForm))
	return nil
}

// lookUp finds the sessions that a ClientHello names, for libssl to ask for
// (SSL_CTX_sess_set_get_cb). If the client does TLS 1.3, only its pre-shared keys count,
// because it invents its session id. lookUp returns the ids of the sessions that it found.
func (c *Conn) lookUp(ctx context.Context, h *ClientHelloInfo) (found []string) {
	if b := c.ctx.cache.backing; b != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, b.timeout)
		defer cancel()
	}
	ids := [][]byte{h.SessionID}
	switch {
	case c.willBe13(h):
		ids = h.identities
	case c.ctx.forms != oneForm && len(h.ticket) > 0:
		return nil // the session is in the ticket, and the id made up (RFC 5077, section 3.4)
	}
	for _, id := range ids[:min(len(ids), maxLookups)] {
		s, forged := c.ctx.cache.lookUp(ctx, id)
		if s != nil {
			c.found(s)
			found = append(found, string(id))
		}
		if forged {
			c.withLive(func(p connPtr) { p.made_up = 1 })
		}
	}
	return found
}

// found gives C a reference of its own on s, and closes s.
func (c *Conn) found(s *Session) {
	defer s.Close()
	s.withPtr("handshake", func(q sessionPtr) error {
		c.withLive(func(p connPtr) { C.sessl_conn_found(p, q) })
		return nil
	})
}
