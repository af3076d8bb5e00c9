package ssl

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
)

// A Certificate is a certificate chain, leaf first, and the leaf's private key.
type Certificate struct {
	chain [][]byte // DER
	key   []byte   // DER
	leaf  *x509.Certificate
}

// LoadX509KeyPair reads a certificate chain and a private key from files, each in PEM or
// DER. See X509KeyPair.
func LoadX509KeyPair(certFile, keyFile string) (Certificate, error) {
	const op = "LoadX509KeyPair"
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return Certificate{}, fail(op, err)
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return Certificate{}, fail(op, err)
	}
	defer clear(key)
	return keyPair(op, cert, key)
}

// X509KeyPair takes a certificate chain, in PEM (leaf first) or a single one in DER, and
// its unencrypted private key, in PEM or DER, in any of the formats that OpenSSL reads
// (d2i_AutoPrivateKey). A key that is not the leaf's is refused.
func X509KeyPair(cert, key []byte) (Certificate, error) {
	return keyPair("X509KeyPair", cert, key)
}

func keyPair(op string, cert, key []byte) (Certificate, error) {
	chain, err := splitCerts(cert)
	if err != nil {
		return Certificate{}, fail(op, err)
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return Certificate{}, fail(op, fmt.Errorf("%w: %w", ErrMalformed, err))
	}
	der, err := keyDER(key)
	if err != nil {
		return Certificate{}, fail(op, err)
	}
	if err := checkKey(op, chain[0], der); err != nil {
		return Certificate{}, err
	}
	return Certificate{chain: chain, key: der, leaf: leaf}, nil
}

// keyDER returns a copy of the first private key in data.
func keyDER(data []byte) ([]byte, error) {
	sawPEM := false
	for rest := data; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		sawPEM = true
		switch b.Type {
		case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
			if b.Headers["DEK-Info"] != "" {
				return nil, fmt.Errorf("%w: the private key is encrypted", ErrMalformed)
			}
			return b.Bytes, nil
		case "ENCRYPTED PRIVATE KEY":
			return nil, fmt.Errorf("%w: the private key is encrypted", ErrMalformed)
		}
	}
	if sawPEM || len(data) == 0 {
		return nil, fmt.Errorf("%w: no private key found", ErrMalformed)
	}
	return append([]byte(nil), data...), nil
}

// String names the leaf's subject; the key stays out of any print of a Config.
func (c Certificate) String() string {
	if c.leaf == nil {
		return "ssl.Certificate{}"
	}
	return fmt.Sprintf("ssl.Certificate(%s)", c.leaf.Subject)
}

// GoString is String.
func (c Certificate) GoString() string { return c.String() }
