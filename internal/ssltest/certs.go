package ssltest

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"testing"

	"sessl/ssl"
)

// CertFile is the path of testdata/certs/NAME, from any directory of the tree.
func CertFile(name string) string { return TestData("certs", name) }

// KeyPair loads testdata/certs/NAME.pem and NAME.key.
func KeyPair(t testing.TB, name string) ssl.Certificate {
	t.Helper()
	c, err := ssl.LoadX509KeyPair(CertFile(name+".pem"), CertFile(name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// KeyPairs loads the pairs of testdata/certs with these names.
func KeyPairs(t testing.TB, names []string) (certs []ssl.Certificate) {
	t.Helper()
	for _, name := range names {
		certs = append(certs, KeyPair(t, name))
	}
	return certs
}

// Roots loads testdata/certs/NAME.pem as trusted roots.
func Roots(t testing.TB, name string) *ssl.CertPool {
	t.Helper()
	p, err := ssl.LoadCertPool(CertFile(name + ".pem"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ReadFile is the content of testdata/certs/NAME.
func ReadFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(CertFile(name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// CommonNames are the common names of a chain, without the words that all of them have.
func CommonNames(chain []*x509.Certificate) string {
	var all []string
	for _, c := range chain {
		all = append(all, strings.TrimPrefix(c.Subject.CommonName, "sessl test "))
	}
	return strings.Join(all, " ")
}

// Reloadable has the pairs of testdata/certs with these names.
func Reloadable(t testing.TB, names ...string) *ssl.ReloadableCertificates {
	t.Helper()
	r, err := ssl.NewReloadableCertificates(KeyPairs(t, names)...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// StdKeyPair is KeyPair for crypto/tls.
func StdKeyPair(t testing.TB, name string) tls.Certificate {
	t.Helper()
	c, err := tls.LoadX509KeyPair(CertFile(name+".pem"), CertFile(name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// StdRoots is Roots for crypto/tls.
func StdRoots(t testing.TB, name string) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ReadFile(t, name+".pem")) {
		t.Fatalf("%s.pem has no certificate", name)
	}
	return pool
}
