package recipes

import (
	"bytes"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// The backend learns that its client used TLS, and the clients of the proxy resume.
func TestReverseProxy(t *testing.T) {
	leakcheck.Test(t)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Header.Get("X-Forwarded-Proto"))
	}))
	defer backend.Close()
	target, err := url.Parse(backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	cert := ssltest.KeyPair(t, "server-ecdsa")
	server, err := httpssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	l, done := listen(t), make(chan error, 1)
	go func() { done <- reverseProxy(l, server, target) }()
	client := ssltest.NewClientCtx(t, &ssl.Config{RootCAs: ssltest.Roots(t, "ca"),
		NextProtos: []string{"h2", "http/1.1"}})
	for range 2 {
		if told := get(t, client, "https://"+l.Addr().String()); told != "https" {
			t.Errorf("the backend was told %q", told)
		}
	}
	if s, err := server.Stats(); err != nil || s.Resumed.Count != 1 {
		t.Errorf("%d connections resumed, %v, want 1", s.Resumed.Count, err)
	}
	l.Close()
	<-done
}

// One side ends first, and gets the rest of the other's words.
func TestJoin(t *testing.T) {
	leakcheck.Test(t)
	text := bytes.Repeat([]byte("half "), 100_000)
	cert := ssltest.KeyPair(t, "server-ecdsa")
	server := ssltest.NewServerCtx(t, &ssl.Config{Certificates: []ssl.Certificate{cert}})
	front, back := listen(t), listen(t)
	joined := make(chan error, 1)
	go func() { // the relay
		joined <- func() error {
			raw, err := front.Accept()
			if err != nil {
				return err
			}
			c, err := ssl.Server(raw, server)
			if err != nil {
				return err
			}
			defer c.Close()
			b, err := net.Dial("tcp", back.Addr().String())
			if err != nil {
				return err
			}
			defer b.Close()
			return join(c, b.(*net.TCPConn))
		}()
	}()
	got := make(chan []byte, 1)
	go func() { // the backend answers when its client has said all
		c, err := back.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		all, _ := io.ReadAll(c)
		got <- all
		c.Write(text)
	}()
	c, err := ssl.Dial("tcp", front.Addr().String(), ssltest.NewClientCtx(t, ssltest.ClientConfig(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() {
		c.Write(text)
		c.CloseWrite()
	}()
	back1, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(back1, text) || !bytes.Equal(<-got, text) {
		t.Errorf("%d bytes came back, %v", len(back1), err)
	}
	if err := <-joined; err != nil {
		t.Error(err)
	}
}

// A secret is mounted as Kubernetes does: files are links into ..data, which is a link that is replaced.
func TestFollow(t *testing.T) {
	leakcheck.Test(t)
	dir := t.TempDir()
	mount := func(version, name string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		for file, from := range map[string]string{"tls.crt": name + ".pem", "tls.key": name + ".key"} {
			b, err := os.ReadFile(ssltest.CertFile(from))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, version, file), b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		next, data := filepath.Join(dir, "..next"), filepath.Join(dir, "..data")
		if err := os.Symlink(version, next); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, data); err != nil {
			t.Fatal(err)
		}
	}
	mount("..1", "server-ecdsa")
	for _, file := range []string{"tls.crt", "tls.key"} {
		if err := os.Symlink(filepath.Join("..data", file), filepath.Join(dir, file)); err != nil {
			t.Fatal(err)
		}
	}
	certs, err := ssl.LoadReloadableCertificates(ssl.CertificateFiles{CertFile: filepath.Join(dir, "tls.crt"),
		KeyFile: filepath.Join(dir, "tls.key")})
	if err != nil {
		t.Fatal(err)
	}
	algorithm := func() string { return certs.Certificates()[0].Leaf().PublicKeyAlgorithm.String() }
	done := make(chan struct{})
	go func() {
		defer close(done)
		follow(t.Context(), certs, filepath.Join(dir, "..data"), time.Millisecond)
	}()
	mount("..2", "server-rsa")
	for end := time.Now().Add(ssltest.Timeout); algorithm() != "RSA"; {
		if time.Now().After(end) {
			t.Fatal("the certificate is still the old one")
		}
	}
	t.Cleanup(func() { <-done }) // after the context of the test has ended
}

// A SIGHUP makes the process read the files again; a bad file changes nothing.
func TestOnSignal(t *testing.T) {
	leakcheck.Test(t)
	dir := t.TempDir()
	crt, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	renew := func(name string) {
		t.Helper()
		for file, from := range map[string]string{crt: name + ".pem", key: name + ".key"} {
			b, err := os.ReadFile(ssltest.CertFile(from))
			if err == nil {
				err = os.WriteFile(file, b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	renew("server-ecdsa")
	certs, err := ssl.LoadReloadableCertificates(ssl.CertificateFiles{CertFile: crt, KeyFile: key})
	if err != nil {
		t.Fatal(err)
	}
	onSignal(t.Context(), certs)
	renew("server-rsa")
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	ssltest.Eventually(t, "the certificate is the new one", func() bool {
		return certs.Certificates()[0].Leaf().PublicKeyAlgorithm == x509.RSA
	})
}

func TestSPIFFE(t *testing.T) {
	leakcheck.Test(t)
	uri := func(s string) []*url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return []*url.URL{u}
	}
	later := time.Now().Add(time.Hour)
	const id, other = "spiffe://example.org/shop", "spiffe://example.org/till"
	shop := ssltest.IssuedAs(t, "ca", &x509.Certificate{URIs: uri(id), NotAfter: later})
	till := ssltest.IssuedAs(t, "ca", &x509.Certificate{URIs: uri(other), NotAfter: later})
	roots, strange := ssltest.StdRoots(t, "ca"), ssltest.StdRoots(t, "other-ca")
	for name, c := range map[string]struct {
		roots   *x509.CertPool
		server  string
		refused string
	}{
		"both known":       {roots, id, ""},
		"another server":   {roots, other, "the peer is not " + other},
		"of another trust": {strange, id, "unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			leakcheck.Test(t)
			srv := &ssl.Config{Certificates: []ssl.Certificate{shop}, ClientAuth: ssl.RequireAnyClientCert,
				VerifyConnection: onlySPIFFE(other, roots)}
			cli := &ssl.Config{Certificates: []ssl.Certificate{till}, InsecureSkipVerify: true,
				ServerName: "localhost", VerifyConnection: onlySPIFFE(c.server, c.roots)}
			server, client := ssltest.StartServer(t, srv), ssltest.NewClientCtx(t, cli)
			for i := range 2 {
				conn, err := ssl.Dial("tcp", server.Addr, client)
				if c.refused != "" {
					if err == nil || !strings.Contains(err.Error(), c.refused) {
						t.Fatalf("%v, want %s", err, c.refused)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if _, err := conn.Write([]byte("a")); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				if conn.SessionReused() != (i == 1) {
					t.Errorf("connection %d: reused is %v", i, conn.SessionReused())
				}
			}
		})
	}
}
