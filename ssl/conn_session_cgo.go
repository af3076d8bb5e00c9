package ssl

/*
#cgo noescape sessl_conn_set_session
#cgo nocallback sessl_conn_set_session
#cgo nocallback sessl_conn_withhold
#cgo noescape sessl_conn_weigh
#cgo nocallback sessl_conn_weigh
#cgo noescape sessl_conn_set_stamp
#cgo nocallback sessl_conn_set_stamp
#cgo noescape sessl_session_peer_ok
#cgo nocallback sessl_session_peer_ok
#cgo nocallback sessl_conn_verify_again
#cgo noescape sessl_der_in_time
#cgo nocallback sessl_der_in_time
#cgo nocallback SSL_get1_session
#cgo nocallback SSL_get0_session
#include <openssl/ssl.h>

#include "conn.h"
#include "session.h"
*/
import "C"

import (
	"bytes"
	"cmp"
	"time"
	"unsafe"
)

// offer says what became of the session given to SetSession.
type offer int

const (
	noOffer  offer = iota
	offered        // it is offered
	withheld       // it was never verified under this configuration, or is useless for it
)

// The stamp of a session begins with how its peer was verified. Then come the
// configuration's fingerprint and the verified name.
const (
	stampCertificate = 1
	stampPSK         = 2 // the peer knew an external key, which is in the fingerprint
	stampUnverified  = 3 // the peer was not verified: the name is the one asked for, for early data
)

// Session returns the connection's session (SSL_get1_session), an owned handle that
// must be closed. Before the end of the handshake it returns ErrNoSession.
//
// In TLS 1.2 this is the session to offer later. In TLS 1.3 the session changes with each ticket:
// before the first ticket is read it is not resumable. OnNewSession gets all of them; Session
// returns the newest. On a server in TLS 1.3 it is not the session that the client holds.
func (c *Conn) Session() (*Session, error) {
	var s *Session
	err := c.withSSL("Conn.Session", func(p connPtr) error {
		q := C.SSL_get1_session(p.ssl) // +1, adopted; under mu, because no writer takes libssl's lock
		if q == nil {
			return fail("Conn.Session", ErrNoSession)
		}
		C.sessl_session_share(q)
		s = adoptSession(q)
		return nil
	})
	return s, err
}

// WithSession calls f with the connection's session, borrowed until f returns (SSL_get0_session,
// also known as SSL_get_session). It avoids a handle if a look is enough. f runs with no lock held
// and may use the Conn; the session stays valid even if a ticket replaces it meanwhile. f's error
// is returned. Before the end of the handshake f is not called, and the error is ErrNoSession.
func (c *Conn) WithSession(f func(*BorrowedSession) error) error {
	const op = "Conn.WithSession"
	if f == nil {
		return fail(op, ErrNil)
	}
	var b *BorrowedSession
	err := c.withSSL(op, func(p connPtr) error {
		q := C.sessl_conn_retain_session(p) // SSL_get0_session and +1, under mu
		if q == nil {
			return fail(op, ErrNoSession)
		}
		b = borrow(q)
		return nil
	})
	if err != nil {
		return err
	}
	defer b.expire()
	return f(b)
}

// withSSL runs f under mu on a connection whose handshake is complete.
func (c *Conn) withSSL(op string, f func(connPtr) error) error {
	if c == nil {
		return fail(op, ErrNil)
	}
	p, ok := c.enterUnmade()
	if !ok || c.closing.closed.Load() {
		if ok {
			c.leave()
		}
		return fail(op, ErrClosed)
	}
	defer c.leave()
	if !c.handshaking.done.Load() {
		return fail(op, ErrNoSession)
	}
	return f(p)
}

