package recipes

import (
	"crypto/tls"

	"sessl/httpssl"
	"sessl/ssl"
)

// acme returns a web server's Ctx with the certificates of an autocert.Manager.
func acme(m interface {
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
}) (*ssl.Ctx, error) {
	ctx, err := httpssl.NewServerCtx(&ssl.Config{
		GetCertificate: ssl.GetCertificateFromTLS(m.GetCertificate),
		NextProtos:     []string{"h2", "http/1.1", "acme-tls/1"},
	})
	return ctx, err
}
