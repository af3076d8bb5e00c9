package conns_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A key that is not expected ends the handshake of either side, and the error says which it was.
func TestUnexpectedRawKey(t *testing.T) {
	needRaw(t)
	for version, set := range rawVersions {
		for _, side := range []string{"client", "server"} {
			t.Run(version+"/"+side, func(t *testing.T) {
				srv, cli, public := rawBoth(t)
				set(srv)
				_, other := bare(t, edKey(t))
				shown := public
				if side == "client" {
					shown, cli.PeerRawPublicKeys = cli.PeerRawPublicKeys[0], [][]byte{other, public}
				} else {
					srv.PeerRawPublicKeys = [][]byte{other}
				}
				p := ssltest.NewTCPPair(t, cli, srv)
				err, told := p.Shake()
				if side == "server" {
					err, told = told, ssltest.ErrorOf(p.Client.Read(make([]byte, 1)))
				}
				v := ssltest.RefusalOf(t, err)
				if !bytes.Equal(v.PeerRawPublicKey, shown) || v.Certificate != nil {
					t.Errorf("the error is about %x, and %v", v.PeerRawPublicKey, v.Certificate)
				}
				want := fmt.Sprintf("ssl: handshake: peer's raw public key refused: it is none of PeerRawPublicKeys "+
					"(SHA-256 %x)", sha256.Sum256(shown))
				if !strings.HasPrefix(err.Error(), want) {
					t.Errorf("it says %q", err)
				}
				var std *tls.CertificateVerificationError
				if !errors.As(err, &std) || len(std.UnverifiedCertificates) != 0 || std.Err == nil {
					t.Errorf("crypto/tls would say %v", std)
				}
				if ssltest.AlertOf(told) != 46 && ssltest.AlertOf(told) != 42 {
					t.Errorf("the peer was told %v", told)
				}
			})
		}
	}
}

// A client that takes keys alone refuses a certificate, whatever it would say, and so does a server.
func TestCertificateInsteadOfRawKey(t *testing.T) {
	needRaw(t)
	spki := ssltest.KeyPair(t, "server-ecdsa").Leaf().RawSubjectPublicKeyInfo
	for version, set := range rawVersions {
		for _, insecure := range []bool{false, true} {
			srv, cli := ssltest.ServerConfig(t), &ssl.Config{ServerName: "localhost", PeerCertificateTypes: rawTypes}
			set(srv)
			if cli.InsecureSkipVerify = insecure; !insecure {
				cli.PeerRawPublicKeys = [][]byte{spki}
			}
			p := ssltest.NewTCPPair(t, cli, srv)
			err, told := p.Shake()
			v := ssltest.RefusalOf(t, err)
			if v.PeerRawPublicKey != nil || !errors.Is(err, ssl.ErrCertificateType) ||
				!strings.Contains(err.Error(), "PeerCertificateTypes") {
				t.Errorf("%s, insecure %t: %v", version, insecure, err)
			}
			if !v.Certificate.Equal(ssltest.KeyPair(t, "server-ecdsa").Leaf()) {
				t.Errorf("%s, insecure %t: the error has the certificate %v", version, insecure, v.Certificate)
			}
			if ssltest.AlertOf(told) != 43 { // unsupported_certificate
				t.Errorf("%s: the server was told %v", version, told)
			}
		}
	}
}

// A key that is expected but too weak for the security level is refused.
func TestWeakRawKey(t *testing.T) {
	needRaw(t)
	weak := ssltest.Must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	cert, public := bare(t, weak)
	_, other := bare(t, edKey(t)) // or the list would be refused
	srv := &ssl.Config{Certificates: []ssl.Certificate{cert}, CertificateTypes: rawTypes}
	for level, want := range map[int]bool{2: true, 3: false} {
		cli := &ssl.Config{PeerCertificateTypes: rawTypes, PeerRawPublicKeys: [][]byte{public, other}}
		cli.SecurityLevel = level
		p := ssltest.NewTCPPair(t, cli, srv)
		err, _ := p.Shake()
		if (err == nil) != want {
			t.Errorf("level %d: %v", level, err)
		}
		if !want && !bytes.Equal(ssltest.RefusalOf(t, err).PeerRawPublicKey, public) {
			t.Errorf("level %d: %v", level, err)
		}
	}
}

