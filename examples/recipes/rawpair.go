package recipes

import (
	"os"

	"sessl/ssl"
)

// rawPair is the Config of either of two machines that know each other's public keys, and no authority.
func rawPair(ownKey, peersPublic string, server bool) (*ssl.Config, error) {
	own, err := ssl.LoadPrivateKey(ownKey, nil)
	if err != nil {
		return nil, err
	}
	peer, err := os.ReadFile(peersPublic)
	if err != nil {
		return nil, err
	}
	raw := []ssl.CertificateType{ssl.CertificateTypeRawPublicKey}
	cfg := &ssl.Config{Certificates: []ssl.Certificate{own}, CertificateTypes: raw,
		PeerCertificateTypes: raw, PeerRawPublicKeys: [][]byte{peer}}
	if server {
		cfg.ClientAuth = ssl.RequireAndVerifyClientCert
	}
	return cfg, nil
}
