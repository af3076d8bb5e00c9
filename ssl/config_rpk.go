package ssl

import (
	"fmt"
	"hash"
	"slices"
)

// A CertificateType is what a side shows to prove who it is, by its number in the TLS registry "TLS
// Certificate Types". Raw public keys (RFC 7250) need OpenSSL 3.2 on both sides of package ssl, else
// ErrUnsupported, and serve TLS 1.2 and 1.3. The types are negotiated for each side by itself:
//
//   - [Config].CertificateTypes are what this side shows (SSL_CTX_set1_server_cert_type of a server,
//     SSL_CTX_set1_client_cert_type of a client), PeerCertificateTypes what it takes from the peer (the
//     other of the two). Empty means certificates alone. Of the types that both sides have, a server of
//     libssl chooses for either side the one that stands first in its own list.
//   - A peer that knows nothing of types has certificates, and gets one if CertificateTypes has
//     CertificateTypeX509. Without that type this side shows nothing: a server's handshake ends with
//     ErrCertificateType, and a client is one without a certificate. A peer that shows a certificate where
//     PeerCertificateTypes lacks that type is refused, also by a client with InsecureSkipVerify.
//   - A side shows the public key of one of its Certificates, which are chosen as always, or a key that
//     has no certificate: [CertificateFromKey]. Such a key needs CertificateTypes without
//     CertificateTypeX509.
//
// PeerRawPublicKeys are the keys that are accepted, each a SubjectPublicKeyInfo in DER: what
// x509.MarshalPKIXPublicKey returns, and RawSubjectPublicKeyInfo of an x509.Certificate. Points on a curve
// may be compressed, here and on the wire. The key is looked for when it comes; any other ends the handshake
// with a [VerificationError] and the alert certificate_unknown. A key says who the peer is: no ServerName is
// compared with it, no root, list or date counts, and whoever is to reach one server of many by its name
// needs a list, and so a Ctx, for each of them. A key is refused below the SecurityLevel, and of RSA above
// 8,192 bits, as in a certificate. A side that verifies its peer and takes raw public keys must have a list
// with a key that could be accepted, else the error is ErrConfig. Without verification, as with
// InsecureSkipVerify and RequireAnyClientCert, any other key passes, and VerifyConnection can look at
// ConnectionState.PeerRawPublicKey.
//
// Of ClientAuth, RequireAnyClientCert and RequireAndVerifyClientCert demand a certificate or a key, of the
// types that are taken. ClientCAs are needed only where certificates are verified.
//
// Sessions keep the key. One is resumed, by whichever side, only while its key is in the list of that side,
// and a server in addition only under the list that the session was made under: docs/resumption.md.
type CertificateType uint8

// Certificate types.
const (
	CertificateTypeX509         CertificateType = 0 // a certificate with its chain
	CertificateTypeRawPublicKey CertificateType = 2 // RFC 7250: a public key alone
)

// String returns the name of the type in the TLS registry.
func (t CertificateType) String() string {
	switch t {
	case CertificateTypeX509:
		return "X509"
	case CertificateTypeRawPublicKey:
		return "RawPublicKey"
	}
	return fmt.Sprintf("CertificateType(%d)", uint8(t))
}

// certTypes are the types of one side; nil for certificates alone.
type certTypes []CertificateType

func (t certTypes) x509() bool { return len(t) == 0 || slices.Contains(t, CertificateTypeX509) }
func (t certTypes) raw() bool  { return slices.Contains(t, CertificateTypeRawPublicKey) }

// wire is the list for libssl, which says nothing to the peer where there are certificates alone.
func (t certTypes) wire() []byte {
	if !t.raw() {
		return nil
	}
	b := make([]byte, len(t))
	for i, v := range t {
		b[i] = byte(v)
	}
	return b
}

