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
	fmt.Fprintf(h, "sessl client 1;insecure=%t;", cfg.InsecureSkipVerify)
	roots := cfg.RootCAs
	if roots == nil {
		roots = SystemCertPool()
	}
	roots.hashInto(h)
	cfg.hashDemands(h)
	for _, c := range cfg.Certificates {
		fmt.Fprintf(h, "cert=%x;", sha256.Sum256(slices.Concat(c.chain...)))
	}
	return [32]byte(h.Sum(nil))
}

// idContext is the default session id context. The server's certificates are left out but
// for their names: they differ by machine and change at renewal.
func (cfg *Config) idContext() []byte {
	var names []string
	for _, c := range cfg.Certificates {
		if c.leaf != nil {
			names = append(names, c.leaf.DNSNames...)
		}
	}
	slices.Sort(names)
	h := sha256.New()
	fmt.Fprintf(h, "sessl server 1;names=%q;auth=%d;", strings.Join(slices.Compact(names), " "), cfg.ClientAuth)
	cfg.ClientCAs.hashInto(h)
	if cfg.ClientAuth.verifies() {
		cfg.hashDemands(h)
	}
	return h.Sum(nil)
}

// hashDemands feeds to h what a peer's certificate must satisfy besides its roots.
func (cfg *Config) hashDemands(h hash.Hash) {
	fmt.Fprintf(h, "level=%d;schemes=%x;", cfg.SecurityLevel, cfg.SignatureSchemes)
}
