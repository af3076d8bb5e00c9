package ssl

import (
	"crypto/tls"
	"fmt"
	"slices"
	"time"
)

// CheckClient reports why cfg cannot work for a client: nil, or the error that NewClientCtx
// would return. It makes an SSL_CTX and frees it (SSL_CTX_new, SSL_CTX_free), so it sees
// what the library in use and its providers can do. It also refuses settings that would
// only fail later, at every handshake, and demands that nothing would enforce. It returns
// ErrConfig with the name of the field and the reason, ErrUnsupported, or OpenSSL's error.
func (cfg *Config) CheckClient() error {
	if cfg == nil {
		cfg = &Config{}
	}
	return cfg.try("Config.CheckClient", false)
}

// CheckServer is CheckClient for NewServerCtx.
func (cfg *Config) CheckServer() error {
	const op = "Config.CheckServer"
	if cfg == nil {
		return fail(op, ErrNil)
	}
	return cfg.try(op, true)
}

func (cfg *Config) try(op string, server bool) error {
	c, err := newCtx(op, cfg, server)
	if err != nil {
		return err
	}
	return c.Close()
}

const (
	maxProtosLen = 1<<14 - 64 // NextProtos must leave room for the rest of the hello
	maxTickets   = 255        // each costs the handshake an encryption, and the client memory

	maxIDPrefix = 16 // leaves 128 random bits

	maxMarkedPrefix = 8 // leaves as many, and 8 bytes for the MAC

	maxSessionAge = 10 * 365 * 24 * time.Hour // more is a mistake, or means no limit
)

// check refuses settings that can be seen to be wrong without OpenSSL.
func (cfg *Config) check(server bool) error {
	for _, check := range []func(bool) error{
		cfg.checkVersions, cfg.checkSystem, cfg.checkProviders, cfg.checkSessions, cfg.checkForms,
		cfg.checkLimits,
		cfg.checkEarly, cfg.checkAuth, cfg.checkLaterAuth, cfg.checkPSKs, cfg.checkTrust, cfg.checkProtos,
		cfg.checkGroups, cfg.checkKeyShares, cfg.checkSchemes, cfg.checkECH, cfg.checkCompression, cfg.checkTypes,
	} {
		if err := check(server); err != nil {
			return err
		}
	}
	return nil
}

func (cfg *Config) checkVersions(bool) error {
	lowest, _ := cfg.bounds()
	for _, f := range []struct {
		field   string
		version uint16
	}{{"MinVersion", cfg.MinVersion}, {"MaxVersion", cfg.MaxVersion}} {
		if f.version != 0 && (f.version < VersionTLS10 || f.version > VersionTLS13) {
			return configError("%s is the unknown protocol version %s", f.field, VersionName(f.version))
		}
	}
	switch {
	case cfg.MinVersion != 0 && cfg.MaxVersion != 0 && cfg.MinVersion > cfg.MaxVersion:
		return configError("MinVersion %s is above MaxVersion %s",
			VersionName(cfg.MinVersion), VersionName(cfg.MaxVersion))
	case cfg.MinVersion == 0 && cfg.MaxVersion != 0 && cfg.MaxVersion < VersionTLS12 && lowest == VersionTLS12:
		return configError("MaxVersion %s needs a MinVersion: the default is TLS 1.2", VersionName(cfg.MaxVersion))
	case cfg.SecurityLevel < InsecureSecurityLevel0 || cfg.SecurityLevel > maxSecurityLevel:
		return configError("SecurityLevel is %d, 1 to %d are possible", cfg.SecurityLevel, maxSecurityLevel)
	}
	return nil
}

