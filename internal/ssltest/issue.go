package ssltest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"sessl/ssl"
)

// Signed is a certificate with its key.
type Signed struct {
	Cert *x509.Certificate
	Key  *ecdsa.PrivateKey
	Pem  []byte
}

// Sign makes a certificate for name that by has signed, or itself if by is nil.
func Sign(t testing.TB, name string, by *Signed, until time.Time) *Signed {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	what := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: until, BasicConstraintsValid: true,
		IsCA: name != "localhost"}
	issuer := &Signed{Cert: what, Key: key}
	if by != nil {
		issuer = by
	}
	der, err := x509.CreateCertificate(rand.Reader, what, issuer.Cert, key.Public(), issuer.Key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &Signed{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// PEMOf is a block of PEM.
func PEMOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// Codes of X509_verify_cert and alerts of TLS that the tests expect.
const (
	CertExpired      = 10
	SelfSigned       = 18
	NoIssuerOfIssuer = 2
	NoIssuer         = 20
	BadPurpose       = 26
	HostnameMismatch = 62
	IPMismatch       = 64

	AlertHandshakeFailure    = 40
	AlertBadCertificate      = 42
	AlertUnsupportedCert     = 43
	AlertCertificateExpired  = 45
	AlertUnknownCA           = 48
	AlertCertificateRequired = 116
)

// Issued makes a certificate that testdata's CA ca has signed.
func Issued(t testing.TB, ca string, usage x509.ExtKeyUsage, cn string, names []string,
	notAfter time.Time) ssl.Certificate {
	t.Helper()
	return IssuedAs(t, ca, &x509.Certificate{
		Subject:     pkix.Name{CommonName: cn},
		NotAfter:    notAfter,
		DNSNames:    names,
		ExtKeyUsage: []x509.ExtKeyUsage{usage},
	})
}

// IssuedAs is issued for whatever leaf says.
func IssuedAs(t testing.TB, ca string, leaf *x509.Certificate) ssl.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, _ := IssuedWith(t, ca, leaf, key)
	return cert
}

// IssuedWith is IssuedAs with that key, for crypto/tls too.
func IssuedWith(t testing.TB, ca string, leaf *x509.Certificate, key crypto.Signer) (ssl.Certificate,
	tls.Certificate) {
	t.Helper()
	parent, err := tls.LoadX509KeyPair(CertFile(ca+".pem"), CertFile(ca+".key"))
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := x509.ParseCertificate(parent.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	leaf.SerialNumber, leaf.NotBefore = big.NewInt(1), time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, leaf, issuer, key.Public(),
		parent.PrivateKey.(crypto.Signer))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ssl.X509KeyPair(
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
	if err != nil {
		t.Fatal(err)
	}
	return cert, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// FarFuture is when certificates that must not expire do.
var FarFuture = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

// NamedCert is for names what testdata has no certificate for.
func NamedCert(t testing.TB, cn string, names ...string) ssl.Certificate {
	return Issued(t, "ca", x509.ExtKeyUsageServerAuth, cn, names, FarFuture)
}

// Again is a certificate for the key and name of s, by another issuer or for another time.
func (s *Signed) Again(t testing.TB, by *Signed, until time.Time) *Signed {
	t.Helper()
	what := *s.Cert
	what.SerialNumber, what.NotAfter, what.NotBefore = big.NewInt(time.Now().UnixNano()), until,
		until.Add(-2*time.Hour)
	if now := time.Now().Add(-time.Hour); what.NotBefore.After(now) {
		what.NotBefore = now
	}
	if by == nil {
		by = &Signed{Cert: &what, Key: s.Key}
	}
	der, err := x509.CreateCertificate(rand.Reader, &what, by.Cert, s.Key.Public(), by.Key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &Signed{cert, s.Key, PEMOf("CERTIFICATE", der)}
}

// Nameless is s as an issuer whose key identifier is in nothing that it issues.
func (s *Signed) Nameless() *Signed {
	cert := *s.Cert
	cert.SubjectKeyId = nil
	return &Signed{&cert, s.Key, s.Pem}
}

// PrivateKey is the key in PKCS 8.
func (by *Signed) PrivateKey(t testing.TB) []byte {
	t.Helper()
	key, err := x509.MarshalECPrivateKey(by.Key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key})
}

// Resigned is the root with a part of what is signed replaced, and signed again by its key.
func (root *Signed) Resigned(t testing.TB, old, new []byte) *Signed {
	t.Helper()
	var cert struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(root.Cert.Raw, &cert); err != nil {
		t.Fatal(err)
	}
	if len(old) != len(new) || bytes.Count(cert.TBS.FullBytes, old) != 1 {
		t.Fatal("not once there")
	}
	cert.TBS.FullBytes = bytes.Replace(cert.TBS.FullBytes, old, new, 1)
	sum := sha256.Sum256(cert.TBS.FullBytes)
	sig, err := ecdsa.SignASN1(rand.Reader, root.Key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	cert.Signature = asn1.BitString{Bytes: sig, BitLength: 8 * len(sig)}
	der, err := asn1.Marshal(cert)
	if err != nil {
		t.Fatal(err)
	}
	return &Signed{Cert: root.Cert, Key: root.Key, Pem: PEMOf("CERTIFICATE", der)}
}

// Pair is a certificate of localhost for both sides.
func (by *Signed) Pair(t testing.TB) ssl.Certificate {
	t.Helper()
	leaf := Sign(t, "localhost", by, time.Now().Add(time.Hour))
	key, err := x509.MarshalECPrivateKey(leaf.Key)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ssl.X509KeyPair(leaf.Pem, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key}))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}
