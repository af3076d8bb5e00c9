package ssl

/*
#cgo noescape sessl_ctx_set_early
#cgo nocallback sessl_ctx_set_early
#cgo noescape sessl_conn_read_early
#cgo nocallback sessl_conn_read_early
#cgo noescape sessl_conn_write_early
#cgo nocallback sessl_conn_write_early
#cgo nocallback sessl_conn_early_status
#cgo noescape sessl_conn_set_max_early
#cgo nocallback sessl_conn_set_max_early
#cgo nocallback SSL_get_max_early_data
#cgo nocallback SSL_CTX_get_max_early_data
#cgo noescape sessl_conn_set_skip_early
#cgo nocallback sessl_conn_set_skip_early
#cgo nocallback SSL_get_recv_max_early_data
#cgo nocallback SSL_CTX_get_recv_max_early_data
#cgo noescape sessl_conn_export_early
#cgo nocallback sessl_conn_export_early
#cgo noescape sessl_conn_binder_good
#cgo nocallback sessl_conn_binder_good
#include <stdlib.h>

#include <openssl/ssl.h>

#include "conn.h"
#include "session.h"
#include "ticket.h"
*/
import "C"

import (
	"fmt"
	"time"
	"unsafe"
)

// Outcomes of early data (SSL_get_early_data_status).
const (
	// EarlyDataNotSent: the client has sent none, or the handshake has not come that far.
	EarlyDataNotSent EarlyDataStatus = C.SSL_EARLY_DATA_NOT_SENT

	// EarlyDataRejected: the server has discarded the client's early data. It may be
	// sent again, over this connection.
	EarlyDataRejected EarlyDataStatus = C.SSL_EARLY_DATA_REJECTED

	// EarlyDataAccepted: the server has received it.
	EarlyDataAccepted EarlyDataStatus = C.SSL_EARLY_DATA_ACCEPTED
)

// stepEarlyEnd says that there is no more early data.
const stepEarlyEnd status = C.SESSL_EARLY_END

// setEarly makes a server's tickets allow early data (SSL_CTX_set_max_early_data,
// SSL_CTX_set_allow_early_data_cb).
func setEarly(op string, cfg *Config, c *Ctx, p ctxPtr) error {
	if cfg.MaxEarlyData == 0 {
		return nil
	}
	c.guard = newGuarding(cfg)
	c.maxEarly = cfg.MaxEarlyData
	var e cErr
	if C.sessl_ctx_set_early(p, C.uint32_t(cfg.MaxEarlyData), cBool(c.guard != nil), &e) == 0 {
		return asError(op, nil, &e)
	}
	return nil
}

// hasSession reports whether the client has the session that it names first, by checking its
// binder. The session must be found here or in a ticket of ours. Algorithms are the Ctx's own.
func (c *Conn) hasSession(id []byte) (has bool) {
	var query *C.char
	if q := c.ctx.guard.query; q != "" {
		query = C.CString(q)
		defer C.free(unsafe.Pointer(query))
	}
	c.withLive(func(p connPtr) {
		has = C.sessl_conn_binder_good(p, bytePtr(id), C.size_t(len(id)), cBool(c.ctx.guard.fips), query) != 0
	})
	return has
}

// allowEarly is the answer for SSL_CTX_set_allow_early_data_cb, which asks later.
func (c *Conn) allowEarly() { c.withLive(func(p connPtr) { p.claimed = 1 }) }

// stepReadEarly continues a server's handshake up to the client's early data, and
// decrypts a record of it into b (SSL_read_early_data).
func (c *Conn) stepReadEarly(fd int, in, b []byte) *result {
	const op = "handshake"
	p, ok := c.enterUnmade()
	if !ok {
		return c.pulled(closedResult(op))
	}
	defer c.leave()
	c.handshaking.started = true
	st := &c.reading.step
	C.sessl_conn_read_early(p, C.int(fd), bytePtr(in), C.size_t(len(in)), bytePtr(b), C.size_t(len(b)), st)
	if st.status == C.SESSL_UNMADE {
		if err := c.makeSSL(op, p); err != nil {
			return c.pulled(result{status: stepFailed, err: err})
		}
		C.sessl_conn_read_early(p, C.int(fd), nil, 0, bytePtr(b), C.size_t(len(b)), st)
	}
	if !c.early.open.Load() {
		st.answers = st.out_waiting // no output is the application's yet
	}
	return c.pulledStep(op, p)
}

