package ssl

import (
	"crypto/tls"
	"io"
	"time"
)

// A Config describes a Ctx. It may be used for several and changed afterwards: a Ctx takes
// what it needs when it is made. Fields are named as in crypto/tls where the concept is
// the same. The zero Config is a client that verifies servers against the system's roots,
// with TLS 1.2 and 1.3.
//
// What a Config leaves open is openssl.cnf's to settle, in its section system_default (see
// config(5) and SSL_CONF_cmd(3)), and only then this package's: versions, suites, options,
// groups, signature algorithms, the security level, a server's ClientAuth. What a Config sets
// takes the place of what openssl.cnf has. docs/openssl-cnf.md has the table.
type Config struct {
	// Certificates are the server's, or the client's for a server that asks. A server shows
	// one that is for the name which the client has sent, by the rules of docs/names.md, and else
	// the first; a client one of an authority that the server names. Among those, OpenSSL chooses
	// by key type, and of one type the first that the peer can use counts.
	Certificates []Certificate

	// ReloadableCertificates are used in the place of Certificates, which must be empty: a
	// connection has those of the moment in which it is made.
	ReloadableCertificates *ReloadableCertificates

	// RootCAs are the roots that a client verifies the server against; nil means
	// OpenSSL's defaults, [SystemCertPool]. An intermediate certificate in it is not
	// trusted by itself; it helps to build a chain to a root. Where several certificates could be
	// the issuer of another, as around a renewal, all are tried until a chain is good, up to sixteen.
	RootCAs *CertPool

	// ServerName is the name that a client sends as SNI and demands of the server's
	// certificate; an IP address is demanded but not sent. Dial fills it in from the
	// address when it is empty. What can be no name is ErrConfig, also in an address: a
	// leading dot, a wildcard, what is not ASCII (internationalized names have a form that begins
	// with xn--). docs/names.md has what is one, and what certificates are good for.
	ServerName string

	// InsecureSkipVerify makes a client accept any certificate for any name. Anyone on
	// the path can then read and change what is sent. Nothing is computed about the
	// certificates (SSL_CTX_set_cert_verify_callback), but the limits for what a peer may
	// show hold: see ClientAuth.
	InsecureSkipVerify bool

	// MinVersion and MaxVersion bound the protocol version; 0 means what openssl.cnf has, or
	// else TLS 1.2 and the highest that OpenSSL has.
	MinVersion, MaxVersion uint16

	// CipherSuites lists the suites to offer or accept, in order of preference, by their
	// number in the TLS registry (the constants of crypto/tls). Suites of TLS 1.3 and of
	// earlier versions are told apart by number; a version without any keeps its default,
	// which is what openssl.cnf has, or else forward secret AEAD suites only, AES-128-GCM first.
	CipherSuites []uint16

	// CurvePreferences lists the key exchange groups to offer or accept, in order of
	// preference (SSL_CTX_set1_groups_list); a client sends a key share for the first. In TLS
	// 1.2 they also limit the curves of ECDSA certificates. Empty means OpenSSL's default. A
	// group that the library lacks is ErrUnsupported, as X25519MLKEM768 is before OpenSSL 3.5.
	CurvePreferences []tls.CurveID

	// SignatureSchemes lists the schemes to sign with and to accept from the peer, in order
	// of preference (SSL_CTX_set1_sigalgs_list). Empty means OpenSSL's default.
	SignatureSchemes []tls.SignatureScheme

	// SecurityLevel, 1 to 5, bounds from below the strength of everything that is
	// negotiated, of keys and of certificates (SSL_CTX_set_security_level): 1 demands 80 bits
	// of security, then 112, 128, 192 and 256. 0 means the level of openssl.cnf, or else the
	// library's default, which is 2 on most systems. Certificates that fall short are refused when the Ctx is made, as is
	// what this Config lists and the level disables. See [InsecureSecurityLevel0].
	SecurityLevel int

	// FIPS makes every algorithm of the Ctx's connections come from OpenSSL's FIPS provider:
	// the Ctx is made in a library context of its own (SSL_CTX_new_ex, OSSL_LIB_CTX_new) with
	// the providers fips and base, set up as the system's openssl.cnf says. Where the
	// provider cannot be loaded it is ErrNoProvider, and before OpenSSL 3.0 ErrUnsupported;
	// there is no way back to other algorithms. Its users share that context, which lasts as
	// long as the process. Only sessions that were verified under the same setting are
	// offered. This package makes no claim about a certification.
	FIPS bool

	// PropertyQuery chooses among the implementations of the providers that OpenSSL has
	// loaded, as "provider=default" or "?fips=yes" does: see property(7). Where nothing
	// has the properties it is ErrNoProvider, and before OpenSSL 3.0 ErrUnsupported.
	PropertyQuery string

	// NextProtos are the application protocols to offer or accept by ALPN, in order of
	// preference; the server's order decides. If both sides name some and none in common,
	// the handshake fails with the alert no_application_protocol; if one names none,
	// none is negotiated.
	NextProtos []string

	// RequestOCSPStaple makes a client ask servers for an OCSP response with their certificate
	// (SSL_CTX_set_tlsext_status_type), which is ConnectionState.OCSPResponse then. It is for
	// applications that look into it, in VerifyConnection say: nothing else does. What cannot
	// be parsed counts as none; but OpenSSL 3.6 and later end the handshake with a server that
	// sends such, and all versions with one whose response is empty: that is ErrMalformed.
	RequestOCSPStaple bool

	// VerifyDepth is how many intermediate certificates may stand between the peer's and a
	// root (SSL_CTX_set_verify_depth). 0 means OpenSSL's default of 100, a negative number
	// none.
	VerifyDepth int

	// VerifyPurpose is what the peer's certificate must be for. By default a client wants
	// one for servers, and a server one for clients.
	VerifyPurpose Purpose

	// CRLs are certificate revocation lists, each in DER: see [LoadCRLs]. With any, the
	// peer's certificate must not be revoked by the current list of its issuer
	// (X509_V_FLAG_CRL_CHECK), and with CRLCheckChain none of its chain may be
	// (X509_V_FLAG_CRL_CHECK_ALL). Where the list is missing, out of date or not signed by
	// the issuer, the peer is refused: nothing counts as good for want of a list. Delta and
	// indirect lists are not used, nor are lists among the system's roots. A session that was made without these lists is not a way
	// around them, and none is resumed once a list is out of date. An empty slice that is
	// not nil is an ErrConfig, and so are lists that nobody would look at.
	CRLs          [][]byte
	CRLCheckChain bool

	// ClientAuth is what a server demands of its clients, ClientCAs the roots for it. The
	// names of ClientCAs are sent to the client. Where certificates are not verified, no
	// signature in them is checked.
	//
	// On both sides, whatever is verified, a peer's certificates may take 256 KB
	// (SSL_CTX_set_max_cert_list) and have keys of RSA and DSA up to 8192 bits, as in
	// crypto/tls; others end the handshake with the alert bad_certificate or illegal_parameter.
	ClientAuth ClientAuthType
	ClientCAs  *CertPool

	// NoClientCANames keeps the names of ClientCAs out of what is sent to the client, who then
	// chooses a certificate without them. More than 60 KB of names fit into no message
	// (CertificateRequest), and are an ErrConfig without it.
	NoClientCANames bool

	// PostHandshakeAuth lets TLS 1.3 servers ask clients for a certificate after the handshake
	// (RFC 8446, section 4.6.2). Off by default: a client that offers it can be asked at any
	// time (SSL_CTX_set_post_handshake_auth), and answers with Certificates or
	// GetClientCertificate. On a server it moves what ClientAuth demands out of the
	// handshake: clients with TLS 1.3 are asked when [Conn.RequestClientCertificate] is
	// called, and only then (SSL_VERIFY_POST_HANDSHAKE); those with TLS 1.2 in the handshake,
	// as without it. HTTP/2 forbids to ask (RFC 8740).
	PostHandshakeAuth bool

	// VerifyConnection, if set, has the last word on every connection, resumed ones
	// included, after OpenSSL is content, before any application byte is read or written and
	// before any session is delivered. Its error ends the handshake and invalidates the
	// session. It runs on the goroutine of the Handshake, with no lock of OpenSSL held.
	//
	// A client asks it when it has the server's certificate, before it sends its own or
	// anything else (SSL_set_retry_verify, OpenSSL 3.0 and later), and the server gets the
	// alert bad_certificate or that of an [AlertError]; on a resumed connection, which shows no certificate, and with
	// OpenSSL 1.1.1 when the handshake is complete. A server asks it when the handshake is
	// complete and issues the TLS 1.3 tickets only after it has passed (OpenSSL 3.0 and
	// later). Then a client with TLS 1.3 that is refused gets the alert bad_certificate, or an
	// [AlertError]'s, with its next Read. With TLS 1.2, and with OpenSSL 1.1.1, libssl has no way
	// to send one: the client believes the handshake complete, and meets the end of the
	// connection. It is asked again when a client has authenticated itself after the handshake: see
	// [Conn.RequestClientCertificate].
	VerifyConnection func(ConnectionState) error

	// GetConfigForClient, if set, chooses the Ctx that answers a client, by what it asks
	// for in its ClientHello: a virtual host. It is called once a handshake, before OpenSSL
	// has looked at the client's session or done anything else, on the goroutine of the
	// Handshake and with no lock of OpenSSL held, so it may take its time. The connection
	// begins anew from the chosen Ctx (SSL_new) with the same ClientHello, so that all of
	// it is the chosen Ctx's: certificates, client authentication, versions, sessions and
	// functions, except that its own GetConfigForClient is not asked and that
	// HandshakeLimit and HandshakeTimeout stay. The Ctx must be a server's; it stays the caller's, who must keep
	// it open until the function's Conn has ended its handshake. nil means the Ctx that was
	// asked. An error ends the handshake; an AlertError chooses the alert.
	//
	// A client that is asked for a second ClientHello (HelloRetryRequest) must name the same
	// host and protocols there.
	GetConfigForClient func(*ClientHelloInfo) (*Ctx, error)

	// KeyLogWriter, if set, gets the secrets of every connection, a line of text for each
	// Write, in the format of NSS key logs (SSL_CTX_set_keylog_callback). Whoever has them can
	// read and change the traffic: it is for debugging with tools such as Wireshark, and
	// breaks confidentiality. Lines are written before the handshake returns, with no lock
	// of OpenSSL held, by one connection of the process at a time; an error ends the handshake.
	// Some versions of OpenSSL also log the keys of a KeyUpdate: a Read that meets it writes them.
	// See [KeyLogFromEnvironment].
	KeyLogWriter io.Writer

	// GetCertificate, if set, chooses a server's certificate, by what the client asks for in
	// its ClientHello (SSL_CTX_set_cert_cb). It is called once in each full handshake, not
	// in a resumption, which shows no certificate, on the goroutine of the Handshake and
	// with no lock of OpenSSL held. nil means one of Certificates. An error ends the
	// handshake with the alert internal_error. No other Ctx resumes sessions of this one, unless
	// SessionIDContext is set.
	GetCertificate func(*ClientHelloInfo) (*Certificate, error)

	// GetClientCertificate, if set, chooses a client's certificate for a server that asks
	// for one (SSL_CTX_set_cert_cb), instead of Certificates. It is called once in each full
	// handshake in which the server asks, as GetCertificate is, and once for each later
	// request (see PostHandshakeAuth), on the goroutine of the Read that met it. nil and the zero
	// Certificate mean none. An error ends the handshake with the alert internal_error.
	GetClientCertificate func(*CertificateRequestInfo) (*Certificate, error)

	// PSKs are external pre-shared keys, which authenticate both sides without certificates. A
	// client has one, and offers it in every handshake (SSL_CTX_set_psk_use_session_callback, and
	// in TLS 1.2 SSL_CTX_set_psk_client_callback); a server has one for each identity that it
	// knows (SSL_CTX_set_psk_find_session_callback, SSL_CTX_set_psk_server_callback). With keys that
	// fit it, TLS 1.2 gets a suite for them in front of the others, which is
	// TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256; CipherSuites may name others.
	//
	// In TLS 1.3 a server that does not know the identity goes on with its certificate, which the
	// client verifies as ever, unless it has PSKOnly; in TLS 1.2 the handshake fails, as with a
	// wrong key. A server without Certificates serves clients with keys alone. Sessions that
	// began with a key are resumed only as long as the same keys are configured.
	PSKs []PSK

	// PSKOnly makes a client refuse every server that does not use its key, whatever its
	// certificate. No roots and no ServerName are needed: see ErrPSKDeclined.
	PSKOnly bool

	// GetPSK, if set, is asked for keys that are not in PSKs, for clients with TLS 1.3: with the
	// identity that the client has sent, which is anybody's claim. The zero PSK means that there
	// is none; an error ends the handshake, and an AlertError chooses the alert. What it returns must
	// have that identity, and the hash of the first TLS 1.3 suite. It is called on the
	// goroutine of the Handshake and with no lock of OpenSSL held, up to four times in a
	// handshake, and not for tickets that this server can open. (With
	// SessionTicketsDisabled and without SessionCache, and with MaxEarlyData and a BuiltinTicketKey, it
	// is called for those too, for only libssl knows them.)
	// Sessions that began with a key are resumed by this Ctx alone, unless SessionIDContext is set.
	// When a key is withdrawn, they live on until their timeout:
	// VerifyConnection sees their ConnectionState.PSKIdentity.
	GetPSK func(*ClientHelloInfo, string) (PSK, error)

	// PSKIdentityHint is sent by a server in TLS 1.2 to tell clients which key to use
	// (SSL_CTX_use_psk_identity_hint); most ignore it.
	PSKIdentityHint string

	// InsecurePSKInsteadOfClientCert lets clients with a key in where ClientAuth demands a
	// certificate, for they show none. Without it such a Config is refused.
	InsecurePSKInsteadOfClientCert bool

	// HandshakeLimit is how many handshakes of the Ctx may compute at the same time;
	// those that wait for the network do not count. 0 means GOMAXPROCS: more would only
	// make threads, for a handshake is a C call that keeps a processor busy.
	HandshakeLimit int

	// HandshakeTimeout is for how long a server's connection waits for its client to complete the
	// handshake, from the first step of it on, whatever calls it takes: 0 means
	// [DefaultHandshakeTimeout], 30 seconds, and a negative duration no limit. Past it the
	// connection underneath is closed, and the call returns [ErrHandshakeTimeout]. A client that
	// stalls could otherwise hold the connection for ever. Deadlines and contexts of the
	// application's that are shorter come first. A handshake in which ReadEarlyData has returned
	// data has the time anew from the next call on. After the handshake it has no effect: a
	// server must set deadlines of its own there, as http.Server does. Clients do not have the
	// field: their handshakes end with the context of HandshakeContext or of a Dialer.
	HandshakeTimeout time.Duration

	// SessionIDContext separates this server's sessions from those of others with the
	// same ticket keys or store: only equal contexts resume each other's. At most 32
	// bytes (SSL_CTX_set_session_id_context). On a server that asks for certificates what is
	// set is a hash of it and of what is demanded of them, CRLs included: no session is a
	// way around a demand that its connection did not meet. The default is a hash of the
	// names in the certificates, addresses and others included, and of those demands, so it
	// survives a renewed certificate. With GetPSK or GetCertificate, which cannot be compared, the
	// default is the Ctx's own: nothing is resumed by another one, or after a restart.
	SessionIDContext []byte

	// SessionTimeout is for how long new sessions may be resumed (SSL_CTX_set_timeout), in
	// whole seconds and at least one; 0 means two hours, and TLS 1.3 caps it at seven days.
	SessionTimeout time.Duration

	// SessionIDPrefix begins the ids of a server's sessions, so that something in front of
	// several servers, or their common store, can tell by the id whose session it is
	// (SSL_CTX_set_generate_session_id): in TLS 1.2 the id that the client sends, and where
	// sessions are kept in a cache the ticket of TLS 1.3, which is the id. Stateless tickets
	// have none. The rest of the 32 bytes is random; an id that libssl's cache has already is
	// not used (SSL_has_matching_session_id). Everybody on the path can read it. At most 16 bytes.
	SessionIDPrefix []byte

	// MaxSessionAge is for how long after its full handshake a session of this server may be
	// resumed, however often it was resumed in between; in whole seconds, 0 means no limit. By
	// itself TLS 1.3 knows none: each resumption issues a ticket whose SessionTimeout begins
	// anew, so that a client which comes often enough never authenticates itself again. It
	// holds for every form: ids, tickets, libssl's cache and SessionCache with its store. The
	// time of the full handshake and the deadline travel inside the ticket
	// (SSL_CTX_set_session_ticket_cb, SSL_SESSION_set1_ticket_appdata) or with the session, whose
	// timeout ends then at the latest (SSL_CTX_set_timeout, SSL_SESSION_set_timeout). What is past
	// it, or of unknown age, such as a ticket of a server without the limit, costs a full handshake.
	// Servers that share keys or a store should have the same limit and clocks that agree:
	// the sooner of the deadlines counts. Values below a second or above ten years are ErrConfig.
	MaxSessionAge time.Duration

	// SessionTicketsDisabled makes a server keep sessions in its internal cache instead
	// of in tickets (SSL_OP_NO_TICKET), and a client not ask for TLS 1.2 tickets.
	SessionTicketsDisabled bool

	// TicketKeys are the keys of a server's tickets, for several Ctxs, processes or machines, or
	// to have them replaced as time passes: see [NewTicketKeys]. nil means a key that libssl
	// makes for each Ctx and keeps until its end. Clients do not use it.
	TicketKeys *TicketKeys

	// BuiltinTicketKey takes the place of the key that libssl makes for a server's Ctx without
	// TicketKeys (SSL_CTX_set_tlsext_ticket_keys): it must be one of 80 bytes, such as
	// [Ctx.BuiltinTicketKey] of a Ctx that this one succeeds. It is never replaced, so that
	// whoever gets it later can read what was resumed with it: TicketKeys are better.
	BuiltinTicketKey TicketKey

	// SessionCache is where a server keeps its sessions, instead of in tickets or in libssl's
	// internal cache: see [ServerSessionCache]. It excludes TicketKeys.
	SessionCache *ServerSessionCache

	// MaxEarlyData is how many bytes of early data (0-RTT, RFC 8446, section 2.3) a server takes
	// from a client that resumes in TLS 1.3 (SSL_CTX_set_max_early_data,
	// SSL_CTX_set_recv_max_early_data): at most 16 MiB, and 0, the default, is none. The
	// application must ask for it with [Conn.ReadEarlyData]; otherwise it is rejected.
	//
	// Whoever has recorded a client's first flight can send it again. With libssl's own ticket key
	// the Ctx remembers for a minute which flights it has seen (SSL_OP_NO_ANTI_REPLAY, and a
	// [MemoryReplayGuard]), for as many as 131072 at a time. With SessionTicketsDisabled or a
	// BuiltinTicketKey the tickets of TLS 1.3 are entries of libssl's internal cache that resume once:
	// that removes one as soon as a client shows its ticket, so that whoever has seen the ticket
	// can use it up, and a client that is asked for a second ClientHello does not resume at all. With
	// TicketKeys or a SessionCache other servers must know of the flight as well: they need a
	// ReplayGuard here, and are an ErrConfig without. Early data of a client that asks for another name or
	// protocol than in the connection of its session is rejected
	// (SSL_CTX_set_allow_early_data_cb). VerifyConnection is an ErrConfig too: it would come
	// too late. Clients do not use the field.
	MaxEarlyData uint32

	// ReplayGuard is asked about each first flight with early data that a server with TicketKeys
	// or a SessionCache may accept, before it does (SSL_OP_NO_ANTI_REPLAY), so that several
	// servers accept it once. It is asked while the ClientHello is suspended, on no lock and no
	// thread of OpenSSL's, and only about a session that is known here, or whose ticket's MAC is
	// right, and that the client has: the binder is checked before (RFC 8446, section 8.2).
	ReplayGuard ReplayGuard

	// SessionCacheMode and SessionCacheSize are for libssl's internal cache, in which a server
	// without SessionCache keeps sessions that have an id: how it works
	// (SSL_CTX_set_session_cache_mode), and how many it holds (SSL_CTX_sess_set_cache_size), of
	// which the one that was used least recently goes first. A size of 0 means libssl's
	// default, 20480; a negative one any number. From OpenSSL 3.0 on it holds one less than it
	// is told.
	SessionCacheMode SessionCacheMode
	SessionCacheSize int

	// NumTickets is how many TLS 1.3 tickets a server issues after a full handshake
	// (SSL_CTX_set_num_tickets); 0 means two, a negative number none, and 255 is the most. A resumption always issues at most one.
	NumTickets int

	// OnNewSession is called for each session that a connection gets, which libssl reports
	// through SSL_CTX_sess_set_new_cb: for each TLS 1.3
	// ticket, when a Read has processed it, and for each TLS 1.2 session, tickets that
	// were renewed during a resumption included. It runs on the goroutine of the
	// Handshake, Read, IssueTicket or Close that brought the session, after the C call has returned,
	// with no lock held: it may use the Conn in any way. No session is delivered before
	// the peer has been verified. A client that does not read keeps the newest 256 of them at
	// most, fewer if tickets are long.
	//
	// The function owns the Session: it must see to its Close. Connections that are used by
	// different goroutines call it at the same time.
	// A panic in it, as in any function here, goes on to the caller and closes the connection.
	OnNewSession func(*Conn, *Session)

	// OnRemoveSession is called for each session that libssl removes from a server's internal
	// cache or marks not resumable, with its id (SSL_CTX_sess_set_remove_cb): because it has
	// expired and was flushed, because there was no room, by [Ctx.RemoveSession], or because its
	// connection has failed, which is when a cache elsewhere must forget it too: a
	// ServerSessionCache has its SessionStore do so by itself. It runs on the goroutine whose
	// call met it, which may be one of another connection's, after the C call has returned and
	// with no lock held, and not twice at the same time; it may use the Ctx in any way. Whoever
	// calls methods of the Ctx must not hold a lock that it takes, and if it panics, that call
	// does: a connection's handshake, Read or Write, for example. It should not take long: of
	// what is removed meanwhile, no more than 1 MiB of ids is noted. For what is in the cache when
	// the Ctx ends it is not called. Clients do not use it.
	OnRemoveSession func(ctx *Ctx, id []byte)

	system *systemSettings // openssl.cnf's; only in a copy that underSystem has made
}
