package ssl

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"hash"
	"os"
	"slices"
)

// A CertPool is a set of trusted root certificates. crypto/x509 has such a type too, but
// does not let its certificates out. They are parsed when they are added, and shared by the
// Ctxs that are made from the pool. A pool must not be changed while a Ctx is made from it;
// changes are not seen by those that have been made.
type CertPool struct {
	sets   []*rootSet
	odd    []error
	system bool
}

// NewCertPool returns an empty pool. A Ctx that trusts an empty pool trusts nobody.
func NewCertPool() *CertPool { return &CertPool{} }

// SystemCertPool returns a pool that starts with OpenSSL's default trusted certificates, as
// SSL_CTX_set_default_verify_paths finds them: the system's, unless the environment variables
// SSL_CERT_FILE and SSL_CERT_DIR name others. A directory's are those whose files are named after
// the hash of their subject, as by openssl-rehash(1).
//
// They are read when a Ctx is made, and not later: a Ctx goes on with them whatever becomes of
// the files. All Ctxs of the process share what was read for as long as the files are
// unchanged; a pipe is read once. What is missing is trusted by nobody, as it is by OpenSSL. A
// Ctx is not made, however, where files could not be read for want of descriptors or memory or
// by a failing disk, and where something is there and nothing of it could be read.
// Revocation lists among the files do not count: see Config.CRLs.
func SystemCertPool() *CertPool { return &CertPool{system: true} }

// LoadCertPool returns a pool with the certificates of a PEM or DER file. What OpenSSL cannot
// use among them is left out: see [CertPool.Skipped]. A file without a usable certificate is
// ErrMalformed.
func LoadCertPool(file string) (*CertPool, error) {
	const op = "LoadCertPool"
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fail(op, err)
	}
	p := NewCertPool()
	if err := p.append(data, file+": "); err != nil {
		return nil, fail(op, err)
	}
	return p, nil
}

// AddCert adds a certificate; nil is ignored. One that OpenSSL cannot use is left out: see
// [CertPool.Skipped].
func (p *CertPool) AddCert(cert *x509.Certificate) {
	if cert == nil {
		return
	}
	if err := p.append(cert.Raw, ""); err != nil {
		p.odd = append(p.odd, err)
	}
}

// AppendCerts adds the certificates in data, PEM blocks (those of trusted certificates keep their
// trust settings, d2i_X509_AUX) or DER. What OpenSSL cannot use is left out: see
// [CertPool.Skipped]. Without a usable certificate in data it reports ErrMalformed and adds
// nothing.
func (p *CertPool) AppendCerts(data []byte) error {
	if err := p.append(data, ""); err != nil {
		return fail("CertPool.AppendCerts", err)
	}
	return nil
}

func (p *CertPool) append(data []byte, from string) error {
	set, err := newRootSet(&rootsKind, func(s *rootSet, ptr rootsPtr) error {
		if err := s.add(ptr, data, from, nil); err != nil || len(s.roots) > 0 {
			return err
		}
		return s.nothing(from)
	})
	if err == nil {
		p.sets, p.odd = append(p.sets, set), append(p.odd, set.odd...)
	}
	return err
}

// nothing is the error for a set without a root.
func (s *rootSet) nothing(from string) error {
	switch len(s.odd) {
	case 0:
		return fmt.Errorf("%s%w: no certificate", from, ErrMalformed)
	case 1:
		return s.odd[0]
	}
	return fmt.Errorf("%w, and %d more", s.odd[0], len(s.odd)-1)
}

// Skipped returns what the pool was given and does not have, because nothing could be verified by
// it: an error, ErrMalformed with the reason, for each certificate that OpenSSL cannot parse, or
// whose key it does not know. Certificates that crypto/x509 refuses and OpenSSL takes, such as those
// with a negative serial number, are used. For a pool with the system's roots these are read for
// the answer, and an error about all of them is among those returned.
func (p *CertPool) Skipped() []error {
	if p == nil {
		return nil
	}
	odd := slices.Clone(p.odd)
	if p.system {
		s, err := systemRoots()
		if err != nil {
			return append(odd, fail("CertPool.Skipped", err))
		}
		odd = append(odd, s.odd...)
	}
	return odd
}

// trusted are the roots of a Ctx.
type trusted struct {
	system *rootSet // nil: not the system's
	own    []*rootSet
	sum    [sha256.Size]byte // of what is trusted, so that equal pools have equal sums
}

// trusted reads the system's roots if the pool has them; a nil pool trusts nobody.
func (p *CertPool) trusted() (t trusted, err error) {
	if p == nil {
		t.sum = sha256.Sum256([]byte("none"))
		return t, nil
	}
	if p.system {
		if t.system, err = systemRoots(); err != nil {
			return t, err
		}
	}
	t.own = slices.Clone(p.sets)
	seen := map[[sha256.Size]byte]bool{}
	var sums []string
	for s := range t.sets() {
		for _, r := range s.roots {
			if !seen[r.cert] { // of two that differ in their trust settings, OpenSSL takes the first
				seen[r.cert] = true
				sums = append(sums, string(r.whole[:]))
			}
		}
	}
	slices.Sort(sums)
	t.sum = sha256.Sum256(fmt.Appendf(nil, "system=%t;certs=%x;", p.system, sums))
	return t, nil
}

// sets goes through all roots, in the order in which OpenSSL gets them.
func (t *trusted) sets() func(func(*rootSet) bool) {
	return func(yield func(*rootSet) bool) {
		if t.system != nil && !yield(t.system) {
			return
		}
		for _, s := range t.own {
			if !yield(s) {
				return
			}
		}
	}
}

// hashInto feeds what is trusted to h.
func (t *trusted) hashInto(h hash.Hash) { fmt.Fprintf(h, "roots=%x;", t.sum) }
