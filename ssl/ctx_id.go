package ssl

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
)

// idContext is the session id context in force: the configured one, or by default the
// names that a server answers to. Certificates are left out but for their names: they
// differ by machine and change at renewal.
//
// A server cannot look at a session before libssl has resumed it, so its demands on clients
// are part of the context, where libssl compares them in every form of resumption: a
// session that was made under others costs a full handshake. What is a function cannot be
// compared: where one says who a peer is, or who this server is, the context is the Ctx's own.
func (cfg *Config) idContext(c *Ctx, b basis) []byte {
	configured := len(cfg.SessionIDContext) > 0
	if configured && !cfg.ClientAuth.requests() && !cfg.hasPSKs() {
		return cfg.SessionIDContext
	}
	h := sha256.New()
	fmt.Fprintf(h, "auth=%d;", cfg.ClientAuth)
	if cfg.PostHandshakeAuth {
		h.Write([]byte("later;")) // its sessions may be of clients that were not asked yet
	}
	b.roots.hashInto(h)
	if cfg.ClientAuth.verifies() {
		cfg.hashDemands(h, b)
		fmt.Fprintf(h, "curves=%d;", cfg.certificateCurves())
	}
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
	return contextOfNames(namesInAll(cfg.Certificates), rest)
}

func contextOfNames(names []string, rest []byte) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "sessl server 3;names=%q;rest=%x;", names, rest))
	return sum[:]
}

// namesInAll are the names in the certificates, in a fixed order.
func namesInAll(certs []Certificate) (names []string) {
	for _, c := range certs {
		if leaf := c.Leaf(); leaf != nil {
			names = append(names, namesIn(leaf)...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// namesIn are all by which somebody could know the owner of a certificate; the subject where
// there is nothing else.
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

// followNames gives a connection with reloaded certificates, whose names may be others than
// those of before, the context that a new Ctx with them would have.
func (c *Conn) followNames(op string, p connPtr, set *certSet) error {
	if !c.server || c.ctx.idRest == nil || slices.Equal(set.names, c.ctx.reloadNames) {
		return nil
	}
	return setConnContext(op, p, contextOfNames(set.names, c.ctx.idRest))
}
