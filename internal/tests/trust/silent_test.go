package trust_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// What nothing would look at, or no connection could come of, is refused by name.
func TestSilentConfigs(t *testing.T) {
	leakcheck.Test(t)
	for what, test := range map[string]struct {
		change func(*ssl.Config)
		server bool
		want   string
	}{
		"roots that nobody is verified against": {func(c *ssl.Config) { c.ClientCAs = ssltest.Roots(t, "ca") },
			true, "ClientCAs have no effect"},
		"a client's roots on a server": {func(c *ssl.Config) { c.RootCAs = ssltest.Roots(t, "ca") }, true,
			"RootCAs are a client's"},
		"a server's roots on a client": {func(c *ssl.Config) { c.ClientCAs = ssltest.Roots(t, "ca") }, false,
			"ClientCAs are a server's"},
		"a server's demand on a client": {func(c *ssl.Config) { c.ClientAuth = ssl.RequireAnyClientCert }, false,
			"ClientAuth is a server's"},
		"no names of no roots": {func(c *ssl.Config) { c.NoClientCANames = true }, true,
			"NoClientCANames has no effect"},
		"two keys of one identity": {func(c *ssl.Config) {
			c.PSKs = []ssl.PSK{ssltest.NewPSK(t, ssltest.PSKName, ssltest.PSKKey), ssltest.NewPSK(t, ssltest.PSKName,
				ssltest.OtherKey())}
		}, true, "twice"},
	} {
		cfg, check := ssltest.ClientConfig(t), (*ssl.Config).CheckClient
		if test.server {
			cfg, check = ssltest.ServerConfig(t), (*ssl.Config).CheckServer
		}
		test.change(cfg)
		if err := check(cfg); !errors.Is(err, ssl.ErrConfig) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", what, err, test.want)
		}
	}
	for _, n := range []int64{1, 1000} {
		if c, err := ssl.NewServerSessionCache(&ssl.ServerCacheOptions{MaxBytes: n}); !errors.Is(err,
			ssl.ErrConfig) {
			c.Close()
			t.Errorf("MaxBytes %d: %v", n, err)
		}
	}
}

// More names than fit are refused, and a server that sends none verifies all the same.
func TestManyClientCAs(t *testing.T) {
	own, err := os.ReadFile(ssltest.CertFile("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, manyRoots(t, own)
		if err := srv.CheckServer(); !errors.Is(err, ssl.ErrConfig) || !strings.Contains(err.Error(),
			"NoClientCANames") {
			t.Errorf("300 long names: %v", err)
		}
		srv.NoClientCANames = true
		cli.Certificates = ssltest.KeyPairs(t, []string{"client"})
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		if !p.Server.ConnectionState().Verified {
			t.Error("not verified")
		}
		p.CloseBoth()
	})
}

// manyRoots are enough to have more names than fit into a message.
func manyRoots(t *testing.T, own []byte) *ssl.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	all := own
	for i := range 300 {
		tmpl := &x509.Certificate{SerialNumber: big.NewInt(int64(i + 1)), IsCA: true, BasicConstraintsValid: true,
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			Subject: pkix.Name{CommonName: strings.Repeat("x", 60) + string(rune('a'+i%26)),
				Organization: []string{strings.Repeat("y", 60) + string(rune('a'+i/26))},
				Locality:     []string{strings.Repeat("z", 64)}}}
		der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	pool := ssl.NewCertPool()
	if err := pool.AppendCerts(all); err != nil {
		t.Fatal(err)
	}
	return pool
}
