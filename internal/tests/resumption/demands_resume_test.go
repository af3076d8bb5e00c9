package resumption_test

import (
	"path/filepath"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// demand is a change of a Config after which a full handshake refuses the peer of before.
type demand struct {
	change func(*ssl.Config)
	client bool // it is for clients only
	tls12  bool // and of TLS 1.2 alone
}

func demands(t *testing.T) map[string]demand {
	other, list := ssltest.Roots(t, "other-ca"), ssltest.Current(t, "intermediate", "server-chain",
		"client-chain")
	top := ssltest.Current(t, "intermediate")
	return map[string]demand{
		"roots": {change: func(c *ssl.Config) {
			c.RootCAs, c.ClientCAs = firstOf(c.RootCAs, other),
				firstOf(c.ClientCAs, other)
		}},
		"depth":   {change: func(c *ssl.Config) { c.VerifyDepth = -1 }},
		"lists":   {change: func(c *ssl.Config) { c.CRLs = [][]byte{list} }},
		"no list": {change: func(c *ssl.Config) { c.CRLs, c.CRLCheckChain = [][]byte{top}, true }},
		"schemes": {change: func(c *ssl.Config) { c.SignatureSchemes = schemesWithoutECDSA }},
		"groups":  {change: func(c *ssl.Config) { c.CurvePreferences = curvesWithoutP256 }, tls12: true},
		"level":   {change: func(c *ssl.Config) { c.SecurityLevel = 4 }, client: true},
		// a server has a key of its own
		"name":    {change: func(c *ssl.Config) { c.ServerName = "other.test" }, client: true},
		"purpose": {change: func(c *ssl.Config) { c.VerifyPurpose = purposeOfOthers(c) }},
	}
}

func firstOf(was, now *ssl.CertPool) *ssl.CertPool {
	if was == nil {
		return nil
	}
	return now
}

// purposeOfOthers is what the peer's certificate is not for.
func purposeOfOthers(c *ssl.Config) ssl.Purpose {
	if c.ClientCAs != nil {
		return ssl.PurposeServer
	}
	return ssl.PurposeClient
}

// What a Config demands of a peer, no session is a way around: between two Ctxs with one cache or
// with the cache's file of another process, on clients and on servers, in every form.
func TestAttackDemandsHaveChanged(t *testing.T) {
	for what, d := range demands(t) {
		for _, side := range []string{"client", "server"} {
			for _, fm := range ssltest.AgingForms {
				lonely := ssltest.KeptByLibssl(fm.Name) || fm.Name == "TLS1.2-ticket" || fm.Name == "TLS1.3-stateless"
				if side == "server" && (d.client || lonely) || d.tls12 && fm.Version != ssl.VersionTLS12 {
					continue
				}
				t.Run(what+" "+side+" "+fm.Name, func(t *testing.T) {
					leakcheck.Test(t)
					srv := &ssl.Config{Certificates: []ssl.Certificate{ssltest.KeyPair(t, "server-chain")},
						MaxVersion: fm.Version}
					cli := ssltest.ClientConfig(t)
					cli.MaxVersion = fm.Version
					if side == "server" {
						srv.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-rsa")}
						srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
						cli.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client-chain")}
					}
					fresh := fm.Setup(t, srv)
					if side == "server" && fresh == nil {
						fresh = func(*ssl.Config) {}
					}
					a, cache, saved := ssltest.NewAging(t, srv, fresh), ssltest.NewCache(t, 0), ssltest.NewCache(t, 0)
					s := ssltest.WantVisit(t, ssltest.NewClientCtx(t, cli), a.Next(), nil, false)
					s = ssltest.WantVisit(t, ssltest.NewClientCtx(t, cli), a.Next(), s, true)
					for _, c := range []*ssl.LRUClientSessionCache{cache, saved} {
						ssltest.Attend(t, ssltest.NewClientCtx(t, cli), a.Next(), c, ssltest.Here)
						if c, _ := ssltest.Attend(t, ssltest.NewClientCtx(t, cli), a.Next(), c, ssltest.Here); !c.Resumed() {
							t.Fatalf("from a cache: %q", c)
						}
					}
					file, keys := filepath.Join(t.TempDir(), "sessions"), ssltest.NewSealKeys(t, 1)
					if err := saved.Save(file, keys); err != nil {
						t.Fatal(err)
					}
					later := ssltest.NewCache(t, 0)
					if n, err := later.Load(file, keys); n == 0 || err != nil {
						t.Fatal(n, err)
					}

					changed := cli
					if side == "client" {
						changed = ssltest.CopyOf(cli, d.change)
					} else {
						d.change(srv)
					}
					for _, give := range []func(*ssl.Conn) error{
						func(*ssl.Conn) error { return nil },
						func(c *ssl.Conn) error { return c.SetSession(s) },
						func(c *ssl.Conn) error { return c.SetSession(ssltest.Reparsed(t, s)) },
						func(c *ssl.Conn) error { return c.UseSessionCache(cache, ssltest.Here) },
						func(c *ssl.Conn) error { return c.UseSessionCache(later, ssltest.Here) },
					} {
						x, y := ssltest.TCPPipe(t)
						p := ssltest.NewPair(t, ssltest.NewClientCtx(t, changed), a.Next(), x, y)
						if err := give(p.Client); err != nil {
							t.Fatal(err)
						}
						if c, s := p.Shake(); c == nil && s == nil {
							t.Errorf("passed, resumed is %t", p.Client.SessionReused())
						}
						p.CloseBoth()
					}
				})
			}
		}
	}
}
