package ssl

/*
#cgo noescape sessl_session_set_cipher
#cgo nocallback sessl_session_set_cipher
#cgo noescape sessl_session_set1_id
#cgo nocallback sessl_session_set1_id
#cgo noescape sessl_session_set1_id_context
#cgo nocallback sessl_session_set1_id_context
#cgo noescape sessl_session_set1_hostname
#cgo nocallback sessl_session_set1_hostname
#cgo noescape sessl_session_set1_alpn
#cgo nocallback sessl_session_set1_alpn
#cgo noescape sessl_session_set1_master_key
#cgo nocallback sessl_session_set1_master_key
#cgo noescape sessl_session_set1_appdata
#cgo nocallback sessl_session_set1_appdata
#include <stdlib.h>

#include <openssl/ssl.h>

#include "session.h"
*/
import "C"

import (
	"fmt"
	"strings"
	"time"
	"unsafe"
)

// Limits of the fields that setters fill.
const (
	maxIDLen      = C.SSL_MAX_SSL_SESSION_ID_LENGTH
	maxIDCtxLen   = C.SSL_MAX_SID_CTX_LENGTH
	maxNameLen    = 255     // an SNI or an ALPN name on the wire
	maxAppDataLen = 1 << 15 // a ticket must stay below 64 KiB

	// From OpenSSL 3.5 on, times are unsigned 64-bit nanoseconds.
	maxUnixTime = (1<<64 - 1) / 1_000_000_000
)

// SetID replaces the session id (SSL_SESSION_set1_id). It returns ErrTooLarge for more than
// 32 bytes and, like every setter, ErrSessionShared for a session that was ever shared.
func (s *Session) SetID(id []byte) error {
	const op = "Session.SetID"
	return s.set(op, len(id), maxIDLen, func(p sessionPtr, e *cErr) C.int {
		return C.sessl_session_set1_id(p, bytePtr(id), C.uint(len(id)), e)
	})
}

// SetIDContext replaces the session id context (SSL_SESSION_set1_id_context). It
// returns ErrTooLarge for more than 32 bytes.
func (s *Session) SetIDContext(ctx []byte) error {
	const op = "Session.SetIDContext"
	return s.set(op, len(ctx), maxIDCtxLen, func(p sessionPtr, e *cErr) C.int {
		return C.sessl_session_set1_id_context(p, bytePtr(ctx), C.uint(len(ctx)), e)
	})
}

// SetHostname replaces the host name, "" for none (SSL_SESSION_set1_hostname). It
// returns ErrTooLarge for more than 255 bytes, and ErrMalformed for a NUL byte. If
// memory runs out, the old name is lost.
func (s *Session) SetHostname(name string) error {
	const op = "Session.SetHostname"
	if strings.IndexByte(name, 0) >= 0 {
		return fail(op, ErrMalformed)
	}
	var cname *C.char
	if name != "" {
		cname = C.CString(name)
		defer C.free(unsafe.Pointer(cname))
	}
	return s.set(op, len(name), maxNameLen, func(p sessionPtr, e *cErr) C.int {
		return C.sessl_session_set1_hostname(p, cname, e)
	})
}

// SetALPN replaces the application protocol, "" for none
// (SSL_SESSION_set1_alpn_selected). It returns ErrTooLarge for more than 255 bytes.
func (s *Session) SetALPN(proto string) error {
	const op = "Session.SetALPN"
	return s.set(op, len(proto), maxNameLen, func(p sessionPtr, e *cErr) C.int {
		return C.sessl_session_set1_alpn(p, bytePtr([]byte(proto)), C.size_t(len(proto)), e)
	})
}

// SetTicketAppData replaces the application's data that a server puts inside the ticket, nil
// for none (SSL_SESSION_set1_ticket_appdata). It returns ErrTooLarge for more than 32 KiB.
func (s *Session) SetTicketAppData(data []byte) error {
	const op = "Session.SetTicketAppData"
	return s.set(op, len(data), maxAppDataLen, func(p sessionPtr, e *cErr) C.int {
		return C.sessl_session_set1_appdata(p, bytePtr(data), C.size_t(len(data)), e)
	})
}

