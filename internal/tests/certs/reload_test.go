package certs_test

import (
	"errors"
	"sync"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

func mustReplace(t testing.TB, r *ssl.ReloadableCertificates, names ...string) {
	t.Helper()
	if err := r.Replace(ssltest.KeyPairs(t, names)...); err != nil {
		t.Fatal(err)
	}
}

// shown is the subject of the leaf that c got, or of the one that it has sent.
func shown(c *ssl.Conn, own bool) string {
	st := c.ConnectionState()
	certs := st.PeerCertificates
	if own {
		certs = st.LocalCertificates
	}
	if len(certs) == 0 {
		return ""
	}
	return certs[0].Subject.CommonName
}

const named = "sessl test " // before the name of a file in the subject

// reloadRole has one end of a connection show what it got from r.
type reloadRole struct {
	name     string
	first    string
	second   string
	use      func(t *testing.T, r *ssl.ReloadableCertificates, srv, cli *ssl.Config)
	got, own func(p ssltest.Pair) *ssl.Conn
}

var reloadRoles = []reloadRole{
	{"server", "server-ecdsa", "server-chain", func(_ *testing.T, r *ssl.ReloadableCertificates, srv,
		_ *ssl.Config) {
		srv.Certificates, srv.ReloadableCertificates = nil, r
	}, func(p ssltest.Pair) *ssl.Conn { return p.Client }, func(p ssltest.Pair) *ssl.Conn { return p.Server }},
	{"server of another type", "server-ecdsa", "server-rsa", func(_ *testing.T, r *ssl.ReloadableCertificates,
		srv, _ *ssl.Config) {
		srv.Certificates, srv.ReloadableCertificates = nil, r
		srv.GetCertificate = func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) { return nil, nil }
	}, func(p ssltest.Pair) *ssl.Conn { return p.Client }, func(p ssltest.Pair) *ssl.Conn { return p.Server }},
	{"virtual host", "server-rsa", "server-ecdsa", func(t *testing.T, r *ssl.ReloadableCertificates, srv,
		_ *ssl.Config) {
		own := *srv
		own.Certificates, own.ReloadableCertificates = nil, r
		host := ssltest.NewServerCtx(t, &own)
		srv.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return host, nil }
	}, func(p ssltest.Pair) *ssl.Conn { return p.Client }, func(p ssltest.Pair) *ssl.Conn { return p.Server }},
	{"client", "client", "client2", func(t *testing.T, r *ssl.ReloadableCertificates, srv, cli *ssl.Config) {
		srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
		cli.ReloadableCertificates = r
	}, func(p ssltest.Pair) *ssl.Conn { return p.Server }, func(p ssltest.Pair) *ssl.Conn { return p.Client }},
}

// New connections show the new certificate, and a session from before resumes, with what
// was shown then.
func TestReloadableCertificates(t *testing.T) {
	for _, role := range reloadRoles {
		t.Run(role.name, func(t *testing.T) {
			ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
				r := ssltest.Reloadable(t, role.first)
				role.use(t, r, srv, cli)
				cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
				connect := func(offer *ssl.Session, want string) (ssltest.Pair, *ssl.Session) {
					t.Helper()
					p := ssltest.Meet(t, cctx, sctx, offer)
					if p.Client.SessionReused() != (offer != nil) {
						t.Fatalf("resumed: %t", p.Client.SessionReused())
					}
					if got := shown(role.got(p), false); got != named+want {
						t.Errorf("%q was shown, want %s", got, want)
					}
					if own := shown(role.own(p), true); offer == nil && own != named+want || offer != nil && own != "" {
						t.Errorf("%q was sent", own)
					}
					return p, ssltest.SessionOf(t, p.Client)
				}
				open, before := connect(nil, role.first)
				mustReplace(t, r, role.second)
				open.Echo(t) // it goes on with what it has
				after, session := connect(nil, role.second)
				again, renewed := connect(before, role.first)
				mustReplace(t, r, role.first)
				back, _ := connect(session, role.second)
				last, _ := connect(renewed, role.first)
				for _, p := range []ssltest.Pair{open, after, again, back, last} {
					p.CloseBoth()
				}
			})
		})
	}
}

// A server's connection has what is there when its ClientHello comes, and a set may be of several types.
func TestReloadBetweenTheConnAndItsHandshake(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		r := ssltest.Reloadable(t, "server-chain")
		srv.Certificates, srv.ReloadableCertificates = nil, r
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		connect := func() ssltest.Pair {
			a, b := ssltest.TCPPipe(t)
			return ssltest.NewPair(t, cctx, sctx, a, b)
		}
		p := connect()
		mustReplace(t, r, "server-rsa", "server-ecdsa")
		p.MustShake(t)
		if got := shown(p.Client, false); got != named+"server-ecdsa" && got != named+"server-rsa" {
			t.Errorf("%q was shown, want one of the new ones", got)
		}
		p = connect()
		settings, err := sctx.SessionSettings()
		if p.Server.NumTickets() != settings.NumTickets || p.Server.MaxEarlyData() != settings.MaxEarlyData ||
			p.Server.SkipEarlyData() != settings.SkipEarlyData || err != nil {
			t.Errorf("before its handshake the connection has not the settings of its Ctx: %+v, %v", settings, err)
		}
		mustReplace(t, r, "server-chain") // the questions have not settled the certificates
		p.MustShake(t)
		mustReplace(t, r, "server-rsa")
		if got := shown(p.Client, false); got != named+"server-chain" {
			t.Errorf("%q was shown, want server-chain", got)
		}
		if got := p.Server.ConnectionState().LocalCertificates; len(got) != 2 {
			t.Errorf("%d certificates were sent, want the chain of 2", len(got))
		}
	})
}

