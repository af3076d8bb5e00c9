package ssl

import (
	"crypto/x509"
	"fmt"
)

// ConnectionState is what the handshake settled. It is this package's own type: net/http
// treats a connection with crypto/tls's in a way that would cost HTTP/2.
type ConnectionState struct {
	Version            uint16 // VersionTLS12, VersionTLS13 (SSL_version)
	CipherSuite        uint16 // number in the TLS registry
	CipherName         string // OpenSSL's name for it (SSL_CIPHER_get_name)
	Group              string // key exchange group, "" on 1.1.1 or if none (SSL_get0_group_name)
	NegotiatedProtocol string // by ALPN (SSL_get0_alpn_selected)
	DidResume          bool   // a session was reused (SSL_session_reused, but for external keys)

	// PSKIdentity is the identity of the external pre-shared key by which both sides are
	// authenticated, on this connection or on the one with which its session began; "" for
	// none (SSL_get_psk_identity). Then there are no certificates, and Verified is false.
	PSKIdentity string

	// PSKIdentityHint is what the server has sent with a key in TLS 1.2
	// (SSL_get_psk_identity_hint).
	PSKIdentityHint string

	// ServerName is the name that the client demanded; on a server, the one that the
	// client sent (SSL_get_servername).
	ServerName string

	// Verified says that the peer showed a certificate, now or when the session began,
	// and that it was verified.
	Verified bool

	// PeerCertificates are the certificates that the peer sent, leaf first, as far as crypto/x509
	// can read them; a peer whose own it cannot read is refused. They must not be
	// changed, as all of its connections may have the same. On a resumed
	// connection of a server they are those of the session's first one, in every form: a
	// ticket that does not bring them is not resumed. On a client they are, as long as the
	// session has not left the process; else only the leaf is known.
	PeerCertificates []*x509.Certificate

	// VerifiedChain is the chain from the leaf to a trusted root that was built when the
	// peer was verified (SSL_get0_verified_chain), with the same rule on resumption.
	VerifiedChain []*x509.Certificate

	// LocalCertificates are what this side has sent in the handshake, leaf first: its
	// certificate and what stands behind it in its Certificate. Empty where none was asked for
	// or none fit, and on a resumed connection, which shows no certificate.
	LocalCertificates []*x509.Certificate

	// TicketData is what the application of a server has left with the session that was
	// resumed: see [Conn.SetTicketData]. nil where nothing was left, after a full handshake, and
	// on a client, which cannot see it. It must not be changed.
	TicketData []byte

	// OCSPResponse is the OCSP response in DER that a server stapled to its certificate
	// (SSL_get_tlsext_status_ocsp_resp). It can be parsed; nobody has looked further into it. nil
	// unless [Config].RequestOCSPStaple is set, on a server, where none was sent or it was
	// malformed, and on a resumed connection, which shows no certificate. In TLS 1.2 it comes after the certificate, and so after the call
	// of VerifyConnection that is made within the handshake. It must not be changed.
	OCSPResponse []byte
}

// legible says whether crypto/x509 can read the peer's certificate. Otherwise the application
// would not find one, and might take the peer for nobody; crypto/tls refuses such peers, too.
func legible(chain [][]byte) error {
	if len(chain) == 0 {
		return nil
	}
	if _, err := parseCert(chain[0]); err != nil {
		return fail("handshake", fmt.Errorf("%w: peer's certificate: %w", ErrMalformed, err))
	}
	return nil
}

// isSettled reports whether info can be told: at the end of the handshake, and before where
// a server has accepted early data.
func (c *Conn) isSettled() bool { return c.handshaking.done.Load() || c.early.open.Load() }

// ConnectionState returns what the handshake settled; before its end, the zero value, except
// on a server after [Conn.ReadEarlyData] has returned data. On a server the peer's part of it changes with [Conn.RequestClientCertificate]. It keeps its
// answer after Close.
func (c *Conn) ConnectionState() ConnectionState {
	if c == nil || !c.isSettled() {
		return ConnectionState{}
	}
	c.mu.Lock()
	info := c.info
	c.mu.Unlock()
	return info.complete()
}

// complete is the state with the certificates.
func (i *connInfo) complete() ConnectionState {
	s := i.state
	s.PeerCertificates, s.VerifiedChain = i.peer.parsed()
	s.LocalCertificates = i.own.parsed()
	return s
}

// SessionReused reports whether the handshake resumed a session (SSL_session_reused). It
// is false until the handshake is complete, and keeps its answer after Close.
func (c *Conn) SessionReused() bool {
	return c != nil && (c.early.open.Load() || c.handshaking.done.Load() && c.info.state.DidResume)
}

// ReuseState says what became of resumption (SSL_session_reused, and what this side knows
// besides). It is ReuseUnknown until the handshake is complete, and keeps its answer after
// Close. Clients of all versions make up the id of a session where they have none. So an id that a
// server of TLS 1.2 does not know is ReuseNoSession there, also where it has forgotten the session.
func (c *Conn) ReuseState() ReuseState {
	if c == nil || !c.handshaking.done.Load() {
		return ReuseUnknown
	}
	return c.info.reuse
}

// reuseState is what the handshake came to. version is the connection's; sent says that
// the session was in the ClientHello.
func (c *Conn) reuseState(resumed, ticket, sent bool, version uint16) ReuseState {
	switch {
	case resumed && (ticket || version == VersionTLS13):
		return ReusedTicket
	case resumed:
		return ReusedID
	case sent:
		return ReuseDeclined
	case c.sessions.offered == offered:
		return ReuseOtherConfig // libssl saw at once that it would not do
	case c.sessions.notOffered != ReuseUnknown && c.sessions.notOffered != ReuseNoSession:
		return c.sessions.notOffered
	case c.info.state.PSKIdentity != "":
		return ReuseExternalPSK
	}
	return ReuseNoSession
}
