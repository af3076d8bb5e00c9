package ssl_test

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"sessl/internal/leakcheck"
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
	eventually(t, "no certificate is left", func() bool { return ssl.ReadCounters().Certificates.Live == 0 })
	return ssl.ReadCounters()
}

// A certificate is one handle, whatever number of copies there is, and its users do not
// need it any more.
func TestOwnershipOfCertificates(t *testing.T) {
	leakcheck.Test(t)
	before := settled(t)
	srv, cli := serverConfig(t), clientConfig(t)
	srv.Certificates = append(srv.Certificates, srv.Certificates[0], srv.Certificates[0])
	if got := certCounts(before); got != (ssl.HandleCounts{Opened: 1, Live: 1}) {
		t.Errorf("one, copied: %+v", got)
	}
	server, client := newServerCtx(t, srv), newClientCtx(t, cli)
	a, b := tcpPipe(t)
	p := newPair(t, client, server, a, b)
	srv = nil
	eventually(t, "the certificate is collected while a Ctx and a Conn use it", func() bool {
		return certCounts(before) == ssl.HandleCounts{Opened: 1, Collected: 1}
	})
	p.mustShake(t)
	p.echo(t)
	a, b = tcpPipe(t)
	p = newPair(t, client, server, a, b)
	server.Close() // and while only a Conn does
	p.mustShake(t)
	p.echo(t)
}

// Several Ctxs at once take what the collector is about to free.
func TestCertificatesInParallel(t *testing.T) {
	leakcheck.Test(t)
	spinGC(t)
	for range 20 {
		cfg := &ssl.Config{Certificates: []ssl.Certificate{keyPair(t, "server-chain")}}
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

func TestZeroCertificate(t *testing.T) {
	leakcheck.Test(t)
	var c ssl.Certificate
	if c.Leaf() != nil || c.String() != "ssl.Certificate{}" || fmt.Sprintf("%#v", c) != c.String() {
		t.Errorf("%v %v", c.Leaf(), c)
	}
	p := newTCPPair(t, clientConfig(t), serverConfig(t))
	refuses(t, "a connection with none", ssl.UseCertificate(p.server, c), ssl.ErrClosed)
	p.mustShake(t)
}

// The key's bytes are left to the caller, and what is printed tells nothing of them.
func TestCertificateLeavesTheCallersKeyAlone(t *testing.T) {
	leakcheck.Test(t)
	key := readFile(t, "server-ecdsa.key")
	was := bytes.Clone(key)
	c, err := ssl.X509KeyPair(readFile(t, "server-ecdsa.pem"), key)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(key, was) {
		t.Error("the key was changed")
	}
	if got, want := fmt.Sprintf("%v %+v %#v %s", c, c, &c, c), "ssl.Certificate(CN=sessl test server-ecdsa)"; strings.Count(got, want) != 4 {
		t.Errorf("printed as %s", got)
	}
	runtime.KeepAlive(c)
}

// cat is the files, one after the other.
func cat(t *testing.T, names ...string) []byte {
	t.Helper()
	var all []byte
	for _, name := range names {
		all = append(all, readFile(t, name)...)
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
		refuses(t, what, err, ssl.ErrConfig)
		if !strings.Contains(fmt.Sprint(err), "leaf") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestKeyFileWithoutEnd(t *testing.T) {
	leakcheck.Test(t)
	_, err := ssl.LoadX509KeyPair(certFile("server-ecdsa.pem"), "/dev/zero")
	refuses(t, "zeros for ever", err, ssl.ErrTooLarge)
	_, err = ssl.LoadX509KeyPair(certFile("server-ecdsa.pem"), "/dev/null")
	refuses(t, "nothing", err, ssl.ErrMalformed)
}

func names(chain []*x509.Certificate) string {
	var all []string
	for _, c := range chain {
		all = append(all, strings.TrimPrefix(c.Subject.CommonName, "sessl test "))
	}
	return strings.Join(all, " ")
}

// A side sends the chain that it was given, in that order, and does not complete it from
// its roots.
func TestChainIsSentAsGiven(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		key := readFile(t, "server-chain.key")
		for _, files := range [][]string{
			{"server-chain.pem"},                             // leaf, intermediate
			{"server-chain.pem", "ca.pem"},                   // and the root
			{"server-chain.pem", "client.pem", "a-test.pem"}, // and what has no place there
			{"server-ecdsa.pem"},                             // the leaf alone
		} {
			if files[0] == "server-ecdsa.pem" {
				key = readFile(t, "server-ecdsa.key")
			}
			c, err := ssl.X509KeyPair(cat(t, files...), key)
			if err != nil {
				t.Fatal(err)
			}
			srv.Certificates = []ssl.Certificate{c}
			srv.ClientAuth, srv.ClientCAs = ssl.VerifyClientCertIfGiven, roots(t, "ca") // what it could complete it from
			p := newTCPPair(t, cli, srv)
			p.mustShake(t)
			want := strings.NewReplacer(".pem", "", "server-chain.pem", "server-chain intermediate", "ca.pem", "root").Replace(strings.Join(files, " "))
			if got := names(p.client.ConnectionState().PeerCertificates); got != want {
				t.Errorf("%v arrived as %q, want %q", files, got, want)
			}
			p.closeBoth()
		}
	})
}

// Of several for one name, the type of key that the client can verify decides, and then the order.
func TestCertificateByTypeOfKey(t *testing.T) {
	leakcheck.Test(t)
	srv := serverConfig(t)
	srv.Certificates = []ssl.Certificate{keyPair(t, "server-chain"), keyPair(t, "server-rsa"), keyPair(t, "server-ecdsa")}
	srv.MaxVersion = ssl.VersionTLS12
	for suite, want := range map[uint16]string{0xC02B: "server-chain intermediate", 0xC02F: "server-rsa"} {
		cli := clientConfig(t)
		cli.CipherSuites = []uint16{suite}
		p := newTCPPair(t, cli, srv)
		p.mustShake(t)
		if got := names(p.client.ConnectionState().PeerCertificates); got != want {
			t.Errorf("suite %04X: %q, want %q", suite, got, want)
		}
		p.closeBoth()
	}
}

// A connection's own certificate takes the place of all that its Ctx has.
func TestUseCertificate(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.Certificates = append(srv.Certificates, keyPair(t, "server-rsa"))
		srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, roots(t, "ca")
		server, client := newServerCtx(t, srv), newClientCtx(t, cli)
		for _, own := range []string{"server-chain", "server-rsa"} {
			a, b := tcpPipe(t)
			p := newPair(t, client, server, a, b)
			if err := ssl.UseCertificate(p.server, keyPair(t, own)); err != nil {
				t.Fatal(err)
			}
			if err := ssl.UseCertificate(p.client, keyPair(t, "client-chain")); err != nil {
				t.Fatal(err)
			}
			p.mustShake(t)
			if got := names(p.client.ConnectionState().PeerCertificates); !strings.HasPrefix(got, own) {
				t.Errorf("%s is %q", own, got)
			}
			if got := names(p.server.ConnectionState().PeerCertificates); got != "client-chain intermediate" {
				t.Errorf("the client is %q", got)
			}
			p.closeBoth()
		}
	})
}
