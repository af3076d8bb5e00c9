package recipes

import (
	"sessl/httpssl"
	"sessl/ssl"
)

// mutual returns the Ctx of a web server whose clients must show a certificate.
func mutual(cert ssl.Certificate, roots *ssl.CertPool) (*ssl.Ctx, error) {
	ctx, err := httpssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert},
		ClientAuth: ssl.RequireAndVerifyClientCert, ClientCAs: roots})
	return ctx, err
}
