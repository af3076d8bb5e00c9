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

	// ReusedTicket: resumed by a ticket: of TLS 1.2 (RFC 5077), or of TLS 1.3 (RFC 8446, section
	// 4.6.1), where every session is. Whether that of TLS 1.3 has the session in it, or stands for
	// an entry of a cache, the server alone knows.
	ReusedTicket

	// ReuseExternalPSK: no session was offered or resumed, and the connection rests on an
	// external pre-shared key, [ConnectionState].PSKIdentity. It is no resumption.
	ReuseExternalPSK
)

// ReusedPSK is ReusedTicket: to TLS 1.3 a ticket is the name of a pre-shared key.
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
}

// reuseLabels are for metrics, whose users have to type them.
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
}

// String describes the state in a few words that are the same each time.
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