func (cfg *Config) checkSessions(server bool) error {
	switch {
	case server && cfg.TicketKeys != nil && cfg.SessionTicketsDisabled:
		return configError("TicketKeys have no effect: SessionTicketsDisabled is set")
	case server && cfg.TicketKeys != nil && cfg.TicketKeys.h.isClosed():
		return configError("TicketKeys are closed, or were not made by a function of this package")
	case cfg.BuiltinTicketKey.k != nil &&
		(!server || cfg.TicketKeys != nil || cfg.SessionCache != nil || cfg.SessionTicketsDisabled):
		return configError("BuiltinTicketKey has no effect: " +
			"it is for servers without TicketKeys and SessionCache that issue tickets")
	case server && cfg.SessionCache != nil && !cfg.SessionCache.usable():
		return configError("SessionCache is closed, or was not made by NewServerSessionCache")
	case !server && cfg.TicketKeys != nil:
		return configError("TicketKeys are for servers")
	case !server && cfg.OnRemoveSession != nil:
		return configError("OnRemoveSession is for servers; a client's cache has Remove")
	case !server && cfg.SessionCache != nil:
		return configError("SessionCache is for servers; a client's is in Dialer.Sessions")
	case len(cfg.SessionIDContext) > maxIDCtxLen:
		return configError("SessionIDContext has %d bytes, the limit is %d", len(cfg.SessionIDContext), maxIDCtxLen)
	case cfg.NumTickets > maxTickets:
		return configError("NumTickets is %d, the limit is %d", cfg.NumTickets, maxTickets)
	case cfg.SessionTimeout < 0:
		return configError("SessionTimeout is negative")
	case !server && len(cfg.SessionIDPrefix) > 0:
		return configError("SessionIDPrefix is for servers, who make the ids")
	case len(cfg.SessionIDPrefix) > maxIDPrefix:
		return configError("SessionIDPrefix has %d bytes, the limit is %d", len(cfg.SessionIDPrefix), maxIDPrefix)
	case server && cfg.SessionCache.marksIDs() && len(cfg.SessionIDPrefix) > maxMarkedPrefix:
		return configError("SessionIDPrefix has %d bytes, the limit is %d for a SessionCache with a Store, "+
			"whose ids end with a MAC", len(cfg.SessionIDPrefix), maxMarkedPrefix)
	case !server && cfg.MaxSessionAge != 0:
		return configError("MaxSessionAge is for servers; for how long a client resumes is the server's to say")
	case cfg.MaxSessionAge != 0 && (cfg.MaxSessionAge < time.Second || cfg.MaxSessionAge > maxSessionAge):
		return configError("MaxSessionAge is %v, one second to %v are possible", cfg.MaxSessionAge, maxSessionAge)
	}
	return cfg.checkInternalCache(server)
}

func (cfg *Config) checkAuth(server bool) error {
	switch {
	case server && len(cfg.Certificates) == 0 && cfg.GetConfigForClient == nil &&
		cfg.GetCertificate == nil && !cfg.hasPSKs():
		return configError("a server needs a certificate: Certificates is empty, " +
			"and there is neither GetCertificate nor GetConfigForClient, and no PSK")
	case cfg.ClientAuth < NoClientCert || cfg.ClientAuth > RequireAndVerifyClientCert:
		return configError("unknown ClientAuth %d", cfg.ClientAuth)
	case server && cfg.verifiesCertificates() && cfg.ClientCAs == nil &&
		cfg.system != nil && cfg.system.auth != NoClientCert:
		return configError("the VerifyMode of openssl.cnf asks clients for certificates, but ClientCAs is nil")
	case server && cfg.RequestOCSPStaple:
		return configError("RequestOCSPStaple is for clients; a server's staples are SetOCSPStaple's")
	case server && cfg.verifiesCertificates() && cfg.ClientCAs == nil:
		return configError("ClientAuth verifies certificates but ClientCAs is nil")
	}
	if err := cfg.checkSides(server); err != nil {
		return err
	}
	for i, c := range cfg.Certificates {
		if c.c == nil {
			return configError("certificate %d in Certificates is empty", i)
		}
	}
	if server {
		return nil
	}
	_, err := hostName(cfg.ServerName)
	return err
}

