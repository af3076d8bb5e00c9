package ssl

/*
#cgo noescape sessl_ctx_set_groups
#cgo nocallback sessl_ctx_set_groups
#cgo noescape sessl_ctx_set_sigalgs
#cgo nocallback sessl_ctx_set_sigalgs
#cgo nocallback sessl_ctx_params
#cgo nocallback SSL_CTX_set_security_level
#include <stdlib.h>

#include <openssl/ssl.h>

#include "ctx.h"
*/
import "C"

import (
	"slices"
	"strings"
	"unsafe"
)

// setParams comes before the certificates, because the level decides which keys are big enough.
func setParams(op string, cfg *Config, _ *Ctx, p ctxPtr) error {
	if level := cfg.SecurityLevel; level != 0 {
		C.SSL_CTX_set_security_level(p, C.int(max(level, 0)))
	}
	var names []string
	for _, id := range cfg.CurvePreferences {
		g, _ := groupByID(id)
		if err := setGroups(op, p, g.name, unsupportedIn("group "+g.name, g.need)); err != nil {
			return err
		}
		if slices.Contains(cfg.KeyShares, id) && C.SESSL_HAVE_KEY_SHARES != 0 {
			g.name = "*" + g.name
		}
		names = append(names, g.name)
	}
	if C.SESSL_HAVE_KEY_SHARES == 0 && !cfg.sharesFirst() {
		return fail(op, unsupportedIn("KeyShares", "OpenSSL 3.5"))
	}
	if len(names) > 0 {
		if err := setGroups(op, p, strings.Join(names, ":"), configError("CurvePreferences")); err != nil {
			return err
		}
	}
	names = nil
	for _, id := range cfg.SignatureSchemes {
		s, _ := schemeByID(id)
		if err := setSchemes(op, p, s.name, unsupportedIn("signature scheme "+s.name, s.need)); err != nil {
			return err
		}
		names = append(names, s.name)
	}
	if len(names) > 0 {
		return setSchemes(op, p, strings.Join(names, ":"), configError("SignatureSchemes"))
	}
	return nil
}

// setGroups sets a list of names (SSL_CTX_set1_groups_list); otherwise is the error if
// the library refuses it.
func setGroups(op string, p ctxPtr, list string, otherwise error) error {
	var e cErr
	s := C.CString(list)
	defer C.free(unsafe.Pointer(s))
	if C.sessl_ctx_set_groups(p, s, &e) == 0 {
		return asError(op, otherwise, &e)
	}
	return nil
}

// setSchemes is setGroups for SSL_CTX_set1_sigalgs_list.
func setSchemes(op string, p ctxPtr, list string, otherwise error) error {
	var e cErr
	s := C.CString(list)
	defer C.free(unsafe.Pointer(s))
	if C.sessl_ctx_set_sigalgs(p, s, &e) == 0 {
		return asError(op, otherwise, &e)
	}
	return nil
}

// Verdicts on a suite: it can be negotiated, or why it cannot.
const (
	suiteOK      = C.SESSL_SUITE_OK
	suiteLevel   = C.SESSL_SUITE_LEVEL
	suiteKX      = C.SESSL_SUITE_KX
	suiteVersion = C.SESSL_SUITE_VERSION
	suiteKey     = C.SESSL_SUITE_KEY
	suiteMissing = C.SESSL_SUITE_MISSING
)

// effective describes the combined result of the settings of an SSL_CTX.
type effective struct {
	level     int    // the security level in force
	forbidden uint16 // the highest version that the level forbids
	keys      int    // types of key in the certificates
	usable    int    // suites that can be negotiated
	served    int    // versions that have a usable suite, one bit each
	suites    []suiteVerdict
}

type suiteVerdict struct {
	id      uint16
	verdict int
	name    string
}

// readEffective asks the built SSL_CTX, with certs in addition to its own
// (SSL_use_cert_and_key), about the suites of cfg.
func readEffective(op string, cfg *Config, server bool, p ctxPtr, certs []certPtr) (effective, error) {
	suites := make([]C.sessl_suite, len(cfg.CipherSuites))
	for i, id := range cfg.CipherSuites {
		suites[i].id = C.uint16_t(id)
	}
	var e cErr
	var got C.sessl_params
	var bad C.int
	if C.sessl_ctx_params(p, cBool(server), unsafe.SliceData(certs), C.int(len(certs)), &bad,
		unsafe.SliceData(suites), C.size_t(len(suites)), &got, &e) == 0 {
		cause := ErrNoMemory
		if bad >= 0 && e.n > 0 {
			cause = configError("certificate %d", int(bad))
		}
		return effective{}, asError(op, cause, &e)
	}
	r := effective{level: int(got.level), forbidden: uint16(got.forbidden), keys: int(got.keys),
		usable: int(got.usable), served: int(got.served)}
	for _, s := range suites {
		r.suites = append(r.suites, suiteVerdict{uint16(s.id), int(s.verdict), C.GoString(s.name)})
	}
	return r, nil
}

// checkBuilt is the last step of building: it checks the settings as a whole.
func checkBuilt(op string, cfg *Config, c *Ctx, p ctxPtr) error {
	if c.reload == nil {
		return tryCertificates(op, cfg, c.server, p, nil)
	}
	return tryCertificates(op, cfg, c.server, p, cfg.Certificates)
}

// tryCertificates checks the settings of p as a whole, with certs in addition to p's
// own certificates.
func tryCertificates(op string, cfg *Config, server bool, p ctxPtr, certs []Certificate) error {
	return withAll(op, certs, nil, func(ptrs []certPtr) error {
		got, err := readEffective(op, cfg, server, p, ptrs)
		if err != nil {
			return err
		}
		if err := cfg.works(server, got); err != nil {
			return fail(op, err)
		}
		return nil
	})
}

// maxSHA1Level is the highest security level that permits signatures with SHA-1:
// OpenSSL 3.0 counts 64 bits for them, 1.1.1 still 80.
const maxSHA1Level = 1 - min(C.SESSL_HAVE_3_0, 1)
