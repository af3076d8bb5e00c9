package ssl_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"testing"

	"sessl/internal/cshim"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// manyNames are what a client can be told to ask for.
var manyNames = []string{
	"a.test", "A.TEST", "a.Test.", "b.test", "test", "x", "X.", "7", "a.b.test", "localhost",
	".test", "..test", "a..test", "a.test..", ".", "..", "", " a.test", "a.test ", "a test", "a\ttest",
	"a.test\n", "a\x00.test", "a.test\x00.evil.test",
	"*.test", "*", "a*.test", "*.wild.example", "f*.wild.example", "a.*.example",
	"a.wild.example", "a_b.wild.example", "_dmarc.wild.example", "A-B.WILD.EXAMPLE", "wild.example",
	"a.b.wild.example", ".wild.example", "-a.wild.example", "a-.wild.example",
	"xn--bcher-kva.wild.example", "xn--bcher-kva.example", "bücher.example", "bücher.wild.example", "ａ.test",
	"a。test", "ſ.test",
	"-a.test", "a-.test", "a_b.test", "under_score.example", "--", "_",
	strings.Repeat("l", 63) + ".test", strings.Repeat("l", 64) + ".test",
	strings.Repeat("l", 63) + ".wild.example", strings.Repeat("l", 64) + ".wild.example",
	strings.Repeat("a.", 126) + "a", strings.Repeat("a.", 127) + "a", strings.Repeat("a", 256),
	"192.0.2.1", "192.0.2.1.", "192.0.2.01", "192.0.2", "3221225985", "0xc0000201", "0300.0.2.1", "192.0.2.257",
	"[192.0.2.1]", "192.0.2.1:443", "192.0.2.1/24",
	"2001:db8::1", "2001:DB8::1", "2001:db8:0:0:0:0:0:1", "2001:0db8::0001", "[2001:db8::1]", "[2001:db8::1",
	"2001:db8::1]", "[[2001:db8::1]]", "[2001:db8::1]:443", "2001:db8::1%eth0",
	"[2001:db8::1%25eth0]", "2001:db8::1.",
	"::ffff:192.0.2.1", "::ffff:c000:201", "::192.0.2.1", "[::ffff:192.0.2.1]", "::", "[]",
	"[a.test]", "192.0.2.1%eth0",
	"com", "a.com", "example.com:443", "https://a.test", "a.test/", "a.test?x", "a@b.test", "a\\.test",
	"a,b.test", "1.1", "a.1",
}

// manyCerts are the names in certificates, some of which no authority should sign.
var manyCerts = [][]string{
	{"a.test"}, {"A.TEST"}, {"a.test."}, {".test"}, {"*.test"}, {"*"}, {"*."}, {"x"}, {"7"}, {"test"}, {"*.com"},
	{"a*.test"}, {"*a.test"}, {"a.*.test"}, {"*.*.example"},
	{"*.wild.example"}, {"*.WILD.example"}, {"f*.wild.example"}, {"*.b.wild.example"}, {"*wild.example"},
	{"**.wild.example"}, {"*..wild.example"}, {".wild.example"}, {"*.wild.example."}, {"a_b.wild.example"},
	{"-a.test", "a-.test", "--", "_", "a_b.test", "under_score.example"}, {"*.-b.example"},
	{"xn--bcher-kva.example"}, {"xn--*.example"}, {"*.xn--bcher-kva.example"},
	{strings.Repeat("l", 63) + ".test"}, {strings.Repeat("l", 64) + ".test"}, {strings.Repeat("a.", 126) + "a"},
	{"192.0.2.1"}, {"ip:192.0.2.1"}, {"ip:2001:db8::1"}, {"ip:::ffff:192.0.2.1"}, {"2001:db8::1"},
	{"*.0.2.1"}, {"3221225985", "0xc0000201", "192.0.2", "192.0.2.01"},
	{"a.test", "b.test", "*.wild.example", "ip:192.0.2.1", "ip:2001:db8::1"}, {"1.1", "a.1"}, {"a..test"},
	{" a.test"}, {"a test"}, {"a@b.test"}, {},
}

