package httpssl_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// certFor returns a certificate for names, which is its own authority.
func certFor(t *testing.T, names ...string) (cert ssl.Certificate, own *ssl.CertPool, std *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "own"}, DNSNames: names, IsCA: true,
		BasicConstraintsValid: true,
		NotBefore:             time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}, &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "own"}},
		&key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	certPEM, keyPEM := write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", keyDER)
	if cert, err = ssl.LoadX509KeyPair(certPEM, keyPEM); err != nil {
		t.Fatal(err)
	}
	if own, err = ssl.LoadCertPool(certPEM); err != nil {
		t.Fatal(err)
	}
	std = x509.NewCertPool()
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	std.AddCert(parsed)
	return cert, own, std
}

// A host with letters beyond ASCII is looked up, sent, verified and kept by its name in ASCII,
// however it is written.
func TestInternationalHosts(t *testing.T) {
	const ascii = "xn--bcher-kva.example"
	for _, h2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("h2 %t", h2), func(t *testing.T) {
			leakcheck.Test(t)
			cert, own, std := certFor(t, ascii)
			sni := make(chan string, 100)
			s := start(t, serverCtx(t, func(cfg *ssl.Config) { cfg.Certificates = []ssl.Certificate{cert} }),
				http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { sni <- r.TLS.ServerName + " " + r.Host }))
			n := startNames(t)
			names := []string{"http/1.1"}
			if h2 {
				names = both
			}
			ctx := clientCtx(t, ssltest.Protos(names...), func(cfg *ssl.Config) {
				cfg.RootCAs, cfg.ServerName = own, ""
			})
			tr, err := httpssl.NewTransport(&ssl.Dialer{Ctx: ctx, NetDialer: n.dialer()}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer tr.CloseIdleConnections()
			other := stdClient(t, h2, func(cfg *tls.Config) { cfg.RootCAs, cfg.ServerName = std, "" })
			other.Transport.(*http.Transport).DialContext = n.dialer().DialContext
			for by, c := range map[string]*http.Client{"net/http": other,
				"httpssl": {Transport: tr, Timeout: ssltest.Timeout}} {
				before := s.conns.Load()
				hosts := []string{"bücher.example", ascii, "bücher.example"}
				if by == "httpssl" { // net/http sends another Host for these, and with h2 dials for ever
					hosts = append(hosts, "BÜCHER.example", "bu\u0308cher.example", "bücher。example")
				}
				for _, host := range hosts {
					resp, err := c.Get("https://" + host + ":" + port(s.Addr))
					if err != nil {
						t.Errorf("%s, %s: %v", by, host, err)
						continue
					}
					resp.Body.Close()
					if got, want := <-sni, ascii+" "+ascii+":"+port(s.Addr); got != want {
						t.Errorf("%s, %s: %q, want %q", by, host, got, want)
					}
					if (resp.ProtoMajor == 2) != h2 {
						t.Errorf("%s, %s: %s", by, host, resp.Proto)
					}
				}
				if n := s.conns.Load() - before; n != 1 {
					t.Errorf("%s: %d connections", by, n)
				}
				c.CloseIdleConnections()
			}
			if !n.wasAsked(ascii) {
				t.Errorf("looked up: %v", n.asked)
			}
			for by, c := range map[string]*http.Client{"net/http": other,
				"httpssl": {Transport: tr, Timeout: ssltest.Timeout}} {
				for _, host := range []string{"xn--a.example", "a\u200db.example", "bücher-.example", "--.example"} {
					resp, err := c.Get("https://" + host + ":" + port(s.Addr))
					if err == nil {
						resp.Body.Close()
						t.Errorf("%s, %s: a response of a server that has no certificate for it", by, host)
					}
				}
			}
		})
	}
}
