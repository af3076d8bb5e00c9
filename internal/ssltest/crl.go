package ssltest

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"testing"
	"time"
)

// CRLOf is a list of testdata's CA ca that revokes the certificates of these names.
func CRLOf(t testing.TB, ca string, from, until time.Time, revoked ...string) []byte {
	t.Helper()
	parent, err := tls.LoadX509KeyPair(CertFile(ca+".pem"), CertFile(ca+".key"))
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := x509.ParseCertificate(parent.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: from, NextUpdate: until}
	for _, name := range revoked {
		data, err := os.ReadFile(CertFile(name + ".pem"))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := pem.Decode(data) // the leaf
		cert, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: cert.SerialNumber, RevocationTime: from})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, issuer, parent.PrivateKey.(crypto.Signer))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// LongAgo is before anything that is valid.
var LongAgo = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// Current is a list that is in force.
func Current(t testing.TB, ca string, revoked ...string) []byte {
	t.Helper()
	return CRLOf(t, ca, LongAgo, FarFuture, revoked...)
}