// sanCert is a leaf for names, of which those behind "ip:" are addresses; nil for one that
// crypto/x509 does not take.
func sanCert(t testing.TB, names []string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(1),
		Subject: pkix.Name{CommonName: "a.test"}, NotAfter: ssltest.FarFuture}
	for _, name := range names {
		if ip, ok := strings.CutPrefix(name, "ip:"); ok {
			addr := netip.MustParseAddr(ip)
			leaf.IPAddresses = append(leaf.IPAddresses, addr.AsSlice())
		} else {
			leaf.DNSNames = append(leaf.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	if err != nil {
		return nil
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	return cert
}

// goodFor is what crypto/x509 says, and what docs/names.md lists as different. An error means
// that the name is refused before any certificate is seen.
func goodFor(cert *x509.Certificate, name, canonical string) bool {
	if strings.Contains(name, "%") { // a zone, which no certificate has
		name = canonical
	}
	name = strings.TrimSuffix(name, ".") // only crypto/x509 knows one in certificates
	if cert.VerifyHostname(name) != nil {
		return false
	}
	// A wildcard needs two labels behind it.
	rest := canonical[strings.Index(canonical, ".")+1:]
	if _, err := netip.ParseAddr(canonical); err != nil && !strings.Contains(rest, ".") {
		for _, dns := range cert.DNSNames {
			if strings.EqualFold(dns, canonical) {
				return true
			}
		}
		return false
	}
	return true
}

// Each name that a client takes is good for each certificate exactly where crypto/x509 says so,
// but for the differences that the docs list.
func TestNamesAsCryptoX509(t *testing.T) {
	leakcheck.Test(t)
	certs, asked, refused := 0, 0, 0
	for _, sans := range manyCerts {
		cert := sanCert(t, sans)
		if cert == nil {
			t.Logf("crypto/x509 takes no certificate for %q", sans)
			continue
		}
		certs++
		for _, name := range manyNames {
			canonical, err := ssl.HostName(name)
			if err != nil || canonical == "" {
				refused++
				if err != nil && !errors.Is(err, ssl.ErrConfig) {
					t.Errorf("%q: %v", name, err)
				}
				continue
			}
			asked++
			if got, want := cshim.CertIsFor(cert.Raw, canonical), goodFor(cert, name, canonical); got != want {
				t.Errorf("%q with a certificate for %q: %t, crypto/x509 says %t", name, sans, got, want)
			}
		}
	}
	if certs < 30 || asked < 1000 || refused < 1000 {
		t.Errorf("%d certificates, %d names asked for, %d refused", certs, asked, refused)
	}
}

// What no certificate can be for is refused at once, with the reason, by each way in; what is
// taken has one form.
func TestNamesRefused(t *testing.T) {
	leakcheck.Test(t)
	for name, why := range map[string]string{
		".": "a label is empty", "..": "begins with a dot", ".test": "begins with a dot",
		"a..test": "a label is empty", "a.test..": "a label is empty",
		"*.test": "wildcards", "bücher.example": "xn--", "a.test:443": "colon", "https://a.test": "colon",
		"a.test/": "slash", "a test": "letters, digits",
		"a\x00.test": "letters, digits", "[a.test]": "brackets", "[]": "brackets",
		"[2001:db8::1": "letters, digits", "192.0.2.1.": "a dot behind",
		strings.Repeat("l", 64) + ".test": "longer than 63", strings.Repeat("a.", 127) + "a": "longer than 253",
	} {
		for way, got := range waysIn(t, name) {
			if !errors.Is(got, ssl.ErrConfig) || !strings.Contains(got.Error(), why) {
				t.Errorf("%s of %q: %v", way, name, got)
			}
		}
	}
	for name, want := range map[string]string{
		"A.Test.": "a.test", "x": "x", "-a-.test": "-a-.test", "a_b.test": "a_b.test",
		"[2001:DB8:0::1]": "2001:db8::1", "fe80::1%eth0": "fe80::1",
		"::ffff:192.0.2.1": "192.0.2.1", "[192.0.2.1]": "192.0.2.1", "": "",
	} {
		if got, err := ssl.HostName(name); got != want || err != nil {
			t.Errorf("%q: %q, %v; want %q", name, got, err, want)
		}
	}
}

// waysIn are the errors of everything that takes a name.
func waysIn(t *testing.T, name string) map[string]error {
	t.Helper()
	cfg := ssltest.ClientConfig(t)
	cfg.ServerName = ""
	ctx := ssltest.NewClientCtx(t, cfg)
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	ways := map[string]error{}
	_, ways["ClientWithServerName"] = ssl.ClientWithServerName(a, ctx, name)
	if !strings.ContainsAny(name, ":[]") { // not the host of an address
		_, ways["Dial"] = ssl.Dial("tcp", name+":1", ctx)
	}
	cfg.ServerName = name
	ways["CheckClient"] = cfg.CheckClient()
	_, ways["NewClientCtx"] = ssl.NewClientCtx(cfg)
	cfg.InsecureSkipVerify, cfg.RootCAs = true, nil
	_, ways["NewClientCtx unverified"] = ssl.NewClientCtx(cfg)
	return ways
}

// What is taken works on the wire as it does in the comparison: accepted by handshakes of both
// versions, refused with the alert and the names; and a session is no way around it.
func TestNamesInHandshakes(t *testing.T) {
	leakcheck.Test(t)
	sans := []string{"x", "a_b.test", "-a-.test", "*.wild.example", "*.test",
		strings.Repeat("l", 63) + ".example"}
	cert := ssltest.NamedCert(t, "cn", sans...)
	for name, good := range map[string]bool{
		"x": true, "X.": true, "a_b.test": true, "-a-.test": true, "a_b.wild.example": true, "a.wild.example": true,
		"A-.Wild.Example.":                   true,
		strings.Repeat("l", 63) + ".example": true, "_.wild.example": true, "xn--bcher-kva.wild.example": true,
		"y": false, "a.test": false, "wild.example": false, "a.b.wild.example": false, "-a.wild.example": false,
		"cn": false, "192.0.2.1": false, "2001:db8::1": false,
	} {
		ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
			srv.Certificates = []ssl.Certificate{cert}
			cli.ServerName = name
			p := ssltest.NewTCPPair(t, cli, srv)
			cerr, serr := p.Shake()
			if good {
				if cerr != nil || serr != nil || !p.Client.ConnectionState().Verified {
					t.Errorf("%q: client %v, server %v", name, cerr, serr)
				}
				return
			}
			var v *ssl.VerificationError
			canonical, _ := ssl.HostName(name)
			if !errors.As(cerr, &v) || v.Host != canonical || len(v.Names) != len(sans) || v.Depth != 0 ||
				v.Certificate == nil {
				t.Errorf("%q: client %v (%+v)", name, cerr, v)
			}
			if ssltest.AlertOf(serr) != ssltest.AlertBadCertificate {
				t.Errorf("%q: server %v", name, serr)
			}
		})
	}
}

// A session that was verified for one name is offered for another exactly where a connection
// without it would be accepted.
func TestNamesOfSessions(t *testing.T) {
	leakcheck.Test(t)
	cert := ssltest.NamedCert(t, "cn", "a.wild.example", "*.wild.example", "x")
	for name, good := range map[string]bool{"a.wild.example": true, "A.WILD.EXAMPLE.": true,
		"a_b.wild.example": true, "x": true,
		"wild.example": false, "-a.wild.example": false, "192.0.2.1": false} {
		ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
			srv.Certificates = []ssl.Certificate{cert}
			cli.ServerName = ""
			b := ssltest.NewInbox(t, cli)
			s, ctx := ssltest.StartServer(t, srv), ssltest.NewClientCtx(t, cli)
			c, err := ssltest.NameClient(t, s, ctx, "a.wild.example")
			if err != nil {
				t.Fatal(err)
			}
			ssltest.RoundTrip(t, c)
			c.Close()
			for what, offer := range map[string]*ssl.Session{"verified": b.Last(t),
				"parsed": ssltest.Reparsed(t, b.Last(t))} {
				c, err = ssltest.NameClient(t, s, ctx, name)
				if err != nil {
					t.Fatal(err)
				}
				if err := c.SetSession(offer); err != nil {
					t.Fatal(err)
				}
				if c.SessionOffered() != good {
					t.Errorf("%q: a %s session is offered: %t", name, what, c.SessionOffered())
				}
			}
		})
	}
}
