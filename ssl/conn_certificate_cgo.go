package ssl

/*
#cgo nocallback sessl_conn_staple_failed
#cgo noescape sessl_conn_staple_failed
#cgo nocallback sessl_ctx_ask_for_staple
#cgo nocallback sessl_conn_use_certs
#cgo nocallback sessl_conn_drop_staple
#cgo nocallback sessl_conn_use_cert
#cgo noescape sessl_conn_use_cert
#cgo nocallback sessl_ctx_use_certs
#cgo nocallback sessl_ctx_set_choose
#include "cert.h"
#include "trust.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

// setIdentity gives the Ctx its certificates (SSL_CTX_use_cert_and_key). Of several with one type
// of key, the first is the Ctx's; each handshake chooses among all of them (SSL_CTX_set_cert_cb).
func setIdentity(op string, cfg *Config, c *Ctx, p ctxPtr) error {
	asks := c.server && c.getCert != nil || !c.server && c.getClientCert != nil
	certs := cfg.Certificates
	C.sessl_ctx_set_choose(p, cBool(c.server), cBool(asks), cBool(asks || len(certs) > 1 && c.reload == nil))
	if c.reload != nil || len(certs) == 0 {
		return nil // each connection gets the current ones
	}
	return withAll(op, certs, nil, func(ptrs []certPtr) error {
		var e cErr
		var bad C.int
		if C.sessl_ctx_use_certs(p, unsafe.SliceData(ptrs), C.int(len(ptrs)), &bad, &e) == 0 {
			if bad < 0 {
				return fail(op, ErrNoMemory)
			}
			return asError(op, configError("certificate %d", int(bad)), &e)
		}
		return nil
	})
}

// useCertificate makes cert the only certificate of this connection, whatever its Ctx
// has (SSL_use_cert_and_key, which takes references of its own). mu is held.
func (c *Conn) useCertificate(op string, p connPtr, cert Certificate) error {
	return cert.withPtr(op, func(ptr certPtr) error {
		var e cErr
		if C.sessl_conn_use_cert(p, ptr, &e) == 0 {
			return certRefused(op, &e)
		}
		return nil
	})
}

// takeStaple makes C drop the server's staple, of which info has a copy. mu is held.
func (c *Conn) takeStaple(p connPtr) {
	if c.info.state.OCSPResponse != nil {
		C.sessl_conn_drop_staple(p)
	}
}

// useCertificates gives certs to a connection whose Ctx has none. mu is held.
func (c *Conn) useCertificates(op string, p connPtr, certs []Certificate) error {
	return withAll(op, certs, nil, func(ptrs []certPtr) error {
		var e cErr
		if C.sessl_conn_use_certs(p, unsafe.SliceData(ptrs), C.int(len(ptrs)), &e) == 0 {
			return certRefused(op, &e)
		}
		return nil
	})
}

// setAsksForStaple makes a client ask for staples.
func setAsksForStaple(op string, cfg *Config, _ *Ctx, p ctxPtr) error {
	if cfg.RequestOCSPStaple && C.sessl_ctx_ask_for_staple(p) == 0 {
		return fail(op, ErrNoMemory)
	}
	return nil
}

// errBadStaple is the error of a handshake in which libssl could not parse the server's staple.
var errBadStaple = fmt.Errorf("%w: the OCSP response that the server has stapled", ErrMalformed)

// blameStaple changes err to name the server's staple, if that made libssl fail: libssl
// reports an empty staple as a lack of memory. mu is held.
func (c *Conn) blameStaple(p connPtr, err error) error {
	var e *Error
	var v *VerificationError
	if C.sessl_conn_staple_failed(p) == 0 || errors.As(err, &v) || !errors.As(err, &e) {
		return err
	}
	if _, told := e.Alert(); !told {
		e.Err = errBadStaple
	}
	return err
}
