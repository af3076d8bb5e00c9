package ssl

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
)

// ConnectionState is what the handshake settled. It is this package's own type: net/http
// would treat a connection with crypto/tls's type in a way that excludes HTTP/2.
type ConnectionState struct {
	Version            uint16 // VersionTLS12, VersionTLS13 (SSL_version)
	CipherSuite        uint16 // number in the TLS registry
	CipherName         string // OpenSSL's name for it (SSL_CIPHER_get_name)
	CipherBits         int    // of its encryption, 0 if it has none (SSL_CIPHER_get_bits)
	Group              string // key exchange group, "" on 1.1.1 or if none (SSL_get0_group_name)
	NegotiatedProtocol string // by ALPN (SSL_get0_alpn_selected)
	DidResume          bool   // a session was reused (SSL_session_reused, except for external keys)

	// HelloRetryRequest says that a HelloRetryRequest was sent or received: the client had to send a second
	// ClientHello, because the first had no key share that the server wanted, and the handshake took one
	// more round trip. TLS 1.3 only.
	HelloRetryRequest bool

	// PeerSignatureScheme is the scheme of the peer's signature in the handshake
	// (SSL_get_peer_signature_type_nid, SSL_get0_peer_signature_name). It is 0 if the peer did not sign: on
	// a resumed connection, with a PSK, and on a server whose client showed no certificate. It is also 0
	// before TLS 1.2, and for a scheme that Config.SignatureSchemes cannot have.
	PeerSignatureScheme tls.SignatureScheme

	// ECHAccepted says that the client has encrypted its ClientHello (ECH, RFC 9849), and the server has read
	// it (SSL_ech_get1_status). ServerName is the one that was hidden.
	ECHAccepted bool

	// LocalCertificateCompressed and PeerCertificateCompressed say that the certificate of this side, or the
	// peer's, was compressed in the handshake (RFC 8879): see [CertificateCompressionAlgorithm].
	LocalCertificateCompressed, PeerCertificateCompressed bool

	// PSKIdentity is the identity of the external pre-shared key that authenticates both
	// sides, on this connection or on the one that began its session, or "" for none
	// (SSL_get_psk_identity). With a PSK there are no certificates, and Verified is false.
	PSKIdentity string

	// PSKIdentityHint is the hint that the server sent in TLS 1.2 (SSL_get_psk_identity_hint).
	PSKIdentityHint string

	// ServerName is the name that the client asked for; on a server, the name that the
	// client sent (SSL_get_servername).
	ServerName string

	// Verified says that the peer showed a certificate, now or when the session began,
	// and that the certificate was verified; or that its raw public key was expected.
	Verified bool

	// PeerRawPublicKey is the peer's public key, a SubjectPublicKeyInfo in DER, if the peer showed that and no
	// certificate, now or when the session began (SSL_get0_peer_rpk): see [CertificateType].
	// x509.ParsePKIXPublicKey reads it: a point on a curve is uncompressed, whatever the peer has sent. It must
	// not be changed. PeerCertificates and VerifiedChain are empty then. PeerCertificateType says which of the
	// two it was, and LocalCertificateType what this side has shown (SSL_get_negotiated_server_cert_type,
	// SSL_get_negotiated_client_cert_type). Both are CertificateTypeX509 where nothing was shown, and
	// LocalCertificateType is it on a resumed connection.
	PeerRawPublicKey     []byte
	PeerCertificateType  CertificateType
	LocalCertificateType CertificateType

	// PeerCertificates are the certificates that the peer sent, leaf first, as far as
	// crypto/x509 can read them; a peer whose leaf it cannot read is refused. They must not be
	// changed, because other connections may share them. On a resumed connection of a server
	// they are those of the session's first connection, in every form of session: a ticket
	// without them is not resumed. On a resumed connection of a client they are the same ones
	// as long as the session has not left the process; otherwise only the leaf is known.
	PeerCertificates []*x509.Certificate

	// VerifiedChain is the chain from the leaf to a trusted root that was built when the
	// peer was verified (SSL_get0_verified_chain), with the same rule for resumption.
	VerifiedChain []*x509.Certificate

	// LocalCertificates are the certificates that this side has sent in the handshake,
	// leaf first. Empty if none was asked for or none fit, on a resumed connection, which shows
	// no certificate, and if only the key of one was sent. On a client with PostHandshakeAuth they, the
	// LocalCertificateType and LocalCertificateCompressed are of its last answer after the handshake.
	LocalCertificates []*x509.Certificate

	// TicketData is the data that a server's application has left with the resumed
	// session: see [Conn.SetTicketData]. nil if none was left, after a full handshake,
	// and on a client, which cannot see it. It must not be changed.
	TicketData []byte

	// OCSPResponse is the OCSP response in DER that a server stapled to its certificate
	// (SSL_get_tlsext_status_ocsp_resp). It can be parsed, but has not been checked
	// further. nil unless [Config].RequestOCSPStaple is set, on a server, if no
	// response was sent or it was malformed, and on a resumed connection, which shows
	// no certificate. In TLS 1.2 it comes after the certificate, so VerifyConnection,
	// called within the handshake, does not see it. It must not be changed.
	OCSPResponse []byte
}

