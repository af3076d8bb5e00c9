package ssl

import (
	"fmt"
	"strings"
)

// works refuses settings that OpenSSL accepted one by one but that cannot work together.
func (cfg *Config) works(server bool, got effective) error {
	for _, check := range []func(bool, effective) error{
		cfg.versionsWork, cfg.groupsWork, cfg.schemesWork, cfg.suitesWork,
	} {
		if err := check(server, got); err != nil {
			return err
		}
	}
	return nil
}

func (cfg *Config) versionsWork(_ bool, got effective) error {
	lowest, _ := cfg.versions()
	if lowest > got.forbidden || cfg.MinVersion == 0 {
		return nil // a version that openssl.cnf permits may be forbidden by its level
	}
	return configError("MinVersion %s: security level %d forbids %s and below, "+
		"SecurityLevel must be lower (InsecureSecurityLevel0 permits all)",
		VersionName(lowest), got.level, VersionName(got.forbidden))
}

func (cfg *Config) groupsWork(_ bool, got effective) error {
	for _, id := range cfg.CurvePreferences {
		if g, _ := groupByID(id); g.bits < levelBits[min(got.level, maxSecurityLevel)] {
			return configError("CurvePreferences has %s, which security level %d disables", g.name, got.level)
		}
	}
	return nil
}

func (cfg *Config) schemesWork(server bool, got effective) error {
	if len(cfg.SignatureSchemes) == 0 {
		return nil
	}
	keys := 0
	for _, id := range cfg.SignatureSchemes {
		s, _ := schemeByID(id)
		if s.sha1 && got.level > maxSHA1Level {
			return configError("SignatureSchemes has %s, which security level %d disables", s.name, got.level)
		}
		keys |= s.keys
	}
	if got.keys != 0 && got.keys&keys == 0 {
		return configError("SignatureSchemes has none for the keys in Certificates, which are %s",
			keyNames(got.keys))
	}
	return nil
}

func (cfg *Config) suitesWork(server bool, got effective) error {
	lowest, highest := cfg.versions()
	var usable, early, noKey int // early: of versions before TLS 1.3
	for _, s := range got.suites {
		switch s.verdict {
		case suiteLevel:
			return configError("CipherSuites has %s, which security level %d disables", s.name, got.level)
		case suiteKX:
			return configError("CipherSuites has %s, whose key exchange needs parameters "+
				"that a Config cannot have, or PSKs for TLS 1.2", s.name)
		case suiteMissing:
			return fmt.Errorf("%w: CipherSuites has 0x%04X, which no provider offers", ErrUnsupported, s.id)
		case suiteKey:
			noKey++
		case suiteOK:
			usable++
		}
		if s.verdict != suiteVersion && !isSuite13(s.id) {
			early++
		}
	}
	switch {
	case early > 0 && early == noKey:
		return configError("CipherSuites has suites for TLS 1.2, "+
			"but none for the keys in Certificates, which are %s", keyNames(got.keys))
	case len(got.suites) > 0 && usable == 0:
		return configError("CipherSuites has no suite for %s", versionRange(lowest, highest))
	case got.usable == 0:
		return configError("no suite for %s: the default has none, name some in CipherSuites",
			versionRange(lowest, highest))
	}
	return cfg.eachVersionWorks(server, got)
}

// eachVersionWorks refuses versions for which nothing could be negotiated.
func (cfg *Config) eachVersionWorks(server bool, got effective) error {
	lowest, highest := cfg.versions()
	for v := max(lowest, got.forbidden+1); cfg.MinVersion != 0 && v < min(highest+1, VersionTLS12); v++ {
		if got.served&versionBit(v) == 0 {
			return configError("MinVersion %s: there is no suite for %s, name one in CipherSuites",
				VersionName(cfg.MinVersion), VersionName(v))
		}
	}
	chosen := cfg.GetCertificate != nil || cfg.GetConfigForClient != nil
	if server && !chosen && got.keys == keyOther && lowest <= VersionTLS12 &&
		got.served&versionBit(VersionTLS12) == 0 {
		return configError("MinVersion must be TLS 1.3: TLS 1.2 knows nothing of the keys in Certificates")
	}
	return nil
}

// keyNames lists types of key in text.
func keyNames(keys int) string {
	var names []string
	for _, k := range []struct {
		bit  int
		name string
	}{
		{keyRSA, "RSA"}, {keyRSAPSS, "RSA-PSS"}, {keyEC, "EC"},
		{keyEd25519, "Ed25519"}, {keyEd448, "Ed448"}, {keyOther, "another"},
	} {
		if keys&k.bit != 0 {
			names = append(names, k.name)
		}
	}
	return strings.Join(names, ", ")
}
