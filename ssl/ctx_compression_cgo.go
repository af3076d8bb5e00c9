package ssl

/*
#cgo nocallback sessl_certcomp_is_bounded
#cgo nocallback sessl_ctx_refuse_certcomp
#cgo noescape sessl_ctx_set_certcomp
#cgo nocallback sessl_ctx_set_certcomp
#include <openssl/crypto.h>

#include "certcomp.h"
*/
import "C"

import (
	"fmt"
	"unsafe"
)

// boundsDecompression reports whether that version of OpenSSL holds certificates to the limit for them after
// decompression, too.
func boundsDecompression(version uint64) bool {
	return C.sessl_certcomp_is_bounded(C.ulong(version)) != 0
}

// setCompression settles how certificates are compressed (SSL_CTX_set1_cert_comp_preference), if at all
// (SSL_OP_NO_TX_CERTIFICATE_COMPRESSION, SSL_OP_NO_RX_CERTIFICATE_COMPRESSION). It comes before the
// certificates, which a server compresses at once.
func setCompression(op string, cfg *Config, c *Ctx, p ctxPtr) error {
	list := cfg.CertificateCompression
	if len(list) > 0 {
		if err := setCompressionList(op, list, p); err != nil {
			return err
		}
	}
	unbounded := !boundsDecompression(uint64(C.OpenSSL_version_num()))
	if cfg.NoCertificateCompression || unbounded && (c.server || len(list) == 0) {
		C.sessl_ctx_refuse_certcomp(p, cBool(cfg.NoCertificateCompression))
	}
	return nil
}

func setCompressionList(op string, list []CertificateCompressionAlgorithm, p ctxPtr) error {
	if C.SESSL_HAVE_CERT_COMPRESSION == 0 {
		return fail(op, unsupportedIn("CertificateCompression", "OpenSSL 3.2"))
	}
	var e cErr
	var missing C.size_t
	algs := (*C.uint16_t)(unsafe.Pointer(unsafe.SliceData(list)))
	if C.sessl_ctx_set_certcomp(p, algs, C.size_t(len(list)), &missing, &e) != 0 {
		return nil
	}
	if int(missing) == len(list) {
		return fail(op, ErrNoMemory)
	}
	return fail(op, fmt.Errorf("%w: CertificateCompression has %s, which OpenSSL is built without",
		ErrUnsupported, list[missing]))
}
