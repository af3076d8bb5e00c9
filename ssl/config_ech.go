package ssl

// offersECH reports whether a client encrypts its ClientHello.
func (cfg *Config) offersECH() bool { return cfg.EncryptedClientHelloConfigList != nil }

// checkECH refuses settings of Encrypted Client Hello that would have no effect, or none that is known.
func (cfg *Config) checkECH(server bool) error {
	if err := cfg.checkECHSide(server); err != nil || !cfg.offersECH() {
		return err
	}
	const needs = "EncryptedClientHelloConfigList needs TLS 1.3"
	switch lowest, highest := cfg.versions(); {
	case highest < VersionTLS13:
		return configError("%s, and MaxVersion is %s", needs, VersionName(highest))
	case lowest < VersionTLS13:
		return configError("%s, and MinVersion is %s", needs, VersionName(lowest))
	case cfg.EncryptedClientHelloGREASE:
		return configError("EncryptedClientHelloGREASE has no effect: EncryptedClientHelloConfigList is set")
	case cfg.hasPSKs() || cfg.PSKOnly:
		return configError("EncryptedClientHelloConfigList and PSKs are both set, " +
			"but the server that refuses the encryption must show a certificate")
	}
	if err := checkECHList(cfg.EncryptedClientHelloConfigList); err != nil {
		return configError("EncryptedClientHelloConfigList: %v", err)
	}
	return nil
}

func (cfg *Config) checkECHSide(server bool) error {
	judges := cfg.EncryptedClientHelloRejectionVerify != nil
	switch {
	case !server && cfg.EncryptedClientHelloKeys != nil:
		return configError("EncryptedClientHelloKeys are a server's; " +
			"a client's are in EncryptedClientHelloConfigList")
	case server && (cfg.offersECH() || cfg.EncryptedClientHelloGREASE || judges):
		return configError("EncryptedClientHelloConfigList, GREASE and RejectionVerify are a client's; " +
			"a server's are in EncryptedClientHelloKeys")
	case cfg.EncryptedClientHelloKeys != nil && cfg.EncryptedClientHelloKeys.now.Load() == nil:
		return configError("EncryptedClientHelloKeys were not made by a function of this package")
	case judges && !cfg.offersECH():
		return configError("EncryptedClientHelloRejectionVerify has no effect: " +
			"EncryptedClientHelloConfigList is nil")
	case cfg.FIPS && (cfg.EncryptedClientHelloKeys != nil || cfg.offersECH()):
		return configError("the FIPS provider has no Encrypted Client Hello")
	}
	return nil
}

// underECH is cfg, or a copy for TLS 1.3 only: what is hidden must not be offered in the clear.
func (cfg *Config) underECH() *Config {
	if !cfg.offersECH() || cfg.MinVersion != 0 {
		return cfg
	}
	c := *cfg
	c.MinVersion = VersionTLS13
	return &c
}
