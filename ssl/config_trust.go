package ssl

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// roots are the roots that the peer is verified against; nil for none.
func (cfg *Config) roots(server bool) *CertPool {
	switch {
	case server:
		return cfg.ClientCAs
	case cfg.RootCAs == nil && !cfg.InsecureSkipVerify && !cfg.PSKOnly && cfg.peerTypes().x509():
		return SystemCertPool()
	}
	return cfg.RootCAs
}

// A basis is what verification depends on, not as it stands in the Config: the roots as they were
// read, the keys as they are compared, and what is in force in this process.
type basis struct {
	roots   *trusted
	types   *ctxTypes
	inForce string
}

// setStamp must come after the settings that inForce reads, and before the stamp is needed.
func setStamp(op string, cfg *Config, c *Ctx, p ctxPtr) error {
	b := basis{roots: &c.roots, types: &c.types}
	var err error
	if c.verify {
		if b.inForce, err = inForce(p, c.server); err != nil {
			return fail(op, err)
		}
	}
	if c.server {
		c.stamp = append([]byte{stampCertificate}, cfg.idContext(c, b)...)
		return nil
	}
	if c.leafs, err = cfg.leafRules(); err != nil {
		return fail(op, err)
	}
	fp := cfg.fingerprint(b)
	c.stamp = append([]byte{stampCertificate}, fp[:]...)
	c.cacheConfig = cfg.cacheConfig(c)
	return nil
}

// fingerprint identifies what a client's verification depends on. Sessions verified
// under one fingerprint are not trusted under another.
func (cfg *Config) fingerprint(b basis) [32]byte {
	h := sha256.New()
	fmt.Fprintf(h, "sessl client 4;insecure=%t;", cfg.InsecureSkipVerify)
	b.roots.hashInto(h)
	cfg.hashDemands(h, b)
	b.types.hashInto(h)
	cfg.hashPSKs(h)
	for _, c := range cfg.Certificates {
		fmt.Fprintf(h, "cert=%x;", sha256.Sum256(slices.Concat(c.chainDER()...)))
	}
	return [32]byte(h.Sum(nil))
}

// hashDemands writes to h what a peer's certificate must satisfy in addition to its roots. Every
// setting of a Config that can make a peer be refused belongs here: resumption skips these checks.
func (cfg *Config) hashDemands(h hash.Hash, b basis) {
	fmt.Fprintf(h, "force=%q;schemes=%04x;", b.inForce, cfg.schemeNumbers())
	fmt.Fprintf(h, "depth=%d;purpose=%d;chain=%t;", cfg.VerifyDepth, cfg.VerifyPurpose, cfg.CRLCheckChain)
	fmt.Fprintf(h, "query=%q;", cfg.query())
	sums := make([]string, 0, len(cfg.CRLs))
	for _, der := range cfg.CRLs {
		sum := sha256.Sum256(der)
		sums = append(sums, string(sum[:]))
	}
	slices.Sort(sums)
	fmt.Fprintf(h, "crls=%x;", slices.Compact(sums))
}

// certificateCurves are the curves of CurvePreferences that a certificate can have, in
// a fixed order. TLS 1.2 limits certificates to them.
func (cfg *Config) certificateCurves() (curves []tls.CurveID) {
	for _, id := range cfg.CurvePreferences {
		if g, ok := groupByID(id); ok && (curveNames[g.name] != nil || strings.HasPrefix(g.name, "brainpool")) {
			curves = append(curves, id)
		}
	}
	slices.Sort(curves)
	return curves
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

const maxDepth = 100 // OpenSSL's own default; more would only help a peer to waste time