// bigKey has the primes of Mersenne with these exponents, and so as many bits as both together.
func bigKey(p, q uint) *rsa.PrivateKey {
	one, e := big.NewInt(1), big.NewInt(65537)
	below := func(n uint) *big.Int { return new(big.Int).Sub(new(big.Int).Lsh(one, n), big.NewInt(2)) }
	primes := []*big.Int{new(big.Int).Add(below(p), one), new(big.Int).Add(below(q), one)}
	key := &rsa.PrivateKey{Primes: primes, D: new(big.Int).Mul(below(p), below(q))}
	key.D.ModInverse(e, key.D)
	key.N, key.E = new(big.Int).Mul(primes[0], primes[1]), int(e.Int64())
	return key
}

// A key of RSA over 8192 bits is refused, as in a certificate, also where any key would do, and the error
// has it.
func TestBigRawKey(t *testing.T) {
	needRaw(t)
	cert, public := bare(t, bigKey(4423, 4253))
	for version, set := range rawVersions {
		for _, insecure := range []bool{false, true} {
			srv, cli, _ := rawBoth(t)
			set(srv)
			srv.Certificates = []ssl.Certificate{cert}
			if cli.InsecureSkipVerify = insecure; insecure {
				cli.PeerRawPublicKeys = nil
			}
			p := ssltest.NewTCPPair(t, cli, srv)
			err, told := p.Shake()
			want := fmt.Sprintf("peer's raw public key refused: key of 8676 bits, more than 8192 are not accepted "+
				"(SHA-256 %x)", sha256.Sum256(public))
			if v := ssltest.RefusalOf(t, err); !bytes.Equal(v.PeerRawPublicKey, public) ||
				!strings.Contains(err.Error(), want) {
				t.Errorf("%s, insecure %t: %d bytes of key, %v", version, insecure, len(v.PeerRawPublicKey), err)
			}
			if ssltest.AlertOf(told) != ssltest.AlertBadCertificate {
				t.Errorf("%s: the server was told %v", version, told)
			}
		}
		srv, cli, _ := rawBoth(t)
		set(srv)
		cli.Certificates = []ssl.Certificate{cert}
		_, err := ssltest.NewTCPPair(t, cli, srv).ShakeUntilClosed()
		if v := ssltest.RefusalOf(t, err); !bytes.Equal(v.PeerRawPublicKey, public) {
			t.Errorf("%s: a server says %v", version, err)
		}
	}
}

