package ssl

import (
	"encoding/pem"
	"fmt"
	"os"
)

// LoadCRLs reads certificate revocation lists from files for [Config].CRLs. A file has one
// or more lists in PEM or one in DER. LoadCRLs returns ErrMalformed if a file has no list.
func LoadCRLs(files ...string) ([][]byte, error) {
	const op = "LoadCRLs"
	var crls [][]byte
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fail(op, err)
		}
		more, err := splitCRLs(data)
		if err != nil {
			return nil, fail(op, fmt.Errorf("%s: %w", file, err))
		}
		crls = append(crls, more...)
	}
	return crls, nil
}

// ParseCRLs returns the certificate revocation lists of data for [Config].CRLs: one or more
// in PEM or one in DER (d2i_X509_CRL). It returns ErrMalformed if there is no valid list.
func ParseCRLs(data []byte) ([][]byte, error) {
	crls, err := splitCRLs(data)
	if err != nil {
		return nil, fail("ParseCRLs", err)
	}
	return crls, nil
}

func splitCRLs(data []byte) ([][]byte, error) {
	var crls [][]byte
	for rest := data; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if b.Type == "X509 CRL" {
			crls = append(crls, b.Bytes)
		}
	}
	if len(crls) == 0 {
		crls = append(crls, append([]byte(nil), data...))
	}
	for i, der := range crls {
		if err := checkCRL(der); err != nil {
			return nil, fmt.Errorf("revocation list %d: %w", i+1, err)
		}
	}
	return crls, nil
}
