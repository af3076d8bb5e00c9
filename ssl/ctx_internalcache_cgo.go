package ssl

/*
#cgo nocallback sessl_ctx_report_removed
#cgo noescape sessl_ctx_report_removed
#cgo nocallback sessl_buf_free
#cgo nocallback sessl_ctx_take_removed
#cgo noescape sessl_ctx_take_removed
#cgo noescape sessl_ctx_add_session
#cgo nocallback sessl_ctx_add_session
#cgo nocallback sessl_session_admit_to_cache
#cgo nocallback sessl_session_claim
#cgo nocallback sessl_session_disclaim
#cgo nocallback sessl_session_share
#cgo nocallback sessl_ctx_remove_session
#cgo nocallback sessl_ctx_flush
#cgo noescape sessl_ctx_get_stats
#cgo nocallback sessl_ctx_get_stats
#include <openssl/ssl.h>

#include "cache.h"
#include "ctx.h"
#include "session.h"
#include "ticket.h"
*/
import "C"

import (
	"time"
	"unsafe"
)

// AddSession puts s into a server's internal session cache (SSL_CTX_add_session), which
// takes a reference of its own and freezes s. A call that fails leaves s as it was. added is
// false if this very object is there already; another object with the same id is replaced.
//
// AddSession returns ErrSessionCtx for a session of another Ctx. It returns ErrNotResumable
// for a session that could never be found or resumed, that would last beyond MaxSessionAge,
// or that has lost all of its client's certificates but the leaf, as on a way through DER.
//
// OpenSSL 3.0 has a bug here when memory runs out: it can leave a freed session in its
// list (openssl#28632).
func (c *Ctx) AddSession(s *Session) (added bool, err error) {
	const op = "Ctx.AddSession"
	defer c.deliverRemoved()
	err = c.withPtr(op, func(p ctxPtr) error {
		if !c.server {
			return fail(op, ErrClient)
		}
		if c.cache != nil {
			return fail(op, configError("the Ctx keeps its sessions in its SessionCache"))
		}
		return s.alone(op, func(q sessionPtr) error {
			var n C.uint
			C.SSL_SESSION_get_id(q, &n)
			// An entry without an id could never be removed and would stop eviction.
			if n == 0 || C.SSL_SESSION_is_resumable(q) == 0 {
				return fail(op, ErrNotResumable)
			}
			return c.claiming(op, q, func() error {
				if C.sessl_session_admit_to_cache(p, q) == 0 {
					return fail(op, ErrNotResumable)
				}
				var e cErr
				added = C.sessl_ctx_add_session(p, q, &e) == 1 // the cache takes its own reference
				if !added && e.n > 0 {
					return asError(op, nil, &e)
				}
				return nil
			})
		})
	})
	return added, err
}

// claiming makes s the Ctx's and freezes it if f succeeds. An object can be in one SSL_CTX
// only. The caller makes sure that no other goroutine reads or changes s meanwhile.
func (c *Ctx) claiming(op string, s sessionPtr, f func() error) error {
	const news = 2
	claim := C.sessl_session_claim(s, C.uint64_t(c.number))
	if claim == 0 {
		return fail(op, ErrSessionCtx)
	}
	if err := f(); err != nil {
		if claim == news {
			C.sessl_session_disclaim(s)
		}
		return err
	}
	C.sessl_session_share(s)
	return nil
}

// RemoveSession takes the session with the id of s out of a server's internal cache
// (SSL_CTX_remove_session), and reports whether there was one. In any case OpenSSL
// marks s itself not resumable, on all its handles.
func (c *Ctx) RemoveSession(s *Session) (found bool, err error) {
	const op = "Ctx.RemoveSession"
	defer c.deliverRemoved()
	err = c.withPtr(op, func(p ctxPtr) error {
		return s.alone(op, func(q sessionPtr) error {
			if owner := C.sessl_session_owner(q); owner != 0 && owner != C.uint64_t(c.number) {
				return fail(op, ErrSessionCtx)
			}
			found = C.sessl_ctx_remove_session(p, q) == 1
			return nil
		})
	})
	return found, err
}

// FlushSessions drops from a server's internal cache the sessions that had expired by t
// (SSL_CTX_flush_sessions, from OpenSSL 3.4 SSL_CTX_flush_sessions_ex); the zero time
// means all sessions. OpenSSL marks what it drops not resumable.
func (c *Ctx) FlushSessions(t time.Time) error {
	const op = "Ctx.FlushSessions"
	defer c.deliverRemoved()
	return c.withPtr(op, func(p ctxPtr) error {
		unix := int64(0)
		if !t.IsZero() {
			unix = t.Unix()
			if unix <= 0 || unix > maxUnixTime {
				return fail(op, ErrRange)
			}
		}
		C.sessl_ctx_flush(p, C.int64_t(unix))
		return nil
	})
}