func TestRawKeyMistakes(t *testing.T) {
	needRaw(t)
	cert, public := bare(t, edKey(t))
	_, cli := rawServer(t)
	srv := ssltest.ServerConfig(t)
	srv.ClientAuth, srv.PeerCertificateTypes = ssl.RequireAndVerifyClientCert, rawTypes
	srv.PeerRawPublicKeys = [][]byte{public}
	if err := errors.Join(cli.CheckClient(), srv.CheckServer()); err != nil {
		t.Fatal(err)
	}
	both := []ssl.CertificateType{rawType, x509Type}
	for what, change := range map[string]func(*ssl.Config){
		"no list":         func(c *ssl.Config) { c.PeerRawPublicKeys = nil },
		"an empty list":   func(c *ssl.Config) { c.PeerRawPublicKeys = [][]byte{} },
		"no type":         func(c *ssl.Config) { c.PeerCertificateTypes = nil },
		"certificates":    func(c *ssl.Config) { c.PeerCertificateTypes = []ssl.CertificateType{x509Type} },
		"OpenPGP":         func(c *ssl.Config) { c.PeerCertificateTypes = []ssl.CertificateType{1, rawType} },
		"twice":           func(c *ssl.Config) { c.PeerCertificateTypes = []ssl.CertificateType{rawType, rawType} },
		"its own twice":   func(c *ssl.Config) { c.CertificateTypes = []ssl.CertificateType{rawType, rawType} },
		"no key":          func(c *ssl.Config) { c.PeerRawPublicKeys = [][]byte{[]byte("key")} },
		"nothing":         func(c *ssl.Config) { c.PeerRawPublicKeys = [][]byte{nil} },
		"bytes behind it": func(c *ssl.Config) { c.PeerRawPublicKeys = [][]byte{append(bytes.Clone(public), 0)} },
		"a key as X.509":  func(c *ssl.Config) { c.Certificates = []ssl.Certificate{cert} },
		"a key as both": func(c *ssl.Config) {
			c.Certificates, c.CertificateTypes = []ssl.Certificate{cert}, both
		},
		"a depth":   func(c *ssl.Config) { c.VerifyDepth = 1 },
		"a purpose": func(c *ssl.Config) { c.VerifyPurpose = ssl.PurposeInsecureAny },
	} {
		ssltest.Refuses(t, "client: "+what, ssltest.CopyOf(cli, change).CheckClient(), ssl.ErrConfig)
		ssltest.Refuses(t, "server: "+what, ssltest.CopyOf(srv, change).CheckServer(), ssl.ErrConfig)
	}
	roots, ech := ssltest.Roots(t, "ca"), echKey(t).Config
	list := append([]byte{0, byte(len(ech))}, ech...)
	for what, change := range map[string]func(*ssl.Config){
		"PSKOnly": func(c *ssl.Config) {
			c.PSKs, c.PSKOnly = []ssl.PSK{ssltest.Must[ssl.PSK](t)(ssl.NewPSK("me", ssltest.Secret[:32], 0))}, true
		},
		"roots":                 func(c *ssl.Config) { c.RootCAs = roots },
		"InsecureSkipVerify":    ssltest.Insecure,
		"Encrypted ClientHello": func(c *ssl.Config) { c.EncryptedClientHelloConfigList = list },
	} {
		ssltest.Refuses(t, "client: "+what, ssltest.CopyOf(cli, change).CheckClient(), ssl.ErrConfig)
	}
	for what, change := range map[string]func(*ssl.Config){
		"roots":           func(c *ssl.Config) { c.ClientCAs = roots },
		"clients unasked": func(c *ssl.Config) { c.ClientAuth = ssl.NoClientCert },
		"any client":      func(c *ssl.Config) { c.ClientAuth = ssl.RequireAnyClientCert },
		"both, no roots":  func(c *ssl.Config) { c.PeerCertificateTypes = both },
	} {
		ssltest.Refuses(t, "server: "+what, ssltest.CopyOf(srv, change).CheckServer(), ssl.ErrConfig)
	}
	if s := fmt.Sprint(rawType, x509Type, ssl.CertificateType(9)); s != "RawPublicKey X509 CertificateType(9)" {
		t.Error(s)
	}
}

// A list in which no key could ever be accepted is refused as none is, with the reason of the first; one key
// that could is enough.
func TestRawKeysOfNoUse(t *testing.T) {
	needRaw(t)
	_, cli := rawServer(t)
	srv := ssltest.ServerConfig(t)
	srv.ClientAuth, srv.PeerCertificateTypes = ssl.RequireAndVerifyClientCert, rawTypes
	public := func(key any) []byte { return ssltest.Must[[]byte](t)(x509.MarshalPKIXPublicKey(key)) }
	dh := ssltest.Must[*ecdh.PrivateKey](t)(ecdh.X25519().GenerateKey(rand.Reader))
	good, mute := cli.PeerRawPublicKeys[0], public(dh.PublicKey())
	rsa1128, rsa2048 := public(&bigKey(521, 607).PublicKey), public(privateKeys["RSA"](t).Public())
	rsa7470, rsa8676 := public(&bigKey(4253, 3217).PublicKey), public(&bigKey(4423, 4253).PublicKey)
	for _, tt := range []struct {
		keys  [][]byte
		level int
		want  string // "" for no error
	}{
		{[][]byte{rsa1128}, 2, "PeerRawPublicKeys would accept no key: key 0 has 80 bits of security, and " +
			"security level 2 demands 112"},
		{[][]byte{rsa2048}, 3, "key 0 has 112 bits of security, and security level 3 demands 128"},
		{[][]byte{rsa8676}, 2, "key 0 has a modulus of 8676 bits, and more than 8192 are not accepted"},
		{[][]byte{rsa8676}, ssl.InsecureSecurityLevel0, "8676"},
		{[][]byte{mute, rsa1128}, 2, "key 0 is of a type that does not sign"},
		{[][]byte{rsa1128}, 1, ""}, {[][]byte{rsa1128}, ssl.InsecureSecurityLevel0, ""},
		{[][]byte{rsa2048}, 2, ""}, {[][]byte{rsa7470}, 2, ""}, {[][]byte{rsa1128, rsa8676, good}, 2, ""},
	} {
		set := func(c *ssl.Config) { c.PeerRawPublicKeys, c.SecurityLevel = tt.keys, tt.level }
		for side, err := range map[string]error{
			"client": ssltest.CopyOf(cli, set).CheckClient(), "server": ssltest.CopyOf(srv, set).CheckServer(),
		} {
			if tt.want == "" && err != nil || tt.want != "" && !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("%s: %d keys at level %d: %v, want %q", side, len(tt.keys), tt.level, err, tt.want)
			}
			if tt.want != "" {
				ssltest.Refuses(t, side, err, ssl.ErrConfig)
			}
		}
	}
}