func (t certTypes) check(field string) error {
	for i, v := range t {
		switch {
		case v != CertificateTypeX509 && v != CertificateTypeRawPublicKey:
			return configError("%s has the unknown %v", field, v)
		case slices.Contains(t[:i], v):
			return configError("%s has %v twice", field, v)
		}
	}
	return nil
}

func (cfg *Config) ownTypes() certTypes  { return cfg.CertificateTypes }
func (cfg *Config) peerTypes() certTypes { return cfg.PeerCertificateTypes }

// checkTypes refuses types that would have no effect, and keys that nothing would be compared with.
func (cfg *Config) checkTypes(server bool) error {
	if err := cfg.ownTypes().check("CertificateTypes"); err != nil {
		return err
	}
	if err := cfg.peerTypes().check("PeerCertificateTypes"); err != nil {
		return err
	}
	if server && len(cfg.PeerCertificateTypes) > 0 && !cfg.ClientAuth.requests() {
		return configError("PeerCertificateTypes have no effect: ClientAuth is NoClientCert")
	}
	if cfg.offersECH() && cfg.peerTypes().raw() {
		return configError("EncryptedClientHelloConfigList and CertificateTypeRawPublicKey are both set, " +
			"but the server that refuses the encryption must show a certificate")
	}
	if cfg.PSKOnly && cfg.peerTypes().raw() {
		return configError("PSKOnly accepts no raw public key, but PeerCertificateTypes has " +
			"CertificateTypeRawPublicKey")
	}
	if err := keysFit(cfg.ownTypes(), cfg.Certificates...); err != nil {
		return err
	}
	return cfg.checkExpectedKeys(server)
}

func (cfg *Config) checkExpectedKeys(server bool) error {
	verifies, because := cfg.ClientAuth.verifies(), "ClientAuth does not verify"
	if !server {
		verifies, because = !cfg.InsecureSkipVerify, "InsecureSkipVerify is set"
	}
	switch raw, n := cfg.peerTypes().raw(), len(cfg.PeerRawPublicKeys); {
	case !cfg.peerTypes().x509() && (cfg.RootCAs != nil || cfg.ClientCAs != nil || cfg.CRLs != nil ||
		cfg.VerifyDepth != 0 || cfg.VerifyPurpose != PurposeDefault):
		return configError("RootCAs, ClientCAs, CRLs, VerifyDepth and VerifyPurpose have no effect: " +
			"PeerCertificateTypes does not have CertificateTypeX509")
	case n > 0 && !raw:
		return configError("PeerRawPublicKeys have no effect: " +
			"PeerCertificateTypes does not have CertificateTypeRawPublicKey")
	case n > 0 && !verifies:
		return configError("PeerRawPublicKeys have no effect: %s", because)
	case n == 0 && raw && verifies:
		return configError("PeerCertificateTypes has CertificateTypeRawPublicKey, " +
			"and PeerRawPublicKeys is empty: no key would be accepted")
	}
	return nil
}

// verifiesCertificates reports whether a server needs roots for its clients.
func (cfg *Config) verifiesCertificates() bool {
	return cfg.ClientAuth.verifies() && cfg.peerTypes().x509()
}

// keysFit returns an error for a key without a certificate where a peer could ask for one.
func keysFit(types certTypes, certs ...Certificate) error {
	if !types.x509() {
		return nil
	}
	for i, c := range certs {
		if c.isBare() {
			return configError("certificate %d is a key alone, and CertificateTypes has CertificateTypeX509", i)
		}
	}
	return nil
}

// hashInto writes to h what the types and the keys of a peer add to the demands on it, and how this side
// has shown itself. Without raw public keys that is nothing.
func (t *ctxTypes) hashInto(h hash.Hash) {
	if t.own.raw() {
		fmt.Fprintf(h, "own types=%x;", t.own.wire())
	}
	if t.peer.raw() {
		fmt.Fprintf(h, "x509=%t;keys=%x;", t.peer.x509(), t.expected)
	}
}