// SessionStats are the counters that OpenSSL keeps for a Ctx (SSL_CTX_sess_number and the
// rest of SSL_CTX_sess_*). Under load they are approximate.
type SessionStats struct {
	Number             int64 // sessions in the internal cache (SSL_CTX_sess_number)
	Connect            int64 // client handshakes begun (SSL_CTX_sess_connect)
	ConnectGood        int64 // client handshakes completed (SSL_CTX_sess_connect_good)
	ConnectRenegotiate int64 // requested by servers, and refused (SSL_CTX_sess_connect_renegotiate)
	Accept             int64 // server handshakes begun (SSL_CTX_sess_accept)
	AcceptGood         int64 // server handshakes completed (SSL_CTX_sess_accept_good)
	AcceptRenegotiate  int64 // requested by clients, and refused (SSL_CTX_sess_accept_renegotiate)
	Hits               int64 // sessions resumed (SSL_CTX_sess_hits)
	CallbackHits       int64 // hits from an external cache (SSL_CTX_sess_cb_hits)
	Misses             int64 // sessions offered but not found (SSL_CTX_sess_misses)
	Timeouts           int64 // sessions offered but expired (SSL_CTX_sess_timeouts)
	CacheFull          int64 // sessions evicted to make room (SSL_CTX_sess_cache_full)
}

// SessionStats returns OpenSSL's session counters (SSL_CTX_sess_number,
// SSL_CTX_sess_hits and so on).
func (c *Ctx) SessionStats() (SessionStats, error) {
	var s SessionStats
	err := c.withPtr("Ctx.SessionStats", func(p ctxPtr) error {
		var st C.sessl_ctx_stats
		C.sessl_ctx_get_stats(p, &st)
		s = SessionStats{
			Number:             int64(st.number),
			Connect:            int64(st.connect),
			ConnectGood:        int64(st.connect_good),
			ConnectRenegotiate: int64(st.connect_renegotiate),
			Accept:             int64(st.accept),
			AcceptGood:         int64(st.accept_good),
			AcceptRenegotiate:  int64(st.accept_renegotiate),
			Hits:               int64(st.hits),
			CallbackHits:       int64(st.cb_hits),
			Misses:             int64(st.misses),
			Timeouts:           int64(st.timeouts),
			CacheFull:          int64(st.cache_full),
		}
		return nil
	})
	return s, err
}

// setRemoved makes libssl report what it removes, if that is wanted (SSL_CTX_sess_set_remove_cb).
func setRemoved(op string, cfg *Config, c *Ctx, p ctxPtr) error {
	c.onRemove = cfg.OnRemoveSession
	if !c.wantsRemoved() {
		return nil
	}
	var e cErr
	if C.sessl_ctx_report_removed(p, &e) == 0 {
		return asError(op, ErrNoMemory, &e)
	}
	return nil
}

// wantsRemoved reports whether removals must be reported. A cache without a store goes by the mark.
func (c *Ctx) wantsRemoved() bool {
	return c.onRemove != nil || c.cache != nil && c.cache.backing != nil
}

// takeRemoved returns the ids of the sessions removed since its last call.
func (c *Ctx) takeRemoved() (ids [][]byte) {
	c.withPtr("", func(p ctxPtr) error {
		var buf C.sessl_buf
		C.sessl_ctx_take_removed(p, &buf)
		r := reader(C.GoBytes(unsafe.Pointer(buf.p), C.int(buf.tail)))
		C.sessl_buf_free(&buf)
		for len(r) > 0 {
			ids = append(ids, r.bytes(1))
		}
		return nil
	})
	return ids
}

// deliverRemoved calls OnRemoveSession for each removed session, no lock held. Sessions
// removed meanwhile are reported by the same call, so it is never recursive or concurrent.
func (c *Ctx) deliverRemoved() {
	if c == nil || !c.wantsRemoved() || c.removals.Add(1) > 1 {
		return
	}
	told := false
	defer func() {
		if !told { // a function has panicked
			c.removals.Store(0)
		}
	}()
	for !told {
		seen := c.removals.Load()
		for _, id := range c.takeRemoved() {
			c.tellRemoved(id)
		}
		told = c.removals.CompareAndSwap(seen, 0)
	}
}

func (c *Ctx) tellRemoved(id []byte) {
	if c.cache != nil {
		c.cache.invalidated(id)
	}
	if c.onRemove != nil {
		c.onRemove(c, id)
	}
}
