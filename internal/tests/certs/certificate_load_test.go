package certs_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

const keyPassword = "sessl-test"

// passwords gives the password, keeps what it gave, and counts.
type passwords struct {
	give  string
	err   error
	given [][]byte
}

func (p *passwords) ask() ([]byte, error) {
	b := []byte(p.give)
	p.given = append(p.given, b)
	return b, p.err
}

// encryptedKeys are the forms of one key.
func encryptedKeys(t *testing.T) map[string][]byte {
	block, _ := pem.Decode(ssltest.ReadFile(t, "server-ecdsa.enc.key"))
	return map[string][]byte{
		"PKCS#8":                 ssltest.ReadFile(t, "server-ecdsa.enc.key"),
		"PKCS#8 in DER":          block.Bytes,
		"PEM headers":            ssltest.ReadFile(t, "server-ecdsa.enc-old.key"),
		"behind its certificate": cat(t, "server-ecdsa.pem", "server-ecdsa.enc.key"),
	}
}

func TestEncryptedKeys(t *testing.T) {
	leakcheck.Test(t)
	cert := ssltest.ReadFile(t, "server-ecdsa.pem")
	broken := errors.New("no password today")
	for what, key := range encryptedKeys(t) {
		was := bytes.Clone(key)
		for _, c := range []struct {
			how  string
			pw   *passwords
			want error
		}{
			{"right", &passwords{give: keyPassword}, nil},
			{"wrong", &passwords{give: "wrong"}, ssl.ErrPassword},
			{"empty", &passwords{}, ssl.ErrPassword},
			{"nearly right", &passwords{give: keyPassword + "x"}, ssl.ErrPassword},
			{"long", &passwords{give: strings.Repeat("x", 1000)}, ssl.ErrPassword},
			{"too long", &passwords{give: strings.Repeat("x", 1001)}, ssl.ErrTooLarge},
			{"not to be had", &passwords{give: keyPassword, err: broken}, broken},
		} {
			got, err := ssl.X509KeyPairWithPassword(cert, key, c.pw.ask)
			if c.want == nil {
				if err != nil {
					t.Errorf("%s, %s: %v", what, c.how, err)
				}
			} else if ssltest.Refuses(t, what+", "+c.how, err, c.want); got != (ssl.Certificate{}) {
				t.Errorf("%s, %s: a certificate and an error", what, c.how)
			}
			if len(c.pw.given) != 1 || !bytes.Equal(c.pw.given[0], make([]byte, len(c.pw.give))) {
				t.Errorf("%s, %s: asked %d times, %q not wiped", what, c.how, len(c.pw.given), c.pw.given)
			}
			if s := fmt.Sprintf("%v %+v", err, err); c.pw.give != "" && c.pw.give != "wrong" && strings.Contains(s,
				c.pw.give) {
				t.Errorf("%s, %s: the error has the password: %s", what, c.how, s)
			}
		}
		_, err := ssl.X509KeyPair(cert, key)
		ssltest.Refuses(t, what+", without a password", err, ssl.ErrPassword)
		_, err = ssl.X509KeyPairWithPassword(cert, key, nil)
		ssltest.Refuses(t, what+", without a function", err, ssl.ErrPassword)
		if !bytes.Equal(key, was) {
			t.Errorf("%s: the caller's key was changed", what)
		}
	}
}

// What a wrong password decrypts to looks like a key now and then, but is none.
func TestWrongPasswords(t *testing.T) {
	leakcheck.Test(t)
	cert := ssltest.ReadFile(t, "server-ecdsa.pem")
	for _, name := range []string{"server-ecdsa.enc-old.key", "server-ecdsa.enc.key"} {
		key, n := ssltest.ReadFile(t, name), 2000
		if name == "server-ecdsa.enc.key" {
			n = 300 // by design each costs a moment
		}
		for i := range n {
			_, err := ssl.X509KeyPairWithPassword(cert, key, func() ([]byte, error) {
				return fmt.Appendf(nil, "%d", i),
					nil
			})
			if !errors.Is(err, ssl.ErrPassword) {
				t.Fatalf("%s, password %d: %v", name, i, err)
			}
		}
	}
}

