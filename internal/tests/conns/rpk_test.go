package conns_test

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
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

const (
	x509Type = ssl.CertificateTypeX509
	rawType  = ssl.CertificateTypeRawPublicKey
)

// rawTypes is a side without certificates.
var rawTypes = []ssl.CertificateType{rawType}

// needRaw ends a test of raw public keys where the library has none; others have seen the refusal.
func needRaw(t *testing.T) {
	t.Helper()
	leakcheck.Test(t)
	if ssltest.LibraryRelease() < "3.2" {
		t.Skip("raw public keys need OpenSSL 3.2: see TestRawKeysNeedOpenSSL32")
	}
}

// privateKeys are one for each type of key that Go knows.
var privateKeys = map[string]func(t *testing.T) crypto.Signer{
	"RSA": func(t *testing.T) crypto.Signer {
		return ssltest.Must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	},
	"ECDSA":   func(t *testing.T) crypto.Signer { return ecdsaKey(t, elliptic.P256()) },
	"P-384":   func(t *testing.T) crypto.Signer { return ecdsaKey(t, elliptic.P384()) },
	"Ed25519": func(t *testing.T) crypto.Signer { return edKey(t) },
}

func ecdsaKey(t *testing.T, c elliptic.Curve) *ecdsa.PrivateKey {
	return ssltest.Must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(c, rand.Reader))
}

func edKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// bare is the Certificate of a key alone, and the public key in DER.
func bare(t *testing.T, key crypto.Signer) (ssl.Certificate, []byte) {
	t.Helper()
	return ssltest.Must[ssl.Certificate](t)(ssl.CertificateFromKey(key)),
		ssltest.Must[[]byte](t)(x509.MarshalPKIXPublicKey(key.Public()))
}

// rawServer shows a new key, and its client expects it.
func rawServer(t *testing.T) (srv, cli *ssl.Config) {
	cert, public := bare(t, edKey(t))
	return &ssl.Config{Certificates: []ssl.Certificate{cert}, CertificateTypes: rawTypes},
		&ssl.Config{ServerName: "localhost", PeerCertificateTypes: rawTypes, PeerRawPublicKeys: [][]byte{public}}
}

// rawBoth is rawServer with a client that shows a new key, too, which the server demands; public is that key.
func rawBoth(t *testing.T) (srv, cli *ssl.Config, public []byte) {
	srv, cli = rawServer(t)
	cert, public := bare(t, edKey(t))
	cli.Certificates, cli.CertificateTypes = []ssl.Certificate{cert}, rawTypes
	srv.ClientAuth = ssl.RequireAndVerifyClientCert
	srv.PeerCertificateTypes, srv.PeerRawPublicKeys = rawTypes, [][]byte{public}
	return srv, cli, public
}

// versions are changes of a Config.
var rawVersions = map[string]func(*ssl.Config){
	"TLS 1.2": ssltest.Version(ssl.VersionTLS12), "TLS 1.3": ssltest.Version(ssl.VersionTLS13),
}

