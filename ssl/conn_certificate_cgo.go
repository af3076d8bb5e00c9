package ssl

/*
#cgo nocallback sessl_conn_drop_staple
#cgo nocallback sessl_conn_use_cert
#cgo noescape sessl_conn_use_cert
#cgo nocallback sessl_ctx_use_certs
#cgo nocallback sessl_ctx_set_choose
#include "cshim.h"
*/
import "C"

import (
	"unsafe"
)

// setIdentity gives the Ctx its certificates (SSL_CTX_use_cert_and_key). Of one type of key the first
// is the Ctx's; where there are several, each handshake chooses (SSL_CTX_set_cert_cb).
func setIdentity(op string, cfg *Config, c *Ctx, p ctxPtr) error {
	asks := c.server && c.getCert != nil || !c.server && c.getClientCert != nil
	certs := cfg.Certificates
	C.sessl_ctx_set_choose(p, cBool(c.server), cBool(asks), cBool(asks || len(certs) > 1 && c.reload == nil))
	if c.reload != nil || len(certs) == 0 {
		return nil // each connection gets those of its time
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

// useCertificate makes cert the only certificate of this connection, whatever its Ctx has
// (SSL_use_cert_and_key, which takes references of its own). mu is held.
func (c *Conn) useCertificate(op string, p connPtr, cert Certificate) error {
	return cert.withPtr(op, func(ptr certPtr) error {
		var e cErr
		if C.sessl_conn_use_cert(p, ptr, &e) == 0 {
			return certRefused(op, &e)
		}
		return nil
	})
}

// takeStaple ends what C keeps of the server's staple; info has a copy. mu is held.
func (c *Conn) takeStaple(p connPtr) {
	if c.info.state.OCSPResponse != nil {
		C.sessl_conn_drop_staple(p)
	}
}
