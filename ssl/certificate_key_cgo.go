package ssl

/*
#cgo noescape sessl_key_public
#cgo nocallback sessl_key_public
#include "rpk.h"
*/
import "C"

// rawKeysSupported returns an error where the library has no raw public keys.
func rawKeysSupported(op string) error {
	if C.SESSL_HAVE_RPK == 0 {
		return unsupported(op, "OpenSSL 3.2")
	}
	return nil
}

// publicOfPrivate returns the public key of a private key in any form, as a SubjectPublicKeyInfo
// (i2d_PUBKEY).
func publicOfPrivate(op string, key []byte, password *[]byte) ([]byte, error) {
	var e cErr
	var why C.int
	var out *C.uint8_t
	pass, n := passwordPtr(password)
	size := C.sessl_key_public(bytePtr(key), C.size_t(len(key)), pass, n, &out, &why, &e)
	if size == 0 {
		return nil, asError(op, certCause(why), &e)
	}
	return takeSecret(out, size), nil
}
