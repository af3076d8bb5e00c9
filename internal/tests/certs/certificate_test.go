package certs_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// certCounts is what became of Certificates since before.
func certCounts(before ssl.Counters) ssl.HandleCounts {
	a, b := ssl.ReadCounters().Certificates, before.Certificates
	return ssl.HandleCounts{
		Opened: a.Opened - b.Opened, Closed: a.Closed - b.Closed,
		Collected: a.Collected - b.Collected, Live: a.Live - b.Live,
	}
}

// settled collects what earlier tests left behind, so that counts are this test's.
func settled(t *testing.T) ssl.Counters {
	t.Helper()
	ssltest.Eventually(t, "no certificate is left",
		func() bool { return ssl.ReadCounters().Certificates.Live == 0 })
	return ssl.ReadCounters()
}

// A certificate is one handle, whatever number of copies there is, and its users do not
// need it any more.
func TestOwnershipOfCertificates(t *testing.T) {
	leakcheck.Test(t)
	before := settled(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.Certificates = append(srv.Certificates, srv.Certificates[0], srv.Certificates[0])
	if got := certCounts(before); got != (ssl.HandleCounts{Opened: 1, Live: 1}) {
		t.Errorf("one, copied: %+v", got)
	}
	server, client := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
	a, b := ssltest.TCPPipe(t)
	p := ssltest.NewPair(t, client, server, a, b)
	srv = nil
	ssltest.Eventually(t, "the certificate is collected while a Ctx and a Conn use it", func() bool {
		return certCounts(before) == ssl.HandleCounts{Opened: 1, Collected: 1}
	})
	p.MustShake(t)
	p.Echo(t)
	a, b = ssltest.TCPPipe(t)
	p = ssltest.NewPair(t, client, server, a, b)
	server.Close() // and while only a Conn does
	p.MustShake(t)
	p.Echo(t)
}

// Several Ctxs at once take what the collector is about to free.
func TestCertificatesInParallel(t *testing.T) {
	leakcheck.Test(t)
	ssltest.SpinGC(t)
	for range 20 {
		cfg := &ssl.Config{Certificates: []ssl.Certificate{ssltest.KeyPair(t, "server-chain")}}
		var wg sync.WaitGroup
		for range 4 {
			cfg := *cfg
			wg.Go(func() {
				ctx, err := ssl.NewServerCtx(&cfg)
				if err != nil {
					t.Error(err)
					return
				}
				ctx.Close()
			})
		}
		wg.Wait()
	}
}

// The key's bytes are left to the caller, and what is printed tells nothing of them.
func TestCertificateLeavesTheCallersKeyAlone(t *testing.T) {
	leakcheck.Test(t)
	key := ssltest.ReadFile(t, "server-ecdsa.key")
	was := bytes.Clone(key)
	c, err := ssl.X509KeyPair(ssltest.ReadFile(t, "server-ecdsa.pem"), key)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(key, was) {
		t.Error("the key was changed")
	}
	if got, want := fmt.Sprintf("%v %+v %#v %s", c, c, &c, c),
		"ssl.Certificate(CN=sessl test server-ecdsa)"; strings.Count(got, want) != 4 {
		t.Errorf("printed as %s", got)
	}
	runtime.KeepAlive(c)
}

// cat is the files, one after the other.
func cat(t *testing.T, names ...string) []byte {
	t.Helper()
	var all []byte
	for _, name := range names {
		all = append(all, ssltest.ReadFile(t, name)...)
	}
	return all
}

// What else is in a file does not matter, but what counts comes first.
func TestKeyPairInOneFile(t *testing.T) {
	leakcheck.Test(t)
	all := cat(t, "server-ecdsa.key", "server-ecdsa.pem", "server-rsa.key", "client.pem")
	name := filepath.Join(t.TempDir(), "all.pem")
	if err := os.WriteFile(name, all, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := ssl.LoadX509KeyPair(name, name)
	if err != nil {
		t.Fatal(err)
	}
	if c.Leaf().Subject.CommonName != "sessl test server-ecdsa" {
		t.Errorf("the leaf is %v", c)
	}
	for what, pair := range map[string]struct{ cert, key []byte }{
		"another's key first":       {all, cat(t, "server-rsa.key", "server-ecdsa.key")},
		"another certificate first": {cat(t, "client.pem", "server-ecdsa.pem"), all},
		"the intermediate first":    {cat(t, "intermediate.pem", "server-chain.pem"), cat(t, "server-chain.key")},
	} {
		_, err := ssl.X509KeyPair(pair.cert, pair.key)
		ssltest.Refuses(t, what, err, ssl.ErrConfig)
		if !strings.Contains(fmt.Sprint(err), "leaf") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestKeyFileWithoutEnd(t *testing.T) {
	leakcheck.Test(t)
	_, err := ssl.LoadX509KeyPair(ssltest.CertFile("server-ecdsa.pem"), "/dev/zero")
	ssltest.Refuses(t, "zeros for ever", err, ssl.ErrTooLarge)
	_, err = ssl.LoadX509KeyPair(ssltest.CertFile("server-ecdsa.pem"), "/dev/null")
	ssltest.Refuses(t, "nothing", err, ssl.ErrMalformed)
}

// A side sends the chain that it was given, in that order, and does not complete it from
// its roots.
func TestChainIsSentAsGiven(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		key := ssltest.ReadFile(t, "server-chain.key")
		for _, files := range [][]string{
			{"server-chain.pem"},                             // leaf, intermediate
			{"server-chain.pem", "ca.pem"},                   // and the root
			{"server-chain.pem", "client.pem", "a-test.pem"}, // and what has no place there
			{"server-ecdsa.pem"},                             // the leaf alone
		} {
			if files[0] == "server-ecdsa.pem" {
				key = ssltest.ReadFile(t, "server-ecdsa.key")
			}
			c, err := ssl.X509KeyPair(cat(t, files...), key)
			if err != nil {
				t.Fatal(err)
			}
			srv.Certificates = []ssl.Certificate{c}
			srv.ClientAuth, srv.ClientCAs = ssl.VerifyClientCertIfGiven,
				ssltest.Roots(t, "ca") // what it could complete it from
			p := ssltest.NewTCPPair(t, cli, srv)
			p.MustShake(t)
			want := strings.NewReplacer(".pem", "", "server-chain.pem", "server-chain intermediate", "ca.pem",
				"root").Replace(strings.Join(files, " "))
			if got := ssltest.CommonNames(p.Client.ConnectionState().PeerCertificates); got != want {
				t.Errorf("%v arrived as %q, want %q", files, got, want)
			}
			p.CloseBoth()
		}
	})
}

// Of several for one name, the type of key that the client can verify decides, and then the order.
func TestCertificateByTypeOfKey(t *testing.T) {
	leakcheck.Test(t)
	srv := ssltest.ServerConfig(t)
	srv.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-chain"), ssltest.KeyPair(t, "server-rsa"),
		ssltest.KeyPair(t, "server-ecdsa")}
	srv.MaxVersion = ssl.VersionTLS12
	for suite, want := range map[uint16]string{0xC02B: "server-chain intermediate", 0xC02F: "server-rsa"} {
		cli := ssltest.ClientConfig(t)
		cli.CipherSuites = []uint16{suite}
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		if got := ssltest.CommonNames(p.Client.ConnectionState().PeerCertificates); got != want {
			t.Errorf("suite %04X: %q, want %q", suite, got, want)
		}
		p.CloseBoth()
	}
}
