package ssl

/*
#cgo noescape sessl_ctx_set_ech_configs
#cgo nocallback sessl_ctx_set_ech_configs
#cgo nocallback sessl_ctx_set_ech_grease
#cgo noescape sessl_conn_set_ech_keys
#cgo nocallback sessl_conn_set_ech_keys
#cgo nocallback sessl_conn_ech_accepted
#cgo noescape sessl_conn_ech_retry
#cgo nocallback sessl_conn_ech_retry
#cgo nocallback sessl_conn_ech_public_name
#cgo nocallback sessl_conn_ech_is_refused
#include "ech.h"
#include "session.h"
*/
import "C"

import (
	"crypto/tls"
	"fmt"
	"unsafe"
)

// ctxECH is what a Ctx has to do with Encrypted Client Hello.
type ctxECH struct {
	keys  *EncryptedClientHelloKeys // a server's
	offer bool                      // a client's
	judge func(ConnectionState) error
}

// setECH makes a client encrypt its ClientHello (SSL_CTX_set1_echstore), or look as if it did
// (SSL_OP_ECH_GREASE).
func setECH(op string, cfg *Config, c *Ctx, p ctxPtr) error {
	c.ech = ctxECH{cfg.EncryptedClientHelloKeys, cfg.offersECH(), cfg.EncryptedClientHelloRejectionVerify}
	if C.SESSL_HAVE_ECH == 0 && (c.ech.offer || c.ech.keys != nil || cfg.EncryptedClientHelloGREASE) {
		return fail(op, unsupportedIn("Encrypted Client Hello", "OpenSSL 4.0"))
	}
	if cfg.EncryptedClientHelloGREASE {
		C.sessl_ctx_set_ech_grease(p)
	}
	if !c.ech.offer {
		return nil
	}
	var e cErr
	list := cfg.EncryptedClientHelloConfigList
	if C.sessl_ctx_set_ech_configs(p, bytePtr(list), C.size_t(len(list)), &e) == 0 {
		const why = "EncryptedClientHelloConfigList has no configuration that OpenSSL can use"
		return asError(op, configError(why), &e)
	}
	return nil
}

// offerECH notes what a client's new connection does, or is asked, with its SSL.
func (c *Conn) offerECH(p connPtr) {
	if c.ctx.ech.offer {
		p.ech = C.SESSL_ECH_OFFERED
	}
	if c.ctx.ech.judge != nil {
		p.ech |= C.SESSL_ECH_ASKS
	}
}

// serveECH gives a server's new SSL the keys of now. A Ctx that GetConfigForClient chooses does not change
// them: see sessl_ech_carry.
func (c *Conn) serveECH(op string, p connPtr) error {
	keys := c.ctx.ech.keys
	if keys == nil {
		return nil
	}
	return keys.with(func(k echPtr) error {
		var e cErr
		if C.sessl_conn_set_ech_keys(p, k, &e) == 0 { // the SSL makes a copy
			return asError(op, ErrNoMemory, &e)
		}
		return nil
	})
}

// echAccepted reports whether the ClientHello was encrypted and the server has read it
// (SSL_ech_get1_status). mu is held.
func echAccepted(p connPtr) bool { return p.ech != 0 && C.sessl_conn_ech_accepted(p) != 0 }

// provider returns the public name that the server is to prove, if it has refused the encrypted
// ClientHello. mu is held.
func provider(p connPtr) (name string, refused bool) {
	if p.ech&C.SESSL_ECH_PROVIDER == 0 {
		return "", false
	}
	text := C.sessl_conn_ech_public_name(p)
	defer C.sessl_clear_free(unsafe.Pointer(text), 0)
	return heapString(text), true
}

// rejection is the error of a client whose encrypted ClientHello was refused by a server that has proved to
// be its provider; nil if the handshake has ended for another reason. mu is held.
func rejection(p connPtr) error {
	if C.sessl_conn_ech_is_refused(p) == 0 {
		return nil
	}
	var out *C.uint8_t
	n := C.sessl_conn_ech_retry(p, &out)
	if n < 0 { // an ECHRejectionError without configurations would say that there is no encryption any more
		return fmt.Errorf("%w: the server has refused Encrypted Client Hello, and sent configurations that "+
			"OpenSSL cannot read", ErrMalformed)
	}
	err := &tls.ECHRejectionError{}
	if n > 0 {
		err.RetryConfigList = takeSecret(out, n)
	}
	return err
}
