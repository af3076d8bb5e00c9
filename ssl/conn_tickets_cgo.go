package ssl

/*
#cgo nocallback SSL_version
#cgo noescape sessl_conn_set_ticket_data
#cgo nocallback sessl_conn_set_ticket_data
#include <openssl/ssl.h>

#include "ticket.h"
*/
import "C"

import (
	"errors"
	"fmt"
)

// MaxTicketData is how many bytes [Conn.SetTicketData] accepts. A client sends the
// ticket back in its ClientHello, which must have room for more than that.
const MaxTicketData = 1 << 14

// SetTicketData leaves data, which is copied, with the sessions that this server's connection
// issues from now on. Connections that resume them have it as [ConnectionState].TicketData,
// and pass it on to the sessions that they issue, unless they set other data. Empty data
// means none. It travels encrypted inside the ticket (SSL_SESSION_set1_ticket_appdata), or
// with the session in a cache and its store. No client can see it.
//
// Which sessions get it depends on when it is called:
//   - Before Handshake, and in GetConfigForClient and GetCertificate: all of them.
//   - In VerifyConnection: those of TLS 1.3, with OpenSSL 3.0 or later. In TLS 1.2, and
//     with 1.1.1, sessions have been issued by then.
//   - After the handshake: those of [Conn.IssueTicket] and [Conn.RequestClientCertificate].
//
// A TLS 1.2 resumption issues nothing, unless the ticket's key is about to go: the
// session keeps its data.
//
// SetTicketData returns ErrTooLarge for more than MaxTicketData, and ErrClient on a client.
// Together with a client's long certificate chain, the data may exceed a ticket's room; the ticket
// is then not resumed. SetTicketData may be called at any time, by several goroutines at once.
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
	p, ok := c.enterUnmade()
	if !ok {
		return fail(op, ErrClosed)
	}
	defer c.leave()
	if C.sessl_conn_set_ticket_data(p, bytePtr(data), C.size_t(len(data))) == 0 {
		return fail(op, ErrNoMemory)
	}
	return nil
}

// SetNotResumable makes this server's connection issue no session that could be resumed
// (SSL_CTX_set_not_resumable_session_callback): in TLS 1.2 the client gets neither an
// id nor a ticket, in TLS 1.3 no ticket, and OnNewSession is not called. The session
// that the client had before is not affected, and this connection may resume it.
//
// Call it before the handshake or in GetConfigForClient. VerifyConnection may call it, too,
// for TLS 1.3 with OpenSSL 3.0 or later, where tickets are issued after it. Later it returns
// ErrHandshakeStarted, because the client has its session. On a client it returns ErrClient.
func (c *Conn) SetNotResumable() error {
	const op = "Conn.SetNotResumable"
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
	// In TLS 1.3 VerifyConnection may decide.
	late := func() bool { return c.ctx.issues && C.SSL_version(p.ssl) == C.TLS1_3_VERSION }
	if p.appdata.settled != 0 && !late() || c.handshaking.done.Load() {
		return fail(op, ErrHandshakeStarted)
	}
	p.appdata.veto = 1
	return nil
}

// issueUnlessVetoed is issueTickets for tickets that the application has not asked for.
func (c *Conn) issueUnlessVetoed(op string, n int) error {
	c.settleForm()
	err := c.issueTickets(op, n, false)
	if errors.Is(err, ErrNotResumable) || errors.Is(err, ErrNoTicketKey) {
		return nil
	}
	return err
}
