package ssl

/*
#cgo noescape sessl_ctx_key_digest
#cgo nocallback sessl_ctx_key_digest
#cgo noescape sessl_ctx_set_cert_types
#cgo nocallback sessl_ctx_set_cert_types
#include <openssl/ssl.h>

#include "rpk.h"
*/
import "C"

import (
	"fmt"
	"slices"
	"strings"
)

// ctxTypes are the certificate types of a Ctx, and the digests of the raw public keys that it expects, in
// ascending order and each once.
type ctxTypes struct {
	own, peer certTypes
	expected  []string
}

// setTypes says which types a Ctx has, and which raw public keys it expects (SSL_CTX_set1_server_cert_type,
// SSL_CTX_set1_client_cert_type). It must come before setStamp, which depends on both.
func setTypes(op string, cfg *Config, c *Ctx, p ctxPtr) error {
	c.types = ctxTypes{own: slices.Clone(cfg.ownTypes()), peer: slices.Clone(cfg.peerTypes())}
	if !c.types.own.raw() && !c.types.peer.raw() {
		return nil
	}
	if C.SESSL_HAVE_RPK == 0 {
		field := "PeerCertificateTypes"
		if c.types.own.raw() {
			field = "CertificateTypes"
		}
		return fail(op, unsupportedIn(field+" with CertificateTypeRawPublicKey", "OpenSSL 3.2"))
	}
	var err error
	if c.types.expected, err = expectedDigests(op, p, cfg.PeerRawPublicKeys); err != nil {
		return err
	}
	own, peer, expected := c.types.own.wire(), c.types.peer.wire(), []byte(strings.Join(c.types.expected, ""))
	var e cErr
	if C.sessl_ctx_set_cert_types(p, cBool(c.server), bytePtr(own), C.size_t(len(own)), bytePtr(peer),
		C.size_t(len(peer)), bytePtr(expected), C.size_t(len(c.types.expected)), &e) == 0 {
		return asError(op, ErrNoMemory, &e)
	}
	return nil
}

// expectedDigests are the digests of keys, in ascending order and each once. It is an error if no connection
// of the Ctx could accept any of them.
func expectedDigests(op string, p ctxPtr, keys [][]byte) ([]string, error) {
	digests := make([]string, len(keys))
	var useless []string
	for i, der := range keys {
		var e cErr
		var digest [C.SESSL_RPK_DIGEST]byte
		var use, bits C.int
		if C.sessl_ctx_key_digest(p, bytePtr(der), C.size_t(len(der)), bytePtr(digest[:]), &use, &bits, &e) == 0 {
			return nil, asError(op, fmt.Errorf("%w: %w: key %d of PeerRawPublicKeys is no SubjectPublicKeyInfo in DER",
				ErrConfig, ErrMalformed, i), &e)
		}
		if use != C.SESSL_KEY_USABLE {
			useless = append(useless, fmt.Sprintf("key %d %s", i, keyUse(p, use, bits)))
		}
		digests[i] = string(digest[:])
	}
	if len(keys) > 0 && len(useless) == len(keys) {
		return nil, fail(op, configError("PeerRawPublicKeys would accept no key: %s", useless[0]))
	}
	slices.Sort(digests)
	return slices.Compact(digests), nil
}

// keyUse says why a key is of no use to the Ctx.
func keyUse(p ctxPtr, use, bits C.int) string {
	switch use {
	case C.SESSL_KEY_WEAK:
		level := C.SSL_CTX_get_security_level(p)
		return fmt.Sprintf("has %d bits of security, and security level %d demands %d", bits, level,
			levelBits[min(level, maxSecurityLevel)])
	case C.SESSL_KEY_BIG:
		return fmt.Sprintf("has a modulus of %d bits, and more than %d are not accepted", bits, maxModulus)
	}
	return "is of a type that does not sign"
}
