package ssl

import (
	"cmp"
	"io"
	"slices"
	"sync/atomic"
	"time"
)

// A Ctx is an SSL_CTX: the configuration that connections are made from, and the place
// where a server's sessions live. It does not change after it has been made, and may be
// used from several goroutines at once. Connections keep the SSL_CTX alive beyond Close.
type Ctx struct {
	h                handle[ctxPtr]
	number           uint64 // never reused, unlike the SSL_CTX's address
	server           bool
	verify           bool // whether the peer's certificate is verified
	require          bool // and whether there must be one
	name             string
	onNew            func(*Conn, *Session)
	verifyConnection func(ConnectionState) error
	configFor        func(*ClientHelloInfo) (*Ctx, error)
	getCert          func(*ClientHelloInfo) (*Certificate, error)

	getClientCert func(*CertificateRequestInfo) (*Certificate, error)

	ticketKeys *TicketKeys // kept reachable, so that they rotate; nil: libssl's own

	tickets int  // of a server, after a full handshake of TLS 1.3
	issues  bool // whether Go issues them, after VerifyConnection has passed, and not libssl
	later   laterAuth
	gate    *gate         // limits the handshakes that compute
	timeout time.Duration // a server's limit for each handshake; 0: none
	keyLog  io.Writer
	seen    ctxStats
	own     []*ownChain // the chains of Certificates
	reload  *ReloadableCertificates
	system  *systemSettings
	checks  *Config // what other certificates are tried with; only with reload
	protos  []string
	strict  bool      // sessions verified without the Ctx's own providers do not count
	query   string    // Config.FIPS and PropertyQuery
	leafs   leafRules // only on a client
	until   int64     // when the first of the CRLs is out of date, in Unix seconds; 0: never
	stamp   []byte    // of verified sessions of this Ctx, without the name
	roots   trusted   // until the SSL_CTX has them

	psk      pskRules
	cache    *ServerSessionCache // only on a server; nil: libssl's own
	forms    sessionForms
	onRemove func(*Ctx, []byte)
	removals atomic.Int64 // calls of deliverRemoved that have not been served

	idContext []byte // only on a server
	demands   bool   // whether the demands on clients are part of it
	idRest    []byte // the part without the names in certificates; nil: names are not part of it
	highest   uint16 // version

	reloadNames []string // names in its first certificates; only with reload

	ech      ctxECH
	types    ctxTypes
	early    earlyCounters
	maxEarly uint32
	guard    *guarding // only on a server; nil: none

	cacheConfig [32]byte               // for SessionKeys
	sessions    *LRUClientSessionCache // a client's, unless its Dialer has another
}

var (
	ctxKind    = kind[ctxPtr]{name: "ctx", free: freeCtx, gone: errCtxClosed}
	ctxNumbers atomic.Uint64
)

// NewClientCtx makes a client's Ctx from cfg (TLS_client_method); nil means the zero Config.
// The caller must Close it. It returns ErrConfig with the reason, or OpenSSL's error.
func NewClientCtx(cfg *Config) (*Ctx, error) {
	if cfg == nil {
		cfg = &Config{}
	}
	return newCtx("NewClientCtx", cfg, false)
}

// NewServerCtx makes a server's Ctx from cfg (TLS_server_method), which must have a certificate.
// The caller must Close it. It returns ErrConfig with the reason, or OpenSSL's error.
func NewServerCtx(cfg *Config) (*Ctx, error) {
	if cfg == nil {
		return nil, fail("NewServerCtx", ErrNil)
	}
	return newCtx("NewServerCtx", cfg, true)
}

func newCtx(op string, cfg *Config, server bool) (*Ctx, error) {
	if r := cfg.ReloadableCertificates; r != nil {
		return r.newCtx(op, cfg, server)
	}
	return makeCtx(op, cfg, server)
}

