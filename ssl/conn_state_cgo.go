package ssl

/*
#cgo noescape sessl_conn_get_info
#cgo nocallback sessl_conn_get_info
#cgo noescape sessl_conn_peer_cert
#cgo nocallback sessl_conn_peer_cert
#cgo noescape sessl_conn_verified_cert
#cgo nocallback sessl_conn_verified_cert
#cgo noescape sessl_conn_export
#cgo nocallback sessl_conn_export
#cgo noescape sessl_conn_issue_tickets
#cgo nocallback sessl_conn_issue_tickets
#cgo noescape sessl_conn_key_update
#cgo nocallback sessl_conn_key_update
#cgo nocallback sessl_conn_midway
#include <openssl/ssl.h>

#include "certcomp.h"
#include "conn.h"
#include "session.h"
*/
import "C"

import (
	"context"
	"unsafe"
)

// readInfo fills info after the handshake (SSL_version, SSL_session_reused,
// SSL_get_current_cipher and others). mu is held.
func (c *Conn) readInfo(p connPtr) settled {
	var i C.sessl_conn_info
	C.sessl_conn_get_info(p, &i)
	c.info.state = ConnectionState{
		Version:            uint16(i.version),
		CipherSuite:        uint16(i.cipher),
		CipherName:         C.GoString(i.cipher_name),
		CipherBits:         int(i.cipher_bits),
		Group:              heapString(i.group),
		NegotiatedProtocol: C.GoStringN((*C.char)(unsafe.Pointer(i.alpn)), C.int(i.alpn_len)),
		DidResume:          i.reused != 0 && i.external_psk == 0,
		PSKIdentity:        pskIdentity(uint16(i.version), heapString(i.psk_identity)),
		PSKIdentityHint:    heapString(i.psk_hint),
		ServerName:         c.name,
		HelloRetryRequest:  i.retried != 0,
		ECHAccepted:        echAccepted(p),

		LocalCertificateCompressed: i.compressed&C.SESSL_COMPRESSED_OURS != 0,
		PeerCertificateCompressed:  i.compressed&C.SESSL_COMPRESSED_THEIRS != 0,

		PeerSignatureScheme: schemeByName(heapString(i.scheme)),
	}
	sent := i.offered != 0
	if c.server && i.external_psk != 0 {
		sent = i.psk_skipped != 0 // the key is not a session
	}
	c.info.reuse = c.reuseState(reuseSigns{c.info.state.DidResume, i.by_ticket != 0, sent, i.unknown_id != 0})
	if i.staple_len > 0 {
		c.info.state.OCSPResponse = C.GoBytes(unsafe.Pointer(i.staple), C.int(i.staple_len))
	}
	c.readOwn(p, uint64(i.sent_cert))
	readPeerType(&c.info, i.session, rawPeer(i.raw))
	if c.server {
		c.info.state.ServerName = heapString(i.server_name)
	}
	if i.ticket_data_len > 0 {
		c.info.state.TicketData = C.GoBytes(unsafe.Pointer(i.ticket_data), C.int(i.ticket_data_len))
	}
	return settled{session: i.session, hasPeer: i.has_peer != 0, anonymous: i.anonymous != 0,
		raw: rawPeer(i.raw), early: EarlyDataStatus(i.early),
		chain: unsafe.Slice((*byte)(i.chain), int(i.chain_len))}
}

// settled is what only the end of the handshake has to know. session is borrowed, under mu, and chain,
// the note of the peer's chain, from it.
type settled struct {
	session   sessionPtr
	chain     []byte
	hasPeer   bool // it has shown a certificate, or a raw public key
	anonymous bool // its suite has neither
	raw       rawPeer
	early     EarlyDataStatus
}

