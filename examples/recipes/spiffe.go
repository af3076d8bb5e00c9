package recipes

import (
	"crypto/x509"
	"fmt"

	"sessl/ssl"
)

// onlySPIFFE returns a VerifyConnection for a peer with one SPIFFE ID, which is no host name: a client's
// Config has InsecureSkipVerify, a server's RequireAnyClientCert. Resumptions are verified as well.
func onlySPIFFE(id string, roots *x509.CertPool) func(ssl.ConnectionState) error {
	return func(s ssl.ConnectionState) error {
		chain, between := s.PeerCertificates, x509.NewCertPool()
		if len(chain) == 0 || len(chain[0].URIs) != 1 || chain[0].URIs[0].String() != id {
			return fmt.Errorf("the peer is not %s", id)
		}
		for _, c := range chain[1:] {
			between.AddCert(c)
		}
		_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}})
		return err
	}
}
