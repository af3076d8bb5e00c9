package ssl

/*
#cgo nocallback SSL_version
#include "cshim.h"
*/
import "C"

import "errors"

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
	late := c.ctx.issues && C.SSL_version(p.ssl) == C.TLS1_3_VERSION // what judge decides on
	if p.appdata.settled != 0 && !late || c.done.Load() {
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
