package certs_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// negative is a certificate with a negative serial number, which OpenSSL takes and crypto/x509
// does not.
func negative(t testing.TB) *tls.Certificate {
	t.Helper()
	cert := ssltest.StdKeyPair(t, "selfsigned")
	serial := cert.Leaf.SerialNumber.Bytes()
	i := bytes.Index(cert.Certificate[0], serial)
	if i < 0 {
		t.Fatal("no serial number")
	}
	cert.Certificate[0] = bytes.Clone(cert.Certificate[0])
	cert.Certificate[0][i] |= 0x80
	if _, err := x509.ParseCertificate(cert.Certificate[0]); err == nil {
		t.Fatal("crypto/x509 reads it")
	}
	cert.Leaf = nil
	return &cert
}

// A peer whose certificate the application could not be shown is refused, before
// VerifyConnection is asked about a peer without one.
func TestIllegibleCertificate(t *testing.T) {
	cert := negative(t)
	for _, v := range ssltest.Versions {
		for _, asks := range []bool{false, true} {
			t.Run(fmt.Sprint(ssl.VersionName(v), " ", asks), func(t *testing.T) {
				leakcheck.Test(t)
				srv, cli := ssltest.ServerConfig(t), &ssl.Config{InsecureSkipVerify: true}
				srv.ClientAuth, srv.MaxVersion, cli.MaxVersion = ssl.RequireAnyClientCert, v, v
				if asks {
					judge := func(st ssl.ConnectionState) error {
						t.Errorf("asked about a peer with %d certificates", len(st.PeerCertificates))
						return nil
					}
					srv.VerifyConnection, cli.VerifyConnection = judge, judge
				}
				a, b := ssltest.TCPPipe(t)
				go tls.Client(a, &tls.Config{InsecureSkipVerify: true,
					GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
						return cert, nil
					}}).Handshake()
				s, err := ssl.Server(b, ssltest.NewServerCtx(t, srv))
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				if err := s.Handshake(); !errors.Is(err, ssl.ErrMalformed) {
					t.Errorf("server: %v", err)
				}

				a, b = ssltest.TCPPipe(t)
				go tls.Server(b, &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate,
					error) {
					return cert, nil
				}}).Handshake()
				c, err := ssl.Client(a, ssltest.NewClientCtx(t, cli))
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if err := c.Handshake(); !errors.Is(err, ssl.ErrMalformed) {
					t.Errorf("client: %v", err)
				}
			})
		}
	}
}
