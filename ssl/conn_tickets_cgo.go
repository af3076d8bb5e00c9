package ssl

/*
#cgo nocallback SSL_version
#cgo noescape sessl_conn_set_ticket_data
#cgo nocallback sessl_conn_set_ticket_data
#cgo noescape sessl_conn_ticket_data
#cgo nocallback sessl_conn_ticket_data
#include "ticket.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

// MaxTicketData is how many bytes [Conn.SetTicketData] takes: a client sends the ticket back in
// its ClientHello, which must have room for more than that.
const MaxTicketData = 1 << 14

// SetTicketData leaves data, which is copied, with the sessions that this connection of a
// server issues from now on, for the connections that resume them: those have it as
// [ConnectionState].TicketData, and hand it on with the sessions that they issue, unless they
// set other data. Empty data is none. It travels encrypted inside the ticket
// (SSL_SESSION_set1_ticket_appdata), or with the session in a cache and its store; no client sees it.
//
// Which sessions those are is a matter of when. Before Handshake, and in GetConfigForClient
// and GetCertificate, it is all of them. In VerifyConnection it is those of TLS 1.3, with
// OpenSSL 3.0 or later; in TLS 1.2, and with 1.1.1, they have been issued by then. After the
// handshake it is those of [Conn.IssueTicket] and [Conn.RequestClientCertificate]. A TLS 1.2
// resumption issues nothing, unless its key is about to go: the session keeps what it has.
//
// More than MaxTicketData is ErrTooLarge; a client gets ErrClient. Together with a client's
// long certificate chain it may be more than a ticket has room for: that is then not resumed.
// SetTicketData may be called at any time, by several goroutines at once.
func (c *Conn) SetTicketData(data []byte) error {
	const op = "Conn.SetTicketData"
	if err := c.usable(op); err != nil {
		return err
	}
	if !c.server {
		return fail(op, ErrClient)
	}
	if len(data) > MaxTicketData {
		return fail(op, fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, len(data), MaxTicketData))
	}
	p, ok := c.enter()
	if !ok {
		return fail(op, ErrClosed)
	}
	defer c.leave()
	if C.sessl_conn_set_ticket_data(p, bytePtr(data), C.size_t(len(data))) == 0 {
		return fail(op, ErrNoMemory)
	}
	return nil
}

// takeTicketData reads what the resumed session has brought. mu is held.
func (c *Conn) takeTicketData(p connPtr) {
	if !c.server || !c.info.state.DidResume {
		return
	}
	var out *C.uint8_t
	if n := C.sessl_conn_ticket_data(p, &out); n > 0 {
		c.info.state.TicketData = C.GoBytes(unsafe.Pointer(out), C.int(n))
	}
}

// SetNotResumable has this connection of a server issue no session that could be resumed
// (SSL_CTX_set_not_resumable_session_callback): in TLS 1.2 the client gets neither an id nor a
// ticket, in TLS 1.3 no ticket, and OnNewSession is not called. What the client had before
// stays what it was, and may be resumed by this connection.
//
// It must come before the handshake or in GetConfigForClient. VerifyConnection may call it, too,
// for TLS 1.3 with OpenSSL 3.0 or later, where tickets are issued after it. Any later it is
// ErrHandshakeStarted: the client has its session. A client gets ErrClient.
func (c *Conn) SetNotResumable() error {
	const op = "Conn.SetNotResumable"
	if err := c.usable(op); err != nil {
		return err
	}
	if !c.server {
		return fail(op, ErrClient)
	}
	p, ok := c.enter()
	if !ok {
		return fail(op, ErrClosed)
	}
	defer c.leave()
	late := c.ctx.issues && C.SSL_version(p.ssl) == C.TLS1_3_VERSION // what VerifyConnection decides on
	if p.appdata.settled != 0 && !late || c.handshaking.done.Load() {
		return fail(op, ErrHandshakeStarted)
	}
	p.appdata.veto = 1
	return nil
}

// issueUnlessVetoed is issueTickets for those that the application has not asked for.
func (c *Conn) issueUnlessVetoed(op string, n int) error {
	err := c.issueTickets(op, n, false)
	if errors.Is(err, ErrNotResumable) {
		return nil
	}
	return err
}
