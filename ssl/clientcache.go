package ssl

import (
	"crypto/rand"
	"sync"
)

// A SessionKey says where a client's session may be offered. Two keys are equal only if
// nothing that matters for a resumption differs.
type SessionKey struct {
	// Addr tells apart servers of the same name. By default it is the port ("tcp :443")
	// or the path of a Unix socket if ServerName is verified, and the whole address
	// ("tcp 192.0.2.1:443") if no name is verified. A Dialer's SessionGroup ("group
	// NAME") or the argument of [Conn.UseSessionCache] replaces it.
	Addr string

	ServerName string   // the name that is verified, and sent as SNI
	NextProtos string   // the offered protocols, in ALPN's wire format
	Config     [32]byte // a hash of the rules of verification, the versions, suites and certificate
}

// A ClientSessionCache keeps the sessions that a client may offer to servers. Its methods may be
// called from several goroutines at once; the caller holds no lock. A [Dialer] has one by default.
//
// Whoever gets a session from a cache can resume it. A cache that keeps sessions
// outside of the process must encrypt them, and authenticate what comes back.
type ClientSessionCache interface {
	// Put keeps s for key. The cache owns s from here on and must Close it in the end, also
	// if it does not keep it. Sessions are put when they arrive on a verified connection.
	Put(key SessionKey, s *Session)

	// Take returns a session to offer to the server of key; the caller must close it. A session
	// of TLS 1.3 must be handed out only once: servers may accept its ticket only once, and an
	// observer can link two connections that show the same ticket. A session of TLS 1.2 may
	// stay in the cache, which then returns an UpRef of it. If there is no session, why is
	// ReuseExpired, ReuseOtherConfig or ReuseNoSession; zero means ReuseNoSession, too.
	Take(key SessionKey) (s *Session, why ReuseState)

	// Remove forgets s if it is still kept for key: the server declined it, or the
	// connection that offered it failed. s stays the caller's.
	Remove(key SessionKey, s *Session)
}

// NoSessionCache is a ClientSessionCache that keeps nothing, so that a Dialer offers no sessions.
type NoSessionCache struct{}

// Put closes s.
func (NoSessionCache) Put(_ SessionKey, s *Session) { s.Close() }

// Take returns no session.
func (NoSessionCache) Take(SessionKey) (*Session, ReuseState) { return nil, ReuseNoSession }

// Remove does nothing.
func (NoSessionCache) Remove(SessionKey, *Session) {}

// processID is different in each process.
var processID = sync.OnceValue(func() []byte {
	id := make([]byte, 16)
	rand.Read(id)
	return id
})
