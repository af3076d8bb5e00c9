package ssl

/*
#cgo noescape sessl_ech_keys_new
#cgo nocallback sessl_ech_keys_new
#cgo noescape sessl_ech_keys_add
#cgo nocallback sessl_ech_keys_add
#cgo nocallback sessl_ech_keys_free
#include "ech.h"
*/
import "C"

import "crypto/tls"

type echPtr = *C.sessl_ech_keys

func freeECH(p echPtr) { C.sessl_ech_keys_free(p) } // -1; each SSL has a copy

// newECHPtr returns +1.
func newECHPtr(op string) (echPtr, error) {
	if C.SESSL_HAVE_ECH == 0 {
		return nil, unsupported(op, "OpenSSL 4.0")
	}
	var e cErr
	p := C.sessl_ech_keys_new(&e)
	if p == nil {
		return nil, asError(op, ErrNoMemory, &e)
	}
	return p, nil
}

// addECHKey adds a key to those that p has, which is not in use yet (OSSL_ECHSTORE_read_pem).
func addECHKey(op string, p echPtr, key tls.EncryptedClientHelloKey) error {
	b, err := echPEM(key)
	if err != nil {
		return fail(op, err)
	}
	defer clear(b)
	var e cErr
	if C.sessl_ech_keys_add(p, bytePtr(b), C.size_t(len(b)), cBool(key.SendAsRetry), &e) == 0 {
		return asError(op, configError("OpenSSL does not take the key"), &e)
	}
	return nil
}
