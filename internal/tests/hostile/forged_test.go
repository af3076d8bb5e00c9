package hostile_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// pairOf is a Certificate of DER, leaf first, and its key.
func pairOf(t testing.TB, key *ecdsa.PrivateKey, ders ...[]byte) ssl.Certificate {
	t.Helper()
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var chain []byte
	for _, der := range ders {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	cert, err := ssl.X509KeyPair(chain, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// template is of a certificate for whom usage allows, or of an authority.
func template(cn string, usage x509.ExtKeyUsage, isCA bool) *x509.Certificate {
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: cn},
		NotBefore: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: ssltest.FarFuture,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
		DNSNames: []string{"localhost"},
	}
	if isCA {
		c.KeyUsage, c.ExtKeyUsage, c.DNSNames = x509.KeyUsageCertSign, nil, nil
		c.IsCA, c.BasicConstraintsValid = true, true
	}
	return c
}

// forged is a certificate that the test CA has not signed, although it says so; perhaps with
// that CA's own, so that one can tell.
func forged(t testing.TB, usage x509.ExtKeyUsage, withCA bool) ssl.Certificate {
	t.Helper()
	ca := ssltest.StdKeyPair(t, "ca")
	issuer, err := x509.ParseCertificate(ca.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template("forged", usage, false), issuer, key.Public(),
		ca.PrivateKey.(crypto.Signer))
	if err != nil {
		t.Fatal(err)
	}
	der[len(der)-1] ^= 1 // of the signature
	if !withCA {
		return pairOf(t, key, der)
	}
	return pairOf(t, key, der, ca.Certificate[0])
}

// under is a certificate that an authority of an RSA key with so many bits might have signed.
func under(t testing.TB, usage x509.ExtKeyUsage, bits int) ssl.Certificate {
	t.Helper()
	n := new(big.Int).SetBit(new(big.Int), bits-1, 1)
	n.SetBit(n, 0, 1)
	key, root := newKey(t), newKey(t)
	authority, top := template("authority", usage, true), template("root", usage, true)
	mid, err := x509.CreateCertificate(rand.Reader, authority, top, &rsa.PublicKey{N: n, E: 65537}, root)
	if err != nil {
		t.Fatal(err)
	}
	authority.PublicKey = root.Public() // whoever signs it
	leaf, err := x509.CreateCertificate(rand.Reader, template("under", usage, false), authority, key.Public(),
		root)
	if err != nil {
		t.Fatal(err)
	}
	return pairOf(t, key, leaf, mid)
}

func bigClient(t *testing.T) ssl.Certificate { return under(t, x509.ExtKeyUsageClientAuth, 8193) }

// A key of RSA over 8192 bits is refused wherever it stands in what the peer shows, and verified
// or not: to check a signature of it takes too long. crypto/tls has the same limit.
func TestKeysTooBig(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		for bits, wanted := range map[int]bool{8192: true, 8193: false, 16384: false} {
			for _, auth := range []ssl.ClientAuthType{ssl.RequestClientCert, ssl.RequireAnyClientCert,
				ssl.RequireAndVerifyClientCert} {
				srv, cli := *srv, *cli
				clientShows(auth, func(t *testing.T) ssl.Certificate {
					return under(t, x509.ExtKeyUsageClientAuth,
						bits)
				})(t, &srv, &cli)
				_, serr := ssltest.NewTCPPair(t, &cli, &srv).Shake()
				checkSize(t, serr, wanted, auth == ssl.RequireAndVerifyClientCert)
			}
			for _, skip := range []bool{true, false} {
				srv, cli := *srv, *cli
				srv.Certificates = []ssl.Certificate{under(t, x509.ExtKeyUsageServerAuth, bits)}
				cli.InsecureSkipVerify = skip
				cerr, serr := ssltest.NewTCPPair(t, &cli, &srv).Shake()
				checkSize(t, cerr, wanted, !skip)
				if !wanted && ssltest.AlertOf(serr) != ssltest.AlertBadCertificate {
					t.Errorf("%d bits: the server hears %v", bits, serr)
				}
			}
		}
	})
}

// checkSize: where certificates are verified, the small ones are refused, too, for another reason.
func checkSize(t *testing.T, err error, fits, verified bool) {
	t.Helper()
	const rejected = 28
	switch code := ssltest.VerifyCode(err); {
	case !fits && (code != rejected || ssltest.RefusalOf(t, err).Depth != 1 || ssltest.RefusalOf(t,
		err).Certificate == nil):
		t.Errorf("too big a key: %v", err)
	case fits && verified && (code == rejected || code == 0):
		t.Errorf("an unknown authority: %v", err)
	case fits && !verified && err != nil:
		t.Errorf("not to be verified: %v", err)
	}
}

// A chain as long as crypto/tls takes it, 256 KB, is legal, on both sides.
func TestChainsAreLong(t *testing.T) {
	leakcheck.Test(t)
	for _, v := range ssltest.Versions {
		for _, n := range []int{120, 240, 280} { // KB, about
			srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
			srv.MaxVersion, cli.MaxVersion = v, v
			cert := long(t, "server-ecdsa", n)
			srv.Certificates = []ssl.Certificate{cert}
			cerr, serr := ssltest.NewTCPPair(t, cli, srv).Shake()
			if fits := n < 256; fits != (cerr == nil && serr == nil) {
				t.Errorf("%s: a server's chain of %d KB: client %v, server %v", ssl.VersionName(v), n, cerr, serr)
			}
			srv = ssltest.ServerConfig(t)
			srv.MaxVersion = v
			clientShows(ssl.RequireAndVerifyClientCert, func(t *testing.T) ssl.Certificate {
				return long(t, "client",
					n)
			})(t, srv, cli)
			if _, serr := ssltest.NewTCPPair(t, cli, srv).Shake(); (n < 256) != (serr == nil) {
				t.Errorf("%s: a client's chain of %d KB: server %v", ssl.VersionName(v), n, serr)
			}
		}
	}
}

// long is testdata's certificate with so many KB of others behind it.
func long(t *testing.T, name string, kb int) ssl.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(ssltest.CertFile(name+".pem"), ssltest.CertFile(name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	key, isEC := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !isEC {
		t.Fatalf("%s is not for ECDSA", name)
	}
	filler := template("filler", x509.ExtKeyUsageAny, true)
	filler.ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3}, Value: make([]byte, 7<<10)}}
	der, err := x509.CreateCertificate(rand.Reader, filler, filler, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	ders := [][]byte{pair.Certificate[0]}
	for size := 0; size < kb<<10; size += len(der) {
		ders = append(ders, der)
	}
	return pairOf(t, key, ders...)
}