// legible reports whether crypto/x509 can read the peer's certificate. Otherwise the
// application would find no certificate, and might treat the peer as anonymous.
// crypto/tls refuses such peers, too.
func legible(chain [][]byte) error {
	if len(chain) == 0 {
		return nil
	}
	if _, err := parseCert(chain[0]); err != nil {
		return fail("handshake", fmt.Errorf("%w: peer's certificate: %w", ErrMalformed, err))
	}
	return nil
}

// isSettled reports whether info can be shown: after the handshake, and on a server
// that has accepted early data.
func (c *Conn) isSettled() bool { return c.handshaking.done.Load() || c.early.open.Load() }

// ConnectionState returns what the handshake settled. Before its end it returns the zero
// value, except on a server after [Conn.ReadEarlyData] has returned data. On a server
// [Conn.RequestClientCertificate] changes the peer's part of it, and on the client that is asked
// its own. It also works after Close.
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

// SessionReused reports whether the handshake resumed a session (SSL_session_reused).
// It returns false until the handshake is complete, and also works after Close.
func (c *Conn) SessionReused() bool {
	return c != nil && (c.early.open.Load() || c.handshaking.done.Load() && c.info.state.DidResume)
}

// ReuseState says what became of resumption (SSL_session_reused, and what this side
// knows). It is ReuseUnknown until the handshake is complete, and also works after Close.
// Clients of all versions invent a session id if they have none. So on a TLS 1.2 server
// an unknown id gives ReuseNoSession, or ReuseUnknownID if the server also has tickets, even if
// the server has forgotten the session.
func (c *Conn) ReuseState() ReuseState {
	if c == nil || !c.handshaking.done.Load() {
		return ReuseUnknown
	}
	return c.info.reuse
}

// reuseSigns are what a handshake has shown of resumption.
type reuseSigns struct {
	resumed, byTicket bool
	sent              bool // the session was in the ClientHello
	unknownID         bool // an id was there that belongs to no session here, and no ticket
}

// reuseState is the outcome of the handshake.
func (c *Conn) reuseState(r reuseSigns) ReuseState {
	switch {
	case r.resumed && r.byTicket:
		return ReusedTicket
	case r.resumed:
		return ReusedID
	case r.sent:
		return ReuseDeclined
	case c.sessions.offered == offered:
		return ReuseOtherConfig // libssl has rejected it at once
	case c.sessions.notOffered != ReuseUnknown && c.sessions.notOffered != ReuseNoSession:
		return c.sessions.notOffered
	case c.info.state.PSKIdentity != "":
		return ReuseExternalPSK
	case r.unknownID:
		return ReuseUnknownID
	}
	return ReuseNoSession
}