func TestPlainKeysNeedNoPassword(t *testing.T) {
	leakcheck.Test(t)
	for _, key := range []string{"server-ecdsa.key", "server-ecdsa.key.der"} {
		pw := &passwords{give: "x"}
		if _, err := ssl.LoadX509KeyPairWithPassword(ssltest.CertFile("server-ecdsa.pem"), ssltest.CertFile(key),
			pw.ask); err != nil {
			t.Error(err)
		}
		_, err := ssl.LoadX509KeyPairWithPassword(ssltest.CertFile("server-rsa.pem"), ssltest.CertFile(key), pw.ask)
		ssltest.Refuses(t, "another's", err, ssl.ErrConfig)
		if len(pw.given) != 0 {
			t.Errorf("%s: a password was asked for", key)
		}
	}
}

func TestPanicInPassword(t *testing.T) {
	leakcheck.Test(t)
	defer func() {
		if recover() != "no" {
			t.Error("the panic did not come through")
		}
	}()
	ssl.LoadX509KeyPairWithPassword(ssltest.CertFile("server-ecdsa.pem"),
		ssltest.CertFile("server-ecdsa.enc.key"), func() ([]byte, error) { panic("no") })
}

// Encrypted keys cut short at each length, and with each byte changed, are refused, or are
// the key all the same.
func TestDamagedKeys(t *testing.T) {
	leakcheck.Test(t)
	cert := ssltest.ReadFile(t, "server-ecdsa.pem")
	ok := func(err error) bool {
		return err == nil || errors.Is(err, ssl.ErrMalformed) || errors.Is(err, ssl.ErrPassword) ||
			errors.Is(err, ssl.ErrConfig)
	}
	plain, old := ssltest.ReadFile(t, "server-ecdsa.key.der"), ssltest.ReadFile(t, "server-ecdsa.enc-old.key")
	password := func() ([]byte, error) { return []byte(keyPassword), nil }
	for i := range plain {
		if _, err := ssl.X509KeyPair(cert, plain[:i]); err == nil || !ok(err) {
			t.Errorf("DER cut at %d: %v", i, err)
		}
		bad := bytes.Clone(plain)
		bad[i] ^= 0x11
		if _, err := ssl.X509KeyPair(cert, bad); !ok(err) && len(entriesOf(err)) == 0 {
			t.Errorf("DER changed at %d: %v", i, err)
		}
	}
	for i := range old {
		if _, err := ssl.X509KeyPairWithPassword(cert, old[:i], password); !ok(err) {
			t.Errorf("PEM cut at %d: %v", i, err)
		}
		bad := bytes.Clone(old)
		bad[i] ^= 1
		if _, err := ssl.X509KeyPairWithPassword(cert, bad, password); !ok(err) && len(entriesOf(err)) == 0 {
			t.Errorf("PEM changed at %d: %v", i, err)
		}
	}
}

func entriesOf(err error) []ssl.Entry {
	var e *ssl.Error
	if errors.As(err, &e) {
		return e.Entries
	}
	return nil
}