// SetSecretMasterKey replaces the master secret or resumption PSK
// (SSL_SESSION_set1_master_key). It returns ErrTooLarge if OpenSSL refuses the length;
// the limit is 48 bytes on 1.1.1 (256 for TLS 1.3) and up to 512 bytes later.
func (s *Session) SetSecretMasterKey(key []byte) error {
	const op = "Session.SetSecretMasterKey"
	return s.write(op, func(p sessionPtr) error {
		// Before the key, because it can fail: the holder of the old key was verified,
		// not of the new one.
		if !disown(p) {
			return fail(op, ErrNoMemory)
		}
		var e cErr
		if C.sessl_session_set1_master_key(p, bytePtr(key), C.size_t(len(key)), &e) == 0 {
			return asError(op, ErrTooLarge, &e)
		}
		return nil
	})
}

// SetProtocolVersion sets the TLS version (SSL_SESSION_set_protocol_version). It
// returns ErrRange unless version is VersionTLS10 to VersionTLS13.
func (s *Session) SetProtocolVersion(version uint16) error {
	const op = "Session.SetProtocolVersion"
	return s.write(op, func(p sessionPtr) error {
		if version < VersionTLS10 || version > VersionTLS13 {
			return fail(op, fmt.Errorf("%w: version 0x%04X", ErrRange, version))
		}
		C.SSL_SESSION_set_protocol_version(p, C.int(version))
		return nil
	})
}

// SetCipher sets the cipher suite by its number in the TLS registry (SSL_SESSION_set_cipher).
// It returns ErrUnsupported for a suite that this OpenSSL does not know.
func (s *Session) SetCipher(id uint16) error {
	const op = "Session.SetCipher"
	return s.write(op, func(p sessionPtr) error {
		var e cErr
		if C.sessl_session_set_cipher(p, C.uint16_t(id), &e) == 0 {
			return asError(op, fmt.Errorf("%w: cipher suite 0x%04X", ErrUnsupported, id), &e)
		}
		return nil
	})
}

// SetTime sets when the session began (SSL_SESSION_set_time, from OpenSSL 3.3
// SSL_SESSION_set_time_ex), rounded down to the second. It returns ErrRange for times
// before 1970 or after 2554, which not every version can store.
func (s *Session) SetTime(t time.Time) error {
	const op = "Session.SetTime"
	return s.write(op, func(p sessionPtr) error {
		unix := t.Unix()
		if unix < 0 || unix > maxUnixTime {
			return fail(op, ErrRange)
		}
		C.sessl_session_set_time(p, C.int64_t(unix))
		return nil
	})
}

// SetTimeout sets for how long after Time the session may be resumed
// (SSL_SESSION_set_timeout), rounded down to the second. It returns ErrRange for a
// negative d. Zero is kept, but becomes three seconds when the session is encoded.
func (s *Session) SetTimeout(d time.Duration) error {
	const op = "Session.SetTimeout"
	return s.write(op, func(p sessionPtr) error {
		if d < 0 {
			return fail(op, ErrRange)
		}
		C.SSL_SESSION_set_timeout(p, C.long(d/time.Second)) // its result does not tell 0 from failure
		return nil
	})
}

// SetMaxEarlyData sets how many bytes of early data may be sent with the session
// (SSL_SESSION_set_max_early_data).
func (s *Session) SetMaxEarlyData(n uint32) error {
	return s.write("Session.SetMaxEarlyData", func(p sessionPtr) error {
		C.SSL_SESSION_set_max_early_data(p, C.uint32_t(n))
		return nil
	})
}

// set runs a setter that copies n bytes, of which OpenSSL accepts at most limit.
func (s *Session) set(op string, n, limit int, f func(sessionPtr, *cErr) C.int) error {
	return s.write(op, func(p sessionPtr) error {
		if n > limit {
			return fail(op, fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, n, limit))
		}
		var e cErr
		if f(p, &e) == 0 {
			return asError(op, nil, &e)
		}
		return nil
	})
}

// disown makes an unshared session one whose peer is unknown and was never verified. It
// fails for lack of memory.
func disown(s sessionPtr) bool {
	return C.sessl_session_set_note(s, C.SESSL_STAMP, nil, 0) != 0 &&
		C.sessl_session_set_note(s, C.SESSL_CHAIN, nil, 0) != 0
}
