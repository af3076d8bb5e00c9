package ssl

/*
#cgo noescape sessl_ctx_get_settings
#cgo nocallback sessl_ctx_get_settings
#cgo nocallback sessl_ctx_set_internal_cache
#cgo noescape sessl_conn_set_num_tickets
#cgo nocallback sessl_conn_set_num_tickets
#cgo noescape sessl_conn_set_sid_ctx
#cgo nocallback sessl_conn_set_sid_ctx
#cgo nocallback SSL_get_num_tickets
#cgo nocallback SSL_CTX_get_num_tickets
#cgo noescape sessl_conn_set_psk_hint
#cgo nocallback sessl_conn_set_psk_hint
#include <stdlib.h>

#include <openssl/ssl.h>

#include "ctx.h"
*/
import "C"

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"
	"unsafe"
)

// SessionCacheMode is how libssl's internal cache of a server works.
type SessionCacheMode int

// Modes of the internal cache.
const (
	// SessionCacheInternal, the default: sessions with an id are kept in the Ctx, and
	// every 255 connections expired ones are searched for (SSL_SESS_CACHE_SERVER).
	SessionCacheInternal SessionCacheMode = iota

	// SessionCacheNoAutoClear: expired sessions stay until [Ctx.FlushSessions], or until
	// there is no room (SSL_SESS_CACHE_NO_AUTO_CLEAR). So no connection waits for a search.
	SessionCacheNoAutoClear

	// SessionCacheNoInternal: nothing is kept (SSL_SESS_CACHE_NO_INTERNAL). Tickets
	// still resume; sessions with an id do not.
	SessionCacheNoInternal
)

// maxCacheSize fits into a C long on every platform.
const maxCacheSize = 1<<31 - 1

// setInternalCache sets up libssl's own cache (SSL_CTX_set_session_cache_mode,
// SSL_CTX_sess_set_cache_size).
func setInternalCache(_ string, cfg *Config, c *Ctx, p ctxPtr) error {
	if !c.server || c.cache != nil {
		return nil
	}
	size := max(cfg.SessionCacheSize, 0) // libssl treats 0 as no limit
	if cfg.SessionCacheSize == 0 {
		size = defaultServerSessions
	}
	C.sessl_ctx_set_internal_cache(p, cBool(cfg.SessionCacheMode == SessionCacheNoAutoClear),
		cBool(cfg.SessionCacheMode == SessionCacheNoInternal), C.long(size))
	return nil
}

// checkInternalCache refuses settings of libssl's cache that would have no effect.
func (cfg *Config) checkInternalCache(server bool) error {
	switch {
	case cfg.SessionCacheMode < SessionCacheInternal || cfg.SessionCacheMode > SessionCacheNoInternal:
		return configError("SessionCacheMode %d is unknown", cfg.SessionCacheMode)
	case cfg.SessionCacheSize > maxCacheSize:
		return configError("SessionCacheSize %d is too large", cfg.SessionCacheSize)
	case cfg.SessionCacheMode == SessionCacheInternal && cfg.SessionCacheSize == 0:
		return nil
	case !server:
		return configError("SessionCacheMode and SessionCacheSize are for servers")
	case cfg.SessionCache != nil:
		return configError("SessionCacheMode and SessionCacheSize are libssl's cache's, " +
			"which SessionCache replaces")
	}
	return nil
}

// SessionSettings are the settings in force for the sessions of a Ctx.
type SessionSettings struct {
	CacheMode  SessionCacheMode // SSL_CTX_get_session_cache_mode
	CacheSize  int              // SSL_CTX_sess_get_cache_size; 0 means no limit
	Timeout    time.Duration    // SSL_CTX_get_timeout
	NumTickets int              // SSL_CTX_get_num_tickets: after a full handshake of TLS 1.3

	MaxEarlyData  uint32 // SSL_CTX_get_max_early_data: how much a ticket allows
	SkipEarlyData uint32 // SSL_CTX_get_recv_max_early_data: how much rejected early data is skipped
}

// SessionSettings returns the settings that libssl has (SSL_CTX_get_session_cache_mode
// and the others), including defaults. A client's CacheMode is SessionCacheNoInternal.
func (c *Ctx) SessionSettings() (s SessionSettings, err error) {
	err = c.withPtr("Ctx.SessionSettings", func(p ctxPtr) error {
		var st C.sessl_settings
		C.sessl_ctx_get_settings(p, &st)
		switch {
		case st.mode&C.SSL_SESS_CACHE_NO_INTERNAL == C.SSL_SESS_CACHE_NO_INTERNAL:
			s.CacheMode = SessionCacheNoInternal
		case st.mode&C.SSL_SESS_CACHE_NO_AUTO_CLEAR != 0:
			s.CacheMode = SessionCacheNoAutoClear
		}
		s.MaxEarlyData, s.SkipEarlyData = uint32(st.max_early), uint32(st.skip_early)
		s.CacheSize = int(st.cache_size)
		s.Timeout = seconds(int64(st.timeout))
		s.NumTickets = max(int(st.num_tickets), c.tickets)
		return nil
	})
	return s, err
}

