package ssl

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// LoadX509KeyPair reads a certificate chain and a private key from files, each in PEM or
// DER. See X509KeyPair.
func LoadX509KeyPair(certFile, keyFile string) (Certificate, error) {
	return loadKeyPair("LoadX509KeyPair", certFile, keyFile, nil)
}

// LoadX509KeyPairWithPassword is LoadX509KeyPair for a key that may be encrypted. See
// X509KeyPairWithPassword.
func LoadX509KeyPairWithPassword(certFile, keyFile string, password func() ([]byte, error)) (Certificate, error) {
	return loadKeyPair("LoadX509KeyPairWithPassword", certFile, keyFile, password)
}

func loadKeyPair(op, certFile, keyFile string, password func() ([]byte, error)) (Certificate, error) {
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return Certificate{}, fail(op, err)
	}
	key, err := readSecret(keyFile)
	if err != nil {
		return Certificate{}, fail(op, err)
	}
	defer clear(key)
	return keyPair(op, cert, key, password)
}

// X509KeyPair takes a certificate chain, in PEM (leaf first) or a single one in DER, and
// its private key, in PEM or DER, in any of the formats that OpenSSL reads
// (d2i_AutoPrivateKey). In PEM the first key counts; blocks of other types are skipped on
// both sides, so that one file can have it all.
//
// Errors are ErrMalformed, ErrPassword for a key that is encrypted, and ErrConfig for a
// key that is not the leaf's. The caller may wipe key afterwards: no copy is left in Go.
func X509KeyPair(cert, key []byte) (Certificate, error) {
	return keyPair("X509KeyPair", cert, key, nil)
}

// X509KeyPairWithPassword is X509KeyPair for a key that may be encrypted, in PKCS#8
// (PKCS8_decrypt) or in the older form with PEM headers (PEM_do_header). password is
// called once if the key is encrypted, and not otherwise; what it returns is wiped
// afterwards. Nothing is ever asked on a terminal.
//
// A password that is wrong is ErrPassword, and so is an error of the function, which is
// wrapped too. The older form does not tell a wrong password from a damaged key for sure.
func X509KeyPairWithPassword(cert, key []byte, password func() ([]byte, error)) (Certificate, error) {
	return keyPair("X509KeyPairWithPassword", cert, key, password)
}

func keyPair(op string, cert, key []byte, password func() ([]byte, error)) (Certificate, error) {
	chain, err := splitCerts(cert)
	if err != nil {
		return Certificate{}, fail(op, err)
	}
	ptr, err := withPassword(op, password, func(pw *[]byte) (certPtr, error) {
		return readCert(op, chain, key, pw)
	})
	if err != nil {
		return Certificate{}, err
	}
	return adoptCert(op, ptr, chain)
}

// LoadCertificateURI takes a certificate chain and its private key from where URIs say,
// through OpenSSL's OSSL_STORE_open; keyURI may be the same as certURI. A path or a file:
// URI names a file with PEM, DER or PKCS#12 in it. Other schemes are those of what is
// loaded into OpenSSL by its configuration: with a PKCS#11 provider (OpenSSL 3.0 and
// later), or on 1.1.1 an engine with a store, pkcs11: URIs name certificates and keys in
// hardware, which never leave it. A scheme that nothing brings is ErrUnsupported.
//
// The leaf is the certificate that has the key, and the other certificates follow in the
// store's order; objects that cannot be read are skipped. password is called as by X509KeyPairWithPassword and may be nil; a PIN
// belongs there rather than into the URI. Errors do not repeat a URI but a file's.
func LoadCertificateURI(certURI, keyURI string, password func() ([]byte, error)) (Certificate, error) {
	const op = "LoadCertificateURI"
	if hasNUL(certURI) || hasNUL(keyURI) || certURI == "" || keyURI == "" {
		return Certificate{}, fail(op, fmt.Errorf("%w: URI", ErrMalformed))
	}
	ptr, err := withPassword(op, password, func(pw *[]byte) (certPtr, error) {
		return openCert(op, certURI, keyURI, pw)
	})
	if err != nil {
		return Certificate{}, err
	}
	chain, err := chainOf(op, ptr)
	if err != nil {
		freeCert(ptr)
		return Certificate{}, err
	}
	return adoptCert(op, ptr, chain)
}

// CertificateFromTLS takes over a certificate of crypto/tls, with its chain. Only a key that is there in software can be handed to OpenSSL
// (d2i_AutoPrivateKey): an *rsa.PrivateKey, *ecdsa.PrivateKey or ed25519.PrivateKey. Any
// other crypto.Signer is ErrUnsupported. The key remains in cert as well, and what
// crypto/x509 encodes on the way may leave traces in Go's memory.
//
// OCSPStaple is taken over, as SetOCSPStaple takes it. SignedCertificateTimestamps and
// SupportedSignatureAlgorithms are not.
func CertificateFromTLS(cert tls.Certificate) (Certificate, error) {
	const op = "CertificateFromTLS"
	key := cert.PrivateKey
	switch k := key.(type) {
	case *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey:
	case *ed25519.PrivateKey:
		if k != nil {
			key = *k
		}
	case nil:
		return Certificate{}, fail(op, fmt.Errorf("%w: no private key", ErrMalformed))
	default:
		return Certificate{}, fail(op, hardwareKeyError{fmt.Sprintf("%T", k)})
	}
	chain, err := parsedAll(cert.Certificate)
	if err != nil {
		return Certificate{}, fail(op, err)
	}
	der, err := marshalKey(key)
	if err != nil {
		return Certificate{}, fail(op, fmt.Errorf("%w: private key: %w", ErrMalformed, err))
	}
	defer clear(der)
	ptr, err := readCert(op, chain, der, nil)
	if err != nil {
		return Certificate{}, err
	}
	if err := setStaple(op, ptr, cert.OCSPStaple); err != nil {
		freeCert(ptr)
		return Certificate{}, err
	}
	return adoptCert(op, ptr, chain)
}

// marshalKey is x509.MarshalPKCS8PrivateKey, which panics on a nil pointer or one to an
// empty key.
func marshalKey(key any) (der []byte, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the key is empty")
		}
	}()
	return x509.MarshalPKCS8PrivateKey(key)
}

// hardwareKeyError is an ErrUnsupported that no version of OpenSSL would help.
type hardwareKeyError struct{ keyType string }

func (e hardwareKeyError) Error() string {
	return "a private key of type " + e.keyType + " cannot be handed to OpenSSL: it must be an *rsa.PrivateKey, " +
		"*ecdsa.PrivateKey or ed25519.PrivateKey; for keys in hardware see LoadCertificateURI"
}

func (hardwareKeyError) Is(target error) bool { return target == ErrUnsupported }

// withPassword calls read without a password, and again with one if it was missing.
func withPassword(op string, password func() ([]byte, error), read func(*[]byte) (certPtr, error)) (certPtr, error) {
	ptr, err := read(nil)
	if password == nil || !errors.Is(err, ErrPassword) {
		return ptr, err
	}
	pw, err := password()
	defer clear(pw)
	switch {
	case err != nil:
		return nil, fail(op, fmt.Errorf("%w: %w", ErrPassword, err))
	case len(pw) > maxPassword:
		return nil, fail(op, fmt.Errorf("password: %w", ErrTooLarge))
	}
	return read(&pw)
}

// maxPassword is a little less than OpenSSL's PEM_BUFSIZE.
const maxPassword = 1000
