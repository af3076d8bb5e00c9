package ssl_test

import (
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// When the system does not trust a CA any more, new Ctxs do not resume what was verified by it:
// a client no session of a server, and a server none of a client, in all forms that outlive a Ctx.
func TestAttackSystemRootsHaveChanged(t *testing.T) {
	for _, side := range []string{"client", "server"} {
		for _, fm := range agingForms {
			if side == "server" && (keptByLibssl(fm.name) || fm.name == "TLS1.2-ticket" || fm.name == "TLS1.3-stateless") {
				continue // they do not
			}
			t.Run(side+" "+fm.name, func(t *testing.T) {
				leakcheck.Test(t)
				t.Setenv("SSL_CERT_DIR", t.TempDir())
				t.Setenv("SSL_CERT_FILE", certFile("ca.pem"))
				srv, cli := serverConfig(t), clientConfig(t)
				srv.MaxVersion, cli.MaxVersion = fm.version, fm.version
				if side == "client" {
					cli.RootCAs = nil
				} else {
					cli.Certificates = []ssl.Certificate{keyPair(t, "client")}
					srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, ssl.SystemCertPool()
				}
				fresh := fm.setup(t, srv)
				if side == "server" && fresh == nil {
					fresh = func(*ssl.Config) {}
				}
				a := newAging(t, srv, fresh)
				s := wantVisit(t, newClientCtx(t, cli), a.next(), nil, false)
				s = wantVisit(t, newClientCtx(t, cli), a.next(), s, true)

				t.Setenv("SSL_CERT_FILE", certFile("other-ca.pem"))
				for _, offer := range []*ssl.Session{nil, s} {
					x, y := tcpPipe(t)
					p := newPair(t, newClientCtx(t, cli), a.next(), x, y)
					if offer != nil {
						if err := p.client.SetSession(offer); err != nil {
							t.Fatal(err)
						}
					}
					if c, s := p.shake(); c == nil && s == nil {
						t.Errorf("passed, resumed is %t", p.client.SessionReused())
					}
					p.closeBoth()
				}
			})
		}
	}
}