// stepWriteEarly makes b wait for output as early data, after the ClientHello
// (SSL_write_early_data).
func (c *Conn) stepWriteEarly(op string, b []byte) result {
	p, ok := c.enter()
	if !ok {
		return closedResult(op)
	}
	defer c.leave()
	c.handshaking.started = true
	var st C.sessl_step
	C.sessl_conn_write_early(p, bytePtr(b), C.size_t(len(b)), &st)
	var r result
	c.result(op, p, &st, &r)
	return r
}

// admitEarly is called once, before a server returns early data: the client must be one
// that its handshake would accept, too.
func (c *Conn) admitEarly() error {
	p, ok := c.enter()
	if !ok {
		return fail("handshake", ErrClosed)
	}
	defer c.leave()
	if c.noteEarly(EarlyDataStatus(C.sessl_conn_early_status(p))); c.EarlyDataStatus() != EarlyDataAccepted {
		return nil
	}
	now := c.readInfo(p)
	if c.ctx.verify && !c.resumedOK(now) {
		condemn(p)
		return fail("handshake", ErrUnverified)
	}
	c.info.state.Verified = c.ctx.verify && now.hasPeer
	if err := c.readPeer(p, now); err != nil {
		return err
	}
	p.early = C.SESSL_EARLY_OPEN
	c.early.open.Store(true)
	return nil
}

// noteEarly records what became of early data, and counts it once. mu is held.
func (c *Conn) noteEarly(now EarlyDataStatus) {
	if EarlyDataStatus(c.early.status.Swap(int32(now))) != now {
		c.ctx.early.count(now)
	}
}

// earlyTerms are the terms under which q, a session that is about to be offered, allows
// early data. mu is held.
func (c *Conn) earlyTerms(q sessionPtr, w *weighed) (t earlyTerms) {
	if w.version != VersionTLS13 || c.ctx.highest < VersionTLS13 {
		return earlyTerms{not: "it needs TLS 1.3"}
	}
	if t.limit = uint32(w.max_early); t.limit == 0 {
		return earlyTerms{not: "the session does not allow it"}
	}
	t.proto = earlyProto(q)
	if !c.earlyPeer(q, w) {
		t.not = "the session was not verified for this name and configuration"
	}
	hint := min(uint64(C.SSL_SESSION_get_ticket_lifetime_hint(q)), maxTicketLifetime)
	t.until = time.Unix(int64(C.sessl_session_get_time(q)), 0).Add(seconds(int64(hint)))
	return t
}

// earlyPeer reports whether the holder of the keys of q was verified as the peer that
// is now meant: early data leaves before it could be verified again.
func (c *Conn) earlyPeer(q sessionPtr, w *weighed) bool {
	host, has := "", false
	if h := C.SSL_SESSION_get0_hostname(q); h != nil {
		host, has = heapString(h), true
	}
	if has && host != c.sni() {
		return false
	}
	kind, name := c.stampOf(w)
	if !c.ctx.verify {
		if kind == stampUnverified {
			return name == c.name
		}
		return host == c.sni() // nil if no name was sent, or the server did not acknowledge it
	}
	return (kind == stampPSK || kind == stampCertificate && !c.ctx.trustEnded()) && name == c.name
}

// earlyProto is the protocol of q, which the server must choose again.
func earlyProto(q sessionPtr) string {
	var out *C.uchar
	var n C.size_t
	C.SSL_SESSION_get0_alpn_selected(q, &out, &n)
	return C.GoStringN((*C.char)(unsafe.Pointer(out)), C.int(n))
}

