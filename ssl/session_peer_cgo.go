package ssl

/*
#cgo noescape sessl_session_peer_der
#cgo nocallback sessl_session_peer_der
#cgo noescape sessl_session_rpk_der
#cgo nocallback sessl_session_rpk_der
#cgo noescape sessl_session_print
#cgo nocallback sessl_session_print
#cgo noescape sessl_session_keylog
#cgo nocallback sessl_session_keylog
#include <openssl/ssl.h>

#include "session.h"
*/
import "C"

import (
	"crypto/x509"
	"fmt"
	"io"
	"unsafe"
)

// PeerCertificateDER returns the peer's certificate in DER (SSL_SESSION_get0_peer), or
// nil if the peer sent none. Only the leaf is part of a session.
func (s *Session) PeerCertificateDER() ([]byte, error) {
	return s.peerDER("Session.PeerCertificateDER")
}

func (s *Session) peerDER(op string) ([]byte, error) {
	var der []byte
	err := s.read(op, func(p sessionPtr) error {
		var e cErr
		var out *C.uint8_t
		n := C.sessl_session_peer_der(p, &out, &e)
		if n < 0 {
			return asError(op, nil, &e)
		}
		if n > 0 {
			der = takeSecret(out, n)
		}
		return nil
	})
	return der, err
}

// PeerCertificate returns the peer's certificate (SSL_SESSION_get0_peer), parsed by
// crypto/x509, or nil if the peer sent none. It may be shared and must not be changed.
func (s *Session) PeerCertificate() (*x509.Certificate, error) {
	const op = "Session.PeerCertificate"
	der, err := s.peerDER(op)
	if err != nil || der == nil {
		return nil, err
	}
	cert, err := parseCert(der)
	if err != nil {
		return nil, fail(op, fmt.Errorf("%w: %w", ErrMalformed, err))
	}
	return cert, nil
}

// PeerRawPublicKey returns the peer's raw public key (RFC 7250) as a DER
// SubjectPublicKeyInfo (SSL_SESSION_get0_peer_rpk), or nil if a certificate was used. A point
// on a curve is uncompressed in it. It returns ErrUnsupported before OpenSSL 3.2.
func (s *Session) PeerRawPublicKey() ([]byte, error) {
	const op = "Session.PeerRawPublicKey"
	var der []byte
	err := s.read(op, func(p sessionPtr) error {
		var e cErr
		var out *C.uint8_t
		n := C.sessl_session_rpk_der(p, &out, &e)
		switch n {
		case -2:
			return unsupported(op, "OpenSSL 3.2")
		case -1:
			return asError(op, nil, &e)
		}
		if n > 0 {
			der = takeSecret(out, n)
		}
		return nil
	})
	return der, err
}

// SecretMasterKey returns the master secret, or in TLS 1.3 the resumption PSK
// (SSL_SESSION_get_master_key). A holder of the secret can decrypt recorded TLS 1.2
// connections of this session, and resume the session.
func (s *Session) SecretMasterKey() ([]byte, error) {
	var key []byte
	err := s.read("Session.SecretMasterKey", func(p sessionPtr) error {
		key = make([]byte, C.SSL_SESSION_get_master_key(p, nil, 0))
		C.SSL_SESSION_get_master_key(p, (*C.uchar)(unsafe.Pointer(bytePtr(key))), C.size_t(len(key)))
		return nil
	})
	return key, err
}

// SecretKeyLogLine returns the session's line for an NSS key log, which contains the master secret
// (SSL_SESSION_print_keylog). The line is useful only for TLS 1.2 sessions that have an id.
func (s *Session) SecretKeyLogLine() (string, error) {
	const op = "Session.SecretKeyLogLine"
	var line string
	err := s.read(op, func(p sessionPtr) error {
		var e cErr
		var out *C.uint8_t
		n := C.sessl_session_keylog(p, &out, &e)
		if n == 0 {
			return asError(op, ErrNotResumable, &e)
		}
		line = string(takeSecret(out, n))
		return nil
	})
	return line, err
}

// Print writes OpenSSL's description of the session (SSL_SESSION_print), as openssl
// sess_id -text shows it. The master secret and the resumption PSK are replaced by 'x'
// before they leave C. Print fails for a parsed session with an empty PSK identity or
// hint, at which OpenSSL's printer stops; no handshake makes such a session.
func (s *Session) Print(w io.Writer) error {
	return s.print("Session.Print", w, 0)
}

// PrintWithSecrets is Print with the master secret and the resumption PSK left in
// (SSL_SESSION_print). A reader of its output can resume the session.
func (s *Session) PrintWithSecrets(w io.Writer) error {
	return s.print("Session.PrintWithSecrets", w, 1)
}

func (s *Session) print(op string, w io.Writer, secrets C.int) error {
	var text []byte
	err := s.read(op, func(p sessionPtr) error {
		var e cErr
		var out *C.uint8_t
		n := C.sessl_session_print(p, secrets, &out, &e)
		if n == 0 {
			return asError(op, nil, &e)
		}
		text = takeSecret(out, n)
		return nil
	})
	if err != nil {
		return err
	}
	if w == nil {
		return fail(op, ErrNil)
	}
	_, err = w.Write(text)
	return err
}