func TestKeyAloneMistakes(t *testing.T) {
	needRaw(t)
	file := func(name string) error {
		return ssltest.ErrorOf(ssl.LoadPrivateKey(ssltest.CertFile(name), nil))
	}
	made := func(key crypto.PrivateKey) error { return ssltest.ErrorOf(ssl.CertificateFromKey(key)) }
	ssltest.RefusesAll(t, []ssltest.Refusal{
		{What: "nil", Err: made(nil), Want: ssl.ErrMalformed},
		{What: "a nil key", Err: made((*rsa.PrivateKey)(nil)), Want: ssl.ErrMalformed},
		{What: "an empty key", Err: made(&rsa.PrivateKey{}), Want: ssl.ErrMalformed},
		{What: "no key", Err: made("key"), Want: ssl.ErrUnsupported},
		{What: "a certificate", Err: file("ca.pem"), Want: ssl.ErrMalformed},
		{What: "an encrypted key", Err: file("server-ecdsa.enc.key"), Want: ssl.ErrPassword},
	})
	if err := file("missing.key"); err == nil || !strings.Contains(err.Error(), "missing.key") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// A key alone cannot come to a Ctx that shows certificates by another way.
func TestKeyAloneIsNoCertificate(t *testing.T) {
	needRaw(t)
	cert, _ := bare(t, edKey(t))
	srv := ssltest.ServerConfig(t)
	srv.GetCertificate = func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) { return &cert, nil }
	p := ssltest.NewTCPPair(t, ssltest.ClientConfig(t), srv)
	if _, err := p.ShakeUntilClosed(); !errors.Is(err, ssl.ErrConfig) {
		t.Errorf("GetCertificate: %v", err)
	}
	reload := ssltest.Reloadable(t, "server-ecdsa")
	ctx := ssltest.NewServerCtx(t, &ssl.Config{ReloadableCertificates: reload})
	ssltest.Refuses(t, "Replace", reload.Replace(cert), ssl.ErrConfig)
	ctx.Close()
	if err := reload.Replace(cert); err != nil {
		t.Errorf("Replace that nobody uses: %v", err)
	}
	srv = &ssl.Config{ReloadableCertificates: reload}
	ssltest.Refuses(t, "a Ctx", srv.CheckServer(), ssl.ErrConfig)
	srv.CertificateTypes = rawTypes
	if err := srv.CheckServer(); err != nil {
		t.Error(err)
	}
}

// A client that shows keys alone shows nothing to a server that asks for certificates.
func TestRawClientOfAnOrdinaryServer(t *testing.T) {
	needRaw(t)
	key, _ := bare(t, edKey(t))
	for _, cert := range []ssl.Certificate{key, ssltest.KeyPair(t, "client")} {
		for version, set := range rawVersions {
			srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
			cli.Certificates, cli.CertificateTypes = []ssl.Certificate{cert}, rawTypes
			set(srv)
			srv.ClientAuth = ssl.RequestClientCert
			p := ssltest.NewTCPPair(t, cli, srv)
			p.MustShake(t)
			if n := len(p.Server.ConnectionState().PeerCertificates); n != 0 {
				t.Errorf("%s: the server got %d certificates", version, n)
			}
			if n := len(p.Client.ConnectionState().LocalCertificates); n != 0 {
				t.Errorf("%s: the client says that it has shown %d", version, n)
			}
		}
	}
}
