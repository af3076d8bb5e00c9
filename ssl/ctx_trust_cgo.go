package ssl

/*
#cgo nocallback sessl_ctx_add_roots
#cgo noescape sessl_ctx_add_roots
#cgo noescape sessl_ctx_add_crl
#cgo nocallback sessl_ctx_add_crl
#cgo noescape sessl_ctx_set_demands
#cgo nocallback sessl_ctx_set_demands
#cgo noescape sessl_ctx_set_trust_until
#cgo nocallback sessl_ctx_set_trust_until
#cgo noescape sessl_conn_bad_cert
#cgo nocallback sessl_conn_bad_cert
#cgo nocallback sessl_now
#include <openssl/ssl.h>

#include "ctx.h"
#include "trust.h"
*/
import "C"

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// A Purpose is the purpose that a peer's certificate must have, by its extended key
// usage (X509_PURPOSE_*).
type Purpose int

// Purposes of a certificate.
const (
	PurposeDefault     Purpose = iota                   // the peer's side of TLS
	PurposeServer      Purpose = C.SESSL_PURPOSE_SERVER // X509_PURPOSE_SSL_SERVER
	PurposeClient      Purpose = C.SESSL_PURPOSE_CLIENT // X509_PURPOSE_SSL_CLIENT
	PurposeInsecureAny Purpose = C.SESSL_PURPOSE_ANY    // X509_PURPOSE_ANY: also mail or code
)

// setDemands sets what the peer's certificate must satisfy in addition to a chain to a root.
func setDemands(op string, cfg *Config, c *Ctx, p ctxPtr) error {
	if !c.verify {
		return nil
	}
	var e cErr
	var flags C.ulong
	if len(cfg.CRLs) > 0 {
		flags |= C.X509_V_FLAG_CRL_CHECK
	}
	if cfg.CRLCheckChain {
		flags |= C.X509_V_FLAG_CRL_CHECK_ALL
	}
	depth := cfg.VerifyDepth
	if depth == 0 {
		depth = -1 // libssl's default
	} else {
		depth = max(depth, 0)
	}
	if C.sessl_ctx_set_demands(p, C.int(depth), C.int(cfg.VerifyPurpose), flags, &e) == 0 {
		return asError(op, configError("VerifyPurpose"), &e)
	}
	for i, der := range cfg.CRLs {
		var until C.int64_t
		if C.sessl_ctx_add_crl(p, bytePtr(der), C.size_t(len(der)), &until, &e) == 0 {
			return asError(op, fmt.Errorf("%w: list %d of CRLs", ErrMalformed, i+1), &e)
		}
		if until != 0 && (c.until == 0 || int64(until) < c.until) {
			c.until = int64(until)
		}
	}
	if c.until != 0 && C.sessl_ctx_set_trust_until(p, C.int64_t(c.until), &e) == 0 {
		return asError(op, ErrNoMemory, &e)
	}
	return nil
}

// trustEnded reports whether a revocation list is out of date, so that what was
// verified with it must be verified again.
func (c *Ctx) trustEnded() bool {
	return c.until != 0 && libraryTime().Unix() >= c.until
}

// libraryTime is the time by which OpenSSL verifies (X509_cmp_time). It differs from Go's if
// something outside of this program has moved one of the two clocks.
func libraryTime() time.Time { return time.Unix(int64(C.sessl_now()), 0) }

// maxModulus is the limit for RSA and DSA keys that a peer shows, in bits.
const maxModulus = C.SESSL_MODULUS_MAX

// explain adds to a refusal which certificate it concerns. mu is held.
func (c *Conn) explain(p connPtr, err error) {
	var v *VerificationError
	if !errors.As(err, &v) {
		return
	}
	v.Depth = int(p.bad_depth)
	if p.big_key != 0 {
		v.Reason = fmt.Sprintf("key of %d bits, more than %d are not accepted", p.big_key, maxModulus)
	}
	c.explainRaw(p, v)
	v.sent, _ = certsOf(func(i C.int, out **C.uint8_t) C.int { return C.sessl_conn_judged_cert(p, 0, i, out) })
	var out *C.uint8_t
	n := C.sessl_conn_bad_cert(p, &out)
	if n == 0 {
		return
	}
	if v.Certificate, err = x509.ParseCertificate(takeSecret(out, n)); err != nil {
		v.Certificate = nil
	}
	if v.Code == C.X509_V_ERR_HOSTNAME_MISMATCH || v.Code == C.X509_V_ERR_IP_ADDRESS_MISMATCH {
		v.Host = c.name
		if name, refused := provider(p); refused {
			v.Host = name
		}
		if v.Certificate != nil {
			v.Names = namesOf(v.Certificate)
		}
	}
}

// addTo makes the SSL_CTX trust the roots of s (X509_STORE_add_cert).
func (s *rootSet) addTo(op string, p ctxPtr, announce bool) error {
	roots, err := s.h.acquire()
	if err != nil {
		return fail(op, err)
	}
	defer s.h.release()
	var e cErr
	if C.sessl_ctx_add_roots(p, roots, cBool(announce), &e) == 0 {
		return asError(op, configError("a root certificate"), &e)
	}
	return nil
}