func makeCtx(op string, cfg *Config, server bool) (*Ctx, error) {
	warnOfVersions()
	if _, err := policyInForce(); err != nil { // before OpenSSL reads the same file
		return nil, fail(op, err)
	}
	cfg, err := cfg.underSystem(op, server)
	if err != nil {
		return nil, err
	}
	cfg = cfg.underECH()
	if err := cfg.check(server); err != nil {
		return nil, fail(op, err)
	}
	c := &Ctx{number: ctxNumbers.Add(1), server: server, name: cfg.ServerName, onNew: cfg.OnNewSession,
		verifyConnection: cfg.VerifyConnection, configFor: cfg.GetConfigForClient, getCert: cfg.GetCertificate,
		getClientCert: cfg.GetClientCertificate, protos: slices.Clone(cfg.NextProtos),
		gate: newGate(cfg.HandshakeLimit), timeout: cfg.handshakeTimeout(server),
		reload: cfg.ReloadableCertificates, system: cfg.system}
	if c.reload == nil {
		c.own = chainsOf(cfg.Certificates)
	}
	if server {
		c.verify = cfg.ClientAuth.verifies()
		c.require = cfg.ClientAuth.requires()
	} else {
		c.verify = !cfg.InsecureSkipVerify
		c.require = c.verify
	}
	c.later = cfg.laterAuth(server)
	_, c.highest = cfg.versions()
	c.psk = cfg.pskRules()
	c.query = cfg.query()
	c.strict = c.query != ""
	if err := signersFit(op, c.query, cfg.Certificates...); err != nil {
		return nil, err
	}
	if !server {
		c.sessions = NewClientSessionCache(0)
	}
	if c.roots, err = cfg.roots(server).trusted(); err != nil {
		return nil, fail(op, err)
	}
	ptr, err := buildCtx(op, cfg, c)
	if err != nil {
		return nil, err
	}
	c.roots = trusted{}
	c.h.adopt(&ctxKind, ptr)
	return c, nil
}

// wantsSessions reports whether a function or a cache takes new sessions.
func (c *Ctx) wantsSessions() bool { return c.onNew != nil || c.cache != nil }

// withPtr is the only way to the pointer: the SSL_CTX lives until f has returned.
func (c *Ctx) withPtr(op string, f func(ctxPtr) error) error {
	if c == nil {
		return fail(op, ErrNil)
	}
	p, err := c.h.acquire()
	if err != nil {
		return fail(op, err)
	}
	defer c.h.release()
	return f(p)
}

// Close gives the SSL_CTX back (SSL_CTX_free); later calls do nothing. Connections made from
// the Ctx go on. OpenSSL marks sessions in a server's internal cache not resumable, on all
// handles. A client's sessions survive, except those that are only in the Ctx's own cache.
func (c *Ctx) Close() error {
	if c == nil {
		return nil
	}
	c.h.close()
	if c.sessions != nil {
		c.sessions.Close()
	}
	return nil
}

// IsServer reports whether the Ctx came from NewServerCtx. It returns false for a nil Ctx.
func (c *Ctx) IsServer() bool { return c != nil && c.server }

// NextProtos returns a copy of the application protocols that the Ctx offers or accepts
// by ALPN, as its Config had them. It also works after Close.
func (c *Ctx) NextProtos() []string {
	if c == nil {
		return nil
	}
	return slices.Clone(c.protos)
}

// ServerName returns the name that the Ctx's connections verify unless they are given
// another, as its Config had it. It also works after Close.
func (c *Ctx) ServerName() string {
	if c == nil {
		return ""
	}
	return c.name
}

// HandshakeTimeout returns how long a server's handshakes may take, as its Config had it: 30
// seconds by default, and 0 if there is no limit. Clients have none. It also works after Close.
func (c *Ctx) HandshakeTimeout() time.Duration {
	if c == nil {
		return 0
	}
	return c.timeout
}

func newGuarding(cfg *Config) *guarding {
	guard := cfg.ReplayGuard
	switch {
	case guard == nil && cfg.guardsItself():
		guard = newMemoryGuard(defaultClaims)
	case guard == nil:
		return nil
	}
	return &guarding{guard: guard, timeout: cmp.Or(cfg.ReplayGuardTimeout, defaultClaimTimeout),
		places: make(chan struct{}, maxClaims), fips: cfg.FIPS, query: cfg.query()}
}

// guardsItself reports whether tickets are the Ctx's alone, made with a key that never had
// another owner. The Ctx then needs a guard in Go: without it libssl would make each ticket an
// entry of its internal cache, and remove the entry as soon as any client shows the ticket,
// before it checks the binder. A client that is asked for a second ClientHello would never
// resume.
func (cfg *Config) guardsItself() bool {
	return cfg.TicketKeys == nil && cfg.SessionCache == nil &&
		!cfg.SessionTicketsDisabled && cfg.BuiltinTicketKey.k == nil
}
