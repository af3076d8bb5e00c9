package ssl

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"slices"
)

// A certBlock is a PEM block of a certificate, or all of the data if it has no such block.
type certBlock struct {
	der     []byte
	pem     bool
	trusted bool  // trust settings may follow the certificate
	err     error // why der is missing
}

var errDamaged = fmt.Errorf("%w: damaged PEM block", ErrMalformed)

var (
	pemBegin = []byte("-----BEGIN ")
	pemEnd   = []byte("-----END ")
	pemDash  = []byte("-----")
)

// certBlocks finds the certificates in data, including damaged blocks, which
// encoding/pem skips silently.
func certBlocks(data []byte) (blocks []certBlock) {
	for rest := data; ; {
		begin := lineWith(rest, pemBegin)
		if begin < 0 {
			break
		}
		rest = rest[begin:]
		block := rest
		if next := lineWith(rest[1:], pemBegin); next >= 0 {
			block = rest[:next+1]
		}
		rest = rest[len(block):]
		kind, _, _ := bytes.Cut(block[len(pemBegin):], pemDash)
		trusted := string(kind) == "TRUSTED CERTIFICATE"
		if !trusted && string(kind) != "CERTIFICATE" && string(kind) != "X509 CERTIFICATE" {
			continue
		}
		b := certBlock{pem: true, trusted: trusted, err: errDamaged}
		if decoded, _ := pem.Decode(block); decoded != nil && lineWith(block, pemEnd) >= 0 {
			b.der, b.err = decoded.Bytes, nil
			if len(b.der) == 0 {
				b.err = errDamaged
			}
		}
		blocks = append(blocks, b)
	}
	if len(blocks) == 0 && len(data) > 0 && lineWith(data, pemBegin) < 0 { // PEM of other kinds is no DER
		blocks = append(blocks, certBlock{der: data})
	}
	return blocks
}

// lineWith is the offset of the first line of data that begins with prefix, or -1.
func lineWith(data, prefix []byte) int {
	if bytes.HasPrefix(data, prefix) {
		return 0
	}
	if i := bytes.Index(data, append([]byte{'\n'}, prefix...)); i >= 0 {
		return i + 1
	}
	return -1
}

// certOnly is a certificate without the bytes after it.
func certOnly(der []byte) []byte {
	var cert asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &cert); err == nil {
		return der[:len(der)-len(rest)]
	}
	return der
}

// splitCerts returns the certificates of data in DER, each checked by crypto/x509.
func splitCerts(data []byte) ([][]byte, error) {
	var certs [][]byte
	for _, b := range certBlocks(data) {
		if b.err != nil {
			return nil, b.err
		}
		certs = append(certs, b.der)
	}
	return parsedAll(certs)
}

// parsedAll returns the certificates, if there are any and crypto/x509 accepts them all.
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