// SetSession makes the handshake offer a copy of s (SSL_SESSION_dup and SSL_set_session).
// s stays the caller's, and nothing that happens to the connection affects it. It may
// come from any Ctx. The server decides whether to resume: see SessionReused.
//
// A verifying client offers only sessions that it may resume: those verified under the
// same configuration, and those whose leaf certificate verifies now, or whose raw public key
// is expected now. Nor does a client
// offer a session with which the handshake could not go on, which libssl does not check:
//   - with a cipher suite that is not offered (in TLS 1.3, whose hash no offered suite has),
//   - with a maximum fragment length, with compression, or with a session id context,
//     which is a server's,
//   - with a ticket of more than 48 KiB,
//   - of TLS 1.3 and past its lifetime, which libssl leaves out by itself,
//   - of an anonymous cipher suite, if VerifyConnection is to judge the server.
//
// SetSession accepts such sessions but does not offer them, and the handshake is a full
// one: see SessionOffered and ReuseState. The last call that succeeded counts.
//
// SetSession does not look at the client's own certificates. A server that resumes takes the
// client for the one that made the session, with its certificate of then, whatever certificates
// the Ctx has now. Caches keep such sessions apart: see [SessionKey].
//
// SetSession returns ErrServer on a server, ErrHandshakeStarted after the handshake has begun,
// and ErrNotResumable for a session that OpenSSL would ignore, or that has no key or suite.
func (c *Conn) SetSession(s *Session) error {
	return c.setGiven("Conn.SetSession", s, true)
}

// SetSharedSession makes the handshake offer s itself (SSL_set_session), not a copy. Unless
// the call fails, that freezes s: its setters return ErrSessionShared from here on. s shares
// the connection's fate: in TLS 1.3 OpenSSL lets an object be resumed once and then marks it
// not resumable, as it does when the connection fails. An object belongs to one Ctx: if
// another Ctx made or used s, the error is ErrSessionCtx. The other rules are SetSession's.
func (c *Conn) SetSharedSession(s *Session) error {
	return c.setGiven("Conn.SetSharedSession", s, false)
}

// setGiven offers s in place of what a cache has given.
func (c *Conn) setGiven(op string, s *Session, dup bool) error {
	err := c.setSession(op, s, dup, true)
	if err == nil {
		c.dropTaken()
	}
	return err
}

// takeBack makes the handshake not offer what a cache has given, and returns it. The handshake has not
// begun, and mu is held.
func (c *Conn) takeBack(p connPtr) takenSession {
	old := c.sessions.taken
	if old.s != nil {
		C.sessl_conn_withhold(p)
		c.sessions.taken, c.sessions.offered = takenSession{}, noOffer
		c.early.terms = earlyTerms{}
	}
	return old
}

// enterToOffer is enter for what a client does about sessions before its handshake.
// given says that the argument is not nil.
func (c *Conn) enterToOffer(op string, given bool) (connPtr, error) {
	if err := c.usable(op); err != nil {
		return nil, err
	}
	if !given {
		return nil, fail(op, ErrNil)
	}
	if c.server {
		return nil, fail(op, ErrServer)
	}
	p, ok := c.enter()
	if !ok {
		return nil, fail(op, ErrClosed)
	}
	if c.handshaking.started {
		c.leave()
		return nil, fail(op, ErrHandshakeStarted)
	}
	return p, nil
}

// setSession offers s. set says that the application has chosen s, and not only the
// cache of the Ctx.
func (c *Conn) setSession(op string, s *Session, dup, set bool) error {
	p, err := c.enterToOffer(op, s != nil)
	if err != nil {
		return err
	}
	defer c.leave()
	if c.sessions.set && !set {
		return fail(op, ErrHandshakeStarted) // the application was faster
	}
	c.sessions.set = c.sessions.set || set
	use := s.alone // claiming freezes it
	if dup {
		use = s.read
	}
	return use(op, func(q sessionPtr) error {
		offer := func() error { return c.offer(op, p, q, dup) }
		if dup {
			return offer()
		}
		return c.ctx.claiming(op, q, offer)
	})
}

// weighed is what decides about offering a session, read in one crossing and borrowed from it.
type weighed = C.sessl_weighed

