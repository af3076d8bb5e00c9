package ssl

/*
#cgo noescape sessl_cert_set_staple
#cgo nocallback sessl_cert_set_staple
#include "cert.h"
*/
import "C"

import (
	"fmt"
)

// SetOCSPStaple makes servers send response, an OCSP response in DER, with the certificate
// to each client that asks for one (SSL_CTX_set_tlsext_status_cb). It takes effect at once
// and for all copies of c: in every Ctx that uses it, for virtual hosts too, and when
// GetCertificate returns it. Before a staple expires, replace it by another call; nil
// removes it. SetOCSPStaple may be called while connections are made; handshakes under way
// send the old or the new one. A client's certificate is sent without a staple.
//
// The response must be complete, an answer and not an error, and about the leaf, by its
// serial number. Otherwise SetOCSPStaple returns ErrMalformed, ErrTrailingData or
// ErrConfig, or ErrTooLarge for more than OpenSSL's clients accept, and c keeps its old
// staple. Clients check the signature and whether the answer is good. A response is not
// sent after its nextUpdate: clients treat an expired response worse than a missing one.
func (c Certificate) SetOCSPStaple(response []byte) error {
	const op = "Certificate.SetOCSPStaple"
	return c.withPtr(op, func(p certPtr) error { return setStaple(op, p, response) })
}

// maxStaple is what fits into the record that a client of OpenSSL expects in TLS 1.2.
const maxStaple = 1<<14 - 64

func setStaple(op string, p certPtr, response []byte) error {
	if len(response) > maxStaple {
		return fail(op, fmt.Errorf("OCSP response: %w", ErrTooLarge))
	}
	var e cErr
	var why C.int
	if C.sessl_cert_set_staple(p, bytePtr(response), C.size_t(len(response)), &why, &e) == 0 {
		return asError(op, stapleCause(why), &e)
	}
	return nil
}

func stapleCause(why C.int) error {
	switch why {
	case C.SESSL_STAPLE_MALFORMED:
		return fmt.Errorf("%w: OCSP response", ErrMalformed)
	case C.SESSL_STAPLE_TRAILING:
		return fmt.Errorf("OCSP response: %w", ErrTrailingData)
	case C.SESSL_STAPLE_FAILED:
		return configError("the OCSP response is the responder's error, not an answer")
	case C.SESSL_STAPLE_OTHER:
		return configError("the OCSP response is not about this certificate")
	}
	return nil
}
