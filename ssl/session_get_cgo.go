package ssl

/*
#cgo noescape SSL_SESSION_get_id
#cgo nocallback SSL_SESSION_get_id
#cgo noescape SSL_SESSION_get0_id_context
#cgo nocallback SSL_SESSION_get0_id_context
#cgo noescape SSL_SESSION_get0_alpn_selected
#cgo nocallback SSL_SESSION_get0_alpn_selected
#cgo noescape SSL_SESSION_get0_ticket
#cgo nocallback SSL_SESSION_get0_ticket
#cgo noescape sessl_session_get0_appdata
#cgo nocallback sessl_session_get0_appdata
#cgo noescape sessl_session_get_life
#cgo nocallback sessl_session_get_life
#include <openssl/ssl.h>

#include "session.h"
*/
import "C"

import (
	"math"
	"time"
	"unsafe"
)

// ID returns the session id (SSL_SESSION_get_id), at most 32 bytes. A TLS 1.2 client
// session that came with a ticket has no id until it is offered. The session of a TLS
// 1.3 connection has none until a ticket has arrived.
func (s *Session) ID() ([]byte, error) {
	var id []byte
	err := s.read("Session.ID", func(p sessionPtr) error {
		var n C.uint
		id = C.GoBytes(unsafe.Pointer(C.SSL_SESSION_get_id(p, &n)), C.int(n))
		return nil
	})
	return id, err
}

// IDContext returns the session id context (SSL_SESSION_get0_id_context), at most 32
// bytes, of the server configuration that the session belongs to.
func (s *Session) IDContext() ([]byte, error) {
	var ctx []byte
	err := s.read("Session.IDContext", func(p sessionPtr) error {
		var n C.uint
		ctx = C.GoBytes(unsafe.Pointer(C.SSL_SESSION_get0_id_context(p, &n)), C.int(n))
		return nil
	})
	return ctx, err
}

// ProtocolVersion returns the TLS version (SSL_SESSION_get_protocol_version), such as
// VersionTLS13, or 0 for a session that NewSession made.
func (s *Session) ProtocolVersion() (uint16, error) {
	var v uint16
	err := s.read("Session.ProtocolVersion", func(p sessionPtr) error {
		v = uint16(C.SSL_SESSION_get_protocol_version(p))
		return nil
	})
	return v, err
}

// Cipher returns the cipher suite's number in the TLS registry and OpenSSL's name for
// it (SSL_SESSION_get0_cipher), or 0 and "" if the session has none.
func (s *Session) Cipher() (id uint16, name string, err error) {
	err = s.read("Session.Cipher", func(p sessionPtr) error {
		if c := C.SSL_SESSION_get0_cipher(p); c != nil { // static
			id = uint16(C.SSL_CIPHER_get_protocol_id(c))
			name = C.GoString(C.SSL_CIPHER_get_name(c))
		}
		return nil
	})
	return id, name, err
}

// Time returns when the session was made (SSL_SESSION_get_time, from OpenSSL 3.3
// SSL_SESSION_get_time_ex), to the second. In TLS 1.3 every ticket starts a new session.
func (s *Session) Time() (time.Time, error) {
	var t time.Time
	err := s.read("Session.Time", func(p sessionPtr) error {
		t = time.Unix(int64(C.sessl_session_get_time(p)), 0)
		return nil
	})
	return t, err
}

// Timeout returns for how long after Time the session may be resumed
// (SSL_SESSION_get_timeout), in whole seconds.
func (s *Session) Timeout() (time.Duration, error) {
	var d time.Duration
	err := s.read("Session.Timeout", func(p sessionPtr) error {
		d = seconds(int64(C.SSL_SESSION_get_timeout(p)))
		return nil
	})
	return d, err
}

// seconds converts without overflow: values from C and from untrusted DER can exceed
// the range of a Duration.
func seconds(n int64) time.Duration {
	const most = math.MaxInt64 / int64(time.Second)
	return time.Duration(max(-most, min(n, most))) * time.Second
}

// Hostname returns the server name (SNI) of the connection that made the session, if the
// server accepted it (SSL_SESSION_get0_hostname), else "".
func (s *Session) Hostname() (string, error) {
	var name string
	err := s.read("Session.Hostname", func(p sessionPtr) error {
		name = heapString(C.SSL_SESSION_get0_hostname(p))
		return nil
	})
	return name, err
}

// ALPN returns the application protocol of the session
// (SSL_SESSION_get0_alpn_selected), or "" for none. OpenSSL records it in TLS 1.3 only.
func (s *Session) ALPN() (string, error) {
	var proto string
	err := s.read("Session.ALPN", func(p sessionPtr) error {
		var out *C.uchar
		var n C.size_t
		C.SSL_SESSION_get0_alpn_selected(p, &out, &n)
		proto = C.GoStringN((*C.char)(unsafe.Pointer(out)), C.int(n))
		return nil
	})
	return proto, err
}

