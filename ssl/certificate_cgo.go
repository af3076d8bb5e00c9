package ssl

/*
#cgo noescape sessl_cert_read
#cgo nocallback sessl_cert_read
#cgo nocallback sessl_cert_free
#cgo noescape sessl_ctx_use_cert
#cgo nocallback sessl_ctx_use_cert
#cgo noescape sessl_conn_use_cert
#cgo nocallback sessl_conn_use_cert
#include "cshim.h"
*/
import "C"

import (
	"fmt"
	"slices"
)

type certPtr = *C.sessl_cert

// freeCert gives the references on the chain and the key back (X509_free, EVP_PKEY_free);
// a Ctx or Conn that uses them has references of its own.
func freeCert(p certPtr) {
	C.sessl_cert_free(p)
}

// readCert makes the object of a chain in DER and a key in any form.
func readCert(op string, chain [][]byte, key []byte) (certPtr, error) {
	var e cErr
	var why C.int
	der := slices.Concat(chain...)
	p := C.sessl_cert_read(bytePtr(der), C.size_t(len(der)), bytePtr(key), C.size_t(len(key)), nil, -1, &why, &e)
	if p == nil {
		return nil, asError(op, certCause(why), &e)
	}
	return p, nil
}

// certCause is what a failure to read a certificate is in this package's terms; nil where
// OpenSSL knows better.
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
		return configError("the private key is not that of the leaf, the first certificate")
	case C.SESSL_CERT_MALFORMED:
		return fmt.Errorf("%w: certificate", ErrMalformed)
	}
	return nil
}

// setIdentity gives the Ctx its certificates. OpenSSL chooses among them by type of key.
func setIdentity(op string, cfg *Config, _ *Ctx, p ctxPtr) error {
	for i, cert := range cfg.Certificates {
		err := cert.withPtr(op, func(ptr certPtr) error {
			var e cErr
			if C.sessl_ctx_use_cert(p, ptr, &e) == 0 { // SSL_CTX_use_cert_and_key takes references of its own
				return asError(op, configError("certificate %d", i), &e)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// useCertificate makes cert the only certificate of this connection, whatever its Ctx has
// (SSL_use_cert_and_key, which takes references of its own). mu is held.
func (c *Conn) useCertificate(op string, p connPtr, cert Certificate) error {
	return cert.withPtr(op, func(ptr certPtr) error {
		var e cErr
		if C.sessl_conn_use_cert(p, ptr, &e) == 0 {
			return asError(op, configError("a certificate"), &e)
		}
		return nil
	})
}
