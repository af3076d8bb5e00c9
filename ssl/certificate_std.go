package ssl

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"sync"
)

// maxConverted is how many certificates a function of GetCertificateFromTLS remembers.
const maxConverted = 1000

// GetCertificateFromTLS makes a Config.GetCertificate of a function for crypto/tls, such as the method of
// autocert.Manager. get is called in each full handshake, with ClientHelloInfo.TLS, whose Context is nil: a
// function that needs one, as certmagic's does, must be given one of its own. What it returns is converted by
// CertificateFromTLS, with the same limits. The result remembers up to 1,000 conversions by chain, staple and
// crypto.Signer, because each takes some hundred microseconds, and forgets all of them with the last Ctx that
// has it. It may be called from several goroutines at once, and get is.
//
// The result of get that is nil without an error is passed on as such, and means [Config].Certificates. For
// the challenges of ACME over TLS, NextProtos needs "acme-tls/1".
func GetCertificateFromTLS(get func(*tls.ClientHelloInfo) (*tls.Certificate, error),
) func(*ClientHelloInfo) (*Certificate, error) {
	known := converted{certs: make(map[[sha256.Size]byte]*Certificate)}
	return func(h *ClientHelloInfo) (*Certificate, error) {
		std, err := get(h.TLS())
		if std == nil || err != nil {
			return nil, err
		}
		return known.convert(std)
	}
}

// converted are certificates of crypto/tls in OpenSSL's form.
type converted struct {
	mu    sync.Mutex
	certs map[[sha256.Size]byte]*Certificate
}

// convert leaves the certificate to the collector, as all Certificates are, when it is forgotten.
func (c *converted) convert(std *tls.Certificate) (*Certificate, error) {
	id := identify(std)
	c.mu.Lock()
	cert := c.certs[id]
	c.mu.Unlock()
	if cert != nil && sameSigner(cert.signerOf(), std.PrivateKey) {
		return cert, nil
	}
	fresh, err := CertificateFromTLS(*std)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.certs) >= maxConverted {
		for old := range c.certs { // any
			delete(c.certs, old)
			break
		}
	}
	c.certs[id] = &fresh
	return &fresh, nil
}

// identify hashes what CertificateFromTLS takes over. The leaf stands for the key, which must match it.
func identify(std *tls.Certificate) (id [sha256.Size]byte) {
	h := sha256.New()
	part := func(b []byte) {
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}
	part(std.OCSPStaple)
	for _, der := range std.Certificate {
		part(der)
	}
	h.Sum(id[:0])
	return id
}
