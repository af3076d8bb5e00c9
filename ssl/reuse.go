package ssl

// ReuseState says whether a connection resumed a session, and why not. A server that does
// not resume looks the same from outside whether it was never asked, declined, or was asked
// with something that it could not know: this tells them apart.
type ReuseState int

// What became of resumption. Those up to ReuseOtherConfig offered nothing.
const (
	// ReuseUnknown: the handshake is not complete.
	ReuseUnknown ReuseState = iota

	// ReuseNoSession: nothing to offer. A client was given no session, and its cache had
	// none for the server; a server was offered none.
	ReuseNoSession

	// ReuseExpired: what the client had for the server was past its lifetime.
	ReuseExpired

	// ReuseNotResumable: OpenSSL had marked the client's session as of no more use, as it
	// does after a failed connection.
	ReuseNotResumable

	// ReuseOtherConfig: the client's session was made under another configuration, or
	// cannot be trusted under this one: other roots, another name, a certificate that no longer
	// verifies. Or it needs what this one does not offer: a version, a cipher suite, an extension.
	ReuseOtherConfig

	// ReuseDeclined: offered, and the server did a full handshake.
	ReuseDeclined

	// ReusedID: resumed by the id of a session that the server had kept (TLS 1.2).
	ReusedID

	// ReusedTicket: resumed by a ticket (TLS 1.2, RFC 5077).
	ReusedTicket

	// ReusedPSK: resumed by a pre-shared key, as every session of TLS 1.3 is (RFC 8446,
	// section 2.2). Whether it stood for a ticket or for an entry of a cache, the server
	// alone knows.
	ReusedPSK
)

var reuseNames = [...]string{
	ReuseUnknown:      "unknown",
	ReuseNoSession:    "not offered: no session",
	ReuseExpired:      "not offered: expired",
	ReuseNotResumable: "not offered: not resumable",
	ReuseOtherConfig:  "not offered: other configuration",
	ReuseDeclined:     "declined",
	ReusedID:          "resumed by id",
	ReusedTicket:      "resumed by ticket",
	ReusedPSK:         "resumed by psk",
}

// String describes the state in a few words that are the same each time.
func (r ReuseState) String() string {
	if r < 0 || int(r) >= len(reuseNames) {
		return "invalid"
	}
	return reuseNames[r]
}

// Resumed reports whether a session was resumed.
func (r ReuseState) Resumed() bool { return r >= ReusedID && r <= ReusedPSK }

// Offered reports whether the client offered a session.
func (r ReuseState) Offered() bool { return r == ReuseDeclined || r.Resumed() }

// ReuseState says what became of resumption (SSL_session_reused, and what this side knows
// besides). It is ReuseUnknown until the handshake is complete, and keeps its answer after
// Close. On a server that speaks TLS 1.2 to a client that has sent the id of a session and
// could also do TLS 1.3, an id that was not known may as well have been the one that such
// clients make up: that is ReuseNoSession.
func (c *Conn) ReuseState() ReuseState {
	if c == nil || !c.done.Load() {
		return ReuseUnknown
	}
	return c.info.reuse
}

// reuseState is what the handshake came to. version is the connection's; sent says that
// the session was in the ClientHello.
func (c *Conn) reuseState(resumed, ticket, sent bool, version uint16) ReuseState {
	switch {
	case resumed && version == VersionTLS13:
		return ReusedPSK
	case resumed && ticket:
		return ReusedTicket
	case resumed:
		return ReusedID
	case sent:
		return ReuseDeclined
	case c.offered == offered:
		return ReuseOtherConfig // libssl saw at once that it would not do
	case c.notOffered != ReuseUnknown:
		return c.notOffered
	}
	return ReuseNoSession
}
