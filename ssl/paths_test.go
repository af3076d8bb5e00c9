package ssl_test

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// again is a certificate for the key and name of s, by another issuer or for another time.
func (s *signed) again(t testing.TB, by *signed, until time.Time) *signed {
	t.Helper()
	what := *s.cert
	what.SerialNumber, what.NotAfter, what.NotBefore = big.NewInt(time.Now().UnixNano()), until, until.Add(-2*time.Hour)
	if now := time.Now().Add(-time.Hour); what.NotBefore.After(now) {
		what.NotBefore = now
	}
	if by == nil {
		by = &signed{cert: &what, key: s.key}
	}
	der, err := x509.CreateCertificate(rand.Reader, &what, by.cert, s.key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &signed{cert, s.key, pemOf("CERTIFICATE", der)}
}

// nameless is s as an issuer whose key identifier is in nothing that it issues.
func (s *signed) nameless() *signed {
	cert := *s.cert
	cert.SubjectKeyId = nil
	return &signed{&cert, s.key, s.pem}
}

// A trial is a pool, a chain from leaf on, and whether there is a good path between them.
type trial struct {
	pool, chain []*signed
	good        bool
	length      int // of the verified chain
}

func trials(t *testing.T) map[string]trial {
	soon, past := time.Now().Add(time.Hour), time.Now().Add(-time.Minute)
	a, b := sign(t, "root", nil, soon), sign(t, "root", nil, soon)
	leafA, leafB := sign(t, "localhost", a.nameless(), soon), sign(t, "localhost", b.nameless(), soon)
	expired := a.again(t, nil, past)
	middle := sign(t, "middle", a, soon)
	gone, leaf := middle.again(t, a, past), sign(t, "localhost", middle, soon)
	stranger := sign(t, "stranger", nil, soon)
	crossed := middle.again(t, stranger, soon)
	upper := sign(t, "upper", a, soon)
	lower := sign(t, "lower", upper, soon)
	deep := sign(t, "localhost", lower, soon)
	other := sign(t, "middle", a, soon) // another key
	notCA := sign(t, "localhost", leafA, soon)
	return map[string]trial{
		"one root":                               {[]*signed{a}, []*signed{leafA}, true, 2},
		"two roots of one name":                  {[]*signed{a, b}, []*signed{leafA}, true, 2},
		"two roots of one name, the second":      {[]*signed{a, b}, []*signed{leafB}, true, 2},
		"two roots of one name, the first":       {[]*signed{b, a}, []*signed{leafB}, true, 2},
		"the other root of that name":            {[]*signed{a}, []*signed{leafB}, false, 0},
		"a renewed root":                         {[]*signed{expired, a}, []*signed{leafA}, true, 2},
		"a renewed root, in the other order":     {[]*signed{a, expired}, []*signed{leafA}, true, 2},
		"an expired root":                        {[]*signed{expired}, []*signed{leafA}, false, 0},
		"an expired intermediate among roots":    {[]*signed{a, gone}, []*signed{leaf, middle}, true, 3},
		"and nothing better":                     {[]*signed{a, gone}, []*signed{leaf}, false, 0},
		"two intermediates among roots":          {[]*signed{gone, a, middle}, []*signed{leaf}, true, 3},
		"another intermediate of that name":      {[]*signed{a, other}, []*signed{leaf, middle}, true, 3},
		"two intermediates from the peer":        {[]*signed{a}, []*signed{leaf, gone, middle}, true, 3},
		"another of that name from the peer":     {[]*signed{a}, []*signed{leaf, other.nameless(), middle}, true, 3},
		"signed by a stranger too":               {[]*signed{a}, []*signed{leaf, crossed, middle}, true, 3},
		"signed by a stranger too, who is there": {[]*signed{a}, []*signed{leaf, crossed, stranger, middle}, true, 3},
		"signed by a stranger alone":             {[]*signed{a}, []*signed{leaf, crossed, stranger}, false, 0},
		"two in between":                         {[]*signed{b, a, expired}, []*signed{deep, upper, lower}, true, 4},
		"a leaf as an authority":                 {[]*signed{a, b}, []*signed{notCA, leafA}, false, 0},
		"nobody":                                 {nil, []*signed{leafA, a}, false, 0},
	}
}

func (by *signed) privateKey(t testing.TB) []byte {
	t.Helper()
	key, err := x509.MarshalECPrivateKey(by.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key})
}

