// Package copies copies handles. go vet must complain about each line that is marked, and
// about no other.
package copies

import "sessl/ssl"

func byValue(ssl.Session) {} // BAD

func copies(s *ssl.Session, b *ssl.BorrowedSession, c *ssl.Conn, x *ssl.Ctx) {
	session := *s  // BAD
	borrowed := *b // BAD
	conn := *c     // BAD
	ctx := *x      // BAD
	_, _, _, _ = &session, &borrowed, &conn, &ctx
	inside := struct{ s ssl.Session }{*s} // BAD
	_ = &inside
	for _, s := range []ssl.Session{} { // BAD
		_ = &s
	}
}

func pointers(s *ssl.Session, b *ssl.BorrowedSession, c *ssl.Conn, x *ssl.Ctx) {
	s2, b2, c2, x2 := s, b, c, x
	_, _, _, _ = s2, b2, c2, x2
	d := ssl.Dialer{Ctx: x}
	e := d // no handle itself
	_ = e
	state := c.ConnectionState()
	again := state
	_ = again
}
