package ssl

/*
#cgo noescape sessl_session_new
#cgo nocallback sessl_session_new
#cgo noescape sessl_session_dup
#cgo nocallback sessl_session_dup
#cgo noescape sessl_session_d2i
#cgo nocallback sessl_session_d2i
#cgo noescape sessl_session_read_pem
#cgo nocallback sessl_session_read_pem
#cgo noescape sessl_session_i2d
#cgo nocallback sessl_session_i2d
#cgo noescape sessl_session_write_pem
#cgo nocallback sessl_session_write_pem
#cgo nocallback SSL_SESSION_up_ref
#cgo nocallback SSL_SESSION_free
#include <openssl/ssl.h>

#include "session.h"
*/
import "C"

import (
	"sync"
	"unsafe"
)

type sessionPtr = *C.SSL_SESSION

// MaxEncodedSession bounds what ParseSession and ParseSessionPEM read. A session takes a
// few hundred bytes to a few KiB, most of it for the peer's certificate and the ticket.
const MaxEncodedSession = 1 << 20

// freeSession is the only function that gives back the reference of a session handle.
func freeSession(p sessionPtr) {
	C.SSL_SESSION_free(p) // -1; frees and wipes the object with the last reference
}

func lockOf(p sessionPtr) *sync.RWMutex {
	return &sessionLocks[uintptr(unsafe.Pointer(p))>>6%uintptr(len(sessionLocks))]
}

func isShared(p sessionPtr) bool {
	return C.sessl_session_shared(p) != 0
}

// NewSession returns an empty session (SSL_SESSION_new): no cipher, no id, a timeout of
// 304 seconds from now. Until the setters have filled it, it can be neither resumed nor
// serialized. The caller owns it. NewSession fails only for lack of memory.
func NewSession() (*Session, error) {
	var e cErr
	p := C.sessl_session_new(&e) // SSL_SESSION_new returns +1, which the handle adopts
	if p == nil {
		return nil, asError("NewSession", nil, &e)
	}
	return adoptSession(p), nil
}

// ParseSession decodes a session in ASN.1 DER (d2i_SSL_SESSION). The whole of der must be one
// session. ParseSession returns ErrTrailingData if bytes follow it, ErrTooLarge for more than
// MaxEncodedSession, and otherwise ErrMalformed with OpenSSL's reason. The caller owns the result.
//
// DER does not carry everything:
//   - A session that was marked not resumable is resumable again.
//   - The peer's intermediate certificates are gone.
//   - A timeout of zero becomes three seconds, and a time of zero becomes now.
//
// OpenSSL 1.1.1 cannot read what 3.0 and later write; all other directions work.
//
// A client that verifies offers a parsed session only if the session's leaf verifies anew.
// Where the server's chain has intermediate certificates, the client needs them for that
// in Config.RootCAs; [ConnectionState].PeerCertificates has those that the server sent.
func ParseSession(der []byte) (*Session, error) {
	const op = "ParseSession"
	if len(der) > MaxEncodedSession {
		return nil, fail(op, ErrTooLarge)
	}
	var e cErr
	var used C.size_t
	p := C.sessl_session_d2i(bytePtr(der), C.size_t(len(der)), &used, &e) // +1, adopted
	if p == nil {
		return nil, asError(op, ErrMalformed, &e)
	}
	s := adoptSession(p)
	if int(used) != len(der) {
		s.Close()
		return nil, fail(op, ErrTrailingData)
	}
	return s, nil
}

// ParseSessionPEM decodes the first "SSL SESSION PARAMETERS" block in pem
// (PEM_read_bio_SSL_SESSION), as written by MarshalPEM, openssl s_client -sess_out and openssl
// sess_id. Text around it is ignored. Errors and limits are the same as ParseSession's.
func ParseSessionPEM(pem []byte) (*Session, error) {
	const op = "ParseSessionPEM"
	if len(pem) > MaxEncodedSession {
		return nil, fail(op, ErrTooLarge)
	}
	var e cErr
	var trailing C.int
	p := C.sessl_session_read_pem(bytePtr(pem), C.size_t(len(pem)), &trailing, &e) // +1, adopted
	if p == nil {
		return nil, asError(op, ErrMalformed, &e)
	}
	s := adoptSession(p)
	if trailing != 0 {
		s.Close()
		return nil, fail(op, ErrTrailingData)
	}
	return s, nil
}

