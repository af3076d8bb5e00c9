package ssl

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"hash"
	"os"
	"slices"
)

// A CertPool is a set of trusted root certificates. crypto/x509 has such a type too,
// but does not expose its certificates. Certificates are parsed when they are added,
// and shared by the Ctxs made from the pool. A pool must not be changed while a Ctx is
// made from it; later changes do not affect that Ctx.
//
// A self-signed certificate in the pool is good for the peer that shows it, also beside others of its
// subject. OpenSSL by itself, and openssl verify, take the first of these for its issuer, and refuse it, if
// they have no authority key identifiers.
type CertPool struct {
	sets   []*rootSet
	odd    []error
	system bool
}

// NewCertPool returns an empty pool. A Ctx with an empty pool trusts no peer.
func NewCertPool() *CertPool { return &CertPool{} }

// SystemCertPool returns a pool that starts with OpenSSL's default trusted certificates,
// which SSL_CTX_set_default_verify_paths finds: the system's, unless the environment
// variables SSL_CERT_FILE and SSL_CERT_DIR name others. In a directory, files count only
// if they are named after the hash of their subject, as by openssl-rehash(1).
//
// The certificates are read when a Ctx is made. The Ctx keeps them, whatever becomes of the files
// later. As long as the files are unchanged, all Ctxs of the process share what was read; a pipe is
// read once. Missing files are not trusted, as in OpenSSL. But making a Ctx fails if files could
// not be read for lack of descriptors or memory or because of a failing disk, or if files exist and
// none of them could be read. Revocation lists among the files do not count: see Config.CRLs.
func SystemCertPool() *CertPool { return &CertPool{system: true} }

// LoadCertPool returns a pool with the certificates of a PEM or DER file. Certificates
// that OpenSSL cannot use are left out: see [CertPool.Skipped]. LoadCertPool returns
// ErrMalformed if the file has no usable certificate.
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

// AddCert adds a certificate; nil is ignored. A certificate that OpenSSL cannot use is
// left out: see [CertPool.Skipped].
func (p *CertPool) AddCert(cert *x509.Certificate) {
	if cert == nil {
		return
	}
	if err := p.append(cert.Raw, ""); err != nil {
		p.odd = append(p.odd, err)
	}
}

// AppendCerts adds the certificates in data, PEM blocks or DER; TRUSTED CERTIFICATE
// blocks keep their trust settings (d2i_X509_AUX). Certificates that OpenSSL cannot use
// are left out: see [CertPool.Skipped]. If data has no usable certificate, AppendCerts
// returns ErrMalformed and adds nothing.
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

// nothing is the error for a set without any root.
func (s *rootSet) nothing(from string) error {
	switch len(s.odd) {
	case 0:
		return fmt.Errorf("%s%w: no certificate", from, ErrMalformed)
	case 1:
		return s.odd[0]
	}
	return fmt.Errorf("%w, and %d more", s.odd[0], len(s.odd)-1)
}

// Skipped returns an error for each certificate that the pool was given and left out, because it
// could not verify anything: ErrMalformed with the reason, if OpenSSL cannot parse the
// certificate or does not know its type of key. Certificates that OpenSSL accepts and crypto/x509
// refuses, such as those with a negative serial number, are used. If the pool includes the
// system's roots, Skipped reads them; an error that concerns all of them is among those returned.
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
	system *rootSet // nil: without the system's roots
	own    []*rootSet
	sum    [sha256.Size]byte // of the roots: equal pools have equal sums
}

// trusted reads the system's roots if the pool includes them. A nil pool trusts no peer.
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
			if !seen[r.cert] { // if only trust settings differ, OpenSSL takes the first
				seen[r.cert] = true
				sums = append(sums, string(r.whole[:]))
			}
		}
	}
	slices.Sort(sums)
	t.sum = sha256.Sum256(fmt.Appendf(nil, "system=%t;certs=%x;", p.system, sums))
	return t, nil
}

// sets iterates over all roots, in the order in which OpenSSL gets them.
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

// hashInto writes the identity of the roots to h.
func (t *trusted) hashInto(h hash.Hash) { fmt.Fprintf(h, "roots=%x;", t.sum) }
