package ssl

import (
	"crypto"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// hasPSKs reports whether connections may rest on external keys.
func (cfg *Config) hasPSKs() bool { return len(cfg.PSKs) > 0 || cfg.GetPSK != nil }

// psksIn12 reports whether TLS 1.2 is possible and a key fits it.
func (cfg *Config) psksIn12() bool {
	lowest, _ := cfg.versions()
	return lowest <= VersionTLS12 && slices.ContainsFunc(cfg.PSKs, func(k PSK) bool { return k.k.fits12() })
}

// names12 reports whether CipherSuites settles the suites of TLS 1.2.
func (cfg *Config) names12() bool {
	return slices.ContainsFunc(cfg.CipherSuites, func(id uint16) bool { return !isSuite13(id) })
}

// isSuite13 recognizes suites of TLS 1.3 by their number: all that begin with 0x13, and
// two with SM4 (RFC 8998).
func isSuite13(id uint16) bool { return id>>8 == 0x13 || id == 0x00C6 || id == 0x00C7 }

// showsCertificates reports whether a server has certificates to show.
func (cfg *Config) showsCertificates() bool {
	return len(cfg.Certificates) > 0 || cfg.ReloadableCertificates != nil || cfg.GetCertificate != nil
}

// firstHash is the hash of the first TLS 1.3 suite. A server chooses the suite before it looks
// at keys, and then accepts no key of another hash. 0 means a hash that no PSK here has.
func (cfg *Config) firstHash() crypto.Hash {
	var first uint16
	if i := slices.IndexFunc(cfg.CipherSuites, isSuite13); i >= 0 {
		first = cfg.CipherSuites[i]
	} else if cfg.system != nil && cfg.system.suites13 {
		first = cfg.system.firstSuite
	}
	switch first {
	case 0x1302: // TLS_AES_256_GCM_SHA384
		return crypto.SHA384
	case 0x00C6, 0x00C7: // SM3
		return 0
	}
	return crypto.SHA256
}

func (cfg *Config) checkPSKs(server bool) error {
	if !cfg.hasPSKs() {
		return cfg.checkNoPSKs()
	}
	for _, check := range []func(bool) error{cfg.checkPSKSide, cfg.checkPSKAuth, cfg.checkPSKHint} {
		if err := check(server); err != nil {
			return err
		}
	}
	seen := map[string]bool{}
	for i, k := range cfg.PSKs {
		switch {
		case k.k == nil:
			return configError("PSK %d in PSKs is empty", i)
		case seen[k.k.identity]:
			return configError("PSKs has %s twice", quotedIdentity(k.k.identity))
		}
		seen[k.k.identity] = true
		if err := cfg.checkPSKVersion(k.k); err != nil {
			return err
		}
	}
	return nil
}

func (cfg *Config) checkNoPSKs() error {
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"PSKOnly", cfg.PSKOnly}, {"PSKIdentityHint", cfg.PSKIdentityHint != ""},
		{"InsecurePSKInsteadOfClientCert", cfg.InsecurePSKInsteadOfClientCert},
	} {
		if f.set {
			return configError("%s has no effect without PSKs", f.name)
		}
	}
	return nil
}

func (cfg *Config) checkPSKSide(server bool) error {
	_, highest := cfg.versions()
	switch {
	case server && cfg.PSKOnly:
		return configError("PSKOnly is for clients: a server without Certificates takes nothing but a PSK")
	case !server && cfg.GetPSK != nil:
		return configError("GetPSK is for servers; a client's key is in PSKs")
	case !server && len(cfg.PSKs) > 1:
		return configError("PSKs has %d keys, but a client offers one", len(cfg.PSKs))
	case len(cfg.PSKs) == 0 && highest < VersionTLS13:
		return configError("GetPSK is never asked before TLS 1.3: put the keys into PSKs")
	}
	return nil
}

