package trust_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// When the system does not trust a CA any more, new Ctxs do not resume what was verified by it:
// a client no session of a server, and a server none of a client, in all forms that outlive a
// Ctx. The root that has taken its place has the same name, and so has its file.
func TestAttackSystemRootsHaveChanged(t *testing.T) {
	for place, setup := range ssltest.RootPlaces {
		for _, side := range []string{"client", "server"} {
			for _, fm := range ssltest.AgingForms {
				if side == "server" && (ssltest.KeptByLibssl(fm.Name) || fm.Name == "TLS1.2-ticket" ||
					fm.Name == "TLS1.3-stateless") {
					continue // they do not
				}
				t.Run(place+" "+side+" "+fm.Name, func(t *testing.T) {
					leakcheck.Test(t)
					root := ssltest.Sign(t, "root", nil, time.Now().Add(time.Hour))
					put := setup(t)
					put(root)
					srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
					srv.MaxVersion, cli.MaxVersion = fm.Version, fm.Version
					if side == "client" {
						cli.RootCAs, srv.Certificates = nil, []ssl.Certificate{root.Pair(t)}
					} else {
						cli.Certificates = []ssl.Certificate{root.Pair(t)}
						srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, ssl.SystemCertPool()
					}
					fresh := fm.Setup(t, srv)
					if side == "server" && fresh == nil {
						fresh = func(*ssl.Config) {}
					}
					a, cache := ssltest.NewAging(t, srv, fresh), ssltest.NewCache(t, 0)
					s := ssltest.WantVisit(t, ssltest.NewClientCtx(t, cli), a.Next(), nil, false)
					s = ssltest.WantVisit(t, ssltest.NewClientCtx(t, cli), a.Next(), s, true)
					ssltest.Attend(t, ssltest.NewClientCtx(t, cli), a.Next(), cache, ssltest.Here)
					if c, _ := ssltest.Attend(t, ssltest.NewClientCtx(t, cli), a.Next(), cache, ssltest.Here); !c.Resumed() {
						t.Fatalf("from the cache: %q", c)
					}

					put(ssltest.Sign(t, "root", nil, time.Now().Add(time.Hour)))
					for _, give := range []func(*ssl.Conn) error{
						func(*ssl.Conn) error { return nil },
						func(c *ssl.Conn) error { return c.SetSession(s) },
						func(c *ssl.Conn) error { return c.UseSessionCache(cache, ssltest.Here) },
					} {
						x, y := ssltest.TCPPipe(t)
						p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), a.Next(), x, y)
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

// A Ctx trusts what the system trusted when it was made, whatever becomes of the files: they may
// go, as in a sandbox, and what comes later is trusted by later Ctxs.
func TestSystemRootsAreThoseOfTheStart(t *testing.T) {
	for place, setup := range ssltest.RootPlaces {
		t.Run(place, func(t *testing.T) {
			leakcheck.Test(t)
			put := setup(t)
			old, later := ssltest.Sign(t, "old", nil, time.Now().Add(time.Hour)), ssltest.Sign(t, "old", nil,
				time.Now().Add(time.Hour))
			sctx := map[*ssltest.Signed]*ssl.Ctx{}
			for _, root := range []*ssltest.Signed{old, later} {
				sctx[root] = ssltest.NewServerCtx(t, &ssl.Config{Certificates: []ssl.Certificate{root.Pair(t)}})
			}
			verifies := func(what string, cctx *ssl.Ctx, root *ssltest.Signed, want bool) {
				t.Helper()
				x, y := ssltest.TCPPipe(t)
				p := ssltest.NewPair(t, cctx, sctx[root], x, y)
				if c, _ := p.Shake(); (c == nil) != want {
					t.Errorf("%s: %v", what, c)
				}
				p.CloseBoth()
			}
			cfg := &ssl.Config{ServerName: "localhost"}
			empty := ssltest.NewClientCtx(t, cfg)
			put(old)
			first := ssltest.NewClientCtx(t, cfg)
			put(later)
			second := ssltest.NewClientCtx(t, cfg)
			verifies("a root that came later", empty, old, false)
			verifies("the root of then", first, old, true)
			verifies("the root of now, by a Ctx of before", first, later, false)
			verifies("the root of now", second, later, true)
			verifies("the root of before", second, old, false)
			for _, dir := range filepath.SplitList(os.Getenv("SSL_CERT_DIR")) {
				os.RemoveAll(dir)
			}
			os.Remove(os.Getenv("SSL_CERT_FILE"))
			verifies("after the files went", first, old, true)
			verifies("after the files went", second, later, true)
			verifies("made afterwards", ssltest.NewClientCtx(t, cfg), later, false)
		})
	}
}