// Replace under load: each connection shows one of the two, and both ends agree on which.
func TestReloadUnderLoad(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		r := ssltest.Reloadable(t, "server-ecdsa")
		srv.Certificates, srv.ReloadableCertificates = nil, r
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		stop := make(chan struct{})
		var load, replacing sync.WaitGroup
		replacing.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				name := []string{"server-rsa", "server-ecdsa"}[i%2]
				cert, err := ssl.LoadX509KeyPair(ssltest.CertFile(name+".pem"), ssltest.CertFile(name+".key"))
				if err == nil {
					err = r.Replace(cert)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
		var mu sync.Mutex
		seen := map[string]int{}
		for range 4 {
			load.Go(func() {
				for range 12 { // leakcheck bears with some two hundred functions of Cleanup
					a, b := ssltest.TCPPipe(t)
					p := ssltest.NewPair(t, cctx, sctx, a, b)
					c, s := p.Shake()
					if c != nil || s != nil {
						t.Errorf("client: %v, server: %v", c, s)
						return
					}
					got, sent := shown(p.Client, false), shown(p.Server, true)
					if got != sent || got == "" {
						t.Errorf("%q was sent, %q was shown", sent, got)
					}
					mu.Lock()
					seen[got]++
					mu.Unlock()
					p.CloseBoth()
				}
			})
		}
		load.Wait()
		close(stop)
		replacing.Wait()
		if len(seen) > 2 {
			t.Errorf("shown: %v", seen)
		}
	})
}

// The Go objects of the old certificates go with the set, and what connections show of them
// lives in C until they end.
func TestReloadedCertificatesAreFreed(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.Certificates = nil
		leakcheck.Collect()
		before := ssl.ReadCounters().Certificates.Live
		r := ssltest.Reloadable(t, "server-ecdsa")
		srv.ReloadableCertificates = r
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		a, b := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, cctx, sctx, a, b)
		p.MustShake(t)
		for range 10 {
			mustReplace(t, r, "server-chain")
		}
		leakcheck.Collect()
		if n := ssl.ReadCounters().Certificates.Live - before; n != 1 {
			t.Errorf("%d certificates are alive, want the one in use", n)
		}
		p.Echo(t)
		if got := shown(p.Client, false); got != named+"server-ecdsa" {
			t.Errorf("%q was shown", got)
		}
	})
}

// A set that a Ctx in use cannot work with is refused, and the old one stays; a Ctx that is
// closed has no say.
func TestReloadRefusedByACtx(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*ssl.Config)
		bad  string
		good string
	}{
		"level":   {func(cfg *ssl.Config) { cfg.SecurityLevel = 3 }, "server-rsa", "server-chain"},
		"schemes": {func(cfg *ssl.Config) { cfg.SignatureSchemes = ecdsaOnly }, "server-rsa", "server-chain"},
		"suites": {func(cfg *ssl.Config) { cfg.CipherSuites, cfg.MaxVersion = []uint16{0xC02B}, ssl.VersionTLS12 },
			"server-rsa", "server-chain"},
	} {
		t.Run(name, func(t *testing.T) {
			leakcheck.Test(t)
			r := ssltest.Reloadable(t, "server-ecdsa")
			picky, easy := ssltest.ServerConfig(t), ssltest.ServerConfig(t)
			picky.Certificates, picky.ReloadableCertificates = nil, r
			easy.Certificates, easy.ReloadableCertificates = nil, r
			c.set(picky)
			ctx, other := ssltest.NewServerCtx(t, picky), ssltest.NewServerCtx(t, easy)
			bad := ssltest.KeyPair(t, c.bad)
			if err := r.Replace(bad); !errors.Is(err, ssl.ErrConfig) {
				t.Errorf("%v, want %v", err, ssl.ErrConfig)
			}
			if got := r.Certificates(); len(got) != 1 || got[0].Leaf().Subject.CommonName != named+"server-ecdsa" {
				t.Errorf("the set is %v", got)
			}
			mustReplace(t, r, c.good)
			if err := ctx.Close(); err != nil {
				t.Fatal(err)
			}
			mustReplace(t, r, c.bad)
			a, b := ssltest.TCPPipe(t)
			p := ssltest.NewPair(t, ssltest.NewClientCtx(t, ssltest.ClientConfig(t)), other, a, b)
			p.MustShake(t)
			if got := shown(p.Client, false); got != named+c.bad {
				t.Errorf("%q is shown", got)
			}
		})
	}
}
