package ssl_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// resigned is the root with a part of what is signed replaced, and signed again by its key.
func (root *signed) resigned(t testing.TB, old, new []byte) *signed {
	t.Helper()
	var cert struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(root.cert.Raw, &cert); err != nil {
		t.Fatal(err)
	}
	if len(old) != len(new) || bytes.Count(cert.TBS.FullBytes, old) != 1 {
		t.Fatal("not once there")
	}
	cert.TBS.FullBytes = bytes.Replace(cert.TBS.FullBytes, old, new, 1)
	sum := sha256.Sum256(cert.TBS.FullBytes)
	sig, err := ecdsa.SignASN1(rand.Reader, root.key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	cert.Signature = asn1.BitString{Bytes: sig, BitLength: 8 * len(sig)}
	der, err := asn1.Marshal(cert)
	if err != nil {
		t.Fatal(err)
	}
	return &signed{cert: root.cert, key: root.key, pem: pemOf("CERTIFICATE", der)}
}

// negativeRoot has a negative serial number, as a root of 2021 had.
func negativeRoot(t testing.TB) *signed {
	t.Helper()
	root := newRoot(t)
	serial := root.cert.SerialNumber.Bytes()
	odd := bytes.Clone(serial)
	odd[0] |= 0x80
	r := root.resigned(t, serial, odd)
	if b, _ := pem.Decode(r.pem); second(x509.ParseCertificate(b.Bytes)) == nil {
		t.Fatal("crypto/x509 reads it")
	}
	return r
}

var (
	oidP256    = []byte{0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}
	oidUnknown = []byte{0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 99}
)

// badRoots are what nothing can be verified by.
func badRoots(t testing.TB) map[string][]byte {
	good := newRoot(t)
	lines := strings.SplitAfter(string(good.pem), "\n")
	short := pemOf("CERTIFICATE", good.cert.Raw[:len(good.cert.Raw)-1])
	return map[string][]byte{
		"an unknown curve":       good.resigned(t, oidP256, oidUnknown).pem,
		"cut off":                short,
		"no certificate":         pemOf("CERTIFICATE", []byte("text")),
		"an empty block":         []byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"),
		"a damaged line":         []byte(lines[0] + "!" + strings.Join(lines[1:], "")),
		"no end":                 []byte(strings.Join(lines[:len(lines)-2], "")),
		"another end":            bytes.Replace(good.pem, []byte("END CERTIFICATE"), []byte("END X509 CERTIFICATE"), 1),
		"damaged trust settings": pemOf("TRUSTED CERTIFICATE", append(bytes.Clone(good.cert.Raw), "text"...)),
	}
}

// One odd root does not take the others along, wherever it stands and whatever reads it: what
// OpenSSL can use is used, what nothing can use is reported.
func TestOddRootAmongOthers(t *testing.T) {
	leakcheck.Test(t)
	negative := negativeRoot(t)
	for what, bad := range badRoots(t) {
		a, b := newRoot(t), newRoot(t)
		bundle := bytes.Join([][]byte{[]byte("# two good ones\n"), a.pem, bad, negative.pem, b.pem}, nil)
		file := filepath.Join(t.TempDir(), "bundle.pem")
		putFile(t, file, bundle)
		loaded, err := ssl.LoadCertPool(file)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		appended := ssl.NewCertPool()
		if err := appended.AppendCerts(bundle); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		t.Setenv("SSL_CERT_FILE", file)
		t.Setenv("SSL_CERT_DIR", "")
		for how, pool := range map[string]*ssl.CertPool{"LoadCertPool": loaded, "AppendCerts": appended, "SSL_CERT_FILE": ssl.SystemCertPool()} {
			odd := pool.Skipped()
			if len(odd) != 1 || !errors.Is(odd[0], ssl.ErrMalformed) || !strings.Contains(odd[0].Error(), "certificate 2: ") || how != "AppendCerts" && !strings.Contains(odd[0].Error(), file) {
				t.Errorf("%s, %s: reported %v", what, how, odd)
			}
			cctx := newClientCtx(t, &ssl.Config{ServerName: "localhost", RootCAs: pool})
			for i, root := range []*signed{a, b, negative} {
				if !trusts(t, cctx, root) {
					t.Errorf("%s, %s: root %d is not trusted", what, how, i)
				}
			}
		}
		putFile(t, file, bad)
		refuses(t, what+" alone", second(ssl.LoadCertPool(file)), ssl.ErrMalformed)
		refuses(t, what+" alone", appended.AppendCerts(bad), ssl.ErrMalformed)
		if pool := ssl.SystemCertPool(); len(pool.Skipped()) != 1 || trusts(t, newClientCtx(t, systemClient), a) {
			t.Errorf("%s alone: %v", what, pool.Skipped())
		}
	}
}

// A server verified by a root that crypto/x509 cannot read is resumed, in every form and on
// both sides.
func TestOddRootResumes(t *testing.T) {
	root := negativeRoot(t)
	for _, fm := range agingForms {
		t.Run(fm.name, func(t *testing.T) {
			leakcheck.Test(t)
			pool := ssl.NewCertPool()
			if err := pool.AppendCerts(root.pem); err != nil {
				t.Fatal(err)
			}
			srv := &ssl.Config{Certificates: []ssl.Certificate{root.pair(t)}, ClientAuth: ssl.RequireAndVerifyClientCert, ClientCAs: pool, MaxVersion: fm.version}
			cli := &ssl.Config{Certificates: []ssl.Certificate{root.pair(t)}, RootCAs: pool, ServerName: "localhost", MaxVersion: fm.version}
			a, cctx := newAging(t, srv, fm.setup(t, srv)), newClientCtx(t, cli)
			s := wantVisit(t, cctx, a.next(), nil, false)
			wantVisit(t, cctx, a.next(), s, true)
		})
	}
}

// AddCert takes what crypto/x509 has read, and says what OpenSSL does not take of it.
func TestAddCertOfOddRoot(t *testing.T) {
	leakcheck.Test(t)
	root, pool := newRoot(t), ssl.NewCertPool()
	pool.AddCert(nil)
	pool.AddCert(root.cert)
	if odd := pool.Skipped(); len(odd) > 0 {
		t.Error(odd)
	}
	pool.AddCert(&x509.Certificate{Raw: root.cert.Raw[:100]})
	pool.AddCert(&x509.Certificate{})
	if odd := pool.Skipped(); len(odd) != 2 || !errors.Is(odd[0], ssl.ErrMalformed) || !errors.Is(odd[1], ssl.ErrMalformed) {
		t.Error(odd)
	}
	if !trusts(t, newClientCtx(t, &ssl.Config{ServerName: "localhost", RootCAs: pool}), root) {
		t.Error("not trusted")
	}
}

// Trust settings of a TRUSTED CERTIFICATE count: one that is rejected for servers is no root of
// servers, in a pool and among the system's, and no session says otherwise.
func TestTrustSettings(t *testing.T) {
	leakcheck.Test(t)
	root := newRoot(t)
	serverAuth := []byte{0x06, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1}
	aux := func(tag byte) []byte { // trust for, or [0] reject
		list := append([]byte{tag, byte(len(serverAuth))}, serverAuth...)
		return pemOf("TRUSTED CERTIFICATE", append(append(bytes.Clone(root.cert.Raw), 0x30, byte(len(list))), list...))
	}
	sctx := newServerCtx(t, &ssl.Config{Certificates: []ssl.Certificate{root.pair(t)}})
	file := filepath.Join(t.TempDir(), "roots.pem")
	t.Setenv("SSL_CERT_FILE", file)
	t.Setenv("SSL_CERT_DIR", "")
	for _, pool := range []bool{true, false} {
		var s *ssl.Session
		for _, c := range []struct {
			what string
			data []byte
			want bool
		}{{"plain", root.pem, true}, {"trusted", aux(0x30), true}, {"rejected", aux(0xa0), false}} {
			cfg := copyOf(systemClient, func(c *ssl.Config) {})
			putFile(t, file, c.data)
			if pool {
				p, err := ssl.LoadCertPool(file)
				if err != nil {
					t.Fatal(c.what, err)
				}
				cfg.RootCAs = p
			}
			cctx := newClientCtx(t, cfg)
			if trusts(t, cctx, root) != c.want {
				t.Errorf("%s: trusted is %t", c.what, !c.want)
			}
			if c.want {
				s = madeWith(t, cfg, sctx)
				continue
			}
			x, y := tcpPipe(t)
			p := newPair(t, cctx, sctx, x, y)
			if err := p.client.SetSession(s); err != nil {
				t.Fatal(err)
			}
			if cerr, _ := p.shake(); cerr == nil {
				t.Errorf("%s: passed, resumed is %t", c.what, p.client.SessionReused())
			}
			p.closeBoth()
		}
	}
}

// The whole bundle of the machine, if it has one, is taken by both ways to it.
func TestSystemBundle(t *testing.T) {
	leakcheck.Test(t)
	const bundle = "/etc/ssl/certs/ca-certificates.crt"
	if _, err := os.Stat(bundle); err != nil {
		t.Log("no bundle here:", err)
		return
	}
	pool, err := ssl.LoadCertPool(bundle)
	if err != nil || len(pool.Skipped()) > 0 {
		t.Error(err, pool.Skipped())
	}
	if odd := ssl.SystemCertPool().Skipped(); len(odd) > 0 {
		t.Error(odd)
	}
}