func TestRawKeysNeedOpenSSL32(t *testing.T) {
	leakcheck.Test(t)
	key := edKey(t)
	public := ssltest.Must[[]byte](t)(x509.MarshalPKIXPublicKey(key.Public()))
	cli := ssltest.ClientConfig(t)
	cli.PeerCertificateTypes, cli.PeerRawPublicKeys = []ssl.CertificateType{rawType, x509Type}, [][]byte{public}
	srv := ssltest.ServerConfig(t)
	srv.CertificateTypes = []ssl.CertificateType{rawType, x509Type}
	_, made := ssl.CertificateFromKey(key)
	_, read := ssl.LoadPrivateKey(ssltest.CertFile("server-ecdsa.key"), nil)
	plain := ssltest.ServerConfig(t)
	plain.CertificateTypes = []ssl.CertificateType{x509Type}
	if err := plain.CheckServer(); err != nil {
		t.Errorf("certificates alone, said in words: %v", err)
	}
	for what, err := range map[string]error{
		" PeerCertificateTypes": cli.CheckClient(), " CertificateTypes": srv.CheckServer(),
		"CertificateFromKey": made, "LoadPrivateKey": read,
	} {
		if ssltest.LibraryRelease() < "3.2" {
			ssltest.Refuses(t, what, err, ssl.ErrUnsupported)
			if !strings.Contains(fmt.Sprint(err), what) {
				t.Errorf("the error does not name%s: %v", what, err)
			}
		} else if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Each type of key, in each version, on both sides.
func TestRawKeys(t *testing.T) {
	needRaw(t)
	for kind, key := range privateKeys {
		for version, set := range rawVersions {
			t.Run(kind+"/"+version, func(t *testing.T) {
				srv, cli, _ := rawBoth(t)
				sCert, sPublic := bare(t, key(t))
				cCert, cPublic := bare(t, key(t))
				srv.Certificates, srv.PeerRawPublicKeys = []ssl.Certificate{sCert}, [][]byte{cPublic}
				cli.Certificates, cli.PeerRawPublicKeys = []ssl.Certificate{cCert}, [][]byte{sPublic}
				set(srv)
				p := ssltest.Meet(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), nil)
				defer p.CloseBoth()
				wantRaw(t, p.Client, sPublic, true)
				wantRaw(t, p.Server, cPublic, true)
				if v := ssl.VersionName(p.Client.ConnectionState().Version); v != version {
					t.Errorf("it is %s", v)
				}
			})
		}
	}
}

// wantRaw checks what a connection knows of a peer with a raw public key, both sides having shown one.
func wantRaw(t *testing.T, c *ssl.Conn, public []byte, verified bool) {
	t.Helper()
	s := c.ConnectionState()
	if !bytes.Equal(s.PeerRawPublicKey, public) || s.PeerCertificateType != rawType || s.Verified != verified {
		t.Errorf("the peer has shown %x, %v, verified %t", s.PeerRawPublicKey, s.PeerCertificateType, s.Verified)
	}
	if n := len(s.PeerCertificates) + len(s.VerifiedChain) + len(s.LocalCertificates); n != 0 {
		t.Errorf("there are %d certificates", n)
	}
	if !s.DidResume && s.LocalCertificateType != rawType || s.DidResume && s.LocalCertificateType != x509Type {
		t.Errorf("this side has shown %v, resumed %t", s.LocalCertificateType, s.DidResume)
	}
	if std := s.TLS(); len(std.PeerCertificates)+len(std.VerifiedChains) != 0 {
		t.Errorf("crypto/tls would see certificates")
	}
	session := ssltest.SessionOf(t, c)
	if der := ssltest.Get(t, session.PeerRawPublicKey); !bytes.Equal(der, public) {
		t.Errorf("the session has %x", der)
	}
	if cert := ssltest.Get(t, session.PeerCertificate); cert != nil {
		t.Errorf("the session has the certificate %v", cert.Subject)
	}
}

// A server shows the first of its types that the client takes, and a certificate if the client knows of none.
func TestCertificateTypesAreNegotiated(t *testing.T) {
	needRaw(t)
	both, swapped := []ssl.CertificateType{rawType, x509Type}, []ssl.CertificateType{x509Type, rawType}
	x509Only := []ssl.CertificateType{x509Type}
	spki := ssltest.KeyPair(t, "server-ecdsa").Leaf().RawSubjectPublicKeyInfo
	for _, tt := range []struct {
		own, peer []ssl.CertificateType
		want      string
	}{
		{both, both, "RawPublicKey"}, {both, swapped, "RawPublicKey"}, {swapped, both, "X509"},
		{both, nil, "X509"}, {both, x509Only, "X509"}, {nil, both, "X509"}, {x509Only, both, "X509"},
		{rawTypes, both, "RawPublicKey"}, {both, rawTypes, "RawPublicKey"},
		{rawTypes, nil, "server: type"}, {nil, rawTypes, "client: type"}, {x509Only, rawTypes, "client: type"},
	} {
		for version, set := range rawVersions {
			t.Run(fmt.Sprint(tt.own, tt.peer, version), func(t *testing.T) {
				srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
				srv.CertificateTypes, cli.PeerCertificateTypes = tt.own, tt.peer
				set(srv)
				for _, typ := range tt.peer {
					if typ == rawType {
						cli.PeerRawPublicKeys = [][]byte{spki}
					}
				}
				if len(tt.peer) == 1 && tt.peer[0] == rawType {
					cli.RootCAs = nil
				}
				p := ssltest.NewTCPPair(t, cli, srv)
				c, s := p.Shake()
				got := p.Client.ConnectionState().PeerCertificateType.String()
				switch {
				case errors.Is(c, ssl.ErrCertificateType):
					got = "client: type"
				case errors.Is(s, ssl.ErrCertificateType):
					got = "server: type"
				case c != nil || s != nil:
					got = fmt.Sprint(c, s)
				case p.Server.ConnectionState().LocalCertificateType.String() != got:
					t.Error("the server says that it has shown something else")
				}
				if got != tt.want {
					t.Errorf("%s, want %s", got, tt.want)
				}
				if x509Shown := got == "X509"; x509Shown != (len(p.Client.ConnectionState().PeerCertificates) > 0) ||
					x509Shown != (len(p.Server.ConnectionState().LocalCertificates) > 0) {
					t.Error("the certificates are not there, or are")
				}
			})
		}
	}
}

// What ClientAuth demands of clients with a raw public key, with an unknown one, a certificate, or nothing.
func TestRawClients(t *testing.T) {
	needRaw(t)
	known, public := bare(t, edKey(t))
	stranger, other := bare(t, edKey(t))
	shows := func(cert ssl.Certificate) func(*ssl.Config) {
		return func(c *ssl.Config) { c.Certificates, c.CertificateTypes = []ssl.Certificate{cert}, rawTypes }
	}
	clients := map[string]func(*ssl.Config){
		"known": shows(known), "stranger": shows(stranger),
		"X509":    func(c *ssl.Config) { c.Certificates = ssltest.KeyPairs(t, []string{"client"}) },
		"nothing": func(*ssl.Config) {},
	}
	for auth, admitted := range map[ssl.ClientAuthType]map[string]bool{
		ssl.RequestClientCert:          {"known": true, "stranger": true, "nothing": true},
		ssl.RequireAnyClientCert:       {"known": true, "stranger": true},
		ssl.VerifyClientCertIfGiven:    {"known": true, "nothing": true},
		ssl.RequireAndVerifyClientCert: {"known": true},
	} {
		for client, set := range clients {
			for version, setVersion := range rawVersions {
				t.Run(fmt.Sprint(auth, client, version), func(t *testing.T) {
					srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
					srv.ClientAuth, srv.PeerCertificateTypes = auth, rawTypes
					if auth >= ssl.VerifyClientCertIfGiven {
						srv.PeerRawPublicKeys = [][]byte{public}
					}
					set(cli)
					setVersion(srv)
					p := ssltest.NewTCPPair(t, cli, srv)
					_, err := p.ShakeUntilClosed()
					if (err == nil) != admitted[client] {
						t.Fatalf("the server says %v", err)
					}
					state := p.Server.ConnectionState()
					want := map[string][]byte{"known": public, "stranger": other}[client]
					if err == nil && (!bytes.Equal(state.PeerRawPublicKey, want) ||
						state.Verified != (auth >= ssl.VerifyClientCertIfGiven && want != nil)) {
						t.Errorf("%x, verified %t", state.PeerRawPublicKey, state.Verified)
					}
					if client == "X509" && !errors.Is(err, ssl.ErrCertificateType) {
						t.Errorf("a certificate: %v", err)
					}
				})
			}
		}
	}
}

// A server of both types takes clients of either.
func TestRawAndOtherClients(t *testing.T) {
	needRaw(t)
	cert, public := bare(t, ecdsaKey(t, elliptic.P256()))
	srv := ssltest.ServerConfig(t)
	srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
	srv.PeerCertificateTypes, srv.PeerRawPublicKeys = []ssl.CertificateType{x509Type, rawType}, [][]byte{public}
	sctx := ssltest.NewServerCtx(t, srv)
	cli := ssltest.ClientConfig(t)
	cli.Certificates = ssltest.KeyPairs(t, []string{"client"})
	p := ssltest.Meet(t, ssltest.NewClientCtx(t, cli), sctx, nil)
	ssltest.WantClient(t, p.Server, ssltest.ClientName)
	p.CloseBoth()
	cli.Certificates, cli.CertificateTypes = []ssl.Certificate{cert}, rawTypes
	p = ssltest.Meet(t, ssltest.NewClientCtx(t, cli), sctx, nil)
	defer p.CloseBoth()
	if s := p.Server.ConnectionState(); !bytes.Equal(s.PeerRawPublicKey, public) || !s.Verified {
		t.Errorf("%x, verified %t", s.PeerRawPublicKey, s.Verified)
	}
}

// VerifyConnection sees the key, and can refuse it.
func TestRawKeyIsJudged(t *testing.T) {
	needRaw(t)
	for version, set := range rawVersions {
		for _, insecure := range []bool{false, true} {
			t.Run(fmt.Sprint(version, insecure), func(t *testing.T) {
				srv, cli, _ := rawBoth(t)
				set(srv)
				public := cli.PeerRawPublicKeys[0]
				if insecure {
					cli.InsecureSkipVerify, cli.PeerRawPublicKeys = true, nil
				}
				seen := map[string]ssl.ConnectionState{}
				cli.VerifyConnection = func(s ssl.ConnectionState) error { seen["client"] = s; return nil }
				srv.VerifyConnection = func(s ssl.ConnectionState) error { seen["server"] = s; return nil }
				p := ssltest.Meet(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), nil)
				p.CloseBoth()
				s := seen["client"]
				if !bytes.Equal(s.PeerRawPublicKey, public) || s.Verified == insecure ||
					s.PeerCertificateType != rawType {
					t.Errorf("the client's sees %x, verified %t", s.PeerRawPublicKey, s.Verified)
				}
				if s := seen["server"]; !bytes.Equal(s.PeerRawPublicKey, srv.PeerRawPublicKeys[0]) || !s.Verified {
					t.Errorf("the server's sees %x, verified %t", s.PeerRawPublicKey, s.Verified)
				}
				cli.VerifyConnection = func(ssl.ConnectionState) error { return ssltest.ErrRefused }
				p = ssltest.NewTCPPair(t, cli, srv)
				if c, s := p.Shake(); !errors.Is(c, ssltest.ErrRefused) || ssltest.AlertOf(s) != 42 {
					t.Errorf("the client says %v, the server %v", c, s)
				}
			})
		}
	}
}

