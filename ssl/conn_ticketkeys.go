package ssl

import "context"

// catchUp has the TicketKeys ask the application about a key that is not here.
func (c *Conn) catchUp(ctx context.Context, h *ClientHelloInfo) {
	if k := c.ctx.ticketKeys; k.asksForKeys() {
		if name, ok := c.unknownKey(h); ok {
			k.catchUp(ctx, name)
		}
	}
}

// unknownKey returns the name of the key of the client's first ticket if it shows no ticket that
// could be opened.
func (c *Conn) unknownKey(h *ClientHelloInfo) (name ticketKeyName, unknown bool) {
	tickets := [][]byte{h.ticket}
	if c.willBe13(h) {
		tickets = h.identities
	}
	for _, b := range tickets {
		switch {
		case c.ctx.psk.known[string(b)]:
			return name, false
		case !couldBeTicket(b):
		case c.ctx.opensTicket(b):
			return name, false
		case !unknown:
			name, unknown = ticketKeyName(b[:ticketNameLen]), true
		}
	}
	return name, unknown
}

// couldBeTicket reports whether b is as long as a ticket of ours: the name of a key, an IV, a session
// in blocks of AES, and a MAC.
func couldBeTicket(b []byte) bool {
	const (
		around = ticketNameLen + 16 + 32
		least  = 64 // its secret alone has 32 bytes or more
	)
	return len(b) >= around+least && (len(b)-around)%16 == 0
}
