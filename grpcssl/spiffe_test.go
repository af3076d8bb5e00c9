package grpcssl_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// selfSigned returns a certificate with these URIs, and a pool that trusts it.
func selfSigned(t *testing.T, uris ...string) (ssl.Certificate, *ssl.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "workload"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, uri := range uris {
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatal(err)
		}
		template.URIs = append(template.URIs, u)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	cert, err := ssl.X509KeyPair(certPEM, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	if err != nil {
		t.Fatal(err)
	}
	pool := ssl.NewCertPool()
	if err := pool.AppendCerts(certPEM); err != nil {
		t.Fatal(err)
	}
	return cert, pool
}

// A handler finds the SPIFFE ID of a client whose certificate is an X.509-SVID.
func TestSPIFFE(t *testing.T) {
	leaveNothing(t)
	const id = "spiffe://trust.test/workload/1"
	for _, tc := range []struct {
		uris []string
		want string
	}{
		{[]string{id}, id},
		{nil, ""},
		{[]string{"https://trust.test/workload"}, ""},
		{[]string{id, "https://trust.test/workload"}, ""},
		{[]string{"spiffe://trust.test"}, ""},
		{[]string{"spiffe:///workload"}, ""},
		{[]string{"spiffe:trust.test"}, ""},
		{[]string{"spiffe://me@trust.test/workload"}, ""},
		{[]string{"spiffe://trust.test:1/workload"}, ""},
		{[]string{"spiffe://trust.test/workload?a=b"}, ""},
		{[]string{"spiffe://trust.test/workload#a"}, ""},
		{[]string{"spiffe://" + strings.Repeat("a", 256) + "/workload"}, ""},
		{[]string{"spiffe://trust.test/" + strings.Repeat("a", 2048)}, ""},
	} {
		cert, pool := selfSigned(t, tc.uris...)
		l := ssltest.Listen(t)
		serve(t, l, serverCreds(t, func(cfg *ssl.Config) {
			cfg.ClientAuth, cfg.ClientCAs = ssl.RequireAndVerifyClientCert, pool
		}), func(ctx context.Context) error {
			p, _ := peer.FromContext(ctx)
			text := ""
			if u := p.AuthInfo.(credentials.TLSInfo).SPIFFEID; u != nil {
				text = u.String()
			}
			return status.Error(codes.Aborted, text)
		})
		creds := clientCreds(t, func(cfg *ssl.Config) { cfg.Certificates = []ssl.Certificate{cert} })
		err := call(t, dial(t, l.Addr().String(), creds))
		if s := status.Convert(err); s.Code() != codes.Aborted || s.Message() != tc.want {
			t.Errorf("%.80q: %.80v, want %q", tc.uris, err, tc.want)
		}
	}
}
