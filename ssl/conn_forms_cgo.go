package ssl

/*
#cgo nocallback sessl_session_travels
#include "conn.h"
#include "session.h"
*/
import "C"

// sessionForms says which forms of session a server has, and which of them it issues to a
// client that could have either.
type sessionForms int

const (
	oneForm      sessionForms = C.SESSL_FORM_ONE
	ticketsFirst sessionForms = C.SESSL_FORM_TICKETS
	idsFirst     sessionForms = C.SESSL_FORM_IDS
)

// setForms tells C which sessions the connection issues, and which of them Go wants. mu is
// held, or the connection is new.
func (c *Conn) setForms(p connPtr) {
	p.forms = C.int(c.ctx.forms)
	p.ask_form = cBool(c.ctx.forms == idsFirst && c.ctx.cache.reportsDown())
	p.keep_new = cBool(c.ctx.wantsSessions())
	if c.ctx.forms != oneForm && c.ctx.onNew == nil {
		p.keep_new = C.SESSL_KEEP_STAYING
	}
}

// settleForm is called before sessions are issued: while the store is down, those of a server
// that prefers its cache are put into tickets.
func (c *Conn) settleForm() {
	if c.ctx.forms != idsFirst || !c.ctx.cache.reportsDown() {
		return
	}
	form := C.int(idsFirst)
	if c.ctx.cache.isDown() {
		form = C.int(ticketsFirst)
	}
	c.withLive(func(p connPtr) { p.forms = form })
}

// travels reports whether a session of a server with both forms is in a ticket, and so in no cache.
func (s *Session) travels() (yes bool) {
	s.withPtr("", func(p sessionPtr) error {
		yes = C.sessl_session_travels(p) != 0
		return nil
	})
	return yes
}
