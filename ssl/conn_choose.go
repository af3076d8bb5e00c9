package ssl

import (
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"io"
)

// CertificateRequestInfo is a server's request for a client's certificate, with the
// fields of crypto/tls.
type CertificateRequestInfo struct {
	// AcceptableCAs are the distinguished names of the CAs that the server names, in
	// DER; empty if it names none.
	AcceptableCAs [][]byte

	SignatureSchemes []tls.SignatureScheme
	Version          uint16

	ctx context.Context
}

// Context ends when the handshake's context does, when its read deadline passes, and when
// the Conn is closed.
func (r *CertificateRequestInfo) Context() context.Context { return r.ctx }

// SupportsCertificate returns nil if the server accepts cert by the names of its issuers
// and by its key. Otherwise it returns the reason; crypto/tls decides, and words it.
func (r *CertificateRequestInfo) SupportsCertificate(cert *Certificate) error {
	c, err := publicPart(cert)
	if err != nil {
		return err
	}
	request := tls.CertificateRequestInfo{
		AcceptableCAs: r.AcceptableCAs, SignatureSchemes: r.SignatureSchemes, Version: r.Version,
	}
	return request.SupportsCertificate(c)
}

// SupportsCertificate returns nil if the client accepts cert by its name, its key and
// the cipher suites. Otherwise it returns the reason; crypto/tls decides, and words it.
func (h *ClientHelloInfo) SupportsCertificate(cert *Certificate) error {
	c, err := publicPart(cert)
	if err != nil {
		return err
	}
	return (&tls.ClientHelloInfo{
		CipherSuites: h.CipherSuites, ServerName: h.ServerName, SupportedCurves: h.SupportedCurves,
		SupportedPoints: []uint8{0}, SignatureSchemes: h.SignatureSchemes,
		SupportedProtos: h.SupportedProtos, SupportedVersions: h.SupportedVersions,
	}).SupportsCertificate(c)
}

// publicPart is cert for crypto/tls, which uses only the public key.
func publicPart(cert *Certificate) (*tls.Certificate, error) {
	if cert == nil || cert.c == nil {
		return nil, fail("SupportsCertificate", ErrNil)
	}
	leaf := cert.Leaf()
	return &tls.Certificate{Certificate: cert.chainDER(), Leaf: leaf, PrivateKey: publicKey{leaf.PublicKey}}, nil
}

// publicKey is a crypto.Signer that cannot sign.
type publicKey struct{ pub crypto.PublicKey }

func (k publicKey) Public() crypto.PublicKey { return k.pub }

func (k publicKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.ErrUnsupported
}

// pickCertificate calls GetCertificate or GetClientCertificate. The answer holds for the handshake.
func (c *Conn) pickCertificate(ctx context.Context) error {
	cert, err := c.askCertificate(ctx)
	if err == nil {
		err = c.show(cert)
	}
	if err != nil {
		c.refuse(alertInternalError)
	}
	return err
}

func (c *Conn) askCertificate(ctx context.Context) (*Certificate, error) {
	if c.server {
		hello, err := c.clientHello(ctx)
		if err != nil {
			return nil, err
		}
		cert, err := c.ctx.getCert(hello)
		return cert, refusal(err)
	}
	request, err := c.certificateRequest(ctx)
	if err != nil {
		return nil, err
	}
	cert, err := c.ctx.getClientCert(request)
	if cert == nil {
		cert = &Certificate{}
	}
	return cert, refusal(err)
}

// refusal wraps the error by which the application ends a handshake.
func refusal(err error) error {
	if err == nil {
		return nil
	}
	return fail("handshake", err)
}