// checkSides refuses settings of the other side, and roots that would have no effect.
func (cfg *Config) checkSides(server bool) error {
	switch {
	case server && cfg.RootCAs != nil:
		return configError("RootCAs are a client's: a server verifies clients against ClientCAs")
	case server && cfg.ClientCAs != nil && !cfg.ClientAuth.requests():
		return configError("ClientCAs have no effect: ClientAuth is NoClientCert")
	case !server && cfg.ClientAuth != NoClientCert:
		return configError("ClientAuth is a server's: a client always verifies, unless InsecureSkipVerify is set")
	case !server && cfg.ClientCAs != nil:
		return configError("ClientCAs are a server's: a client verifies servers against RootCAs")
	case cfg.NoClientCANames && cfg.ClientCAs == nil:
		return configError("NoClientCANames has no effect: ClientCAs is nil")
	}
	return nil
}

func (cfg *Config) checkProtos(bool) error {
	total := 0
	for _, proto := range cfg.NextProtos {
		total += 1 + len(proto)
		if len(proto) == 0 || len(proto) > maxNameLen {
			return configError("NextProtos has a name of %d bytes, 1 to 255 are possible", len(proto))
		}
	}
	if total > maxProtosLen {
		return configError("NextProtos take %d bytes, the limit is %d", total, maxProtosLen)
	}
	return nil
}

func (cfg *Config) checkGroups(bool) error {
	lowest, highest := cfg.versions()
	usable := len(cfg.CurvePreferences) == 0
	seen := map[tls.CurveID]bool{}
	for _, id := range cfg.CurvePreferences {
		g, ok := groupByID(id)
		switch {
		case !ok:
			return fmt.Errorf("%w: CurvePreferences has the group %d, which this package does not know",
				ErrUnsupported, id)
		case seen[id]:
			return configError("CurvePreferences has %s twice", g.name)
		}
		seen[id] = true
		usable = usable || g.only == 0 || g.only >= lowest && g.only <= highest
	}
	if !usable {
		return configError("CurvePreferences has no group for %s", versionRange(lowest, highest))
	}
	return nil
}

const maxKeyShares = 4 // OPENSSL_CLIENT_MAX_KEY_SHARES

// checkKeyShares refuses shares for groups that are not offered.
func (cfg *Config) checkKeyShares(server bool) error {
	if server && len(cfg.KeyShares) > 0 {
		return configError("KeyShares are a client's")
	}
	if len(cfg.KeyShares) > maxKeyShares {
		return configError("KeyShares has %d groups, and OpenSSL sends %d at most", len(cfg.KeyShares),
			maxKeyShares)
	}
	for i, id := range cfg.KeyShares {
		switch {
		case !slices.Contains(cfg.CurvePreferences, id):
			return configError("KeyShares has %v, which is not in CurvePreferences", id)
		case slices.Contains(cfg.KeyShares[:i], id):
			return configError("KeyShares has %v twice", id)
		}
	}
	return nil
}

// sharesFirst reports whether KeyShares say no more than CurvePreferences alone would.
func (cfg *Config) sharesFirst() bool {
	return len(cfg.KeyShares) == 0 || len(cfg.KeyShares) == 1 && cfg.KeyShares[0] == cfg.CurvePreferences[0]
}

func (cfg *Config) checkSchemes(bool) error {
	lowest, highest := cfg.versions()
	usable := len(cfg.SignatureSchemes) == 0
	seen := map[tls.SignatureScheme]bool{}
	for _, id := range cfg.SignatureSchemes {
		s, ok := schemeByID(id)
		switch {
		case !ok:
			return fmt.Errorf("%w: SignatureSchemes has 0x%04X, which this package does not know",
				ErrUnsupported, uint16(id))
		case seen[id]:
			return configError("SignatureSchemes has %s twice", s.name)
		}
		seen[id] = true
		usable = usable || s.v12 && lowest <= VersionTLS12 || s.v13 && highest == VersionTLS13
	}
	if !usable {
		return configError("SignatureSchemes has none for %s", versionRange(lowest, highest))
	}
	return nil
}

func versionRange(lowest, highest uint16) string {
	if lowest == highest {
		return VersionName(lowest)
	}
	return VersionName(lowest) + " to " + VersionName(highest)
}