// The same key as a certificate's and alone; a crypto.Signer; a key that is read from a file; several keys.
func TestRawKeySources(t *testing.T) {
	needRaw(t)
	pair := ssltest.KeyPair(t, "server-rsa")
	spki := pair.Leaf().RawSubjectPublicKeyInfo
	file := ssltest.Must[ssl.Certificate](t)(ssl.LoadPrivateKey(ssltest.CertFile("server-rsa.key"), nil))
	sealed := ssltest.Must[ssl.Certificate](t)(ssl.LoadPrivateKey(ssltest.CertFile("server-ecdsa.enc.key"),
		func() ([]byte, error) { return []byte("sessl-test"), nil }))
	ecSPKI := ssltest.KeyPair(t, "server-ecdsa").Leaf().RawSubjectPublicKeyInfo
	key := ecdsaKey(t, elliptic.P256())
	signer := ssltest.Must[ssl.Certificate](t)(ssl.CertificateFromKey(struct{ crypto.Signer }{key}))
	_, signerSPKI := bare(t, key)
	ed, edSPKI := bare(t, edKey(t))
	for name, tt := range map[string]struct {
		certs []ssl.Certificate
		want  []byte
		set   func(cli *ssl.Config)
	}{
		"certificate": {[]ssl.Certificate{pair}, spki, nil}, "file": {[]ssl.Certificate{file}, spki, nil},
		"encrypted file":   {[]ssl.Certificate{sealed}, ecSPKI, nil},
		"signer":           {[]ssl.Certificate{signer}, signerSPKI, nil},
		"first of several": {[]ssl.Certificate{ed, file}, edSPKI, nil},
		"the one that fits": {[]ssl.Certificate{ed, file}, spki, func(cli *ssl.Config) {
			cli.SignatureSchemes = []tls.SignatureScheme{tls.PSSWithSHA256, tls.PKCS1WithSHA256}
		}},
	} {
		for version, set := range rawVersions {
			t.Run(name+"/"+version, func(t *testing.T) {
				srv := &ssl.Config{Certificates: tt.certs, CertificateTypes: rawTypes}
				cli := &ssl.Config{PeerCertificateTypes: rawTypes, PeerRawPublicKeys: [][]byte{tt.want}}
				if tt.set != nil {
					tt.set(cli)
				}
				set(srv)
				p := ssltest.Meet(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), nil)
				defer p.CloseBoth()
				wantClientSees(t, p.Client, tt.want)
			})
		}
	}
	if file.Leaf() != nil || fmt.Sprintf("%#v", file) != "ssl.Certificate(a key alone)" {
		t.Errorf("a key alone has the leaf %v and is %#v", file.Leaf(), file)
	}
	if err := file.SetOCSPStaple(ssltest.ReadFile(t, "server-rsa.ocsp")); err == nil {
		t.Error("a key alone takes a staple")
	}
}

