package ssltest

import (
	"os"
	"testing"

	"sessl/ssl"
)

// Staple reads testdata/certs/NAME.ocsp.
func Staple(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(CertFile(name + ".ocsp"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Stapled is KeyPair with its staple.
func Stapled(t testing.TB, name string) ssl.Certificate {
	t.Helper()
	cert := KeyPair(t, name)
	if err := cert.SetOCSPStaple(Staple(t, name)); err != nil {
		t.Fatal(err)
	}
	return cert
}