// SetMaxEarlyData sets how many bytes of early data this server's connection accepts
// and its tickets allow (SSL_set_max_early_data): at most Config.MaxEarlyData, 0 for
// none. If GetConfigForClient chooses another Ctx, that Ctx's number counts. If libssl
// keeps track of tickets itself (see Config.MaxEarlyData), 0 also keeps the connection,
// and its tickets, from resumption, because libssl then treats them as another kind.
// SetMaxEarlyData returns ErrClient on a client, ErrHandshakeStarted after the
// handshake has begun, and ErrRange for more than Config.MaxEarlyData.
func (c *Conn) SetMaxEarlyData(n uint32) error {
	const op = "Conn.SetMaxEarlyData"
	return c.beforeHandshake(op, func(p connPtr) error {
		if n > c.ctx.maxEarly {
			return fail(op, ErrRange)
		}
		var e cErr
		if C.sessl_conn_set_max_early(p, C.uint32_t(n), &e) == 0 {
			return asError(op, nil, &e)
		}
		return nil
	})
}

// MaxEarlyData returns how many bytes of early data the tickets of this server's
// connection allow (SSL_get_max_early_data), or 0 on a client and after Close.
func (c *Conn) MaxEarlyData() (n uint32) {
	c.setting(func(s *C.SSL) { n = uint32(C.SSL_get_max_early_data(s)) },
		func(ctx *C.SSL_CTX) { n = uint32(C.SSL_CTX_get_max_early_data(ctx)) })
	return n
}

// maxSkipEarly leaves libssl room to add to it.
const maxSkipEarly = 1 << 30

// SetSkipEarlyData sets how much rejected early data this server's connection skips
// (SSL_set_recv_max_early_data). It is for a server that gets tickets of another server
// that allows more. n may not be less than before, which is enough for the MaxEarlyData
// of its Ctx, nor more than 1 GiB. It counts as libssl does, with a byte for each
// record (1.1.1: 17). If GetConfigForClient chooses another Ctx, that Ctx's number
// counts. SetSkipEarlyData returns ErrClient on a client, ErrHandshakeStarted after the
// handshake has begun, and ErrRange for another n.
func (c *Conn) SetSkipEarlyData(n uint32) error {
	const op = "Conn.SetSkipEarlyData"
	return c.beforeHandshake(op, func(p connPtr) error {
		if n < uint32(C.SSL_get_recv_max_early_data(p.ssl)) || n > maxSkipEarly {
			return fail(op, ErrRange)
		}
		var e cErr
		if C.sessl_conn_set_skip_early(p, C.uint32_t(n), &e) == 0 {
			return asError(op, nil, &e)
		}
		return nil
	})
}

// SkipEarlyData returns how much rejected early data this server's connection skips
// (SSL_get_recv_max_early_data), or 0 on a client and after Close.
func (c *Conn) SkipEarlyData() (n uint32) {
	c.setting(func(s *C.SSL) { n = uint32(C.SSL_get_recv_max_early_data(s)) },
		func(ctx *C.SSL_CTX) { n = uint32(C.SSL_CTX_get_recv_max_early_data(ctx)) })
	return n
}

// ExportEarlyKeyingMaterial returns length bytes that only a holder of the resumed session can
// compute, from the secret of early data (SSL_export_keying_material_early, RFC 8446, section 7.5).
// A replayed first flight gives the same bytes. They are available on a client after early data was
// written, and on a server after ReadEarlyData has returned some. The error is ErrNoEarlyData
// before that, if none was sent, and on a client once the server has not accepted it.
func (c *Conn) ExportEarlyKeyingMaterial(label string, context []byte, length int) ([]byte, error) {
	const op = "Conn.ExportEarlyKeyingMaterial"
	if err := c.usable(op); err != nil {
		return nil, err
	}
	if length < 0 || length > maxExport {
		return nil, fail(op, ErrRange)
	}
	p, ok := c.enter()
	if !ok {
		return nil, fail(op, ErrClosed)
	}
	defer c.leave()
	if err := c.endedFor(op); err != nil {
		return nil, err
	}
	out, l := make([]byte, length), []byte(label)
	var e cErr
	chars := (*C.char)(unsafe.Pointer(unsafe.SliceData(l)))
	switch C.sessl_conn_export_early(p, bytePtr(out), C.size_t(length), chars, C.size_t(len(l)),
		bytePtr(context), C.size_t(len(context)), &e) {
	case -1:
		return nil, fail(op, fmt.Errorf("%w: there is no secret of it", ErrNoEarlyData))
	case 0:
		return nil, asError(op, nil, &e)
	}
	return out, nil
}
