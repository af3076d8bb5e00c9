package ssl

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"errors"
	"fmt"
	"reflect"
)

// certificateOfSigner makes the Certificate whose key only signs, and in Go. The object in C has the
// public key, and asks by the number of the chain.
func certificateOfSigner(op string, chain [][]byte, key crypto.Signer) (certPtr, error) {
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, fail(op, fmt.Errorf("%w: %w", ErrMalformed, err))
	}
	if err := belongs(key, leaf); err != nil {
		return nil, fail(op, err)
	}
	return readSignersCert(op, chain, fmt.Sprintf("%T", leaf.PublicKey))
}

// belongs returns nil if key is that of leaf. Public panics on a typed nil.
func belongs(key crypto.Signer, leaf *x509.Certificate) (err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%w: private key: the %T is empty", ErrMalformed, key)
		}
	}()
	public := key.Public()
	known, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok {
		return unsupportedIn("a crypto.Signer whose leaf has a key that is not RSA, ECDSA or Ed25519", "")
	}
	if !known.Equal(public) {
		return errNotItsKey
	}
	return nil
}

// signs returns the keys among those of chains that Go has.
func signs(chains []*ownChain) (some, rsaKey bool) {
	for _, o := range chains {
		if o.signer != nil {
			_, is := o.leaf.PublicKey.(*rsa.PublicKey)
			some, rsaKey = true, rsaKey || is
		}
	}
	return some, rsaKey
}

// signerOf returns the crypto.Signer whose key the Certificate has, or nil.
func (c Certificate) signerOf() crypto.Signer {
	if c.c == nil {
		return nil
	}
	return c.c.chain.signer
}

// sameSigner reports whether two keys are certainly the same. Values that cannot be compared are not.
func sameSigner(a, b any) bool {
	return a == nil || reflect.TypeOf(a).Comparable() && reflect.TypeOf(b) == reflect.TypeOf(a) &&
		reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}

// toSign is what a handshake needs a signature of.
type toSign struct {
	hash    crypto.Hash // 0 for a key that hashes by itself
	pss     bool
	message []byte
}

// hashNames are OpenSSL's names of the hashes of TLS.
var hashNames = map[string]crypto.Hash{
	"": 0, "MD5-SHA1": crypto.MD5SHA1, "SHA1": crypto.SHA1, "SHA224": crypto.SHA224, "SHA2-224": crypto.SHA224,
	"SHA256": crypto.SHA256, "SHA2-256": crypto.SHA256, "SHA384": crypto.SHA384, "SHA2-384": crypto.SHA384,
	"SHA512": crypto.SHA512, "SHA2-512": crypto.SHA512,
}

var errBadSignature = errors.New("the signature does not fit the certificate's public key")

// signed is what came of a call of a crypto.Signer.
type signed struct {
	sig      []byte
	err      error
	panicked any // with what, or nil
}

// sign calls key, and checks what it returns: a peer would only say that it cannot verify it, and a
// faulty signature of RSA can give the key away. A panic is for the goroutine of the handshake.
func (t *toSign) sign(key crypto.Signer, public any, done chan<- signed) {
	s := signed{err: errors.New("it has ended its goroutine")}
	defer func() {
		s.panicked = recover()
		done <- s
	}()
	s.sig, s.err = t.signature(key)
	if s.err == nil && !t.verify(public, s.sig) {
		s.err = errBadSignature
	}
}

// signature calls SignMessage of a crypto.MessageSigner, and Sign of any other.
func (t *toSign) signature(key crypto.Signer) ([]byte, error) {
	switch {
	case t.hash == crypto.MD5SHA1: // of TLS 1.1 and earlier, which crypto has no function for
		return key.Sign(rand.Reader, t.digest(), t.hash)
	case t.pss:
		return crypto.SignMessage(key, rand.Reader, t.message, t.pssOptions())
	}
	return crypto.SignMessage(key, rand.Reader, t.message, t.hash)
}

func (t *toSign) pssOptions() *rsa.PSSOptions {
	return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: t.hash}
}

func (t *toSign) digest() []byte {
	if t.hash == crypto.MD5SHA1 {
		a, b := md5.Sum(t.message), sha1.Sum(t.message)
		return append(a[:], b[:]...)
	}
	h := t.hash.New()
	h.Write(t.message)
	return h.Sum(nil)
}

func (t *toSign) verify(public any, sig []byte) bool {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if t.pss {
			return rsa.VerifyPSS(k, t.hash, t.digest(), sig, t.pssOptions()) == nil
		}
		return rsa.VerifyPKCS1v15(k, t.hash, t.digest(), sig) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, t.digest(), sig)
	case ed25519.PublicKey:
		return ed25519.Verify(k, t.message, sig)
	}
	return false
}
