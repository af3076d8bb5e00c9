package ssl

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
)

// CertificateFromKey makes a Certificate of a private key that has no certificate, for raw public keys (RFC
// 7250): see [CertificateType]. The key is of one of the types that [CertificateFromTLS] takes, and becomes
// OpenSSL's or stays a crypto.Signer by the same rules. The result has no Leaf. CertificateFromKey returns
// ErrUnsupported before OpenSSL 3.2 and for other types of key, and ErrMalformed for an empty one.
func CertificateFromKey(key crypto.PrivateKey) (Certificate, error) {
	const op = "CertificateFromKey"
	if err := rawKeysSupported(op); err != nil {
		return Certificate{}, err
	}
	key, signer, err := signerOrKey(key)
	if err != nil {
		return Certificate{}, fail(op, err)
	}
	public, err := publicOf(key)
	if err != nil {
		return Certificate{}, fail(op, err)
	}
	return bareCertificate(op, public, func(chain [][]byte) (certPtr, error) {
		if signer != nil {
			return certificateOfSigner(op, chain, signer)
		}
		return certificateOfKey(op, chain, key)
	}, signer)
}

// LoadPrivateKey reads a private key that has no certificate from a file, in PEM or DER, for raw public
// keys: see CertificateFromKey. It takes all types of key that OpenSSL can sign with, but no elliptic curve
// that crypto/x509 does not know. If the key is encrypted, password is called once; it may be nil. Errors
// are those of [LoadX509KeyPairWithPassword], and ErrUnsupported before OpenSSL 3.2.
func LoadPrivateKey(keyFile string, password func() ([]byte, error)) (Certificate, error) {
	const op = "LoadPrivateKey"
	if err := rawKeysSupported(op); err != nil {
		return Certificate{}, err
	}
	key, err := readSecret(keyFile)
	if err != nil {
		return Certificate{}, fail(op, err)
	}
	defer clear(key)
	var cert Certificate
	_, err = withPassword(op, password, func(pw *[]byte) (certPtr, error) {
		public, err := publicOfPrivate(op, key, pw)
		if err != nil {
			return nil, err
		}
		cert, err = bareCertificate(op, public, func(chain [][]byte) (certPtr, error) {
			return readCert(op, chain, key, pw)
		}, nil)
		return nil, err
	})
	if e, ok := err.(*Error); ok && !errors.Is(err, ErrNoMemory) {
		return Certificate{}, inFile(e, keyFile)
	}
	return cert, err
}

// bareCertificate makes the Certificate of a key whose public part is a SubjectPublicKeyInfo in DER.
func bareCertificate(
	op string, public []byte, read func(chain [][]byte) (certPtr, error), signer crypto.Signer,
) (Certificate, error) {
	holder, err := holderOf(public)
	if err != nil {
		return Certificate{}, fail(op, fmt.Errorf("%w: public key: %w", ErrMalformed, err))
	}
	chain := [][]byte{holder}
	ptr, err := read(chain)
	if err != nil {
		return Certificate{}, err
	}
	cert, err := adoptSignersCert(op, ptr, chain, signer)
	if err == nil {
		cert.c.chain.bare = true
	}
	return cert, err
}

// isBare reports whether the Certificate is a key alone.
func (c Certificate) isBare() bool { return c.c != nil && c.c.chain.bare }

// publicOf returns the public key of a private key, in DER. Public panics on a typed nil.
func publicOf(key crypto.PrivateKey) (der []byte, err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%w: private key: the %T is empty", ErrMalformed, key)
		}
	}()
	public := key.(crypto.Signer).Public()
	if der, err = x509.MarshalPKIXPublicKey(public); err == nil {
		return der, nil
	}
	switch public.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
		return nil, fmt.Errorf("%w: private key: %w", ErrMalformed, err)
	}
	return nil, fmt.Errorf("%w: private key: %w", ErrUnsupported, err)
}

// A holder is what OpenSSL, this package and libssl keep a key by that has no certificate: a certificate
// without a name and without a signature. It is the same for each copy of the key, and is never shown,
// because a Ctx with such a key shows raw public keys alone.
type holder struct {
	TBS       holderTBS
	Algorithm algorithm
	Signature asn1.BitString
}

type holderTBS struct {
	Serial    int
	Algorithm algorithm
	Issuer    []int // an empty name, as Subject is
	Validity  struct{ From, To asn1.RawValue }
	Subject   []int
	Key       asn1.RawValue
}

type algorithm struct {
	OID        asn1.ObjectIdentifier
	Parameters asn1.RawValue `asn1:"optional"`
}

var (
	oidRSA   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidECKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}

	oidRSAWithSHA256   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	oidECDSAWithSHA256 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
)

// holderOf returns the holder of a public key. Its algorithm is one that the key signs with: libssl looks
// at the strength of any other.
func holderOf(public []byte) ([]byte, error) {
	var spki struct {
		Algorithm algorithm
		Key       asn1.BitString
	}
	if rest, err := asn1.Unmarshal(public, &spki); err != nil || len(rest) > 0 {
		return nil, errors.New("it is no SubjectPublicKeyInfo")
	}
	alg := spki.Algorithm
	switch {
	case alg.OID.Equal(oidRSA):
		alg = algorithm{oidRSAWithSHA256, asn1.NullRawValue}
	case alg.OID.Equal(oidECKey):
		alg = algorithm{OID: oidECDSAWithSHA256}
	}
	h := holder{Algorithm: alg, Signature: asn1.BitString{Bytes: []byte{0}, BitLength: 8}}
	h.TBS = holderTBS{Serial: 1, Algorithm: alg, Key: asn1.RawValue{FullBytes: public}}
	date := func(text string) asn1.RawValue {
		return asn1.RawValue{Tag: asn1.TagUTCTime, Bytes: []byte(text)}
	}
	h.TBS.Validity.From, h.TBS.Validity.To = date("000101000000Z"), date("491231235959Z")
	return asn1.Marshal(h)
}
