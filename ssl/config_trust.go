package ssl

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"slices"
)

// fingerprint identifies what a client's verification rests on. Sessions verified under
// one fingerprint are not trusted under another.
func (cfg *Config) fingerprint() [32]byte {
	h := sha256.New()
	fmt.Fprintf(h, "sessl client 3;insecure=%t;", cfg.InsecureSkipVerify)
	roots := cfg.RootCAs
	if roots == nil {
		roots = SystemCertPool()
	}
	roots.hashInto(h)
	cfg.hashDemands(h)
	cfg.hashPSKs(h)
	for _, c := range cfg.Certificates {
		fmt.Fprintf(h, "cert=%x;", sha256.Sum256(slices.Concat(c.chainDER()...)))
	}
	return [32]byte(h.Sum(nil))
}

// stamp is what the sessions of verified peers carry, but for the name.
func (cfg *Config) stamp(c *Ctx) []byte {
	if c.server {
		return append([]byte{stampCertificate}, cfg.idContext(c)...)
	}
	fp := cfg.fingerprint()
	return append([]byte{stampCertificate}, fp[:]...)
}

// hashDemands feeds to h what a peer's certificate must satisfy besides its roots. Whatever
// is added to a Config that can have a peer refused belongs here: resumption skips it all.
func (cfg *Config) hashDemands(h hash.Hash) {
	fmt.Fprintf(h, "level=%d;schemes=%04x;depth=%d;purpose=%d;chain=%t;", cfg.SecurityLevel, cfg.schemeNumbers(), cfg.VerifyDepth, cfg.VerifyPurpose, cfg.CRLCheckChain)
	fmt.Fprintf(h, "query=%q;", cfg.query())
	sums := make([]string, 0, len(cfg.CRLs))
	for _, der := range cfg.CRLs {
		sum := sha256.Sum256(der)
		sums = append(sums, string(sum[:]))
	}
	slices.Sort(sums)
	fmt.Fprintf(h, "crls=%x;", slices.Compact(sums))
}

func (cfg *Config) schemeNumbers() (numbers []uint16) {
	for _, s := range cfg.SignatureSchemes {
		numbers = append(numbers, uint16(s))
	}
	return numbers
}

func (cfg *Config) checkTrust(server bool) error {
	verifies := cfg.ClientAuth.verifies()
	because := "ClientAuth does not verify"
	if !server {
		verifies, because = !cfg.InsecureSkipVerify, "InsecureSkipVerify is set"
	}
	switch {
	case cfg.CRLs != nil && len(cfg.CRLs) == 0:
		return configError("CRLs is empty: nil means that revocation is not checked")
	case cfg.CRLCheckChain && cfg.CRLs == nil:
		return configError("CRLCheckChain needs CRLs")
	case cfg.VerifyPurpose < PurposeDefault || cfg.VerifyPurpose > PurposeInsecureAny:
		return configError("unknown VerifyPurpose %d", cfg.VerifyPurpose)
	case cfg.VerifyDepth > maxDepth:
		return configError("VerifyDepth is %d, the limit is %d", cfg.VerifyDepth, maxDepth)
	case verifies:
		return nil
	case cfg.CRLs != nil:
		return configError("CRLs have no effect: %s", because)
	case cfg.VerifyDepth != 0:
		return configError("VerifyDepth has no effect: %s", because)
	case cfg.VerifyPurpose != PurposeDefault:
		return configError("VerifyPurpose has no effect: %s", because)
	}
	return nil
}

const maxDepth = 100 // OpenSSL's own default: more would only serve a peer that wastes our time
