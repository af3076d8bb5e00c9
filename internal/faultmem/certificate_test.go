package faultmem_test

import (
	"fmt"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// collected is the flow of making one Certificate, which only the collector frees. No other
// Certificate may be in use.
func collected(make func() (ssl.Certificate, error)) (err, wrong error) {
	if _, err := make(); err != nil {
		return err, nil
	}
	leakcheck.Collect()
	if n := ssl.ReadCounters().Certificates.Live; n != 0 {
		wrong = fmt.Errorf("%d certificates were not collected", n)
	}
	return nil, wrong
}

func TestX509KeyPairOutOfMemory(t *testing.T) {
	leakcheck.Test(t)
	for _, pair := range [][2]string{
		{"server-chain.pem", "server-chain.key"},
		{"server-rsa.pem", "server-rsa.key"},
		{"server-ecdsa.der", "server-ecdsa.key.der"},
	} {
		cert, key := ssltest.ReadFile(t, pair[0]), ssltest.ReadFile(t, pair[1])
		perSite(t, func(op func(string)) (err, wrong error) {
			op("X509KeyPair")
			return collected(func() (ssl.Certificate, error) { return ssl.X509KeyPair(cert, key) })
		})
	}
}

func password() ([]byte, error) { return []byte("sessl-test"), nil }

func TestEncryptedKeyOutOfMemory(t *testing.T) {
	leakcheck.Test(t)
	cert := ssltest.ReadFile(t, "server-ecdsa.pem")
	for _, name := range []string{"server-ecdsa.enc.key", "server-ecdsa.enc-old.key"} {
		key := ssltest.ReadFile(t, name)
		perSite(t, func(op func(string)) (err, wrong error) {
			op("X509KeyPairWithPassword")
			return collected(func() (ssl.Certificate, error) {
				return ssl.X509KeyPairWithPassword(cert, key, password)
			})
		})
	}
}
