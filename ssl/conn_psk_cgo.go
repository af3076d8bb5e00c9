package ssl

/*
#cgo nocallback sessl_conn_found_psk
#cgo nocallback sessl_ctx_add_psk_suites
#cgo noescape sessl_ctx_add_psk_suites
#cgo nocallback sessl_ctx_set_psks
#cgo noescape sessl_ctx_set_psks
#include <stdlib.h>

#include "ctx.h"
#include "psk.h"
#include "ticket.h"
*/
import "C"

import (
	"slices"
	"strings"
	"unsafe"
)

// setPSKs gives the SSL_CTX its own references on cfg.PSKs, sorted, and makes libssl
// ask for them (SSL_CTX_set_psk_use_session_callback and others).
func setPSKs(op string, cfg *Config, c *Ctx, p ctxPtr) error {
	if !cfg.hasPSKs() {
		return nil
	}
	if err := nameTickets(op, c, p); err != nil {
		return err
	}
	keys := slices.Clone(cfg.PSKs)
	slices.SortFunc(keys, func(a, b PSK) int { return strings.Compare(a.k.identity, b.k.identity) })
	v12 := cfg.psksIn12()
	if v12 && !cfg.names12() {
		if err := addPSKSuites(op, cfg, c, p); err != nil {
			return err
		}
	}
	var hint *C.char
	if cfg.PSKIdentityHint != "" {
		hint = C.CString(cfg.PSKIdentityHint)
		defer C.free(unsafe.Pointer(hint))
	}
	return withPSKs(op, keys, nil, func(ptrs []pskPtr) error {
		var e cErr
		if C.sessl_ctx_set_psks(p, cBool(c.server), unsafe.SliceData(ptrs), C.size_t(len(ptrs)),
			cBool(v12), hint, &e) == 0 {
			return asError(op, nil, &e)
		}
		return nil
	})
}

// addPSKSuites puts TLS 1.2 suites with keys in front of the default suites, or
// replaces them if no other could be negotiated.
func addPSKSuites(op string, cfg *Config, c *Ctx, p ctxPtr) error {
	only := cfg.PSKOnly || c.server && !cfg.showsCertificates()
	var e cErr
	if C.sessl_ctx_add_psk_suites(p, cBool(c.server), cBool(only), &e) != 0 || c.highest > VersionTLS12 {
		return nil // without such a suite, TLS 1.3 is left
	}
	return asError(op, configError("PSKs: there is no suite for them in TLS 1.2, "+
		"from a provider or in the CipherString of openssl.cnf"), &e)
}

// foundPSK leaves k with the connection, for libssl to ask for.
func (c *Conn) foundPSK(k PSK) error {
	return withPSKs("GetPSK", []PSK{k}, nil, func(ptrs []pskPtr) error {
		c.withLive(func(p connPtr) { C.sessl_conn_found_psk(p, ptrs[0]) }) // takes a reference of its own
		return nil
	})
}

// nameTickets finds out how libssl's own tickets begin, to tell them from identities.
func nameTickets(op string, c *Ctx, p ctxPtr) error {
	if c.psk.get == nil || c.ticketKeys != nil {
		return nil
	}
	var e cErr
	k := C.sessl_ctx_ticket_key(p, &e) // returns +1
	if k == nil {
		return asError(op, nil, &e)
	}
	defer freeTicketKey(k)
	name := ticketKeyNameOf(k)
	c.psk.ticket = &name
	return nil
}
