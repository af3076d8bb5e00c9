package ssl

import (
	"fmt"
	"sync"
	"time"
)

// A Session is an owned reference to an SSL_SESSION of OpenSSL: the keys and parameters
// that let two peers resume instead of doing a full handshake. Close gives the
// reference back. The garbage collector does so for a Session that was dropped, but it
// does not see the C memory and so may be late.
//
// Several Sessions may refer to one SSL_SESSION: UpRef makes another handle on the same
// object, Dup makes another object.
//
// All methods may be called from several goroutines at once; a Close during another
// call frees the object after that call. Getters return copies. Every method returns
// ErrNil on a nil Session and ErrClosed on a closed one.
//
// A Session is as powerful as the connection that it came from: its holder can resume
// that connection's authentication. String and Print leave the secrets out.
type Session struct {
	h handle[sessionPtr]
}

// sessionKind counts owned sessions, borrowedKind the sessions inside WithSession.
var (
	sessionKind  = kind[sessionPtr]{name: "session", free: freeSession, gone: ErrClosed}
	borrowedKind = kind[sessionPtr]{name: "borrowed", free: freeSession, gone: ErrBorrowExpired}
)

// adoptSession takes over the caller's reference, which came from new, dup, d2i, get1,
// up_ref or the new-session queue.
func adoptSession(p sessionPtr) *Session {
	s := &Session{}
	drainValues()
	s.h.adopt(&sessionKind, p)
	return s
}

// sessionLocks keep setters of one object apart from its readers, whichever handles
// they use. OpenSSL has no lock for that.
var sessionLocks [64]sync.RWMutex

// withPtr is the only way to the pointer: the object lives until f has returned.
func (s *Session) withPtr(op string, f func(sessionPtr) error) error {
	if s == nil {
		return fail(op, ErrNil)
	}
	p, err := s.h.acquire()
	if err != nil {
		return fail(op, err)
	}
	defer s.h.release()
	return f(p)
}

// read runs f while no setter works on the object.
func (s *Session) read(op string, f func(sessionPtr) error) error {
	return s.withPtr(op, func(p sessionPtr) error {
		l := lockOf(p)
		l.RLock()
		defer l.RUnlock()
		return f(p)
	})
}

// alone runs f while no other goroutine reads or changes the object.
func (s *Session) alone(op string, f func(sessionPtr) error) error {
	return s.withPtr(op, func(p sessionPtr) error {
		l := lockOf(p)
		l.Lock()
		defer l.Unlock()
		return f(p)
	})
}

// write is alone for setters: it refuses an object that is shared.
func (s *Session) write(op string, f func(sessionPtr) error) error {
	return s.alone(op, func(p sessionPtr) error {
		if isShared(p) {
			return fail(op, ErrSessionShared)
		}
		return f(p)
	})
}

// Close gives the reference back (SSL_SESSION_free), exactly once: later calls do nothing
// and return nil, as does Close on a nil Session. Other handles on the same object stay
// valid.
func (s *Session) Close() error {
	if s != nil {
		s.h.close()
	}
	return nil
}

// String describes the session in one line without its secrets.
func (s *Session) String() string {
	v, err := s.ProtocolVersion()
	if err != nil {
		return "ssl.Session(" + err.(*Error).Err.Error() + ")"
	}
	_, cipher, _ := s.Cipher()
	id, _ := s.ID()
	at, _ := s.Time()
	timeout, _ := s.Timeout()
	ok, _ := s.Resumable()
	return fmt.Sprintf("ssl.Session(%s %s id=%x time=%s timeout=%s resumable=%t)",
		VersionName(v), cipher, id, at.UTC().Format(time.RFC3339), timeout, ok)
}

// GoString is String: %#v must not walk into C memory.
func (s *Session) GoString() string { return s.String() }

// TLS protocol versions, as in crypto/tls.
const (
	VersionTLS10 = 0x0301
	VersionTLS11 = 0x0302
	VersionTLS12 = 0x0303
	VersionTLS13 = 0x0304
)

// VersionName returns a version's name, "TLS 1.3", or its number in hexadecimal.
func VersionName(version uint16) string {
	if version >= VersionTLS10 && version <= VersionTLS13 {
		return fmt.Sprintf("TLS 1.%d", version-VersionTLS10)
	}
	return fmt.Sprintf("0x%04X", version)
}
