package ssl

/*
#cgo noescape sessl_cert_of_signer
#cgo nocallback sessl_cert_of_signer
#cgo noescape sessl_signer_fits
#cgo nocallback sessl_signer_fits
#include <stdlib.h>

#include "signer.h"
*/
import "C"

import (
	"slices"
	"unsafe"
)

// readSignersCert is readCert for a key that Go has (EVP_PKEY_fromdata, in a provider of this package).
func readSignersCert(op string, chain [][]byte, kind string) (certPtr, error) {
	var e cErr
	var why C.int
	der := slices.Concat(chain...)
	p := C.sessl_cert_of_signer(bytePtr(der), C.size_t(len(der)), &why, &e)
	switch {
	case p != nil:
		return p, nil
	case why == C.SESSL_KEY_NEEDS_3_0:
		return nil, fail(op, unsupportedIn("a private key that is a crypto.Signer", "OpenSSL 3.0; before, "+
			"an engine with a store gives keys in hardware to LoadCertificateURI"))
	case why == C.SESSL_KEY_KIND:
		return nil, fail(op, unsupportedIn("a crypto.Signer with a key of type "+kind, ""))
	}
	return nil, asError(op, certCause(why), &e)
}

// signersFit returns an error if a Ctx with that property query could not use a key that Go has: the
// algorithms that have it signed are in no provider of OpenSSL.
func signersFit(op, query string, certs ...Certificate) error {
	if query == "" {
		return nil
	}
	q := C.CString(query)
	defer C.free(unsafe.Pointer(q))
	for _, cert := range certs {
		if cert.signerOf() == nil {
			continue
		}
		err := cert.withPtr(op, func(p certPtr) error {
			if C.sessl_signer_fits(p, q) == 0 {
				return fail(op, configError("FIPS or PropertyQuery rules out a private key that is a crypto.Signer: "+
					"it is in no provider of OpenSSL"))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
