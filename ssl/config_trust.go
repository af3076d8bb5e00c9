package ssl

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"slices"
	"strings"
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
func (cfg *Config) stamp(server bool) []byte {
	if server {
		return append([]byte{stampCertificate}, cfg.idContext()...)
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

// idContext is the session id context in force: the configured one, or by default the
// names that a server answers to. Certificates are left out but for their names: they
// differ by machine and change at renewal.
//
// A server cannot look at a session before libssl has resumed it, so its demands on clients
// are part of the context, where libssl compares them in every form of resumption: a
// session that was made under others costs a full handshake.
func (cfg *Config) idContext() []byte {
	configured := len(cfg.SessionIDContext) > 0
	if configured && !cfg.ClientAuth.requests() && !cfg.hasPSKs() {
		return cfg.SessionIDContext
	}
	h := sha256.New()
	if configured {
		fmt.Fprintf(h, "sessl server 2;context=%x;", cfg.SessionIDContext)
	} else {
		fmt.Fprintf(h, "sessl server 2;names=%q;", cfg.certNames())
	}
	fmt.Fprintf(h, "auth=%d;", cfg.ClientAuth)
	if cfg.PostHandshakeAuth {
		h.Write([]byte("later;")) // its sessions may be of clients that were not asked yet
	}
	cfg.ClientCAs.hashInto(h)
	if cfg.ClientAuth.verifies() {
		cfg.hashDemands(h)
	}
	cfg.hashPSKs(h)
	return h.Sum(nil)
}

// certNames are the names in the certificates, in a fixed order.
func (cfg *Config) certNames() string {
	var names []string
	for _, c := range cfg.Certificates {
		if leaf := c.Leaf(); leaf != nil {
			names = append(names, leaf.DNSNames...)
		}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), " ")
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
