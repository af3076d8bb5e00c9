package ssl

/*
#cgo nocallback sessl_roots_new
#cgo noescape sessl_roots_add
#cgo nocallback sessl_roots_add
#cgo nocallback sessl_roots_free
#cgo nocallback sessl_default_roots
#include <openssl/err.h>

#include "session.h"
*/
import "C"

import (
	"crypto/sha256"
	"fmt"
	"unsafe"
)

type rootsPtr = *C.sessl_roots

// A rootSet is a set of roots that were parsed once, for all Ctxs that trust them. It
// does not change after the function that makes it has returned.
type rootSet struct {
	h     handle[rootsPtr]
	roots []rootSum
	odd   []error // what was left out, and why
}

// A rootSum identifies a root, by its certificate and by the certificate with its trust settings.
type rootSum struct{ cert, whole [sha256.Size]byte }

var (
	rootsKind = kind[rootsPtr]{name: "roots", free: freeRoots, gone: ErrClosed}

	// The system's roots stay for as long as the process, so no census counts them.
	systemRootsKind = kind[rootsPtr]{name: "system roots", free: freeRoots, gone: ErrClosed}
)

func freeRoots(p rootsPtr) {
	C.sessl_roots_free(p) // -1 on each; the SSL_CTXs have references of their own
}

// newRootSet makes a set from what fill adds to it.
func newRootSet(k *kind[rootsPtr], fill func(*rootSet, rootsPtr) error) (*rootSet, error) {
	p := C.sessl_roots_new()
	if p == nil {
		return nil, ErrNoMemory
	}
	s := &rootSet{}
	s.h.adopt(k, p)
	if err := fill(s, p); err != nil {
		s.h.close()
		return nil, err
	}
	return s, nil
}

// add parses the certificates of one file or the like. If hash is not nil, only
// certificates count whose subject has that hash. Certificates that cannot be used are
// noted in odd, with from as prefix.
func (s *rootSet) add(p rootsPtr, data []byte, from string, hash *uint32) error {
	for i, b := range certBlocks(data) {
		err := b.err
		for rest := b.der; err == nil && len(rest) > 0; {
			var e cErr
			var used C.size_t
			switch C.sessl_roots_add(p, bytePtr(rest), C.size_t(len(rest)), cBool(b.trusted),
				(*C.uint32_t)(hash), &used, &e) {
			case C.SESSL_ROOT_ADDED:
				cert := rest[:used]
				s.roots = append(s.roots, rootSum{sha256.Sum256(certOnly(cert)), sha256.Sum256(cert)})
			case C.SESSL_ROOT_UNUSABLE:
				err = malformed(&e)
			}
			if err == nil && b.pem {
				break // bytes after the certificate are ignored, as by OpenSSL
			}
			rest = rest[min(int(used), len(rest)):]
		}
		if err == ErrNoMemory {
			return err
		}
		if err != nil {
			s.odd = append(s.odd, fmt.Errorf("%scertificate %d: %w", from, i+1, err))
		}
	}
	return nil
}

// defaultRoots returns where the system's roots are, as the environment says
// (X509_get_default_cert_file_env, X509_get_default_cert_dir).
func defaultRoots() (file, dirs string, err error) {
	f, d := C.sessl_default_roots(0), C.sessl_default_roots(1) // ours
	defer C.sessl_clear_free(unsafe.Pointer(f), 0)
	defer C.sessl_clear_free(unsafe.Pointer(d), 0)
	if f == nil || d == nil {
		return "", "", ErrNoMemory
	}
	return heapString(f), heapString(d), nil
}

// checkCRL reports why der is not a revocation list.
func checkCRL(der []byte) error {
	var e cErr
	var until C.int64_t
	if C.sessl_ctx_add_crl(nil, bytePtr(der), C.size_t(len(der)), &until, &e) == 0 {
		return malformed(&e)
	}
	return nil
}

// malformed is the cause when OpenSSL refused some input.
func malformed(e *cErr) error {
	if e.no_memory != 0 {
		return ErrNoMemory
	}
	if e.n > 0 {
		return fmt.Errorf("%w: %s", ErrMalformed, C.GoString(C.ERR_reason_error_string(e.code[0])))
	}
	return ErrMalformed
}
