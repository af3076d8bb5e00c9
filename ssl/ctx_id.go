package ssl

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
)

// idContext is the session id context in force: the configured one, or by default the
// names that a server has in its certificates. Nothing else in certificates counts,
// because it differs by machine and changes at renewal.
//
// A server cannot check a session before libssl has resumed it. So its demands on clients
// are part of the context, which libssl compares in every form of resumption: a session
// that was made under other demands costs a full handshake. Functions cannot be compared.
// If a function says who a peer is, or who this server is, the context is the Ctx's own.
func (cfg *Config) idContext(c *Ctx, b basis) []byte {
	configured := len(cfg.SessionIDContext) > 0
	if configured && !cfg.ClientAuth.requests() && !cfg.hasPSKs() {
		return cfg.SessionIDContext
	}
	h := sha256.New()
	fmt.Fprintf(h, "auth=%d;", cfg.ClientAuth)
	if cfg.PostHandshakeAuth {
		h.Write([]byte("later;")) // its sessions may be of clients that have not been asked yet
	}
	b.roots.hashInto(h)
	if cfg.ClientAuth.verifies() {
		cfg.hashDemands(h, b)
		fmt.Fprintf(h, "curves=%d;", cfg.certificateCurves())
	}
	b.types.hashInto(h)
	cfg.hashPSKs(h)
	if !configured && (cfg.GetPSK != nil || cfg.GetCertificate != nil) {
		fmt.Fprintf(h, "process=%x;ctx=%d;", processID(), c.number)
	}
	rest := h.Sum(nil)
	if configured {
		sum := sha256.Sum256(fmt.Appendf(nil, "sessl server 3;context=%x;rest=%x;", cfg.SessionIDContext, rest))
		return sum[:]
	}
	c.idRest = rest
	return contextOfNames(setOf(cfg.Certificates).names(cfg.ownTypes()), rest)
}

func contextOfNames(names []string, rest []byte) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "sessl server 3;names=%q;rest=%x;", names, rest))
	return sum[:]
}

// namesInAll returns the names in the certificates, in a fixed order.
func namesInAll(certs []Certificate) (names []string) {
	for _, c := range certs {
		if leaf := c.Leaf(); leaf != nil {
			names = append(names, namesIn(leaf)...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// keysInAll returns the public keys of the certificates in the form of names.
func keysInAll(certs []Certificate) (keys []string) {
	for _, c := range certs {
		if c.c != nil {
			keys = append(keys, fmt.Sprintf("key %x", sha256.Sum256(c.c.chain.leaf.RawSubjectPublicKeyInfo)))
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// names returns that by which peers know the owner of the certificates: their names, and the keys if these
// are shown alone.
func (s *certSet) names(types certTypes) []string {
	if types.raw() {
		return slices.Concat(s.certNames, s.certKeys)
	}
	return s.certNames
}

// namesIn returns all names in a certificate by which a peer could know its owner, or
// the subject if there are none.
func namesIn(leaf *x509.Certificate) (names []string) {
	for _, name := range leaf.DNSNames {
		names = append(names, "name "+name)
	}
	for _, ip := range leaf.IPAddresses {
		names = append(names, "address "+ip.String())
	}
	for _, uri := range leaf.URIs {
		names = append(names, "uri "+uri.String())
	}
	for _, mail := range leaf.EmailAddresses {
		names = append(names, "mail "+mail)
	}
	if len(names) == 0 {
		names = append(names, "subject "+string(leaf.RawSubject))
	}
	return names
}

// followNames is for a connection with reloaded certificates, whose names may have
// changed. It sets the context that a new Ctx with these certificates would have.
func (c *Conn) followNames(op string, p connPtr, set *certSet) error {
	if !c.server || c.ctx.idRest == nil {
		return nil
	}
	names := set.names(c.ctx.types.own)
	if slices.Equal(names, c.ctx.reloadNames) {
		return nil
	}
	return setConnContext(op, p, contextOfNames(names, c.ctx.idRest))
}
