package ssl

/*
#cgo noescape sessl_key_digest
#cgo nocallback sessl_key_digest
#cgo noescape sessl_ctx_set_cert_types
#cgo nocallback sessl_ctx_set_cert_types
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
	if c.types.expected, err = expectedDigests(op, cfg.PeerRawPublicKeys); err != nil {
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

// expectedDigests are the digests of keys, in ascending order and each once.
func expectedDigests(op string, keys [][]byte) ([]string, error) {
	digests := make([]string, len(keys))
	for i, der := range keys {
		var e cErr
		var digest [C.SESSL_RPK_DIGEST]byte
		if C.sessl_key_digest(bytePtr(der), C.size_t(len(der)), bytePtr(digest[:]), &e) == 0 {
			return nil, asError(op, fmt.Errorf("%w: %w: key %d of PeerRawPublicKeys is no SubjectPublicKeyInfo in DER",
				ErrConfig, ErrMalformed, i), &e)
		}
		digests[i] = string(digest[:])
	}
	slices.Sort(digests)
	return slices.Compact(digests), nil
}
