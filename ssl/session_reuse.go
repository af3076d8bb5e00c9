package ssl

// ReuseState says whether a connection resumed a session, and if not, why. From
// outside, a server that was offered no session looks the same as one that declined a
// session or was offered one that it did not know. ReuseState tells these cases apart.
type ReuseState int

// Outcomes of resumption. In the states up to ReuseOtherConfig the client offered no session.
const (
	// ReuseUnknown: the handshake is not complete.
	ReuseUnknown ReuseState = iota

	// ReuseNoSession: nothing to offer. A client was given no session, and its cache
	// had none for the server; a server was offered none.
	ReuseNoSession

	// ReuseExpired: the client's session for the server was past its lifetime.
	ReuseExpired

	// ReuseNotResumable: OpenSSL had marked the client's session as not resumable, for
	// example after a failed connection.
	ReuseNotResumable

	// ReuseOtherConfig: the client's session was made under another configuration, or cannot be
	// trusted under this one (other roots, another name, a certificate that no longer
	// verifies), or it needs a version, cipher suite or extension that this one does not offer.
	ReuseOtherConfig

	// ReuseDeclined: a session was offered, and the server did a full handshake.
	ReuseDeclined

	// ReusedID: the session was resumed by its id, from the server's cache (TLS 1.2). On a server
	// with both TicketKeys and a SessionCache also by a TLS 1.3 ticket that contains only an id.
	ReusedID

	// ReusedTicket: the session was resumed by a ticket of TLS 1.2 (RFC 5077) or of TLS
	// 1.3 (RFC 8446, section 4.6.1), where every resumption uses one. Only the server
	// knows whether a TLS 1.3 ticket contains the session or names an entry of a cache.
	ReusedTicket

	// ReuseExternalPSK: no session was offered or resumed, and the connection rests on an
	// external pre-shared key, [ConnectionState].PSKIdentity. This is not a resumption.
	ReuseExternalPSK

	// ReuseUnknownID: a server with both TicketKeys and a SessionCache was shown no ticket, and
	// a session id (TLS 1.2) that it does not know. It may have forgotten the session, or the
	// client has made up the id, as crypto/tls does on its first visit; behind a Store such an id
	// is known as made up and gives ReuseNoSession. A ticket that such a server cannot use gives
	// ReuseDeclined.
	ReuseUnknownID
)

// ReusedPSK is ReusedTicket: in TLS 1.3 a ticket is the identity of a pre-shared key.
const ReusedPSK = ReusedTicket

var reuseNames = [...]string{
	ReuseUnknown:      "unknown",
	ReuseNoSession:    "not offered: no session",
	ReuseExpired:      "not offered: expired",
	ReuseNotResumable: "not offered: not resumable",
	ReuseOtherConfig:  "not offered: other configuration",
	ReuseDeclined:     "declined",
	ReusedID:          "resumed by id",
	ReusedTicket:      "resumed by ticket",
	ReuseExternalPSK:  "by external PSK",
	ReuseUnknownID:    "unknown id",
}

// reuseLabels are for metrics, so they are easy to type.
var reuseLabels = [...]string{
	ReuseUnknown:      "unknown",
	ReuseNoSession:    "no_session",
	ReuseExpired:      "expired",
	ReuseNotResumable: "not_resumable",
	ReuseOtherConfig:  "other_config",
	ReuseDeclined:     "declined",
	ReusedID:          "id",
	ReusedTicket:      "ticket",
	ReuseExternalPSK:  "external_psk",
	ReuseUnknownID:    "unknown_id",
}

// String returns a short fixed description of the state.
func (r ReuseState) String() string {
	if r < 0 || int(r) >= len(reuseNames) {
		return "invalid"
	}
	return reuseNames[r]
}

// Resumed reports whether a session was resumed.
func (r ReuseState) Resumed() bool { return r == ReusedID || r == ReusedTicket }

// Offered reports whether the client offered a session.
func (r ReuseState) Offered() bool { return r == ReuseDeclined || r.Resumed() }