// Dup returns a copy: another object with an independent life (SSL_SESSION_dup). The copy
// is not shared and belongs to no Ctx yet, so it may be changed and offered anywhere. The
// copy of a session that is not resumable is not resumable either. The caller owns it.
func (s *Session) Dup() (*Session, error) {
	const op = "Session.Dup"
	var t *Session
	err := s.read(op, func(p sessionPtr) error {
		var e cErr
		q := C.sessl_session_dup(p, 0, &e) // SSL_SESSION_dup returns +1, adopted; p keeps its own
		if q == nil {
			return asError(op, nil, &e)
		}
		t = adoptSession(q)
		return nil
	})
	return t, err
}

// UpRef returns another handle on the same object (SSL_SESSION_up_ref). Each of the two
// must be closed. It costs one atomic addition in C.
func (s *Session) UpRef() (*Session, error) {
	const op = "Session.UpRef"
	var t *Session
	err := s.withPtr(op, func(p sessionPtr) error {
		if C.SSL_SESSION_up_ref(p) != 1 { // +1, which the new handle adopts
			return fail(op, nil)
		}
		t = adoptSession(p)
		return nil
	})
	return t, err
}

// handOver ends s like Close, and returns its reference, which is the caller's.
func (s *Session) handOver() (p sessionPtr, err error) {
	if p, ok := s.h.give(); ok {
		return p, nil
	}
	// Another call is under way, and its handle's reference with it.
	defer s.Close()
	const op = "Session.handOver"
	err = s.withPtr(op, func(q sessionPtr) error {
		if C.SSL_SESSION_up_ref(q) != 1 { // +1, the caller's
			return fail(op, nil)
		}
		p = q
		return nil
	})
	return p, err
}

// Same reports whether s and t are handles on the same SSL_SESSION object. It returns
// false if either is nil or closed.
func (s *Session) Same(t *Session) bool {
	same := false
	s.withPtr("Session.Same", func(p sessionPtr) error {
		return t.withPtr("Session.Same", func(q sessionPtr) error {
			same = p == q
			return nil
		})
	})
	return same
}

// MarshalBinary encodes the session in ASN.1 DER (i2d_SSL_SESSION), for ParseSession. The
// result contains the master secret: its reader can resume the session. It returns
// ErrNotSerializable for a session without a cipher. It implements encoding.BinaryMarshaler.
func (s *Session) MarshalBinary() ([]byte, error) {
	const op = "Session.MarshalBinary"
	var der []byte
	err := s.read(op, func(p sessionPtr) error {
		var e cErr
		var out *C.uint8_t
		n := C.sessl_session_i2d(p, &out, &e)
		if n == 0 {
			return asError(op, notSerializable(p), &e)
		}
		der = takeSecret(out, n)
		return nil
	})
	return der, err
}

// MarshalPEM encodes the session as a PEM block "SSL SESSION PARAMETERS"
// (PEM_write_bio_SSL_SESSION), which openssl s_client -sess_in and openssl sess_id
// read. The result contains the master secret. Errors are the same as MarshalBinary's.
func (s *Session) MarshalPEM() ([]byte, error) {
	const op = "Session.MarshalPEM"
	var pem []byte
	err := s.read(op, func(p sessionPtr) error {
		var e cErr
		var out *C.uint8_t
		if C.SSL_SESSION_get0_cipher(p) == nil {
			return fail(op, ErrNotSerializable)
		}
		n := C.sessl_session_write_pem(p, &out, &e)
		if n == 0 {
			return asError(op, nil, &e)
		}
		pem = takeSecret(out, n)
		return nil
	})
	return pem, err
}

// notSerializable returns the cause if i2d failed without queueing an error.
func notSerializable(p sessionPtr) error {
	if C.SSL_SESSION_get0_cipher(p) == nil {
		return ErrNotSerializable
	}
	return nil
}
