package ssl

import (
	"bytes"
	"crypto"
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
func LoadX509KeyPairWithPassword(
	certFile, keyFile string, password func() ([]byte, error),
) (Certificate, error) {
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
	c, err := keyPair(op, cert, key, password)
	return c, inFiles(err, cert, certFile, keyFile)
}

// inFiles adds to an error of keyPair the names of the files that it is about.
func inFiles(err error, cert []byte, certFile, keyFile string) error {
	e, ok := err.(*Error)
	if !ok || errors.Is(err, ErrNoMemory) {
		return err
	}
	file := keyFile
	if errors.Is(err, errSwapped) || errors.Is(err, errNotItsKey) {
		file = certFile + " and " + keyFile
	} else if _, bad := splitCerts(cert); bad != nil {
		file = certFile
	}
	return inFile(e, file)
}

// inFile adds the name of the file that e is about.
func inFile(e *Error, file string) error {
	if e.Err == nil {
		return &Error{Op: e.Op, Err: errors.New(file), Entries: e.Entries}
	}
	return &Error{Op: e.Op, Err: fmt.Errorf("%s: %w", file, e.Err), Entries: e.Entries}
}

// X509KeyPair takes a certificate chain, in PEM (leaf first) or a single certificate in
// DER, and its private key, in PEM or DER, in any of the formats that OpenSSL reads
// (d2i_AutoPrivateKey). In PEM the first key counts. Blocks of other types are skipped
// in both, so that one file can hold everything.
//
// X509KeyPair returns ErrMalformed for input that cannot be parsed, ErrPassword for an
// encrypted key, and ErrConfig if the key is not the leaf's. The caller may wipe key
// afterwards: no copy is left in Go.
func X509KeyPair(cert, key []byte) (Certificate, error) {
	return keyPair("X509KeyPair", cert, key, nil)
}

// X509KeyPairWithPassword is X509KeyPair for a key that may be encrypted, in PKCS#8 (PKCS8_decrypt)
// or in the older form with PEM headers (PEM_do_header). If the key is encrypted, password is
// called once, and its result is wiped afterwards. Nothing is ever asked on a terminal.
//
// X509KeyPairWithPassword returns ErrPassword if the password is wrong, or if the
// function returns an error, which is wrapped too. In the older form a wrong password
// cannot always be told from a damaged key.
func X509KeyPairWithPassword(cert, key []byte, password func() ([]byte, error)) (Certificate, error) {
	return keyPair("X509KeyPairWithPassword", cert, key, password)
}

func keyPair(op string, cert, key []byte, password func() ([]byte, error)) (Certificate, error) {
	chain, err := splitCerts(cert)
	if err != nil {
		if isCertificate(key) {
			err = errSwapped
		}
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

// errSwapped and errNotItsKey are about a certificate and a key together.
var (
	errSwapped   = fmt.Errorf("%w: the certificate and the private key are swapped", ErrMalformed)
	errNotItsKey = configError("the private key is not that of the leaf")
)

// isCertificate reports whether data, which should be a key, is a certificate and no key.
func isCertificate(data []byte) bool {
	_, err := splitCerts(data)
	return err == nil && !bytes.Contains(data, []byte("PRIVATE KEY-----"))
}

// LoadCertificateURI takes a certificate chain and its private key from where two URIs
// point, through OpenSSL's OSSL_STORE_open; keyURI may be the same as certURI. A path or
// a file: URI names a file that contains PEM, DER or PKCS#12. Other schemes depend on
// what OpenSSL's configuration loads: with a PKCS#11 provider (OpenSSL 3.0 and later), or
// on 1.1.1 an engine with a store, pkcs11: URIs name certificates and keys in hardware,
// which never leave it. LoadCertificateURI returns ErrUnsupported for an unknown scheme.
//
// The leaf is the certificate that matches the key. The other certificates follow in
// the store's order; objects that cannot be read are skipped. password is called as by
// X509KeyPairWithPassword and may be nil. A PIN belongs there, not in the URI. Errors
// repeat the URI of a file, but no other.
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

// CertificateFromTLS takes over a certificate of crypto/tls, with its chain. A key in software is
// handed to OpenSSL (d2i_AutoPrivateKey): an *rsa.PrivateKey, *ecdsa.PrivateKey or
// ed25519.PrivateKey. It also remains in cert, and crypto/x509's encoder may leave traces of it in
// Go's memory.
//
// Any other crypto.Signer stays where it is, for example in a KMS, an agent or a TPM, and signs once
// in each full handshake, but not in a resumed one; a client's also where RequestClientCertificate
// asks for its certificate. Sign, or SignMessage of a crypto.MessageSigner, gets the options of
// crypto/tls, and may be called from several goroutines at once. The handshake is suspended
// meanwhile: its context, deadlines and Close end its wait, but cannot end the call. Up to 256
// handshakes of the process wait at once, each with a thread in C, and more of them for their turn.
// An error of the Signer is wrapped, and so is a signature that the leaf's public key does not
// verify; the peer gets the alert internal_error. A panic goes on in the handshake's goroutine.
//
// Such a key is an RSA, ECDSA or Ed25519 key, and the leaf's, else the error is ErrUnsupported or
// ErrConfig. It needs OpenSSL 3.0, else ErrUnsupported. It cannot decrypt, so suites of TLS 1.2 with
// RSA as key exchange are not chosen. A Ctx with [Config].FIPS, or with a PropertyQuery that rules
// out the provider of this package in which it is, refuses it with ErrConfig.
//
// OCSPStaple is taken over as by SetOCSPStaple. SignedCertificateTimestamps and
// SupportedSignatureAlgorithms are not: [Config].SignatureSchemes says what is signed with.
func CertificateFromTLS(cert tls.Certificate) (Certificate, error) {
	const op = "CertificateFromTLS"
	key, signer, err := signerOrKey(cert.PrivateKey)
	if err != nil {
		return Certificate{}, fail(op, err)
	}
	chain, err := parsedAll(cert.Certificate)
	if err != nil {
		return Certificate{}, fail(op, err)
	}
	var ptr certPtr
	if signer != nil {
		ptr, err = certificateOfSigner(op, chain, signer)
	} else {
		ptr, err = certificateOfKey(op, chain, key)
	}
	if err != nil {
		return Certificate{}, err
	}
	if err := setStaple(op, ptr, cert.OCSPStaple); err != nil {
		freeCert(ptr)
		return Certificate{}, err
	}
	return adoptSignersCert(op, ptr, chain, signer)
}

// signerOrKey returns a key that OpenSSL can take over, or else the crypto.Signer that it is, too.
func signerOrKey(key crypto.PrivateKey) (crypto.PrivateKey, crypto.Signer, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey:
		return key, nil, nil
	case *ed25519.PrivateKey:
		if k != nil {
			return *k, nil, nil
		}
		return key, nil, nil
	case nil:
		return nil, nil, fmt.Errorf("%w: no private key", ErrMalformed)
	case crypto.Signer:
		return key, k, nil
	default:
		return nil, nil, keyTypeError{fmt.Sprintf("%T", k)}
	}
}

// certificateOfKey hands a key in software to OpenSSL.
func certificateOfKey(op string, chain [][]byte, key any) (certPtr, error) {
	der, err := marshalKey(key)
	if err != nil {
		return nil, fail(op, fmt.Errorf("%w: private key: %w", ErrMalformed, err))
	}
	defer clear(der)
	return readCert(op, chain, der, nil)
}

// marshalKey is x509.MarshalPKCS8PrivateKey, which panics on a nil pointer or a pointer
// to an empty key.
func marshalKey(key any) (der []byte, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the key is empty")
		}
	}()
	return x509.MarshalPKCS8PrivateKey(key)
}

// keyTypeError is an ErrUnsupported that no other version of OpenSSL would avoid.
type keyTypeError struct{ keyType string }

func (e keyTypeError) Error() string {
	return "a private key of type " + e.keyType +
		" cannot sign: it must be an *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey or crypto.Signer"
}

func (keyTypeError) Is(target error) bool { return target == ErrUnsupported }

// withPassword calls read without a password, and again with one if a password was missing.
func withPassword(
	op string, password func() ([]byte, error), read func(*[]byte) (certPtr, error),
) (certPtr, error) {
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
