package ssl

// underSystem returns a copy of cfg in which openssl.cnf has settled what cfg leaves open. Settings
// that libssl applies by itself, and that Go only needs to know, are in the copy's system.
func (cfg *Config) underSystem(op string, server bool) (*Config, error) {
	s, err := readSystem(op, server)
	if err != nil {
		return nil, err
	}
	c := *cfg
	c.system = s
	if server && c.ClientAuth == NoClientCert {
		c.ClientAuth = s.auth
		c.PostHandshakeAuth = c.PostHandshakeAuth || s.later
	}
	if s.noTickets && c.TicketKeys == nil && c.BuiltinTicketKey.k == nil && c.SessionCache == nil {
		c.SessionTicketsDisabled = true
	}
	if s.tickets >= 0 && c.NumTickets == 0 {
		c.NumTickets = s.tickets
		if s.tickets == 0 {
			c.NumTickets = -1 // none
		}
	}
	return &c, nil
}

// bounds are the versions to set: the application's, or the default if openssl.cnf has
// none; 0 leaves the SSL_CTX's value.
func (cfg *Config) bounds() (lowest, highest uint16) {
	lowest, highest = cfg.MinVersion, cfg.MaxVersion
	if lowest == 0 && (cfg.system == nil || !cfg.system.hasMin) {
		lowest = cfg.floor()
	}
	return lowest, highest
}

// floor is the default of MinVersion: TLS 1.2, unless Protocol in openssl.cnf names an older
// version.
func (cfg *Config) floor() uint16 {
	for v := uint16(VersionTLS10); cfg.system != nil && v < VersionTLS12; v++ {
		if cfg.system.enabled&versionBit(v) != 0 {
			return v
		}
	}
	return VersionTLS12
}

// wanted are the versions that the application names, or that lie between two that it
// names, one bit each. openssl.cnf disables none of them.
func (cfg *Config) wanted() (bits int) {
	lowest, highest := cfg.MinVersion, cfg.MaxVersion
	switch {
	case lowest == 0:
		lowest = highest
	case highest == 0:
		highest = lowest
	}
	for v := max(lowest, VersionTLS10); v <= min(highest, VersionTLS13); v++ {
		bits |= versionBit(v)
	}
	return bits
}

// versions are the lowest and the highest version to negotiate, with openssl.cnf considered.
func (cfg *Config) versions() (lowest, highest uint16) {
	lowest, highest = cfg.bounds()
	s := cfg.system
	if s == nil {
		s = &systemSettings{}
	}
	if lowest == 0 {
		lowest = s.lowest
	}
	if highest == 0 {
		highest = VersionTLS13
		if s.hasMax {
			highest = s.highest
		}
	}
	off := s.disabled &^ cfg.wanted()
	for lowest < highest && off&versionBit(lowest) != 0 {
		lowest++
	}
	for highest > lowest && off&versionBit(highest) != 0 {
		highest--
	}
	return lowest, highest
}

// checkSystem refuses bounds that leave no version together, one of them the
// application's and the other the administrator's.
func (cfg *Config) checkSystem(bool) error {
	if cfg.system == nil {
		return nil
	}
	lowest, highest := cfg.versions()
	switch {
	case cfg.MaxVersion != 0 && cfg.MinVersion == 0 && cfg.system.hasMin && lowest > highest:
		return configError("MaxVersion %s is below the MinProtocol of openssl.cnf, %s, "+
			"which a MinVersion would take the place of", VersionName(highest), VersionName(lowest))
	case cfg.MinVersion != 0 && cfg.MaxVersion == 0 && cfg.system.hasMax && lowest > highest:
		return configError("MinVersion %s is above the MaxProtocol of openssl.cnf, %s, "+
			"which a MaxVersion would take the place of", VersionName(lowest), VersionName(highest))
	case lowest > highest, cfg.system.disabled&^cfg.wanted()&versionBit(lowest) != 0:
		return configError("openssl.cnf leaves no version from %s to %s: set MinVersion and MaxVersion",
			VersionName(lowest), VersionName(highest))
	}
	return nil
}
