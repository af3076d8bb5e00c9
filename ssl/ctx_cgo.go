package ssl

/*
#cgo nocallback sessl_ctx_free
#cgo nocallback sessl_ctx_set_legacy_server
#cgo nocallback sessl_ctx_ca_names
#include <openssl/ssl.h>

#include "conn.h"
#include "ctx.h"
*/
import "C"

import (
	"cmp"
	"fmt"
	"time"
)

func freeCtx(p ctxPtr) {
	C.sessl_ctx_free(p) // SSL_CTX_free, -1; the SSLs made from it hold references of their own
}

// buildCtx makes the SSL_CTX for c. It stops at the first setting that fails.
func buildCtx(op string, cfg *Config, c *Ctx) (ctxPtr, error) {
	p, err := newCtxPtr(op, cfg, c.server)
	if err != nil {
		return nil, err
	}
	for _, set := range []func(string, *Config, *Ctx, ctxPtr) error{
		setVersions, setParams, setTrust, setDemands, setTypes, setStamp, setSessions, setPolicy, setCache,
		setInternalCache, setRemoved, setBuiltinTicketKey, setTicketKeys, setEarly, setPSKs,
		setAsksForStaple, setLaterAuth, setECH, setCompression, setIdentity, setALPN, setKeyLog,
		checkBuilt,
	} {
		if err := set(op, cfg, c, p); err != nil {
			freeCtx(p)
			return nil, err
		}
	}
	return p, nil
}

func setVersions(op string, cfg *Config, _ *Ctx, p ctxPtr) error {
	var e cErr
	lowest, highest := cfg.bounds()
	if C.sessl_ctx_set_versions(p, C.int(lowest), C.int(highest), C.int(cfg.wanted()), &e) == 0 {
		return asError(op, configError("the library has no %s", versionRange(cfg.versions())), &e)
	}
	C.sessl_ctx_set_legacy_server(p, cBool(cfg.InsecureLegacyServer))
	if len(cfg.CipherSuites) == 0 {
		return nil
	}
	ids := make([]C.uint16_t, len(cfg.CipherSuites))
	for i, id := range cfg.CipherSuites {
		ids[i] = C.uint16_t(id)
	}
	var bad C.uint16_t
	switch C.sessl_ctx_set_ciphers(p, &ids[0], C.size_t(len(ids)), &bad, &e) {
	case -1:
		return asError(op, fmt.Errorf("%w: cipher suite 0x%04X", ErrUnsupported, uint16(bad)), &e)
	case 0:
		return asError(op, nil, &e)
	}
	return nil
}

// defaultTickets is how many tickets libssl issues after a full handshake.
const defaultTickets = 2

func setSessions(op string, cfg *Config, c *Ctx, p ctxPtr) error {
	var e cErr
	if c.server {
		// Without a context, libssl fails the second handshake of a server that verifies.
		id := c.stamp[1:] // Config.idContext
		c.idContext, c.demands = id, cfg.ClientAuth.requests() || cfg.hasPSKs()
		if C.sessl_ctx_set_sid_ctx(p, bytePtr(id), C.uint(len(id)), &e) == 0 {
			return asError(op, nil, &e)
		}
	}
	C.sessl_ctx_set_tickets(p, cBool(!cfg.SessionTicketsDisabled))
	tickets := cfg.NumTickets
	if c.server {
		c.tickets = max(cmp.Or(tickets, defaultTickets), 0)
	}
	if c.issues = c.server && c.verifyConnection != nil && C.SESSL_HAVE_3_0 != 0; c.issues {
		tickets = -1
	}
	if tickets != 0 && C.sessl_ctx_set_num_tickets(p, C.size_t(max(tickets, 0)), &e) == 0 {
		return asError(op, nil, &e)
	}
	if timeout := cfg.timeout(); timeout > 0 {
		// At least a second: libssl treats 0 as its default of two hours.
		C.SSL_CTX_set_timeout(p, C.long(max(timeout/time.Second, 1)))
	}
	return nil
}

// timeout is the SessionTimeout as far as MaxSessionAge allows it; 0 means libssl's default.
func (cfg *Config) timeout() time.Duration {
	if cfg.MaxSessionAge > 0 && cfg.MaxSessionAge < cmp.Or(cfg.SessionTimeout, defaultTimeout) {
		return cfg.MaxSessionAge
	}
	return cfg.SessionTimeout
}

const defaultTimeout = 2 * time.Hour // libssl's default

// setPolicy passes to C what the callbacks about sessions need.
func setPolicy(op string, cfg *Config, c *Ctx, p ctxPtr) error {
	if !c.server {
		return nil
	}
	policy := C.sessl_policy{max_age: C.int64_t(cfg.MaxSessionAge / time.Second)}
	for i, b := range cfg.SessionIDPrefix {
		policy.prefix[i] = C.uint8_t(b)
	}
	policy.prefix_len = C.size_t(len(cfg.SessionIDPrefix))
	if !cfg.SessionCache.marksIDs() {
		return passPolicy(op, p, &policy)
	}
	return cfg.SessionCache.backing.keys.withIDKeys(func(ids idKeysPtr) error {
		policy.ids = ids
		return passPolicy(op, p, &policy)
	})
}

func passPolicy(op string, p ctxPtr, policy *C.sessl_policy) error {
	var e cErr
	if C.sessl_ctx_set_policy(p, policy, &e) == 0 { // takes a reference of its own on policy.ids
		return asError(op, ErrNoMemory, &e)
	}
	return nil
}

const maxCANames = 60 << 10 // of 64 KiB; in TLS 1.3 other extensions are in the message, too

func setTrust(op string, cfg *Config, c *Ctx, p ctxPtr) error {
	if c.server {
		C.sessl_ctx_set_verify(p, cBool(cfg.ClientAuth.requests()), cBool(c.require), cBool(c.verify), 0)
	} else {
		C.sessl_ctx_set_verify(p, 1, 0, cBool(c.verify), cBool(c.verifyConnection != nil))
	}
	if !c.verify && !c.server && !cfg.offersECH() {
		return nil
	}
	for s := range c.roots.sets() {
		if err := s.addTo(op, p, c.server && s != c.roots.system && !cfg.NoClientCANames); err != nil {
			return err
		}
	}
	if n := int(C.sessl_ctx_ca_names(p)); n > maxCANames {
		return fail(op, configError("ClientCAs have %d bytes of names, "+
			"and %d are possible in a CertificateRequest: NoClientCANames leaves them out", n, maxCANames))
	}
	return nil
}

func setALPN(op string, cfg *Config, c *Ctx, p ctxPtr) error {
	if len(cfg.NextProtos) == 0 && !c.server {
		return nil
	}
	wire := alpnWire(cfg.NextProtos)
	var e cErr
	if C.sessl_ctx_set_alpn(p, cBool(c.server), bytePtr(wire), C.size_t(len(wire)), &e) == 0 {
		return asError(op, ErrNoMemory, &e)
	}
	return nil
}

// alpnWire encodes a list of protocols for ALPN.
func alpnWire(protos []string) (wire []byte) {
	for _, proto := range protos {
		wire = append(append(wire, byte(len(proto))), proto...)
	}
	return wire
}
