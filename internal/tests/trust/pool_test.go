package trust_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// negativeRoot has a negative serial number, as a root of 2021 had.
func negativeRoot(t testing.TB) *ssltest.Signed {
	t.Helper()
	root := ssltest.NewRoot(t)
	serial := root.Cert.SerialNumber.Bytes()
	odd := bytes.Clone(serial)
	odd[0] |= 0x80
	r := root.Resigned(t, serial, odd)
	if b, _ := pem.Decode(r.Pem); ssltest.ErrorAlone(x509.ParseCertificate(b.Bytes)) == nil {
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
	good := ssltest.NewRoot(t)
	lines := strings.SplitAfter(string(good.Pem), "\n")
	short := ssltest.PEMOf("CERTIFICATE", good.Cert.Raw[:len(good.Cert.Raw)-1])
	return map[string][]byte{
		"an unknown curve": good.Resigned(t, oidP256, oidUnknown).Pem,
		"cut off":          short,
		"no certificate":   ssltest.PEMOf("CERTIFICATE", []byte("text")),
		"an empty block":   []byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"),
		"a damaged line":   []byte(lines[0] + "!" + strings.Join(lines[1:], "")),
		"no end":           []byte(strings.Join(lines[:len(lines)-2], "")),
		"another end": bytes.Replace(good.Pem, []byte("END CERTIFICATE"), []byte("END X509 CERTIFICATE"),
			1),
		"damaged trust settings": ssltest.PEMOf("TRUSTED CERTIFICATE", append(bytes.Clone(good.Cert.Raw),
			"text"...)),
	}
}

// One odd root does not take the others along, wherever it stands and whatever reads it: what
// OpenSSL can use is used, what nothing can use is reported.
func TestOddRootAmongOthers(t *testing.T) {
	leakcheck.Test(t)
	negative := negativeRoot(t)
	for what, bad := range badRoots(t) {
		a, b := ssltest.NewRoot(t), ssltest.NewRoot(t)
		bundle := bytes.Join([][]byte{[]byte("# two good ones\n"), a.Pem, bad, negative.Pem, b.Pem}, nil)
		file := filepath.Join(t.TempDir(), "bundle.pem")
		ssltest.PutFile(t, file, bundle)
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
		for how, pool := range map[string]*ssl.CertPool{"LoadCertPool": loaded, "AppendCerts": appended,
			"SSL_CERT_FILE": ssl.SystemCertPool()} {
			odd := pool.Skipped()
			if len(odd) != 1 || !errors.Is(odd[0], ssl.ErrMalformed) || !strings.Contains(odd[0].Error(),
				"certificate 2: ") || how != "AppendCerts" && !strings.Contains(odd[0].Error(), file) {
				t.Errorf("%s, %s: reported %v", what, how, odd)
			}
			cctx := ssltest.NewClientCtx(t, &ssl.Config{ServerName: "localhost", RootCAs: pool})
			for i, root := range []*ssltest.Signed{a, b, negative} {
				if !ssltest.Trusts(t, cctx, root) {
					t.Errorf("%s, %s: root %d is not trusted", what, how, i)
				}
			}
		}
		ssltest.PutFile(t, file, bad)
		ssltest.Refuses(t, what+" alone", ssltest.ErrorAlone(ssl.LoadCertPool(file)), ssl.ErrMalformed)
		ssltest.Refuses(t, what+" alone", appended.AppendCerts(bad), ssl.ErrMalformed)
		if pool := ssl.SystemCertPool(); len(pool.Skipped()) != 1 || ssltest.Trusts(t,
			ssltest.NewClientCtx(t, ssltest.SystemClient), a) {
			t.Errorf("%s alone: %v", what, pool.Skipped())
		}
	}
}

// A server verified by a root that crypto/x509 cannot read is resumed, in every form and on
// both sides.
func TestOddRootResumes(t *testing.T) {
	root := negativeRoot(t)
	for _, fm := range ssltest.AgingForms {
		t.Run(fm.Name, func(t *testing.T) {
			leakcheck.Test(t)
			pool := ssl.NewCertPool()
			if err := pool.AppendCerts(root.Pem); err != nil {
				t.Fatal(err)
			}
			srv := &ssl.Config{Certificates: []ssl.Certificate{root.Pair(t)},
				ClientAuth: ssl.RequireAndVerifyClientCert, ClientCAs: pool, MaxVersion: fm.Version}
			cli := &ssl.Config{Certificates: []ssl.Certificate{root.Pair(t)}, RootCAs: pool, ServerName: "localhost",
				MaxVersion: fm.Version}
			a, cctx := ssltest.NewAging(t, srv, fm.Setup(t, srv)), ssltest.NewClientCtx(t, cli)
			s := ssltest.WantVisit(t, cctx, a.Next(), nil, false)
			ssltest.WantVisit(t, cctx, a.Next(), s, true)
		})
	}
}

// AddCert takes what crypto/x509 has read, and says what OpenSSL does not take of it.
func TestAddCertOfOddRoot(t *testing.T) {
	leakcheck.Test(t)
	root, pool := ssltest.NewRoot(t), ssl.NewCertPool()
	pool.AddCert(nil)
	pool.AddCert(root.Cert)
	if odd := pool.Skipped(); len(odd) > 0 {
		t.Error(odd)
	}
	pool.AddCert(&x509.Certificate{Raw: root.Cert.Raw[:100]})
	pool.AddCert(&x509.Certificate{})
	if odd := pool.Skipped(); len(odd) != 2 || !errors.Is(odd[0], ssl.ErrMalformed) || !errors.Is(odd[1],
		ssl.ErrMalformed) {
		t.Error(odd)
	}
	if !ssltest.Trusts(t, ssltest.NewClientCtx(t, &ssl.Config{ServerName: "localhost", RootCAs: pool}), root) {
		t.Error("not trusted")
	}
}

// The tags of trust settings: what a certificate is trusted for, and rejected for.
const trustedFor, rejectedFor = 0x30, 0xa0

// settingsFor is a TRUSTED CERTIFICATE with such settings for servers.
func settingsFor(cert *x509.Certificate, tag byte) []byte {
	serverAuth := []byte{0x06, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1}
	list := append([]byte{tag, byte(len(serverAuth))}, serverAuth...)
	return ssltest.PEMOf("TRUSTED CERTIFICATE",
		append(append(bytes.Clone(cert.Raw), 0x30, byte(len(list))), list...))
}

// Trust settings count for a server that shows what is in the pool itself, also beside others of its name.
func TestTrustSettingsOfSelfSigned(t *testing.T) {
	leakcheck.Test(t)
	self, twin := ssltest.Sign(t, "localhost", nil, time.Now().Add(time.Hour)),
		ssltest.Sign(t, "localhost", nil, time.Now().Add(time.Hour))
	own := ssltest.Must[ssl.Certificate](t)(ssl.X509KeyPair(self.Pem, self.PrivateKey(t)))
	sctx := ssltest.NewServerCtx(t, &ssl.Config{Certificates: []ssl.Certificate{own}})
	for what, c := range map[string]struct {
		data []byte
		want bool
	}{
		"plain": {self.Pem, true}, "trusted": {settingsFor(self.Cert, trustedFor), true},
		"rejected": {settingsFor(self.Cert, rejectedFor), false},
	} {
		for name, data := range map[string][]byte{"alone": c.data, "first": slices.Concat(c.data, twin.Pem),
			"second": slices.Concat(twin.Pem, c.data)} {
			file := filepath.Join(t.TempDir(), "roots.pem")
			ssltest.PutFile(t, file, data)
			pool := ssltest.Must[*ssl.CertPool](t)(ssl.LoadCertPool(file))
			x, y := ssltest.TCPPipe(t)
			p := ssltest.NewPair(t, ssltest.NewClientCtx(t, &ssl.Config{ServerName: "localhost", RootCAs: pool}), sctx,
				x, y)
			if err, _ := p.Shake(); (err == nil) != c.want {
				t.Errorf("%s, %s: %v", what, name, err)
			}
			p.CloseBoth()
		}
	}
}

// Trust settings of a TRUSTED CERTIFICATE count: one that is rejected for servers is no root of
// servers, in a pool and among the system's, and no session says otherwise.
func TestTrustSettings(t *testing.T) {
	leakcheck.Test(t)
	root := ssltest.NewRoot(t)
	sctx := ssltest.NewServerCtx(t, &ssl.Config{Certificates: []ssl.Certificate{root.Pair(t)}})
	file := filepath.Join(t.TempDir(), "roots.pem")
	t.Setenv("SSL_CERT_FILE", file)
	t.Setenv("SSL_CERT_DIR", "")
	for _, pool := range []bool{true, false} {
		var s *ssl.Session
		for _, c := range []struct {
			what string
			data []byte
			want bool
		}{{"plain", root.Pem, true}, {"trusted", settingsFor(root.Cert, trustedFor), true},
			{"rejected", settingsFor(root.Cert, rejectedFor), false}} {
			cfg := ssltest.CopyOf(ssltest.SystemClient, func(c *ssl.Config) {})
			ssltest.PutFile(t, file, c.data)
			if pool {
				p, err := ssl.LoadCertPool(file)
				if err != nil {
					t.Fatal(c.what, err)
				}
				cfg.RootCAs = p
			}
			cctx := ssltest.NewClientCtx(t, cfg)
			if ssltest.Trusts(t, cctx, root) != c.want {
				t.Errorf("%s: trusted is %t", c.what, !c.want)
			}
			if c.want {
				s = ssltest.MadeWith(t, cfg, sctx)
				continue
			}
			x, y := ssltest.TCPPipe(t)
			p := ssltest.NewPair(t, cctx, sctx, x, y)
			if err := p.Client.SetSession(s); err != nil {
				t.Fatal(err)
			}
			if cerr, _ := p.Shake(); cerr == nil {
				t.Errorf("%s: passed, resumed is %t", c.what, p.Client.SessionReused())
			}
			p.CloseBoth()
		}
	}
}

// An authority that is rejected stays so whatever a peer sends along: its own certificate once more, or
// one that another authority has made for its key.
func TestRejectedIsNoOther(t *testing.T) {
	leakcheck.Test(t)
	soon := time.Now().Add(time.Hour)
	root := ssltest.Sign(t, "root", nil, soon)
	renewed := root.Again(t, nil, soon)
	middle := ssltest.Sign(t, "middle", root, soon)
	bad := ssltest.Sign(t, "bad", nil, soon)
	crossed := bad.Again(t, root, soon)
	other := ssltest.Sign(t, "bad", root, soon) // of that name, and not that authority
	for what, c := range map[string]struct {
		pool  []byte
		by    *ssltest.Signed
		chain []*ssltest.Signed
		want  bool
	}{
		"one root": {slices.Concat(settingsFor(middle.Cert, rejectedFor), root.Pem), middle,
			[]*ssltest.Signed{middle}, false},
		"two roots": {slices.Concat(settingsFor(middle.Cert, rejectedFor), root.Pem, renewed.Pem), middle,
			[]*ssltest.Signed{middle}, false},
		"crossed": {slices.Concat(settingsFor(bad.Cert, rejectedFor), root.Pem), bad,
			[]*ssltest.Signed{crossed}, false},
		"crossed, not rejected": {slices.Concat(bad.Pem, root.Pem), bad, []*ssltest.Signed{crossed}, true},
		"crossed, trusted": {slices.Concat(settingsFor(bad.Cert, trustedFor), root.Pem), bad,
			[]*ssltest.Signed{crossed}, true},
		"another of its name": {slices.Concat(settingsFor(bad.Cert, rejectedFor), root.Pem), other.Nameless(),
			[]*ssltest.Signed{other}, true},
	} {
		leaf := ssltest.Sign(t, "localhost", c.by, soon)
		chain := leaf.Pem
		for _, s := range c.chain {
			chain = slices.Concat(chain, s.Pem)
		}
		pair := ssltest.Must[ssl.Certificate](t)(ssl.X509KeyPair(chain, leaf.PrivateKey(t)))
		pool := ssl.NewCertPool()
		if err := pool.AppendCerts(c.pool); err != nil {
			t.Fatal(err)
		}
		x, y := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, ssltest.NewClientCtx(t, &ssl.Config{ServerName: "localhost", RootCAs: pool}),
			ssltest.NewServerCtx(t, &ssl.Config{Certificates: []ssl.Certificate{pair}}), x, y)
		if err, _ := p.Shake(); (err == nil) != c.want {
			t.Errorf("%s: %v", what, err)
		}
		p.CloseBoth()
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
