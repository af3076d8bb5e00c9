package ssl

import (
	"crypto/tls"
	"io"
	"time"
)

// A Config describes a Ctx. It may be used for several Ctxs and changed afterwards: a
// Ctx takes what it needs when it is made. Fields are named as in crypto/tls where the
// concept is the same. The zero Config is a client that verifies servers against the
// system's roots, with TLS 1.2 and 1.3.
//
// If a Config leaves a setting open, openssl.cnf settles it, in its section system_default
// (see config(5) and SSL_CONF_cmd(3)), and only then this package's default: versions,
// suites, options, groups, signature algorithms, the security level, a server's ClientAuth.
// A setting of a Config replaces that of openssl.cnf. docs/openssl-cnf.md has the table.
type Config struct {
	// # Certificates and trust
	//
	// Certificates are a server's, or a client's for a server that asks for one. A server shows a
	// certificate for the name that the client has sent, by the rules of docs/names.md, or else the first; a
	// client one of an authority that the server names, or else, unlike crypto/tls, the first that the
	// server can use by its key type. GetClientCertificate can show none instead.
	Certificates []Certificate

	// ReloadableCertificates replace Certificates, which must be empty. A client's connection uses
	// those of the moment at which it is made, a server's those of when its ClientHello has come.
	ReloadableCertificates *ReloadableCertificates

	// RootCAs are the roots that a client verifies the server against; nil means OpenSSL's
	// defaults, [SystemCertPool]. An intermediate certificate in RootCAs is not trusted by
	// itself; it helps to build a chain to a root. If several certificates could be the
	// issuer of another, as around a renewal, up to sixteen are tried until a chain is good.
	RootCAs *CertPool

	// ServerName is the name that a client sends as SNI and verifies in the server's certificate. An IP
	// address is verified but not sent. If ServerName is empty, Dial takes it from the address. A text that
	// cannot be a name, also in an address, gives ErrConfig: a leading dot, a wildcard, characters outside
	// of ASCII (internationalized names have a form that begins with xn--). docs/names.md says what a name
	// is, and which certificates match it.
	ServerName string

	// InsecureSkipVerify makes a client accept any certificate for any name. Anyone on the path can then read
	// and change what is sent. OpenSSL does not verify the certificates (SSL_CTX_set_cert_verify_callback), but
	// the limits on a peer's certificates hold: see ClientAuth.
	InsecureSkipVerify bool

	// InsecureLegacyServer lets a client connect to servers that lack secure renegotiation (RFC 5746) in
	// TLS 1.2 and before, such as old appliances (SSL_OP_LEGACY_SERVER_CONNECT). An attacker on the path
	// can then have such a server take the attacker's bytes for the beginning of what the client sends
	// (CVE-2009-3555). Without it the handshake ends with [ErrLegacyServer], unless openssl.cnf has the
	// option UnsafeLegacyServerConnect.
	InsecureLegacyServer bool

	// VerifyDepth is how many intermediate certificates may stand between the peer's and a root
	// (SSL_CTX_set_verify_depth). 0 means OpenSSL's default of 100, a negative number none.
	VerifyDepth int

	// VerifyPurpose is the purpose that the peer's certificate must have. By default a
	// client demands a certificate for servers, and a server one for clients.
	VerifyPurpose Purpose

	// CRLs are certificate revocation lists, each in DER: see [LoadCRLs]. If any are set, the current list of
	// its issuer must not revoke the peer's certificate (X509_V_FLAG_CRL_CHECK), and with CRLCheckChain none of
	// its chain (X509_V_FLAG_CRL_CHECK_ALL). If a list is missing, out of date or not signed by the issuer, the
	// peer is refused. Delta lists, indirect lists and lists among the system's roots are not used. A session
	// that was made without these lists cannot be used to avoid them, and no session is resumed once a list is
	// out of date. An empty slice that is not nil gives ErrConfig, and so do lists that would have no effect.
	CRLs          [][]byte
	CRLCheckChain bool

	// ClientAuth is what a server demands of its clients, and ClientCAs are the roots for it. The names of
	// ClientCAs are sent to the client. If certificates are not verified, no signature in them is checked.
	//
	// On both sides, verified or not, a peer's certificates may take up to 256 KB
	// (SSL_CTX_set_max_cert_list) and have RSA and DSA keys of up to 8192 bits, as in crypto/tls.
	// Larger ones end the handshake with the alert bad_certificate or illegal_parameter.
	ClientAuth ClientAuthType
	ClientCAs  *CertPool

	// NoClientCANames makes a server not send the names of ClientCAs; the client then chooses a certificate
	// without them. More than 60 KB of names do not fit into the message and give ErrConfig without it.
	NoClientCANames bool

	// PostHandshakeAuth lets TLS 1.3 servers ask clients for a certificate after the handshake
	// (RFC 8446, section 4.6.2). Off by default: a client that offers it can be asked at any time
	// (SSL_CTX_set_post_handshake_auth), and answers with Certificates or GetClientCertificate.
	// On a server it moves the demands of ClientAuth out of the handshake: a TLS 1.3 client is
	// asked only when [Conn.RequestClientCertificate] is called (SSL_VERIFY_POST_HANDSHAKE), a
	// TLS 1.2 client in the handshake, as without it. HTTP/2 forbids asking (RFC 8740).
	PostHandshakeAuth bool

	// RequestOCSPStaple makes a client ask servers for an OCSP response with their certificate
	// (SSL_CTX_set_tlsext_status_type), for ConnectionState.OCSPResponse. Only the application can check the
	// response, for example in VerifyConnection; this package and OpenSSL do not. A response that cannot be
	// parsed counts as none, but OpenSSL 3.6 and later end the handshake with a server that sends one, and all
	// versions with a server that sends an empty one: the error is ErrMalformed.
	RequestOCSPStaple bool

	// CertificateTypes, PeerCertificateTypes and PeerRawPublicKeys are for raw public keys (RFC 7250) in place
	// of certificates (OpenSSL 3.2, else ErrUnsupported): see [CertificateType], which has the rules.
	CertificateTypes, PeerCertificateTypes []CertificateType
	PeerRawPublicKeys                      [][]byte

	// # Versions, suites and protocols
	//
	// MinVersion and MaxVersion bound the protocol version. 0 means openssl.cnf's, or TLS 1.2 and the highest.
	MinVersion, MaxVersion uint16

	// CipherSuites lists the suites to offer or accept, in order of preference, by number in the TLS registry
	// (crypto/tls's constants). The list has suites of TLS 1.3 and of earlier versions together. A version
	// without any has its default: openssl.cnf's, or else forward secret AEAD suites only, AES-128-GCM first.
	CipherSuites []uint16

	// CurvePreferences lists the key exchange groups to offer or accept, in order of preference
	// (SSL_CTX_set1_groups_list); a client sends a key share for the first. In TLS 1.2 they
	// also limit the curves of ECDSA certificates. Empty means OpenSSL's default. A group that
	// the library lacks gives ErrUnsupported, as X25519MLKEM768 does before OpenSSL 3.5.
	CurvePreferences []tls.CurveID

	// KeyShares are those CurvePreferences for which a client sends a key share in its first ClientHello,
	// instead of the first alone. A server that wants another group asks for a second ClientHello, which
	// costs a round trip. More than one, or another than the first, needs OpenSSL 3.5, else ErrUnsupported.
	KeyShares []tls.CurveID

	// SignatureSchemes lists the schemes to sign with and to accept from the peer, in
	// order of preference (SSL_CTX_set1_sigalgs_list). Empty means OpenSSL's default.
	SignatureSchemes []tls.SignatureScheme

	// SecurityLevel, 1 to 5, sets the minimal strength of everything that is negotiated, of keys and of
	// certificates (SSL_CTX_set_security_level): 80 bits for level 1, then 112, 128, 192 and 256. 0 means the
	// level of openssl.cnf, or else the library's default, mostly 2. Making the Ctx fails if a certificate falls
	// short, or if the level disables something that this Config lists. See [InsecureSecurityLevel0].
	SecurityLevel int

	// FIPS makes every algorithm of the Ctx's connections come from OpenSSL's FIPS provider. The Ctx is made
	// in a library context of its own (SSL_CTX_new_ex, OSSL_LIB_CTX_new) with the providers fips and base,
	// set up as the system's openssl.cnf says. If the provider cannot be loaded, the error is ErrNoProvider,
	// and before OpenSSL 3.0 ErrUnsupported; there is no fallback to other algorithms. A client offers only
	// sessions that were verified under the same setting. This package makes no claim about a certification.
	FIPS bool

	// PropertyQuery chooses among the implementations of the providers that OpenSSL has loaded, for example
	// "?fips=yes": see property(7). If none fits, the error is ErrNoProvider, before 3.0 ErrUnsupported.
	PropertyQuery string

	// NextProtos are the application protocols to offer or accept by ALPN, in order of preference;
	// the server's order decides. If both sides name protocols but none in common, the handshake
	// fails with the alert no_application_protocol. If one side names none, none is negotiated.
	NextProtos []string

	// # Certificate compression (RFC 8879; OpenSSL 3.2, else ErrUnsupported)
	//
	// CertificateCompression are the algorithms by which certificates are compressed in TLS 1.3, and
	// NoCertificateCompression refuses all of them, on the way to the peer and from it. Without either,
	// certificates are decompressed and a server compresses none: see [CertificateCompressionAlgorithm].
	CertificateCompression   []CertificateCompressionAlgorithm
	NoCertificateCompression bool

	// # Encrypted Client Hello (RFC 9849; OpenSSL 4.0, else ErrUnsupported)
	//
	// EncryptedClientHelloConfigList is a server's ECHConfigList, with which a client encrypts its
	// ClientHello: only the public name in it is sent in the clear (SSL_CTX_set1_echstore). TLS 1.3 only. A
	// server that cannot read it must prove to be the public name, to RootCAs even with InsecureSkipVerify.
	// The error is then a *tls.ECHRejectionError, whose RetryConfigList is for another connection.
	// EncryptedClientHelloRejectionVerify, if set, judges who has refused, in place of that verification.
	EncryptedClientHelloConfigList      []byte
	EncryptedClientHelloRejectionVerify func(ConnectionState) error

	// EncryptedClientHelloGREASE has a client without a list look as if it had one (SSL_OP_ECH_GREASE).
	// EncryptedClientHelloKeys are a server's; a Ctx that GetConfigForClient chooses does not change them.
	EncryptedClientHelloGREASE bool
	EncryptedClientHelloKeys   *EncryptedClientHelloKeys

	// # Sessions and tickets
	//
	// SessionIDContext separates this server's sessions from those of other servers with the same ticket
	// keys or store: only servers with equal contexts resume each other's sessions. It has at most 32
	// bytes (SSL_CTX_set_session_id_context). If the server asks for certificates, the context in force is
	// a hash of it and of the demands on clients, CRLs included, so that no session can avoid a demand
	// that its connection did not meet. The default is a hash of the names in the certificates, addresses
	// and others included, and of those demands, so that it survives a renewed certificate. GetPSK and
	// GetCertificate cannot be compared: with one of them the default is the Ctx's own, and no other Ctx
	// resumes its sessions, also not after a restart.
	SessionIDContext []byte

	// SessionTimeout is for how long new sessions may be resumed (SSL_CTX_set_timeout), in whole seconds, at
	// least one. 0 means two hours; TLS 1.3 caps it at seven days.
	SessionTimeout time.Duration

	// MaxSessionAge is for how long after its full handshake a session of this server may be resumed,
	// however often it was resumed in between, in whole seconds; 0 means no limit. TLS 1.3 has no such limit
	// by itself: each resumption issues a ticket whose SessionTimeout begins anew, so a client that comes
	// often enough never authenticates itself again.
	//
	// The limit holds for every form of session: ids, tickets, libssl's cache, and SessionCache with its
	// store. The time of the full handshake and the deadline are kept inside the ticket
	// (SSL_CTX_set_session_ticket_cb, SSL_SESSION_set1_ticket_appdata) or with the session, whose timeout
	// ends at the deadline at the latest (SSL_CTX_set_timeout, SSL_SESSION_set_timeout). A session past the
	// deadline, or of unknown age, such as one in a ticket of a server without the limit, costs a full
	// handshake. Servers that share keys or a store should have the same limit, and clocks that agree: the
	// earlier deadline counts. Values below a second or above ten years give ErrConfig.
	MaxSessionAge time.Duration

	// SessionIDPrefix begins the ids of a server's sessions, so that a load balancer in front of several
	// servers, or their common store, can tell from an id whose session it is (SSL_CTX_set_generate_session_id).
	// It appears in the ids that clients send in TLS 1.2, and, if sessions are kept in a cache, in tickets of
	// TLS 1.3, which are such ids. The rest of the 32 bytes is random, but with a Store the last 8 are a MAC.
	// The prefix is visible on the network. It has at most 16 bytes, and 8 with a Store.
	SessionIDPrefix []byte

	// SessionTicketsDisabled makes a server keep sessions in its internal cache instead
	// of in tickets (SSL_OP_NO_TICKET), and a client not ask for TLS 1.2 tickets.
	SessionTicketsDisabled bool

	// TicketKeys are the keys of a server's tickets, if several Ctxs, processes or machines
	// share them, or if they are to be replaced as time passes: see [NewTicketKeys]. nil means a
	// key that libssl makes for each Ctx and keeps until its end. Clients do not use the field.
	TicketKeys *TicketKeys

	// BuiltinTicketKey replaces the key that libssl makes for a server's Ctx without
	// TicketKeys (SSL_CTX_set_tlsext_ticket_keys). It must be a key of 80 bytes, such as
	// [Ctx.BuiltinTicketKey] of a Ctx that this one succeeds. It is never rotated, so
	// anyone who gets it later can read what was resumed with it: TicketKeys are better.
	BuiltinTicketKey TicketKey

	// SessionCache is where a server keeps its sessions, instead of in tickets or in libssl's internal
	// cache: see [ServerSessionCache]. With TicketKeys as well, clients that take tickets get tickets,
	// the others ids, and all resume (SSL_OP_NO_TICKET, by connection). PreferSessionCache turns that
	// round: ids for those that can take one, in TLS 1.3 as tickets that are only ids.
	SessionCache       *ServerSessionCache
	PreferSessionCache bool

	// SessionCacheMode and SessionCacheSize are for libssl's internal cache, in which a server without
	// SessionCache keeps sessions that have an id: how it works (SSL_CTX_set_session_cache_mode), and how
	// many it holds (SSL_CTX_sess_set_cache_size; one less from OpenSSL 3.0 on); the least recently used
	// go first. A size of 0 means libssl's default, 20480, and a negative size no limit.
	SessionCacheMode SessionCacheMode
	SessionCacheSize int

	// NumTickets is how many TLS 1.3 tickets a server issues after a full handshake (SSL_CTX_set_num_tickets). 0
	// means two, a negative number none; at most 255. After a resumption it never issues more than one.
	NumTickets int

	// # External pre-shared keys
	//
	// PSKs are external pre-shared keys, which authenticate both sides without certificates. A client offers its
	// one in every handshake (SSL_CTX_set_psk_use_session_callback, in TLS 1.2 SSL_CTX_set_psk_client_callback).
	// A server has one for each identity (SSL_CTX_set_psk_find_session_callback,
	// SSL_CTX_set_psk_server_callback). If a key fits TLS 1.2, TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256 comes
	// in front of the other suites of TLS 1.2; CipherSuites may name others.
	//
	// If a TLS 1.3 server does not know the identity, it goes on with its certificate, which the client
	// verifies as usual, or refuses if PSKOnly is set. In TLS 1.2 the handshake fails then. A server without
	// Certificates serves only clients with keys. A session that began with a PSK is resumed only as long
	// as the same keys are configured.
	PSKs []PSK

	// PSKOnly makes a client refuse every server that does not use its key, whatever
	// its certificate. No roots and no ServerName are needed: see ErrPSKDeclined.
	PSKOnly bool

	// GetPSK, if set, returns keys that are not in PSKs, for TLS 1.3 clients. Its arguments are the
	// ClientHello and the identity in it, which is an unverified claim. The zero PSK means that there is
	// no key. An error ends the handshake; an AlertError chooses the alert. The key must have that
	// identity, and the hash of the first TLS 1.3 suite. GetPSK is called on the goroutine of the
	// Handshake, with no lock of OpenSSL held, up to four times in a handshake. It is not called for
	// tickets that this server can open, except if only libssl can tell which these are: with
	// SessionTicketsDisabled and without SessionCache, and with MaxEarlyData and a BuiltinTicketKey.
	//
	// Unless SessionIDContext is set, only this Ctx resumes sessions that began with a PSK. They outlive the
	// withdrawal of their key, until their timeout; VerifyConnection can refuse them by their PSKIdentity.
	GetPSK func(*ClientHelloInfo, string) (PSK, error)

	// PSKIdentityHint is sent by a server in TLS 1.2 to tell clients which key to use
	// (SSL_CTX_use_psk_identity_hint). Most clients ignore it.
	PSKIdentityHint string

	// InsecurePSKInsteadOfClientCert admits clients with a key, which show no certificate,
	// although ClientAuth demands one. Without it such a Config gives ErrConfig.
	InsecurePSKInsteadOfClientCert bool

	// # Early data
	//
	// MaxEarlyData is how many bytes of early data (0-RTT, RFC 8446, section 2.3) a server accepts from a
	// client that resumes in TLS 1.3 (SSL_CTX_set_max_early_data, SSL_CTX_set_recv_max_early_data): at
	// most 16 MiB; 0, the default, means none. Early data is rejected unless the application reads it with
	// [Conn.ReadEarlyData], or if the client asks for another name or protocol than in the connection of
	// its session (SSL_CTX_set_allow_early_data_cb). VerifyConnection gives ErrConfig with it, since it
	// would come too late. Clients do not use the field.
	//
	// An attacker can record a client's first flight and send it again. docs/resumption.md says how replays
	// are refused, which depends on the server's keys. With TicketKeys or a SessionCache, other servers must
	// know of the flight as well: ReplayGuard must be set, else the error is ErrConfig.
	MaxEarlyData uint32

	// ReplayGuard is asked about each first flight with early data that a server with TicketKeys or a
	// SessionCache could accept (SSL_OP_NO_ANTI_REPLAY), so that several servers together accept it once. It
	// is asked while the ClientHello is suspended, with no lock of OpenSSL held, and only if the session is
	// known here, or its ticket's MAC is right, and the binder shows that the client has it (RFC 8446, 8.2).
	ReplayGuard ReplayGuard

	// ReplayGuardTimeout bounds how long the ReplayGuard may hold up a handshake; 0 means 50 ms. A
	// guard that takes longer costs the client its early data, and not the resumption.
	ReplayGuardTimeout time.Duration

	// # Functions that handshakes call
	//
	// GetConfigForClient, if set, chooses the Ctx that answers a client, by its ClientHello: a virtual host. It
	// is called once in a handshake, before OpenSSL has looked at the client's session or done anything else, on
	// the goroutine of the Handshake, with no lock of OpenSSL held, so it may take its time. nil means the Ctx
	// that was asked. An error ends the handshake; an AlertError chooses the alert.
	//
	// The connection begins anew from the chosen Ctx (SSL_new) with the same ClientHello, and takes
	// everything from it: certificates, client authentication, versions, sessions and functions. Only its
	// GetConfigForClient is not called, and HandshakeLimit and HandshakeTimeout stay. The Ctx must be a
	// server's. It stays the caller's, who must keep it open until the function's Conn has ended its
	// handshake. A client that is asked for a second ClientHello (HelloRetryRequest) must name the same
	// host and protocols in it.
	GetConfigForClient func(*ClientHelloInfo) (*Ctx, error)

	// GetCertificate, if set, chooses a server's certificate, by the ClientHello
	// (SSL_CTX_set_cert_cb). It is called once in each full handshake, but not in a resumption, on the
	// goroutine of the Handshake, with no lock of OpenSSL held. nil means one of Certificates. An error ends
	// it with the alert internal_error. Unless SessionIDContext is set, no other Ctx resumes its sessions.
	GetCertificate func(*ClientHelloInfo) (*Certificate, error)

	// GetClientCertificate, if set, chooses a client's certificate for a server that asks for one
	// (SSL_CTX_set_cert_cb), instead of Certificates. It is called once in each full handshake in
	// which the server asks, like GetCertificate, and once for each later request (see
	// PostHandshakeAuth), on the goroutine of the Read that received it. nil and the zero
	// Certificate mean no certificate. An error ends the handshake with the alert internal_error.
	GetClientCertificate func(*CertificateRequestInfo) (*Certificate, error)

	// VerifyConnection, if set, has the last word on every connection, resumed ones included.
	// It is called after OpenSSL has accepted the peer, before any application byte is read or
	// written and before any session is delivered, on the goroutine of the Handshake, with no
	// lock of OpenSSL held. Its error ends the handshake and invalidates the session. The peer
	// gets the alert bad_certificate, or that of an [AlertError], where libssl can send one:
	//   - A client calls it when it has the server's certificate, before it sends its
	//     own or anything else (SSL_set_retry_verify, OpenSSL 3.0 and later). On a
	//     resumed connection, which shows no certificate, and with OpenSSL 1.1.1, it
	//     calls it when the handshake is complete.
	//   - A server calls it when the handshake is complete, and issues the TLS 1.3 tickets only
	//     after it has passed (OpenSSL 3.0 and later). A refused TLS 1.3 client then gets the
	//     alert with its next Read. With TLS 1.2, and with OpenSSL 1.1.1, libssl cannot send one:
	//     the client believes that the handshake is complete, and finds the connection at its end.
	//   - A server calls it again when a client has authenticated itself after the
	//     handshake: see [Conn.RequestClientCertificate].
	VerifyConnection func(ConnectionState) error

	// KeyLogWriter, if set, gets the secrets of every connection, one line of text per Write, in the
	// format of NSS key logs (SSL_CTX_set_keylog_callback). With them anyone can read and change the
	// traffic: this is for debugging with tools such as Wireshark, and breaks confidentiality. Lines are
	// written before the handshake returns, with no lock of OpenSSL held, by one connection of the process
	// at a time. An error ends the handshake. Some versions of OpenSSL also log the keys of a KeyUpdate;
	// the Read that receives it writes them. See [KeyLogFromEnvironment].
	KeyLogWriter io.Writer

	// OnNewSession is called for each session that a connection gets (SSL_CTX_sess_set_new_cb): for each
	// TLS 1.3 ticket, when a Read has processed it, and for each TLS 1.2 session, including tickets that
	// were renewed during a resumption. It runs on the goroutine of the Handshake, Read, IssueTicket or
	// Close that brought the session, after the C call has returned, with no lock held: it may use the Conn
	// in any way. No session is delivered before the peer has been verified. If a client does not read, it
	// keeps the newest 256 sessions at most, fewer if tickets are long.
	//
	// The function owns the Session and must Close it. Connections that are used by different goroutines
	// call the function at the same time. A panic in it, as in any function here, reaches the caller and
	// closes the connection.
	OnNewSession func(*Conn, *Session)

	// OnRemoveSession is called with the id of each session that libssl removes from a server's internal cache
	// or marks not resumable (SSL_CTX_sess_set_remove_cb): because it has expired and was flushed, because there
	// was no room, by [Ctx.RemoveSession], or because its connection has failed. In the last case external
	// caches must forget the session, too; a ServerSessionCache makes its SessionStore do so by itself. It is
	// not called for sessions that are in the cache when the Ctx ends. Clients do not use it.
	//
	// It runs on the goroutine whose call noticed the removal, possibly that of another connection, with no
	// lock held, and never twice at the same time. It may use the Ctx in any way. A caller of the Ctx's
	// methods must not hold a lock that the function takes. If the function panics, so does that call. It
	// should be quick: of the sessions removed meanwhile, at most 1 MiB of ids is noted.
	OnRemoveSession func(ctx *Ctx, id []byte)

	// # Limits
	//
	// HandshakeLimit is how many handshakes of the Ctx may compute at once; handshakes that wait for the network
	// do not count. 0 means GOMAXPROCS: a handshake is a C call, so more would only make more threads.
	HandshakeLimit int

	// HandshakeTimeout is for how long a server waits for its client to complete the handshake, from its
	// first step on, over all calls that take part. 0 means [DefaultHandshakeTimeout], 30 seconds, and a
	// negative duration no limit. After it the connection underneath is closed, and the call returns
	// [ErrHandshakeTimeout]. Shorter deadlines and contexts of the application come first. If ReadEarlyData
	// has returned data, the time begins anew with the next call. After the handshake a server must set
	// deadlines of its own, as http.Server does. Clients do not use the field.
	HandshakeTimeout time.Duration

	system *systemSettings // openssl.cnf's; only set in a copy made by underSystem
}
