package ssl

/*
#cgo pkg-config: libssl libcrypto
#cgo CFLAGS: -std=gnu11 -I${SRCDIR}/../internal/cshim
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "err.h"
*/
import "C"

import "slices"

// cErr receives what a C call took out of its thread's error queue.
type cErr = C.sessl_err

// asError makes the error of a failed call. cause is the caller's explanation; it may
// be nil, and does not count if memory ran out.
func asError(op string, cause error, e *cErr) error {
	if e.no_memory != 0 {
		cause = ErrNoMemory
	}
	err := &Error{Op: op, Err: cause}
	for i := range int(e.n) {
		code := e.code[i]
		entry := Entry{
			Code:       uint64(code),
			Library:    C.GoString(C.ERR_lib_error_string(code)),
			Reason:     C.GoString(C.ERR_reason_error_string(code)),
			Data:       textOf(&e.data[i]),
			ReasonCode: int(C.sessl_err_reason(code)),
		}
		if entry.Reason == "" {
			entry.Reason = C.GoString(C.sessl_err_fallback(code))
		}
		err.Entries = append(err.Entries, entry)
		if isRefusal(code) && e.verify != C.X509_V_OK && err.Err == nil {
			err.Err = verificationError(int(e.verify))
		}
	}
	return err
}

// isRefusal reports whether the entry is the one that libssl leaves after refusing the
// peer's certificate. RSA has a reason of the same number, for a signature by another key.
func isRefusal(code C.ulong) bool {
	return C.sessl_err_is(code, C.ERR_LIB_SSL, C.SSL_R_CERTIFICATE_VERIFY_FAILED) != 0
}

// isLegacyServer reports whether a client has refused a server without secure renegotiation.
func isLegacyServer(e *cErr) bool {
	return e.n > 0 && C.sessl_err_is(e.code[0], C.ERR_LIB_SSL, C.SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED) != 0
}

// alertBadRecordMAC is the alert of a record that does not decrypt.
const alertBadRecordMAC = C.SSL_AD_BAD_RECORD_MAC

// hasBadRecord reports whether a record of the peer did not decrypt.
func (e *Error) hasBadRecord() bool {
	return slices.ContainsFunc(e.Entries, func(entry Entry) bool {
		return C.sessl_err_is(C.ulong(entry.Code), C.ERR_LIB_SSL, C.SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC) != 0
	})
}

// textOf is C.GoString without letting its argument escape. With C.GoString, every
// sessl_err in the package would be allocated on the heap, even if nothing fails.
func textOf(c *[C.SESSL_ERR_DATA]C.char) string {
	b := make([]byte, 0, len(c))
	for _, ch := range c {
		if ch == 0 {
			break
		}
		b = append(b, byte(ch))
	}
	return string(b)
}

func verificationError(code int) error {
	return &VerificationError{Code: code, Reason: C.GoString(C.X509_verify_cert_error_string(C.long(code)))}
}
