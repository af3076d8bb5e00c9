package ssl

/*
#cgo nocallback sessl_ctx_ticket_key
#cgo noescape sessl_ctx_ticket_key
#cgo nocallback sessl_ctx_use_ticket_key
#cgo noescape sessl_ctx_use_ticket_key
#cgo nocallback sessl_ctx_set_ticket_keys
#cgo noescape sessl_ctx_set_ticket_keys
#include <stdlib.h>

#include "ticket.h"
*/
import "C"

import (
	"fmt"
	"unsafe"
)

// setTicketKeys gives a server's SSL_CTX its own reference on cfg.TicketKeys
// (SSL_CTX_set_tlsext_ticket_key_evp_cb).
func setTicketKeys(op string, cfg *Config, c *Ctx, p ctxPtr) error {
	if c.ticketKeys = cfg.TicketKeys; !c.server || c.ticketKeys == nil {
		return nil
	}
	var query *C.char
	if q := cfg.query(); q != "" {
		query = C.CString(q)
		defer C.free(unsafe.Pointer(query))
	}
	return c.ticketKeys.withPtr(op, func(keys ticketKeysPtr) error {
		var e cErr
		switch C.sessl_ctx_set_ticket_keys(p, keys, cBool(cfg.FIPS), query, &e) {
		case -1:
			return asError(op, fmt.Errorf("%w: TicketKeys need AES in CBC mode", ErrNoProvider), &e)
		case 0:
			return asError(op, nil, &e)
		}
		return nil
	})
}

// setBuiltinTicketKey replaces the key that libssl has made (SSL_CTX_set_tlsext_ticket_keys).
func setBuiltinTicketKey(op string, cfg *Config, _ *Ctx, p ctxPtr) error {
	if cfg.BuiltinTicketKey.k == nil {
		return nil
	}
	return cfg.BuiltinTicketKey.withPtr(op, func(k ticketKeyPtr) error {
		var e cErr
		if C.sessl_ctx_use_ticket_key(p, k, &e) == 0 {
			return asError(op, configError("BuiltinTicketKey has not 80 bytes"), &e)
		}
		return nil
	})
}

// BuiltinTicketKey returns the key that libssl has made for a server's Ctx without
// TicketKeys (SSL_CTX_get_tlsext_ticket_keys). As an old key in a successor's TicketKeys,
// it keeps sessions resumable across a restart, or across the first use of TicketKeys. It
// returns ErrConfig for a Ctx with TicketKeys, and ErrClient for a client.
func (c *Ctx) BuiltinTicketKey() (key TicketKey, err error) {
	const op = "Ctx.BuiltinTicketKey"
	err = c.withPtr(op, func(p ctxPtr) error {
		switch {
		case !c.server:
			return fail(op, ErrClient)
		case c.ticketKeys != nil:
			return fail(op, configError("the Ctx has TicketKeys"))
		}
		var e cErr
		k := C.sessl_ctx_ticket_key(p, &e) // returns +1
		if k == nil {
			return asError(op, nil, &e)
		}
		key = adoptTicketKey(k)
		return nil
	})
	return key, err
}
