package ssl_test

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// fuzzKeys are the keys of what is sealed here.
func fuzzKeys(t testing.TB) *ssl.SealKeys {
	t.Helper()
	keys, err := ssl.NewSealKeys([]byte("32 bytes that are not all alike."))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	return keys
}

// FuzzSealedSession has a server's cache look at what a store gave back: as it is, and behind a
// seal that is right, as of an older version or of who has the keys.
func FuzzSealedSession(f *testing.F) {
	leakcheck.Test(f)
	keys := fuzzKeys(f)
	srv, cli := ssltest.ServerConfig(f), ssltest.ClientConfig(f)
	srv.ClientAuth, srv.ClientCAs, cli.Certificates = ssl.RequireAndVerifyClientCert, ssltest.Roots(f, "ca"),
		[]ssl.Certificate{ssltest.KeyPair(f, "client")}
	box := ssltest.NewInbox(f, srv)
	ssltest.Session(f, cli, srv)
	id, err := box.Last(f).ID()
	if err != nil {
		f.Fatal(err)
	}
	plain, err := ssl.PackedSession(box.Last(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	for n := range len(plain) {
		if n < 20 || n%61 == 0 {
			f.Add(plain[:n])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		sealed, err := keys.SealAsStored(id, b)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := keys.OpenStored(id, b); err == nil || s != nil {
			t.Error("it was never sealed")
		}
		s, err := keys.OpenStored(id, sealed)
		if (s == nil) == (err == nil) {
			t.Fatal(s, err)
		}
		if s != nil {
			ssltest.Settles(t, s)
		}
	})
}

// FuzzCacheFile has a client's cache load any content behind a seal that is right.
func FuzzCacheFile(f *testing.F) {
	leakcheck.Test(f)
	keys := fuzzKeys(f)
	for _, v := range ssltest.Versions {
		cache := ssl.NewClientSessionCache(0)
		srv, cli := ssltest.ServerConfig(f), ssltest.ClientConfig(f)
		srv.MaxVersion = v
		ssltest.Attend(f, ssltest.NewClientCtx(f, cli), ssltest.NewServerCtx(f, srv), cache, ssltest.Here)
		plain, err := cache.Packed()
		if err != nil {
			f.Fatal(err)
		}
		cache.Close()
		for n := range len(plain) + 1 {
			if n < 20 || n%211 == 0 || n == len(plain) {
				f.Add(plain[:n])
			}
		}
	}
	file := filepath.Join(f.TempDir(), "cache")
	f.Fuzz(func(t *testing.T, plain []byte) {
		sealed, err := keys.SealAsFile(plain)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, sealed, 0o600); err != nil {
			t.Fatal(err)
		}
		cache := ssl.NewClientSessionCache(0)
		defer cache.Close()
		n, err := cache.Load(file, keys)
		if err != nil && (len(plain) == 0 || n != 0) || n < cache.Stats().Sessions {
			t.Errorf("%d loaded, %d in the cache, %v", n, cache.Stats().Sessions, err)
		}
	})
}

// FuzzLoaders reads anything as certificates, keys, roots, a staple and a list. It has no password:
// encrypted keys say themselves how long it takes to open them.
func FuzzLoaders(f *testing.F) {
	leakcheck.Test(f)
	for _, name := range []string{"server-ecdsa.pem", "server-chain.pem", "server-ecdsa.key",
		"server-ecdsa.enc.key", "server-ecdsa.enc-old.key",
		"server-ecdsa.der", "server-ecdsa.key.der", "server-ecdsa.ocsp", "ca.pem", "client.key"} {
		b, err := os.ReadFile(ssltest.CertFile(name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		if block, _ := pem.Decode(b); block != nil {
			f.Add(block.Bytes)
		}
	}
	chain, err := os.ReadFile(ssltest.CertFile("server-ecdsa.pem"))
	if err != nil {
		f.Fatal(err)
	}
	key, err := os.ReadFile(ssltest.CertFile("server-ecdsa.key"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		both := append(append([]byte(nil), b...), key...)
		for _, in := range [][2][]byte{{b, b}, {b, key}, {chain, b}, {both, both}} {
			if c, err := ssl.X509KeyPair(in[0], in[1]); err == nil && c.Leaf() == nil {
				if _, err := x509.ParseCertificate(in[0]); err == nil {
					t.Error("a certificate without a leaf")
				}
			}
		}
		if pool := ssl.NewCertPool(); pool.AppendCerts(b) == nil {
			if ctx, err := ssl.NewClientCtx(&ssl.Config{RootCAs: pool, ServerName: "localhost"}); err == nil {
				ctx.Close()
			}
		}
		if ctx, err := ssl.NewClientCtx(&ssl.Config{ServerName: "localhost", RootCAs: ssl.NewCertPool(),
			CRLs: [][]byte{b}}); err == nil {
			ctx.Close()
		}
		if c, err := ssl.X509KeyPair(chain, key); err == nil {
			c.SetOCSPStaple(b)
		}
	})
}
