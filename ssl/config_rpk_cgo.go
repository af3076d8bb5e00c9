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
	"bytes"
	"fmt"
	"slices"
)

// ctxTypes are the certificate types of a Ctx.
type ctxTypes struct{ own, peer certTypes }

// setTypes says which types a Ctx has, and which raw public keys it expects (SSL_CTX_set1_server_cert_type,
// SSL_CTX_set1_client_cert_type).
func setTypes(op string, cfg *Config, c *Ctx, p ctxPtr) error {
	c.types = ctxTypes{slices.Clone(cfg.ownTypes()), slices.Clone(cfg.peerTypes())}
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
	expected, err := expectedDigests(op, cfg.PeerRawPublicKeys)
	if err != nil {
		return err
	}
	own, peer := c.types.own.wire(), c.types.peer.wire()
	var e cErr
	if C.sessl_ctx_set_cert_types(p, cBool(c.server), bytePtr(own), C.size_t(len(own)), bytePtr(peer),
		C.size_t(len(peer)), bytePtr(expected), C.size_t(len(cfg.PeerRawPublicKeys)), &e) == 0 {
		return asError(op, ErrNoMemory, &e)
	}
	return nil
}

// expectedDigests are the digests of keys, in ascending order and behind each other.
func expectedDigests(op string, keys [][]byte) ([]byte, error) {
	digests := make([][]byte, len(keys))
	for i, der := range keys {
		var e cErr
		digests[i] = make([]byte, C.SESSL_RPK_DIGEST)
		if C.sessl_key_digest(bytePtr(der), C.size_t(len(der)), bytePtr(digests[i]), &e) == 0 {
			return nil, asError(op, fmt.Errorf("%w: %w: key %d of PeerRawPublicKeys is no SubjectPublicKeyInfo in DER",
				ErrConfig, ErrMalformed, i), &e)
		}
	}
	slices.SortFunc(digests, bytes.Compare)
	return slices.Concat(digests...), nil
}
