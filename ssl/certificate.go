package ssl

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"sync"
)

// A Certificate is a certificate chain, leaf first, and the leaf's private key, for a
// Ctx to show to its peers. The key lives in OpenSSL (an EVP_PKEY) and nowhere in Go.
// One of [CertificateFromKey] or [LoadPrivateKey] is a key alone.
//
// Copies of a Certificate share one object in C. There is nothing to close, as in
// crypto/tls: when the last copy is gone, the garbage collector gives the object back.
// The key is wiped when no Ctx and no Conn uses it any more, either.
type Certificate struct{ c *certificate }

// certificate is what the copies share.
type certificate struct {
	h     handle[certPtr]
	chain *ownChain
}

// ownChain is a chain that a Conn may have sent, without a key in software. It outlives the Certificate.
type ownChain struct {
	number uint64        // of the leaf in C
	signer crypto.Signer // has the key; nil if OpenSSL has it
	der    [][]byte
	leaf   *x509.Certificate
	bare   bool // the chain is a holder, and nothing to show
	once   sync.Once
	certs  []*x509.Certificate
}

// parsed returns the chain for crypto/x509, parsed at the first call.
func (o *ownChain) parsed() []*x509.Certificate {
	if o == nil {
		return nil
	}
	o.once.Do(func() { o.certs = append([]*x509.Certificate{o.leaf}, parseChain(o.der[1:])...) })
	return slices.Clone(o.certs)
}

// chainsOf returns the chains of certs, none of which may be the zero Certificate.
func chainsOf(certs []Certificate) []*ownChain {
	chains := make([]*ownChain, len(certs))
	for i, c := range certs {
		chains[i] = c.c.chain
	}
	return chains
}

var certKind = kind[certPtr]{name: "certificate", free: freeCert, gone: ErrClosed}

// adoptCert takes over the caller's object.
func adoptCert(op string, ptr certPtr, chain [][]byte) (Certificate, error) {
	return adoptSignersCert(op, ptr, chain, nil)
}

// adoptSignersCert is adoptCert for a key that Go has, unless it is nil.
func adoptSignersCert(op string, ptr certPtr, chain [][]byte, key crypto.Signer) (Certificate, error) {
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		freeCert(ptr)
		return Certificate{}, fail(op, fmt.Errorf("%w: %w", ErrMalformed, err))
	}
	c := &certificate{chain: &ownChain{number: certNumber(ptr), der: chain, leaf: leaf, signer: key}}
	c.h.adopt(&certKind, ptr)
	return Certificate{c}, nil
}

// withPtr is the only way to the pointer: the object lives until f has returned.
func (c Certificate) withPtr(op string, f func(certPtr) error) error {
	if c.c == nil {
		return fail(op, ErrClosed)
	}
	p, err := c.c.h.acquire()
	if err != nil {
		return fail(op, err)
	}
	defer c.c.h.release()
	return f(p)
}

// withAll is withPtr for several certificates; ptrs are the pointers so far.
func withAll(op string, certs []Certificate, ptrs []certPtr, f func([]certPtr) error) error {
	if len(certs) == 0 {
		return f(ptrs)
	}
	return certs[0].withPtr(op, func(p certPtr) error { return withAll(op, certs[1:], append(ptrs, p), f) })
}

// Leaf returns the leaf, parsed by crypto/x509, or nil for the zero Certificate and for a
// key alone. It must not be changed.
func (c Certificate) Leaf() *x509.Certificate {
	if c.c == nil || c.isBare() {
		return nil
	}
	return c.c.chain.leaf
}

// chainDER returns the chain, leaf first.
func (c Certificate) chainDER() [][]byte {
	if c.c == nil {
		return nil
	}
	return c.c.chain.der
}

// String names the leaf's subject.
func (c Certificate) String() string {
	if c.c == nil {
		return "ssl.Certificate{}"
	}
	if c.isBare() {
		return "ssl.Certificate(a key alone)"
	}
	return fmt.Sprintf("ssl.Certificate(%s)", c.c.chain.leaf.Subject)
}

// GoString is String.
func (c Certificate) GoString() string { return c.String() }
