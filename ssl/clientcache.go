package ssl

import (
	"crypto/rand"
	"sync"
)

// A SessionKey says where a client's session may be offered. Two keys are equal only where
// nothing that matters for a resumption differs.
type SessionKey struct {
	// Addr says which of the servers of that name: by default the port, "tcp :443", or the path of a
	// Unix socket, where ServerName is verified; the whole address, "tcp 192.0.2.1:443", where no
	// name is. A Dialer's SessionGroup takes its place ("group NAME"), and what
	// [Conn.UseSessionCache] is given.
	Addr string

	ServerName string   // the name that is demanded, and sent as SNI
	NextProtos string   // the protocols that are offered, in ALPN's wire format
	Config     [32]byte // a hash of what verification rests on, of versions, suites and certificate
}

// A ClientSessionCache keeps the sessions that a client may offer to servers. Its methods
// may be called from several goroutines at once, without any lock held. A [Dialer] uses one
// by itself.
//
// What is in a cache can be resumed by whoever gets it. One that keeps sessions outside of
// the process must encrypt them, and be sure of what comes back.
type ClientSessionCache interface {
	// Put keeps s for key. The cache owns s from here on, and must see to its Close, also
	// when it does not keep it. Sessions are put when they arrive on a verified connection.
	Put(key SessionKey, s *Session)

	// Take returns a session to offer to the server of key, which becomes the caller's to
	// close. One of TLS 1.3 must be handed out once, for two connections that show the same
	// ticket can be linked by anybody on the path, and servers may take it once. One of
	// TLS 1.2 may be kept: it is an UpRef of it then. Without a session, why tells: ReuseExpired,
	// ReuseOtherConfig, or ReuseNoSession, which zero means too.
	Take(key SessionKey) (s *Session, why ReuseState)

	// Remove forgets s, if key still has that object: it was declined, or the connection
	// that offered it failed. s stays the caller's.
	Remove(key SessionKey, s *Session)
}

// NoSessionCache is a ClientSessionCache that keeps nothing: with it, a Dialer offers no
// sessions.
type NoSessionCache struct{}

// Put closes s.
func (NoSessionCache) Put(_ SessionKey, s *Session) { s.Close() }

// Take returns none.
func (NoSessionCache) Take(SessionKey) (*Session, ReuseState) { return nil, ReuseNoSession }

// Remove has nothing to do.
func (NoSessionCache) Remove(SessionKey, *Session) {}

// processID is different in each process.
var processID = sync.OnceValue(func() []byte {
	id := make([]byte, 16)
	rand.Read(id)
	return id
})