// SetNumTickets sets how many TLS 1.3 tickets this connection's server issues after a
// full handshake, instead of Config.NumTickets (SSL_set_num_tickets); 0 means none. If
// GetConfigForClient chooses another Ctx, that Ctx's number counts. SetNumTickets
// returns ErrClient on a client, ErrHandshakeStarted after the handshake has begun, and
// ErrRange for a number below 0 or above 255.
func (c *Conn) SetNumTickets(n int) error {
	const op = "Conn.SetNumTickets"
	return c.beforeHandshake(op, func(p connPtr) error {
		if n < 0 || n > maxTickets {
			return fail(op, ErrRange)
		}
		var e cErr
		if !c.ctx.issues && C.sessl_conn_set_num_tickets(p, C.size_t(n), &e) == 0 {
			return asError(op, nil, &e)
		}
		c.sessions.tickets13 = &n
		return nil
	})
}

// NumTickets returns how many TLS 1.3 tickets the server issues after a full handshake
// (SSL_get_num_tickets), or 0 on a client and after Close.
func (c *Conn) NumTickets() (n int) {
	c.setting(func(s *C.SSL) {
		if n = int(C.SSL_get_num_tickets(s)); c.ctx.issues || c.auth.held {
			n = c.ownTickets()
		}
	}, func(ctx *C.SSL_CTX) {
		if n = int(C.SSL_CTX_get_num_tickets(ctx)); c.ctx.issues {
			n = c.ownTickets()
		}
	})
	return n
}

// setting asks the SSL of a server's connection for a number or, before there is one, the SSL_CTX that
// the SSL will take it from: a question makes no SSL.
func (c *Conn) setting(made func(*C.SSL), unmade func(*C.SSL_CTX)) {
	if c.usable("") != nil || !c.server {
		return
	}
	c.withLive(func(p connPtr) {
		switch {
		case p.ssl != nil:
			made(p.ssl)
		case p.ctx != nil:
			unmade(p.ctx)
		}
	})
}

// ownTickets is how many tickets Go issues, where it does so instead of libssl.
func (c *Conn) ownTickets() int {
	if c.sessions.tickets13 != nil {
		return *c.sessions.tickets13
	}
	return c.ctx.tickets
}

// SetSessionIDContext separates this connection's sessions from others of its Ctx: only
// connections with an equal context resume them (SSL_set_session_id_context). It is meant,
// for example, for tenants that a PROXY header tells apart. On a server that asks for
// certificates or has PSKs, the context in force is a hash of b and of the demands on
// clients, as with Config.SessionIDContext. On any other it is b alone, in place of the
// default: any Ctx with the same ticket keys or store resumes under an equal b, whatever its
// certificates are. If GetConfigForClient chooses another Ctx, that Ctx's context counts.
// SetSessionIDContext returns ErrClient on a client, ErrHandshakeStarted after the handshake
// has begun, and ErrRange unless b has 1 to 32 bytes.
func (c *Conn) SetSessionIDContext(b []byte) error {
	const op = "Conn.SetSessionIDContext"
	return c.beforeHandshake(op, func(p connPtr) error {
		if len(b) == 0 || len(b) > C.SSL_MAX_SID_CTX_LENGTH {
			return fail(op, ErrRange)
		}
		if c.ctx.demands {
			sum := sha256.Sum256(fmt.Appendf(nil, "sessl connection 1;ctx=%x;context=%x;", c.ctx.idContext, b))
			b = sum[:]
		}
		return setConnContext(op, p, b)
	})
}

// setConnContext is SSL_set_session_id_context. mu is held, or no other goroutine has
// the connection.
func setConnContext(op string, p connPtr, b []byte) error {
	var e cErr
	if C.sessl_conn_set_sid_ctx(p, bytePtr(b), C.uint(len(b)), &e) == 0 {
		return asError(op, nil, &e)
	}
	return nil
}

// SetPSKIdentityHint tells a TLS 1.2 client of this connection which key is meant, instead
// of Config.PSKIdentityHint (SSL_use_psk_identity_hint). hint has at most 256 bytes, 128
// with OpenSSL 1.1.1, none of them zero. The call has no effect on a server without PSKs,
// or if GetConfigForClient chooses another Ctx. It returns ErrClient on a client,
// ErrHandshakeStarted after the handshake has begun, and ErrRange for another hint.
func (c *Conn) SetPSKIdentityHint(hint string) error {
	const op = "Conn.SetPSKIdentityHint"
	return c.beforeHandshake(op, func(p connPtr) error {
		if len(hint) > C.PSK_MAX_IDENTITY_LEN || strings.ContainsRune(hint, 0) {
			return fail(op, ErrRange)
		}
		h := C.CString(hint)
		defer C.free(unsafe.Pointer(h))
		var e cErr
		if C.sessl_conn_set_psk_hint(p, h, &e) == 0 {
			return asError(op, nil, &e)
		}
		return nil
	})
}

// beforeHandshake runs f under mu on a server's connection whose handshake has not begun.
func (c *Conn) beforeHandshake(op string, f func(connPtr) error) error {
	if err := c.usable(op); err != nil {
		return err
	}
	if !c.server {
		return fail(op, ErrClient)
	}
	p, ok := c.enterUnmade()
	if !ok {
		return fail(op, ErrClosed)
	}
	defer c.leave()
	if c.handshaking.started {
		return fail(op, ErrHandshakeStarted)
	}
	if err := c.makeSSL(op, p); err != nil {
		return err
	}
	return f(p)
}
