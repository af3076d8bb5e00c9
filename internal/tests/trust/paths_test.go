package trust_test

import (
	"crypto/x509"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A trial is a pool, a chain from leaf on, and whether there is a good path between them.
type trial struct {
	pool, chain []*ssltest.Signed
	good        bool
	length      int // of the verified chain
}

func trials(t *testing.T) map[string]trial {
	soon, past := time.Now().Add(time.Hour), time.Now().Add(-time.Minute)
	a, b := ssltest.Sign(t, "root", nil, soon), ssltest.Sign(t, "root", nil, soon)
	leafA, leafB := ssltest.Sign(t, "localhost", a.Nameless(), soon), ssltest.Sign(t, "localhost", b.Nameless(),
		soon)
	expired := a.Again(t, nil, past)
	middle := ssltest.Sign(t, "middle", a, soon)
	gone, leaf := middle.Again(t, a, past), ssltest.Sign(t, "localhost", middle, soon)
	stranger := ssltest.Sign(t, "stranger", nil, soon)
	crossed := middle.Again(t, stranger, soon)
	upper := ssltest.Sign(t, "upper", a, soon)
	lower := ssltest.Sign(t, "lower", upper, soon)
	deep := ssltest.Sign(t, "localhost", lower, soon)
	other := ssltest.Sign(t, "middle", a, soon) // another key
	notCA := ssltest.Sign(t, "localhost", leafA, soon)
	self, twin, third := ssltest.Sign(t, "localhost", nil, soon), ssltest.Sign(t, "localhost", nil, soon),
		ssltest.Sign(t, "localhost", nil, soon)
	old, issued := self.Again(t, nil, past), ssltest.Sign(t, "localhost", self, soon)
	return map[string]trial{
		"self-signed, the first of three": {[]*ssltest.Signed{self, twin, third},
			[]*ssltest.Signed{self}, true, 1},
		"self-signed, the second of three": {[]*ssltest.Signed{twin, self, third},
			[]*ssltest.Signed{self}, true, 1},
		"self-signed, the last of three": {[]*ssltest.Signed{twin, third, self},
			[]*ssltest.Signed{self}, true, 1},
		"self-signed, none of two":          {[]*ssltest.Signed{twin, third}, []*ssltest.Signed{self}, false, 0},
		"self-signed and expired":           {[]*ssltest.Signed{twin, old, self}, []*ssltest.Signed{old}, false, 0},
		"self-signed, renewed here":         {[]*ssltest.Signed{twin, self}, []*ssltest.Signed{old}, false, 0},
		"issued under its own name":         {[]*ssltest.Signed{twin, self}, []*ssltest.Signed{issued}, false, 0},
		"one root":                          {[]*ssltest.Signed{a}, []*ssltest.Signed{leafA}, true, 2},
		"two roots of one name":             {[]*ssltest.Signed{a, b}, []*ssltest.Signed{leafA}, true, 2},
		"two roots of one name, the second": {[]*ssltest.Signed{a, b}, []*ssltest.Signed{leafB}, true, 2},
		"two roots of one name, the first":  {[]*ssltest.Signed{b, a}, []*ssltest.Signed{leafB}, true, 2},
		"the other root of that name":       {[]*ssltest.Signed{a}, []*ssltest.Signed{leafB}, false, 0},
		"a renewed root": {[]*ssltest.Signed{expired, a}, []*ssltest.Signed{leafA}, true,
			2},
		"a renewed root, in the other order": {[]*ssltest.Signed{a, expired}, []*ssltest.Signed{leafA}, true,
			2},
		"an expired root": {[]*ssltest.Signed{expired}, []*ssltest.Signed{leafA}, false, 0},
		"an expired intermediate among roots": {[]*ssltest.Signed{a, gone}, []*ssltest.Signed{leaf, middle},
			true, 3},
		"and nothing better": {[]*ssltest.Signed{a, gone}, []*ssltest.Signed{leaf}, false, 0},
		"two intermediates among roots": {[]*ssltest.Signed{gone, a, middle}, []*ssltest.Signed{leaf},
			true, 3},
		"another intermediate of that name": {[]*ssltest.Signed{a, other}, []*ssltest.Signed{leaf, middle},
			true, 3},
		"two intermediates from the peer": {[]*ssltest.Signed{a}, []*ssltest.Signed{leaf, gone, middle},
			true, 3},
		"another of that name from the peer": {[]*ssltest.Signed{a}, []*ssltest.Signed{leaf, other.Nameless(),
			middle}, true, 3},
		"signed by a stranger too": {[]*ssltest.Signed{a}, []*ssltest.Signed{leaf, crossed, middle},
			true, 3},
		"signed by a stranger too, who is there": {[]*ssltest.Signed{a}, []*ssltest.Signed{leaf, crossed, stranger,
			middle}, true, 3},
		"signed by a stranger alone": {[]*ssltest.Signed{a}, []*ssltest.Signed{leaf, crossed, stranger}, false, 0},
		"two in between": {[]*ssltest.Signed{b, a, expired}, []*ssltest.Signed{deep, upper, lower},
			true, 4},
		"a leaf as an authority": {[]*ssltest.Signed{a, b}, []*ssltest.Signed{notCA, leafA}, false, 0},
		"nobody":                 {nil, []*ssltest.Signed{leafA, a}, false, 0},
	}
}

// Where OpenSSL takes the wrong one of several issuers the others are tried, on both sides, also
// when an application judges; what then is verified is what crypto/x509 verifies, and it resumes.
func TestEveryPathIsTried(t *testing.T) {
	for what, c := range trials(t) {
		pool, goPool, goBetween := ssl.NewCertPool(), x509.NewCertPool(), x509.NewCertPool()
		for _, root := range c.pool {
			pool.AddCert(root.Cert)
			if string(root.Cert.RawSubject) == string(root.Cert.RawIssuer) {
				goPool.AddCert(root.Cert)
			} else {
				goBetween.AddCert(root.Cert)
			}
		}
		var chain []byte
		for i, s := range c.chain {
			chain = append(chain, s.Pem...)
			if i > 0 {
				goBetween.AddCert(s.Cert)
			}
		}
		_, err := c.chain[0].Cert.Verify(x509.VerifyOptions{Roots: goPool, Intermediates: goBetween,
			DNSName: "localhost"})
		if (err == nil) != c.good {
			t.Errorf("%s: crypto/x509 says %v", what, err)
		}
		pair, err := ssl.X509KeyPair(chain, c.chain[0].PrivateKey(t))
		if err != nil {
			t.Fatal(what, err)
		}
		for _, judge := range []func(ssl.ConnectionState) error{nil,
			func(ssl.ConnectionState) error { return nil }} {
			for _, side := range []string{"client", "server"} {
				t.Run(what+" "+side, func(t *testing.T) {
					ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
						if side == "client" {
							srv.Certificates, cli.RootCAs, cli.VerifyConnection = []ssl.Certificate{pair}, pool, judge
						} else {
							cli.Certificates, srv.ClientAuth, srv.ClientCAs, srv.VerifyConnection = []ssl.Certificate{pair},
								ssl.RequireAndVerifyClientCert, pool, judge
						}
						cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
						x, y := ssltest.TCPPipe(t)
						p := ssltest.NewPair(t, cctx, sctx, x, y)
						cerr, serr := p.Shake()
						err, conn := cerr, p.Client
						if side == "server" {
							err, conn = serr, p.Server
						}
						if !c.good {
							if ssltest.VerifyCode(err) == 0 {
								t.Errorf("%v", err)
							}
							p.CloseBoth()
							return
						}
						if cerr != nil || serr != nil {
							t.Errorf("%v, %v", cerr, serr)
							p.CloseBoth()
							return
						}
						if n := len(conn.ConnectionState().VerifiedChain); n != c.length {
							t.Errorf("a chain of %d", n)
						}
						p.Echo(t)
						s := ssltest.SessionOf(t, p.Client)
						p.CloseBoth()
						p = ssltest.Meet(t, cctx, sctx, s)
						conn = p.Client
						if side == "server" {
							conn = p.Server
						}
						if n := len(conn.ConnectionState().VerifiedChain); !p.Client.SessionReused() || n != c.length {
							t.Errorf("resumed is %t, a chain of %d", p.Client.SessionReused(), n)
						}
						p.CloseBoth()
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
	root := ssltest.Sign(t, "root", nil, soon)
	by := []*ssltest.Signed{root, root}
	var chain []byte
	for range 9 { // 2 to the power of 9 paths
		a := ssltest.Sign(t, "middle", by[0].Nameless(), soon)
		by = []*ssltest.Signed{a, a.Again(t, by[1].Nameless(), soon)}
		chain = append(append(chain, by[0].Pem...), by[1].Pem...)
	}
	leaf := ssltest.Sign(t, "localhost", by[0].Nameless(), soon)
	for what, pool := range map[string]*ssl.CertPool{"no root": ssltest.Roots(t, "ca"),
		"a root of that name": ssl.NewCertPool()} {
		pool.AddCert(ssltest.Sign(t, "root", nil, soon).Cert)
		pair, err := ssl.X509KeyPair(append(leaf.Pem[:len(leaf.Pem):len(leaf.Pem)], chain...), leaf.PrivateKey(t))
		if err != nil {
			t.Fatal(err)
		}
		p := ssltest.NewTCPPair(t, &ssl.Config{RootCAs: pool, ServerName: "localhost"},
			&ssl.Config{Certificates: []ssl.Certificate{pair}})
		if cerr, _ := p.Shake(); ssltest.VerifyCode(cerr) == 0 {
			t.Errorf("%s: %v", what, cerr)
		}
		p.CloseBoth()
	}
}