func TestCertificateURI(t *testing.T) {
	leakcheck.Test(t)
	abs := func(name string) string {
		p, err := filepath.Abs(ssltest.CertFile(name))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	write := func(name string, text []byte) string {
		p := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(p, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	wrongOrder := write("wrong order.pem", cat(t, "intermediate.pem", "server-chain.pem", "server-chain.key"))
	for what, c := range map[string]struct {
		cert, key string
		want      string
	}{
		"file URIs": {"file:" + abs("server-ecdsa.pem"), "file://" + abs("server-ecdsa.key"),
			"server-ecdsa"},
		"paths": {ssltest.CertFile("server-chain.pem"), abs("server-chain.key"),
			"server-chain intermediate"},
		"DER":                     {abs("server-ecdsa.der"), abs("server-ecdsa.key.der"), "server-ecdsa"},
		"one file, leaf later":    {wrongOrder, wrongOrder, "server-chain intermediate intermediate"},
		"an encrypted key":        {abs("server-ecdsa.pem"), "file:" + abs("server-ecdsa.enc.key"), "server-ecdsa"},
		"one encrypted by header": {abs("server-ecdsa.pem"), abs("server-ecdsa.enc-old.key"), "server-ecdsa"},
	} {
		cert, err := ssl.LoadCertificateURI(c.cert, c.key, (&passwords{give: keyPassword}).ask)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		srv := &ssl.Config{Certificates: []ssl.Certificate{cert}}
		p := ssltest.NewTCPPair(t, ssltest.ClientConfig(t), srv)
		p.MustShake(t)
		if got := ssltest.CommonNames(p.Client.ConnectionState().PeerCertificates); got != c.want {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
		p.CloseBoth()
	}
}

func TestBadCertificateURIs(t *testing.T) {
	leakcheck.Test(t)
	const pin = "hunter2"
	good, key := ssltest.CertFile("server-ecdsa.pem"), ssltest.CertFile("server-ecdsa.key")
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	pkcs11 := "pkcs11:token=none;object=x?pin-value=" + pin
	for what, c := range map[string]struct {
		cert, key string
		pw        *passwords
		want      error // nil: OpenSSL's own
	}{
		"no URI":                {"", key, nil, ssl.ErrMalformed},
		"no key URI":            {good, "", nil, ssl.ErrMalformed},
		"a NUL":                 {good + "\x00x", key, nil, ssl.ErrMalformed},
		"no such file":          {good + ".missing", key, nil, nil},
		"no such key":           {good, key + ".missing", nil, nil},
		"no scheme that exists": {"nonsense://x", key, nil, ssl.ErrUnsupported},
		"pkcs11 not loaded":     {pkcs11, pkcs11, nil, ssl.ErrUnsupported},
		"a key for certificate": {key, key, nil, ssl.ErrMalformed},
		"a certificate for key": {good, good, nil, ssl.ErrMalformed},
		"another's key":         {good, ssltest.CertFile("server-rsa.key"), nil, ssl.ErrConfig},
		"encrypted":             {good, ssltest.CertFile("server-ecdsa.enc.key"), nil, ssl.ErrPassword},
		"encrypted, old":        {good, ssltest.CertFile("server-ecdsa.enc-old.key"), nil, ssl.ErrPassword},
		"wrong password": {good, ssltest.CertFile("server-ecdsa.enc.key"), &passwords{give: pin},
			ssl.ErrPassword},
		"wrong password, old": {good, ssltest.CertFile("server-ecdsa.enc-old.key"), &passwords{give: pin},
			ssl.ErrPassword},
		"password not to be had": {good, ssltest.CertFile("server-ecdsa.enc.key"),
			&passwords{err: errors.New("none")}, ssl.ErrPassword},
	} {
		var ask func() ([]byte, error)
		if c.pw != nil {
			ask = c.pw.ask
		}
		got, err := ssl.LoadCertificateURI(c.cert, c.key, ask)
		if c.want != nil {
			ssltest.Refuses(t, what, err, c.want)
		} else if len(entriesOf(err)) == 0 || errors.Is(err, ssl.ErrUnsupported) {
			t.Errorf("%s: %v", what, err)
		}
		if got != (ssl.Certificate{}) {
			t.Errorf("%s: a certificate and an error", what)
		}
		if strings.Contains(fmt.Sprintf("%v %+v %+v", err, err, entriesOf(err)), pin) {
			t.Errorf("%s: the error has the PIN", what)
		}
	}
	_, err := ssl.LoadCertificateURI(empty, empty, nil)
	if err == nil {
		t.Error("an empty file has a certificate")
	}
}

// stdSelfSigned is a certificate of crypto/tls for localhost, with the key.
func stdSelfSigned(t testing.TB, key crypto.Signer) (tls.Certificate, *ssl.CertPool) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := ssl.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestCertificateFromTLS(t *testing.T) {
	leakcheck.Test(t)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec := ssltest.Must[*ecdsa.PrivateKey](t)
	for what, key := range map[string]crypto.Signer{
		"RSA":                ssltest.Must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048)),
		"P-256":              ec(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		"P-384":              ec(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		"Ed25519":            ed,
		"Ed25519 by pointer": &ed,
	} {
		std, pool := stdSelfSigned(t, key)
		cert, err := ssl.CertificateFromTLS(std)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		p := ssltest.NewTCPPair(t, &ssl.Config{RootCAs: pool, ServerName: "localhost"},
			&ssl.Config{Certificates: []ssl.Certificate{cert}})
		p.MustShake(t)
		if !p.Client.ConnectionState().PeerCertificates[0].Equal(cert.Leaf()) {
			t.Errorf("%s: another certificate arrived", what)
		}
		p.CloseBoth()
	}
}

// opaque is a key that does not come out, as one in hardware.
type opaque struct{ crypto.Signer }

// keyless is no crypto.Signer.
type keyless struct{}

func TestBadCertificatesFromTLS(t *testing.T) {
	leakcheck.Test(t)
	good, _ := stdSelfSigned(t, ssltest.Must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(),
		rand.Reader)))
	other := ssltest.Must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	with := func(change func(*tls.Certificate)) tls.Certificate {
		c := good
		change(&c)
		return c
	}
	for what, c := range map[string]struct {
		cert tls.Certificate
		want error
	}{
		"nothing":        {tls.Certificate{}, ssl.ErrMalformed},
		"no certificate": {with(func(c *tls.Certificate) { c.Certificate = nil }), ssl.ErrMalformed},
		"an empty one":   {with(func(c *tls.Certificate) { c.Certificate = [][]byte{nil} }), ssl.ErrMalformed},
		"garbage": {with(func(c *tls.Certificate) { c.Certificate = [][]byte{[]byte("x")} }),
			ssl.ErrMalformed},
		"two in one": {with(func(c *tls.Certificate) {
			c.Certificate = [][]byte{append(bytes.Clone(c.Certificate[0]), c.Certificate[0]...)}
		}), ssl.ErrMalformed},
		"no key": {with(func(c *tls.Certificate) { c.PrivateKey = nil }), ssl.ErrMalformed},
		"a nil key": {with(func(c *tls.Certificate) { c.PrivateKey = (*rsa.PrivateKey)(nil) }),
			ssl.ErrMalformed},
		"a nil EC key": {with(func(c *tls.Certificate) { c.PrivateKey = (*ecdsa.PrivateKey)(nil) }),
			ssl.ErrMalformed},
		"a nil Ed25519 key": {with(func(c *tls.Certificate) { c.PrivateKey = (*ed25519.PrivateKey)(nil) }),
			ssl.ErrMalformed},
		"an empty key": {with(func(c *tls.Certificate) { c.PrivateKey = new(rsa.PrivateKey) }),
			ssl.ErrMalformed},
		"a short Ed25519 key": {with(func(c *tls.Certificate) { c.PrivateKey = ed25519.PrivateKey("short") }),
			ssl.ErrMalformed},
		"another's key":    {with(func(c *tls.Certificate) { c.PrivateKey = other }), ssl.ErrConfig},
		"another's signer": {with(func(c *tls.Certificate) { c.PrivateKey = opaque{other} }), ssl.ErrConfig},
		"a nil signer":     {with(func(c *tls.Certificate) { c.PrivateKey = (*signer)(nil) }), ssl.ErrMalformed},
		"an empty signer":  {with(func(c *tls.Certificate) { c.PrivateKey = opaque{} }), ssl.ErrMalformed},
		"a signer of an unknown kind": {with(func(c *tls.Certificate) {
			unknown, _ := stdSelfSigned(t, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
			der := unknown.Certificate[0] // its OID becomes one of X448
			c.Certificate = [][]byte{bytes.ReplaceAll(der, []byte{6, 3, 43, 101, 112}, []byte{6, 3, 43, 101, 111})}
			c.PrivateKey = opaque{other}
		}), ssl.ErrUnsupported},
		"no signer": {with(func(c *tls.Certificate) { c.PrivateKey = keyless{} }), ssl.ErrUnsupported},
	} {
		got, err := ssl.CertificateFromTLS(c.cert)
		ssltest.Refuses(t, what, err, c.want)
		if got != (ssl.Certificate{}) {
			t.Errorf("%s: a certificate and an error", what)
		}
		if what == "no signer" && !strings.Contains(err.Error(), "certs_test.keyless") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