func (cfg *Config) checkPSKAuth(server bool) error {
	switch {
	case server && cfg.ClientAuth.requires() && !cfg.InsecurePSKInsteadOfClientCert:
		return configError("ClientAuth demands a certificate, and a client with a PSK shows none: " +
			"InsecurePSKInsteadOfClientCert lets it in")
	case cfg.InsecurePSKInsteadOfClientCert && !(server && cfg.ClientAuth.requires()):
		return configError("InsecurePSKInsteadOfClientCert has no effect: no certificate is demanded")
	case !server && cfg.InsecureSkipVerify:
		return configError("InsecureSkipVerify undoes PSKs: " +
			"whoever does not know the key could show any certificate instead; PSKOnly needs no certificate")
	case cfg.PSKOnly && (cfg.RootCAs != nil || cfg.CRLs != nil ||
		cfg.VerifyDepth != 0 || cfg.VerifyPurpose != PurposeDefault):
		return configError("PSKOnly accepts no certificate: " +
			"RootCAs, CRLs, VerifyDepth and VerifyPurpose have no effect")
	}
	return nil
}

func (cfg *Config) checkPSKHint(server bool) error {
	switch {
	case cfg.PSKIdentityHint == "":
		return nil
	case !server:
		return configError("PSKIdentityHint is for servers")
	case len(cfg.PSKIdentityHint) > maxPSKIdentity12 || strings.IndexByte(cfg.PSKIdentityHint, 0) >= 0:
		return configError("PSKIdentityHint has %d bytes, or a zero byte: up to %d others are possible",
			len(cfg.PSKIdentityHint), maxPSKIdentity12)
	}
	return nil
}

// checkPSKVersion refuses a key that no connection could use.
func (cfg *Config) checkPSKVersion(k *psk) error {
	_, highest := cfg.versions()
	switch {
	case highest < VersionTLS12:
		return configError("PSKs need TLS 1.2 or 1.3")
	case highest == VersionTLS13 && k.hash != cfg.firstHash():
		return configError("%s is for %s, but the first TLS 1.3 suite has %s: "+
			"begin CipherSuites with one that fits, or make the PSK with the other hash",
			PSK{k}, k.hash, cfg.firstHash())
	case highest < VersionTLS13 && !k.fits12():
		return configError("%s cannot be used in TLS 1.2: its identity has a zero byte, or more than %d bytes",
			PSK{k}, maxPSKIdentity12)
	}
	return nil
}

// hashPSKs writes to h which keys are accepted, and nothing if none are. So a session that
// began with a PSK is not resumed where that key is gone, nor where there never was a key.
func (cfg *Config) hashPSKs(h hash.Hash) {
	if !cfg.hasPSKs() {
		return
	}
	var sums []string
	for _, k := range cfg.PSKs {
		sums = append(sums, string(k.k.fingerprint[:]))
	}
	slices.Sort(sums)
	fmt.Fprintf(h, "psk=%x;only=%t;asked=%t;instead=%t;",
		sums, cfg.PSKOnly, cfg.GetPSK != nil, cfg.InsecurePSKInsteadOfClientCert)
}

// pskRules is what a Ctx knows about its external keys.
type pskRules struct {
	any, only bool
	instead   bool // a client with a key needs no certificate
	hash      crypto.Hash
	get       func(*ClientHelloInfo, string) (PSK, error)
	known     map[string]bool // identities in PSKs; only with get
	ticket    *ticketKeyName  // what libssl's own tickets begin with; only with get
}

func (cfg *Config) pskRules() pskRules {
	r := pskRules{any: cfg.hasPSKs(), only: cfg.PSKOnly, instead: cfg.InsecurePSKInsteadOfClientCert,
		hash: cfg.firstHash(), get: cfg.GetPSK}
	if r.get != nil {
		r.known = map[string]bool{}
		for _, k := range cfg.PSKs {
			r.known[k.k.identity] = true
		}
	}
	return r
}
