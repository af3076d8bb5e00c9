package ssl

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"hash"
	"os"
	"slices"
)

// A CertPool is a set of trusted root certificates. crypto/x509 has such a type too, but
// does not let its certificates out. A pool must not be changed once a Ctx has been made
// from it; later changes are not seen by that Ctx.
type CertPool struct {
	certs  [][]byte // DER
	system bool
}

// NewCertPool returns an empty pool. A Ctx that trusts an empty pool trusts nobody.
func NewCertPool() *CertPool { return &CertPool{} }

// SystemCertPool returns a pool that starts with OpenSSL's default trusted certificates
// (SSL_CTX_set_default_verify_paths): the system's, unless the environment variables
// SSL_CERT_FILE and SSL_CERT_DIR name others. OpenSSL reads them when the Ctx is made.
func SystemCertPool() *CertPool { return &CertPool{system: true} }

// LoadCertPool returns a pool with the certificates of a PEM or DER file.
func LoadCertPool(file string) (*CertPool, error) {
	const op = "LoadCertPool"
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fail(op, err)
	}
	p := NewCertPool()
	if err := p.AppendCerts(data); err != nil {
		return nil, fail(op, fmt.Errorf("%s: %w", file, err))
	}
	return p, nil
}

// AddCert adds a certificate; nil is ignored.
func (p *CertPool) AddCert(cert *x509.Certificate) {
	if cert != nil {
		p.certs = append(p.certs, slices.Clone(cert.Raw))
	}
}

// AppendCerts adds the certificates in data, one or more PEM blocks or one in DER. Without
// a valid certificate in data it reports ErrMalformed and adds nothing.
func (p *CertPool) AppendCerts(data []byte) error {
	certs, err := splitCerts(data)
	if err != nil {
		return fail("CertPool.AppendCerts", err)
	}
	p.certs = append(p.certs, certs...)
	return nil
}

// hashInto feeds what the pool trusts to h, so that equal pools give equal sums.
func (p *CertPool) hashInto(h hash.Hash) {
	if p == nil {
		fmt.Fprint(h, "none;")
		return
	}
	sums := make([]string, 0, len(p.certs))
	for _, der := range p.certs {
		sum := sha256.Sum256(der)
		sums = append(sums, string(sum[:]))
	}
	slices.Sort(sums)
	fmt.Fprintf(h, "system=%t;certs=%x;", p.system, slices.Compact(sums))
	if p.system {
		hashSystemRoots(h)
	}
}

// splitCerts returns the certificates of data in DER, each checked by crypto/x509.
func splitCerts(data []byte) ([][]byte, error) {
	var certs [][]byte
	rest := data
	for {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if b.Type == "CERTIFICATE" || b.Type == "TRUSTED CERTIFICATE" || b.Type == "X509 CERTIFICATE" {
			certs = append(certs, b.Bytes)
		}
	}
	if len(certs) == 0 {
		certs = append(certs, data)
	}
	return parsedAll(certs)
}

// parsedAll returns the certificates if there are any, and crypto/x509 takes them all.
func parsedAll(certs [][]byte) ([][]byte, error) {
	if len(certs) == 0 {
		return nil, fmt.Errorf("%w: no certificate", ErrMalformed)
	}
	out := make([][]byte, len(certs))
	for i, der := range certs {
		if _, err := x509.ParseCertificate(der); err != nil {
			return nil, fmt.Errorf("%w: certificate %d: %w", ErrMalformed, i+1, err)
		}
		out[i] = slices.Clone(der)
	}
	return out, nil
}
