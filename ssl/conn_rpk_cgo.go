package ssl

/*
#cgo nocallback sessl_conn_own_is_raw
#cgo nocallback sessl_conn_may_show
#cgo noescape sessl_conn_bad_key
#cgo nocallback sessl_conn_bad_key
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "conn.h"
#include "rpk.h"
#include "session.h"
*/
import "C"

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
)

// ErrCertificateType says that the two sides have no type of certificate in common: see [CertificateType].
var ErrCertificateType = errors.New("no type of certificate in common with the peer")

// rawPeer is what a session has instead of a certificate of its peer.
type rawPeer C.int

const (
	rawNone     rawPeer = C.SESSL_RAW_NONE
	rawExpected rawPeer = C.SESSL_RAW_EXPECTED // a raw public key that the Ctx expects
)

// readRawKey is the raw public key of the peer of s, as a SubjectPublicKeyInfo. mu is held.
func readRawKey(s sessionPtr) []byte {
	var e cErr
	var out *C.uint8_t
	n := C.sessl_session_rpk_der(s, &out, &e)
	if n <= 0 {
		return nil
	}
	return takeSecret(out, n)
}

// readPeerType notes with i what the peer has shown instead of certificates. mu is held.
func readPeerType(i *connInfo, s sessionPtr, raw rawPeer) {
	i.state.PeerRawPublicKey, i.state.PeerCertificateType = nil, CertificateTypeX509
	if raw != rawNone {
		i.state.PeerRawPublicKey, i.state.PeerCertificateType = readRawKey(s), CertificateTypeRawPublicKey
	}
}

// keyKnown returns an error if the peer has shown a raw public key and there was no memory to read it: who
// the peer is would not be known.
func (i *connInfo) keyKnown() error {
	if i.state.PeerCertificateType == CertificateTypeRawPublicKey && i.state.PeerRawPublicKey == nil {
		return fail("handshake", ErrNoMemory)
	}
	return nil
}

// readOwn notes what this side has shown: the certificate with that number, or its key alone. mu is held.
func (c *Conn) readOwn(p connPtr, number uint64) {
	c.info.own, c.info.state.LocalCertificateType = nil, CertificateTypeX509
	i := slices.IndexFunc(c.own, func(o *ownChain) bool { return o.number == number })
	switch {
	case i < 0:
	case c.ctx.types.own.raw() && C.sessl_conn_own_is_raw(p) != 0:
		c.info.state.LocalCertificateType = CertificateTypeRawPublicKey
	default:
		c.info.own = c.own[i]
	}
}

// trustsRaw is trusts for a session whose peer has shown a raw public key: a full handshake would ask for
// no more than a key that is expected now.
func (c *Conn) trustsRaw(s sessionPtr, w *weighed, kind byte) bool {
	return rawPeer(w.raw) == rawExpected && (kind == stampCertificate || !c.ctx.strict) &&
		c.ctx.leafs.fit(w.version, func() any { return peerKeyOf(s) })
}

// explainRaw adds to a refusal what it has to do with raw public keys. mu is held.
func (c *Conn) explainRaw(p connPtr, v *VerificationError) {
	var out *C.uint8_t
	if n := C.sessl_conn_bad_key(p, &out); n > 0 {
		v.PeerRawPublicKey = takeSecret(out, n)
		sum := sha256.Sum256(v.PeerRawPublicKey)
		if v.Code == C.SESSL_UNTRUSTED_KEY {
			v.Reason = "it is none of PeerRawPublicKeys"
		}
		v.Reason += fmt.Sprintf(" (SHA-256 %x)", sum)
	} else if v.Code == C.X509_V_ERR_INVALID_PURPOSE && !c.ctx.types.peer.x509() {
		v.wrongType = true
		v.Reason = "it is a certificate, and PeerCertificateTypes has CertificateTypeRawPublicKey alone"
	}
}

// explainType changes err if this side has had nothing to show of the types that the peer takes. mu is
// held.
func (c *Conn) explainType(p connPtr, err error, e *cErr) error {
	if !c.server || p.ssl == nil || e.n == 0 || c.handshaking.done.Load() || C.sessl_conn_may_show(p) != 0 {
		return err
	}
	for _, reason := range []C.int{C.SSL_R_NO_SHARED_CIPHER, C.SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM} {
		if C.sessl_err_is(e.code[0], C.ERR_LIB_SSL, reason) != 0 {
			return asError("handshake", fmt.Errorf("%w: CertificateTypes has CertificateTypeRawPublicKey alone, "+
				"which the client does not take", ErrCertificateType), e)
		}
	}
	return err
}