// readPeer finds out what is known of the peer's certificates, and notes it with the
// session for the connections that resume it. mu is held.
func (c *Conn) readPeer(p connPtr, now settled) error {
	if err := c.info.keyKnown(); err != nil {
		return err
	}
	s := now.session
	if s == nil {
		return nil
	}
	if c.info.state.DidResume {
		if len(now.chain) > 0 {
			peer, ok := notedChain(now.chain)
			if !ok {
				return fail("handshake", ErrMalformed)
			}
			c.info.peer = peer
			return nil
		}
		if !now.hasPeer || now.raw != rawNone {
			c.info.peer = &peerChain{}
			return nil
		}
	}
	peer, err := c.shownChains(p, c.info.state.Verified)
	if err != nil {
		return err
	}
	c.info.peer = peer
	return notePeer(s, peer)
}

// shownChains returns the chains that the peer has shown on this connection. mu is held.
func (c *Conn) shownChains(p connPtr, verified bool) (peer *peerChain, err error) {
	peer = &peerChain{}
	peer.sent, err = certsOf(func(i C.int, out **C.uint8_t) C.int {
		return C.sessl_conn_peer_cert(p, i, out)
	})
	if err != nil {
		return nil, err
	}
	if err := legible(peer.sent); err != nil {
		return nil, err
	}
	if verified {
		peer.verified, err = certsOf(func(i C.int, out **C.uint8_t) C.int {
			return C.sessl_conn_verified_cert(p, i, out)
		})
	}
	return peer, err
}

// notePeer notes the peer's certificates with its session. The copies that libssl makes of it for
// TLS 1.3 tickets have them from C.
func notePeer(s sessionPtr, peer *peerChain) error {
	b := peer.encode() // also if empty: an earlier peer's note must go
	if C.sessl_session_set_note(s, C.SESSL_CHAIN, bytePtr(b), C.size_t(len(b))) == 0 {
		return fail("handshake", ErrNoMemory)
	}
	return nil
}

// maxChain bounds how many of a peer's certificates are kept.
const maxChain = 32

func certsOf(get func(i C.int, out **C.uint8_t) C.int) ([][]byte, error) {
	var certs [][]byte
	for len(certs) < maxChain {
		var out *C.uint8_t
		n := get(C.int(len(certs)), &out)
		if n < 0 {
			return nil, fail("handshake", ErrNoMemory) // part of a chain does not count
		}
		if n == 0 {
			break
		}
		certs = append(certs, takeSecret(out, n))
	}
	return certs, nil
}