// A key of a type that Go has no name for is loaded, shown and expected.
func TestRawKeyUnknownToGo(t *testing.T) {
	needRaw(t)
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(ed448Key), 0o600); err != nil {
		t.Fatal(err)
	}
	public, _ := pem.Decode([]byte(ed448Public))
	cert := ssltest.Must[ssl.Certificate](t)(ssl.LoadPrivateKey(file, nil))
	for version, set := range rawVersions {
		srv := &ssl.Config{Certificates: []ssl.Certificate{cert}, CertificateTypes: rawTypes}
		cli := &ssl.Config{PeerCertificateTypes: rawTypes, PeerRawPublicKeys: [][]byte{public.Bytes}}
		set(srv)
		p := ssltest.NewTCPPair(t, cli, srv)
		if c, s := p.Shake(); c != nil || s != nil {
			t.Errorf("%s: %v, %v", version, c, s)
		}
		wantClientSees(t, p.Client, public.Bytes)
		p.CloseBoth()
	}
}

const ed448Key = `-----BEGIN PRIVATE KEY-----
MEcCAQAwBQYDK2VxBDsEOS5Wtr5XsTdQ8gmwNgv6cCtj/eZ32VDT4SaveZvPVgXP
nNlGveMFdFAhmgynugTPbgoIUFZlqbiJaw==
-----END PRIVATE KEY-----`

const ed448Public = `-----BEGIN PUBLIC KEY-----
MEMwBQYDK2VxAzoAzSdVLZZcbN7wcWjS/0Cq4jFRz8cSwMAg2OItI69xmt93CfGS
gFr3jv7jixRJii2aQ2XbPxGBC74A
-----END PUBLIC KEY-----`

func wantClientSees(t *testing.T, c *ssl.Conn, public []byte) {
	t.Helper()
	if got := c.ConnectionState().PeerRawPublicKey; !bytes.Equal(got, public) {
		t.Errorf("the client sees %x, want %x", got, public)
	}
}