// Where OpenSSL takes the wrong one of several issuers the others are tried, on both sides, also
// when an application judges; what then is verified is what crypto/x509 verifies, and it resumes.
func TestEveryPathIsTried(t *testing.T) {
	for what, c := range trials(t) {
		pool, goPool, goBetween := ssl.NewCertPool(), x509.NewCertPool(), x509.NewCertPool()
		for _, root := range c.pool {
			pool.AddCert(root.cert)
			if string(root.cert.RawSubject) == string(root.cert.RawIssuer) {
				goPool.AddCert(root.cert)
			} else {
				goBetween.AddCert(root.cert)
			}
		}
		var chain []byte
		for i, s := range c.chain {
			chain = append(chain, s.pem...)
			if i > 0 {
				goBetween.AddCert(s.cert)
			}
		}
		_, err := c.chain[0].cert.Verify(x509.VerifyOptions{Roots: goPool, Intermediates: goBetween, DNSName: "localhost"})
		if (err == nil) != c.good {
			t.Errorf("%s: crypto/x509 says %v", what, err)
		}
		pair, err := ssl.X509KeyPair(chain, c.chain[0].privateKey(t))
		if err != nil {
			t.Fatal(what, err)
		}
		for _, judge := range []func(ssl.ConnectionState) error{nil, func(ssl.ConnectionState) error { return nil }} {
			for _, side := range []string{"client", "server"} {
				t.Run(what+" "+side, func(t *testing.T) {
					forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
						if side == "client" {
							srv.Certificates, cli.RootCAs, cli.VerifyConnection = []ssl.Certificate{pair}, pool, judge
						} else {
							cli.Certificates, srv.ClientAuth, srv.ClientCAs, srv.VerifyConnection = []ssl.Certificate{pair}, ssl.RequireAndVerifyClientCert, pool, judge
						}
						cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
						x, y := tcpPipe(t)
						p := newPair(t, cctx, sctx, x, y)
						cerr, serr := p.shake()
						err, conn := cerr, p.client
						if side == "server" {
							err, conn = serr, p.server
						}
						if !c.good {
							if verifyCode(err) == 0 {
								t.Errorf("%v", err)
							}
							p.closeBoth()
							return
						}
						if cerr != nil || serr != nil {
							t.Errorf("%v, %v", cerr, serr)
							p.closeBoth()
							return
						}
						if n := len(conn.ConnectionState().VerifiedChain); n != c.length {
							t.Errorf("a chain of %d", n)
						}
						p.echo(t)
						s := sessionOf(t, p.client)
						p.closeBoth()
						p = meet(t, cctx, sctx, s)
						conn = p.client
						if side == "server" {
							conn = p.server
						}
						if n := len(conn.ConnectionState().VerifiedChain); !p.client.SessionReused() || n != c.length {
							t.Errorf("resumed is %t, a chain of %d", p.client.SessionReused(), n)
						}
						p.closeBoth()
					})
				})
			}
		}
	}
}

// Thousands of paths are not tried, and none is where there is no root at its end: a refusal
// says what the first one lacks.
func TestPathsAreBounded(t *testing.T) {
	leakcheck.Test(t)
	soon := time.Now().Add(time.Hour)
	root := sign(t, "root", nil, soon)
	by := []*signed{root, root}
	var chain []byte
	for range 9 { // 2 to the power of 9 paths
		a := sign(t, "middle", by[0].nameless(), soon)
		by = []*signed{a, a.again(t, by[1].nameless(), soon)}
		chain = append(append(chain, by[0].pem...), by[1].pem...)
	}
	leaf := sign(t, "localhost", by[0].nameless(), soon)
	for what, pool := range map[string]*ssl.CertPool{"no root": roots(t, "ca"), "a root of that name": ssl.NewCertPool()} {
		pool.AddCert(sign(t, "root", nil, soon).cert)
		pair, err := ssl.X509KeyPair(append(leaf.pem[:len(leaf.pem):len(leaf.pem)], chain...), leaf.privateKey(t))
		if err != nil {
			t.Fatal(err)
		}
		p := newTCPPair(t, &ssl.Config{RootCAs: pool, ServerName: "localhost"}, &ssl.Config{Certificates: []ssl.Certificate{pair}})
		if cerr, _ := p.shake(); verifyCode(cerr) == 0 {
			t.Errorf("%s: %v", what, cerr)
		}
		p.closeBoth()
	}
}