// offer offers q or a copy of it, if that is allowed. mu is held.
func (c *Conn) offer(op string, p connPtr, q sessionPtr, dup bool) error {
	var w weighed
	C.sessl_conn_weigh(p, q, &w)
	if w.fits == C.SESSL_FIT_NEVER {
		c.sessions.notOffered = ReuseNotResumable
		return fail(op, ErrNotResumable)
	}
	if w.fits != C.SESSL_FIT_OK || !c.trusts(p, q, &w) {
		C.sessl_conn_withhold(p) // also undoes an earlier call
		c.sessions.offered = withheld
		c.sessions.notOffered = ReuseOtherConfig
		if w.fits == C.SESSL_FIT_OLD {
			c.sessions.notOffered = ReuseExpired
		}
		why := cmp.Or(c.earlyTerms(q, &w).not, "the session cannot be offered by this connection")
		c.early.terms = earlyTerms{not: why}
		return nil
	}
	var e cErr
	if C.sessl_conn_set_session(p, q, cBool(dup), &e) == 0 { // the SSL takes its own reference
		return asError(op, nil, &e)
	}
	c.sessions.offered = offered
	c.sessions.notOffered = ReuseUnknown
	c.early.terms = c.earlyTerms(q, &w)
	return nil
}

// SessionOffered reports whether the handshake offers, or has offered, the session
// given to SetSession: whether SSL_set_session has been called with it.
func (c *Conn) SessionOffered() bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sessions.offered == offered
}

// trusts reports whether resuming s would not weaken verification: in a resumption
// libssl checks neither certificate nor name. mu is held.
func (c *Conn) trusts(p connPtr, s sessionPtr, w *weighed) bool {
	if !c.ctx.verify {
		return w.anonymous == 0 || !c.judges()
	}
	kind, name := c.stampOf(w)
	if kind == stampPSK {
		return name == c.name // there is no certificate to check
	}
	if rawPeer(w.raw) != rawNone {
		return c.trustsRaw(s, w, kind)
	}
	if !c.ctx.types.peer.x509() {
		return false
	}
	if kind != stampCertificate || c.ctx.trustEnded() {
		return !c.ctx.strict && c.ctx.leafs.fit(w.version, func() any { return peerKeyOf(s) }) &&
			C.sessl_conn_verify_again(p, s) != 0
	}
	peer, ok := notedChain(unsafe.Slice((*byte)(w.chain), int(w.chain_len)))
	if !ok || !peer.inTime(time.Unix(int64(w.now), 0)) || !c.ctx.leafs.fit(w.version, peer.key) {
		return false
	}
	if name == c.name {
		return w.peer_ok != 0
	}
	return C.sessl_session_peer_ok(s, &p.host) != 0
}

// stampOf returns how the peer was verified under this Ctx's fingerprint, and for
// which name; 0 if it was not.
func (c *Conn) stampOf(w *weighed) (kind byte, name string) {
	stamp := unsafe.Slice((*byte)(w.stamp), int(w.stamp_len))
	if len(stamp) == 0 || !bytes.HasPrefix(stamp[1:], c.ctx.stamp[1:]) {
		return 0, ""
	}
	return stamp[0], string(stamp[len(c.ctx.stamp):])
}

// resumedOK is a second check, after the handshake: a client resumed only a session
// that it trusts; a server's session still has the certificate that the server demands,
// and the certificate has not expired, or the raw public key. mu is held.
func (c *Conn) resumedOK(now settled) bool {
	if !c.server {
		return c.sessions.offered == offered
	}
	if now.session == nil {
		return false
	}
	if !now.hasPeer {
		return !c.ctx.require ||
			c.info.state.PSKIdentity != "" && c.ctx.psk.instead ||
			c.ctx.later.server && c.info.state.Version == VersionTLS13
	}
	if now.raw != rawNone {
		return now.raw == rawExpected
	}
	return c.ctx.types.peer.x509() && C.sessl_session_peer_ok(now.session, nil) != 0
}

// setStamp marks the connection's session, and those to come, as verified, or as not
// verified if the stamp is empty. mu is held.
func (c *Conn) setStamp(p connPtr, stamp []byte) error {
	if C.sessl_conn_set_stamp(p, bytePtr(stamp), C.size_t(len(stamp))) == 0 {
		return fail("handshake", ErrNoMemory)
	}
	return nil
}

// condemn makes the end of the connection invalidate its session.
func condemn(p connPtr) {
	p.fatal = 1
}

// inTime reports whether a certificate, in DER, is valid now.
func inTime(der []byte) bool { return C.sessl_der_in_time(bytePtr(der), C.size_t(len(der))) != 0 }
