package ssl

/*
#cgo noescape sessl_cert_read
#cgo nocallback sessl_cert_read
#cgo noescape sessl_cert_open
#cgo nocallback sessl_cert_open
#cgo noescape sessl_cert_nth
#cgo nocallback sessl_cert_nth
#cgo nocallback sessl_cert_free
#cgo nocallback sessl_cert_number
#include <stdlib.h>

#include "cert.h"
#include "ctx.h"
*/
import "C"

import (
	"fmt"
	"slices"
	"unsafe"
)

type certPtr = *C.sessl_cert

// freeCert gives the references on the chain and the key back (X509_free,
// EVP_PKEY_free). A Ctx or Conn that uses them has references of its own.
func freeCert(p certPtr) {
	C.sessl_cert_free(p)
}

// certNumber is the number by which connections name the certificate that they have sent.
func certNumber(p certPtr) uint64 { return uint64(C.sessl_cert_number(p)) }

// readCert makes the object of a chain in DER and a key in any form. password is nil if
// the key is not encrypted.
func readCert(op string, chain [][]byte, key []byte, password *[]byte) (certPtr, error) {
	var e cErr
	var why C.int
	pass, n := passwordPtr(password)
	der := slices.Concat(chain...)
	p := C.sessl_cert_read(bytePtr(der), C.size_t(len(der)), bytePtr(key), C.size_t(len(key)), pass, n, &why, &e)
	if p == nil {
		return nil, asError(op, certCause(why), &e)
	}
	return p, nil
}

// openCert makes the object from what two URIs name (OSSL_STORE_open).
func openCert(op, certURI, keyURI string, password *[]byte) (certPtr, error) {
	var e cErr
	var why C.int
	pass, n := passwordPtr(password)
	c, k := C.CString(certURI), C.CString(keyURI)
	defer C.free(unsafe.Pointer(c))
	defer C.free(unsafe.Pointer(k))
	p := C.sessl_cert_open(c, k, pass, n, &why, &e)
	if p == nil {
		return nil, asError(op, certCause(why), &e)
	}
	return p, nil
}

// passwordPtr is the password for C. Its length is -1 if there is none.
func passwordPtr(password *[]byte) (*C.uint8_t, C.int) {
	if password == nil {
		return nil, -1
	}
	return bytePtr(*password), C.int(len(*password))
}

// chainOf reads the chain back, in DER.
func chainOf(op string, p certPtr) ([][]byte, error) {
	var chain [][]byte
	for {
		var out *C.uint8_t
		n := C.sessl_cert_nth(p, C.int(len(chain)), &out)
		switch {
		case n < 0:
			return nil, fail(op, ErrNoMemory)
		case n == 0:
			return chain, nil
		}
		chain = append(chain, takeSecret(out, n))
	}
}

// certCause translates the reason why a certificate could not be read. It returns nil
// if OpenSSL's error says more.
func certCause(why C.int) error {
	switch why {
	case C.SESSL_KEY_MISSING:
		return fmt.Errorf("%w: no private key found", ErrMalformed)
	case C.SESSL_KEY_MALFORMED:
		return fmt.Errorf("%w: private key", ErrMalformed)
	case C.SESSL_KEY_NEEDS_PASSWORD:
		return fmt.Errorf("%w: the private key is encrypted", ErrPassword)
	case C.SESSL_KEY_WRONG_PASSWORD:
		return fmt.Errorf("%w: it does not open the private key", ErrPassword)
	case C.SESSL_KEY_MISMATCH:
		return errNotItsKey
	case C.SESSL_CERT_MALFORMED:
		return fmt.Errorf("%w: certificate", ErrMalformed)
	case C.SESSL_CERT_MISSING:
		return fmt.Errorf("%w: no certificate found", ErrMalformed)
	case C.SESSL_STORE_SCHEME:
		return fmt.Errorf("%w: the URI's scheme, which a provider or (1.1.1) an engine must bring", ErrUnsupported)
	}
	return nil
}

func certRefused(op string, e *cErr) error {
	if e.n == 0 {
		return fail(op, ErrNoMemory)
	}
	return asError(op, configError("a certificate"), e)
}

// Types of key that a certificate can have.
const (
	keyRSA     = C.SESSL_KEY_RSA
	keyRSAPSS  = C.SESSL_KEY_RSA_PSS
	keyEC      = C.SESSL_KEY_EC
	keyEd25519 = C.SESSL_KEY_ED25519
	keyEd448   = C.SESSL_KEY_ED448
	keyOther   = C.SESSL_KEY_OTHER
)
