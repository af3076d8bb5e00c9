package ssl

/*
#cgo noescape sessl_psk_new
#cgo nocallback sessl_psk_new
#cgo nocallback sessl_psk_free
#cgo noescape sessl_psk_fingerprint
#cgo nocallback sessl_psk_fingerprint
#include <openssl/ssl.h>

#include "psk.h"
*/
import "C"

import (
	"unsafe"
)

type pskPtr = *C.sessl_psk

// Limits on identities and keys. The limit for TLS 1.2 is libssl's.
const (
	maxPSKIdentity   = C.SESSL_PSK_MAX_IDENTITY
	maxPSKIdentity12 = C.PSK_MAX_IDENTITY_LEN
	maxPSKKey        = C.SESSL_PSK_MAX_KEY
	pskFingerprint   = C.SESSL_PSK_FINGERPRINT
)

func freePSK(p pskPtr) { C.sessl_psk_free(p) } // -1; the last reference wipes the key

// makePSK returns +1.
func makePSK(op, identity string, key []byte, sha384 bool) (pskPtr, error) {
	var e cErr
	id := (*C.uint8_t)(unsafe.StringData(identity))
	p := C.sessl_psk_new(id, C.size_t(len(identity)), bytePtr(key), C.size_t(len(key)), cBool(sha384), &e)
	if p == nil {
		return nil, asError(op, nil, &e)
	}
	return p, nil
}

func pskFingerprintOf(p pskPtr) (sum [pskFingerprint]byte) {
	C.sessl_psk_fingerprint(p, (*C.uint8_t)(&sum[0]))
	return sum
}

// withPSKs runs f with the C objects of keys, which live until f has returned.
func withPSKs(op string, keys []PSK, ptrs []pskPtr, f func([]pskPtr) error) error {
	if len(keys) == 0 {
		return f(ptrs)
	}
	h := &keys[0].k.h
	p, err := h.acquire()
	if err != nil {
		return fail(op, err)
	}
	defer h.release()
	return withPSKs(op, keys[1:], append(ptrs, p), f)
}