// ExportKeyingMaterial returns length bytes that only the two peers can compute, bound to
// label and context (RFC 5705 and RFC 8446, section 7.5; SSL_export_keying_material). In TLS
// 1.2 a nil context differs from an empty one. Without the extended master secret (RFC 7627)
// the error is ErrNoExtendedMasterSecret, because a man in the middle could know the bytes.
func (c *Conn) ExportKeyingMaterial(label string, context []byte, length int) ([]byte, error) {
	const op = "Conn.ExportKeyingMaterial"
	if length < 0 || length > maxExport {
		return nil, fail(op, ErrRange)
	}
	out := make([]byte, length)
	err := c.withSSL(op, func(p connPtr) error {
		var e cErr
		l := []byte(label)
		chars := (*C.char)(unsafe.Pointer(unsafe.SliceData(l)))
		switch C.sessl_conn_export(p, bytePtr(out), C.size_t(length), chars, C.size_t(len(l)),
			bytePtr(context), C.size_t(len(context)), cBool(context != nil), &e) {
		case 0:
			return asError(op, nil, &e)
		case -1:
			return fail(op, ErrNoExtendedMasterSecret)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// maxExport is far more than any protocol exports.
const maxExport = 1 << 16

// KeyUpdate changes the keys of what this side sends, and with request asks the peer to do
// the same (SSL_key_update). TLS 1.3 only. If a part of a handshake message of the peer has
// arrived, it waits for the rest as a Write does. After CloseWrite it returns ErrClosed.
func (c *Conn) KeyUpdate(request bool) error {
	const op = "Conn.KeyUpdate"
	if c == nil {
		return fail(op, ErrNil)
	}
	err := c.between(context.Background(), func(block bool) error {
		return c.withSSL(op, func(p connPtr) error {
			if err := c.mayBegin(op, p, block); err != nil {
				return err
			}
			var e cErr
			if C.sessl_conn_key_update(p, cBool(request), &e) == 0 {
				return asError(op, nil, &e)
			}
			c.writing.waiting.Store(int64(p.out.tail - p.out.head))
			return nil
		})
	})
	if err != nil {
		return inOp(op, err)
	}
	return inOp(op, c.flushLocked())
}

// isMidway reports whether a part of a handshake message of the peer has arrived. mu is held.
func isMidway(p connPtr) bool { return C.sessl_conn_midway(p) != 0 }

// IssueTicket sends one more TLS 1.3 ticket to the client (SSL_new_session_ticket), at once.
// It is for servers after the handshake, with OpenSSL 3.0 or later. It returns ErrTLS13Only in
// TLS 1.2, ErrNotResumable after SetNotResumable, ErrNoTicketKey while the TicketKeys have no
// current key, and ErrClosed after CloseWrite. If a part of a handshake message of the client has
// arrived, it waits for the rest as a Write does.
func (c *Conn) IssueTicket() error {
	const op = "Conn.IssueTicket"
	if err := c.usable(op); err != nil {
		return err
	}
	if !c.server {
		return fail(op, ErrClient)
	}
	if !c.handshaking.done.Load() {
		return fail(op, ErrHandshakeIncomplete)
	}
	c.settleForm()
	err := c.between(context.Background(), func(block bool) error { return c.issueTickets(op, 1, block) })
	c.deliver()
	if err != nil || c.sessions.unkept.Load() { // another ticket waits for the store: its call sends both
		return inOp(op, err)
	}
	return inOp(op, c.flushLocked())
}

// issueTickets makes n tickets wait for output (SSL_new_session_ticket); for block see mayBegin.
func (c *Conn) issueTickets(op string, n int, block bool) error {
	p, ok := c.enter()
	if !ok {
		return fail(op, ErrClosed)
	}
	defer c.leave()
	if C.SESSL_HAVE_3_0 == 0 && p.appdata.veto == 0 {
		return unsupported(op, "OpenSSL 3.0")
	}
	if err := c.mayBegin(op, p, block); err != nil {
		return err
	}
	if C.SSL_version(p.ssl) < C.TLS1_3_VERSION {
		return fail(op, ErrTLS13Only)
	}
	if p.auth == C.SESSL_AUTH_ANSWERED {
		return fail(op, ErrRequestPending) // the new peer has not been accepted or refused
	}
	if p.appdata.veto != 0 {
		return fail(op, ErrNotResumable)
	}
	if q := C.SSL_get0_session(p.ssl); q != nil { // libssl fills it in for the first ticket
		l := lockOf(q)
		l.Lock()
		defer l.Unlock()
	}
	defer c.takeFresh(p)
	var e cErr
	switch C.sessl_conn_issue_tickets(p, C.int(n), &e) {
	case -1:
		return fail(op, ErrNoTicketKey)
	case 0:
		return asError(op, nil, &e)
	}
	c.writing.waiting.Store(int64(p.out.tail - p.out.head))
	c.sessions.unkept.Store(p.unkept != 0)
	return nil
}

// withLive runs f under mu if the connection still exists. Before the handshake there may be no SSL.
func (c *Conn) withLive(f func(connPtr)) {
	if p, ok := c.enterUnmade(); ok {
		defer c.leave()
		f(p)
	}
}

// Pending returns how many decrypted bytes a Read would return without further input (SSL_pending),
// those that [Conn.RequestClientCertificate] has read included.
func (c *Conn) Pending() int {
	n := 0
	c.withSSL("Conn.Pending", func(p connPtr) error {
		n = int(C.sessl_conn_pending(p))
		c.reading.keeping.Lock()
		n += len(c.reading.kept)
		c.reading.keeping.Unlock()
		return nil
	})
	return n
}
