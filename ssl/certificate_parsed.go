package ssl

import (
	"crypto/sha256"
	"crypto/x509"
	"sync"
	"weak"
)

// parsedCerts has the certificates that were parsed and are still in use, by the hash of their
// encoding: peers are few, and to parse what each connection shows costs as much as a tenth of
// a resumption. It keeps nothing alive.
var parsedCerts sync.Map // [sha256.Size]byte to weak.Pointer[x509.Certificate]

// parseCert is x509.ParseCertificate, whose result others may have too.
func parseCert(der []byte) (*x509.Certificate, error) {
	key := sha256.Sum256(der)
	if w, ok := parsedCerts.Load(key); ok {
		if c := w.(weak.Pointer[x509.Certificate]).Value(); c != nil {
			return c, nil
		}
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	w := weak.Make(c)
	parsedCerts.Store(key, w)
	whenUnused(c, func(key [sha256.Size]byte) { parsedCerts.CompareAndDelete(key, w) }, key)
	return c, nil
}

func parseChain(der [][]byte) []*x509.Certificate {
	var out []*x509.Certificate
	for _, b := range der {
		c, err := parseCert(b)
		if err != nil {
			break
		}
		out = append(out, c)
	}
	return out
}
