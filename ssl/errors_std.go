package ssl

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
)

// A fault is what crypto/x509 says of a chain of certificates.
type fault int

const (
	faultOther     fault = iota // crypto/x509 has no word for it
	faultName                   // x509.HostnameError
	faultAuthority              // x509.UnknownAuthorityError
	faultInvalid                // x509.CertificateInvalidError about the certificate at fault
	faultLeaf                   // the same about the peer's own, wherever in the chain the reason is
)

// As finds what crypto/tls would have returned: a *tls.CertificateVerificationError, and in it an
// x509.HostnameError, x509.UnknownAuthorityError or x509.CertificateInvalidError, if there is one
// for Code. The certificates are parsed for each call. If an issuer is no authority, both of the
// latter are found: crypto/x509 does not look at such a certificate, and OpenSSL says why.
func (e *VerificationError) As(target any) bool {
	switch t := target.(type) {
	case **tls.CertificateVerificationError:
		chain := parseChain(e.sent)
		if len(chain) == 0 && e.PeerRawPublicKey == nil {
			return false
		}
		*t = &tls.CertificateVerificationError{UnverifiedCertificates: chain, Err: e.std()}
		return true
	case *x509.HostnameError:
		return found(t, e.hostname)
	case *x509.UnknownAuthorityError:
		return found(t, e.authority)
	case *x509.CertificateInvalidError:
		return found(t, e.invalid)
	}
	return false
}

// Is finds ErrCertificateType if the peer has shown a certificate where only raw public keys are taken.
func (e *VerificationError) Is(target error) bool { return e.wrongType && target == ErrCertificateType }

// found stores what f returns.
func found[T any](to *T, f func() (T, bool)) bool {
	v, ok := f()
	if ok {
		*to = v
	}
	return ok
}

// std is the first error that crypto/x509 would have returned, or e.
func (e *VerificationError) std() error {
	if v, ok := e.hostname(); ok {
		return v
	}
	if v, ok := e.authority(); ok {
		return v
	}
	if v, ok := e.invalid(); ok {
		return v
	}
	return e
}

func (e *VerificationError) hostname() (x509.HostnameError, bool) {
	kind, _ := faultOf(e.Code)
	return x509.HostnameError{Certificate: e.Certificate, Host: e.Host},
		kind == faultName && e.Certificate != nil
}

func (e *VerificationError) authority() (x509.UnknownAuthorityError, bool) {
	kind, reason := faultOf(e.Code)
	switch {
	case e.Certificate == nil:
	case kind == faultAuthority:
		return x509.UnknownAuthorityError{Cert: e.Certificate}, true
	case reason == x509.NotAuthorizedToSign && e.Depth > 0:
		if child := e.child(); child != nil {
			return x509.UnknownAuthorityError{Cert: child}, true
		}
	}
	return x509.UnknownAuthorityError{}, false
}

func (e *VerificationError) invalid() (x509.CertificateInvalidError, bool) {
	kind, reason := faultOf(e.Code)
	cert := e.Certificate
	if kind == faultLeaf && e.Depth > 0 {
		cert = e.leaf()
	}
	v := x509.CertificateInvalidError{Cert: cert, Reason: reason, Detail: e.Reason}
	if e.Depth > 0 {
		v.Detail += fmt.Sprintf(" at depth %d", e.Depth)
	}
	return v, cert != nil && (kind == faultInvalid || kind == faultLeaf)
}

// leaf is the peer's own certificate, nil if it cannot be parsed.
func (e *VerificationError) leaf() *x509.Certificate {
	if len(e.sent) == 0 {
		return nil
	}
	cert, _ := x509.ParseCertificate(e.sent[0])
	return cert
}

// child is the certificate that the one at fault has issued, or the peer's own if none was sent.
func (e *VerificationError) child() *x509.Certificate {
	chain := parseChain(e.sent)
	i := slices.IndexFunc(chain, func(c *x509.Certificate) bool {
		return !c.Equal(e.Certificate) && bytes.Equal(c.RawIssuer, e.Certificate.RawSubject)
	})
	if i < 0 {
		return e.leaf()
	}
	return chain[i]
}

// notTLS says that what the peer has sent first is no TLS.
type notTLS struct {
	head [5]byte
	conn net.Conn // nil in an error that is kept
}

func (e *notTLS) Error() string {
	return fmt.Sprintf("peer does not speak TLS: it begins with %q", e.head[:])
}

// As finds a tls.RecordHeaderError. Nothing has been sent in answer, as its Conn demands.
func (e *notTLS) As(target any) bool {
	t, ok := target.(*tls.RecordHeaderError)
	if ok {
		*t = tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake",
			RecordHeader: e.head, Conn: e.conn}
	}
	return ok
}

// toKeep is err without what a peer could fill memory with, or what belongs to its connection.
func toKeep(err error) error {
	e, ok := err.(*Error)
	if !ok {
		return err
	}
	short := *e
	switch cause := e.Err.(type) {
	case *VerificationError:
		v := *cause
		v.sent = nil
		short.Err = &v
	case *notTLS:
		short.Err = &notTLS{head: cause.head}
	default:
		return err
	}
	return &short
}