// HasTicket reports whether the session holds a ticket (SSL_SESSION_has_ticket).
func (s *Session) HasTicket() (bool, error) {
	var has bool
	err := s.read("Session.HasTicket", func(p sessionPtr) error {
		has = C.SSL_SESSION_has_ticket(p) != 0
		return nil
	})
	return has, err
}

// Ticket returns the ticket as the server issued it (SSL_SESSION_get0_ticket), or nil
// for none. To resume, a client needs the ticket and the master secret.
func (s *Session) Ticket() ([]byte, error) {
	var ticket []byte
	err := s.read("Session.Ticket", func(p sessionPtr) error {
		var out *C.uchar
		var n C.size_t
		C.SSL_SESSION_get0_ticket(p, &out, &n)
		if out != nil {
			ticket = C.GoBytes(unsafe.Pointer(out), C.int(n))
		}
		return nil
	})
	return ticket, err
}

// TicketLifetimeHint returns for how long the server intends to accept the ticket
// (SSL_SESSION_get_ticket_lifetime_hint), in whole seconds, or 0 for no hint.
func (s *Session) TicketLifetimeHint() (time.Duration, error) {
	var d time.Duration
	err := s.read("Session.TicketLifetimeHint", func(p sessionPtr) error {
		hint := uint64(C.SSL_SESSION_get_ticket_lifetime_hint(p))
		d = seconds(int64(min(hint, math.MaxInt64)))
		return nil
	})
	return d, err
}

// TicketAppData returns what the server application stored inside the ticket
// (SSL_SESSION_get0_ticket_appdata), or nil for nothing. Only servers can see it.
// Servers of this package add data in a form of their own, which is returned as it is;
// the application's part alone is [ConnectionState].TicketData.
func (s *Session) TicketAppData() ([]byte, error) {
	var data []byte
	err := s.read("Session.TicketAppData", func(p sessionPtr) error {
		var n C.size_t
		if out := C.sessl_session_get0_appdata(p, &n); out != nil {
			data = C.GoBytes(unsafe.Pointer(out), C.int(n))
		}
		return nil
	})
	return data, err
}

// MaxEarlyData returns how many bytes of early data (0-RTT) may be sent with the session
// (SSL_SESSION_get_max_early_data); 0 forbids it.
func (s *Session) MaxEarlyData() (uint32, error) {
	var n uint32
	err := s.read("Session.MaxEarlyData", func(p sessionPtr) error {
		n = uint32(C.SSL_SESSION_get_max_early_data(p))
		return nil
	})
	return n, err
}

// MaxFragmentLength returns the negotiated limit of a record's plaintext in bytes, 512 to 4096
// (RFC 6066, section 4; SSL_SESSION_get_max_fragment_length), or 0 if none was negotiated.
func (s *Session) MaxFragmentLength() (int, error) {
	var n int
	err := s.read("Session.MaxFragmentLength", func(p sessionPtr) error {
		if code := C.SSL_SESSION_get_max_fragment_length(p); code >= 1 && code <= 4 {
			n = 256 << code
		}
		return nil
	})
	return n, err
}

// CompressID returns the TLS compression method (SSL_SESSION_get_compress_id). It is 0:
// this package never negotiates compression.
func (s *Session) CompressID() (uint, error) {
	var id uint
	err := s.read("Session.CompressID", func(p sessionPtr) error {
		id = uint(C.SSL_SESSION_get_compress_id(p))
		return nil
	})
	return id, err
}

// lifetime says until when a client may offer a session, and whether only once.
type lifetime struct {
	until time.Time
	once  bool
}

// lifetime follows the server's ticket lifetime hint where there is one. In TLS 1.3 a
// hint of zero counts too (RFC 8446, section 4.6.1).
func (s *Session) lifetime() (life lifetime, err error) {
	err = s.read("Session.lifetime", func(p sessionPtr) error {
		var l C.sessl_life
		C.sessl_session_get_life(p, &l)
		d := seconds(int64(min(l.hint, maxTicketLifetime)))
		life.once = l.version == VersionTLS13
		if l.hint == 0 && !life.once {
			d = seconds(int64(l.timeout))
		}
		life.until = time.Unix(int64(l.began), 0).Add(d)
		return nil
	})
	return life, err
}

// maxTicketLifetime is RFC 8446's limit of seven days, in seconds.
const maxTicketLifetime = 7 * 24 * 60 * 60

// Resumable reports whether the session can be offered (SSL_SESSION_is_resumable): it
// has an id or a ticket, and OpenSSL has not marked it unusable. The mark belongs to
// the object, so it shows on all handles. The session's age does not count.
func (s *Session) Resumable() (bool, error) {
	var ok bool
	err := s.read("Session.Resumable", func(p sessionPtr) error {
		ok = C.SSL_SESSION_is_resumable(p) != 0
		return nil
	})
	return ok, err
}
