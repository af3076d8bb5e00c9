package names_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// several are certificates for this package and for crypto/tls, in the same order.
type several struct {
	own   []ssl.Certificate
	other []tls.Certificate
}

// add appends one of the kind ("ECDSA", "P384" or "RSA") with those names; it is the last of them
// that is known by cn.
func (s *several) add(t testing.TB, kind, cn string, names ...string) {
	t.Helper()
	leaf := &x509.Certificate{Subject: pkix.Name{CommonName: cn}, DNSNames: names, NotAfter: ssltest.FarFuture,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	var key crypto.Signer
	var err error
	switch kind {
	case "RSA":
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(ssltest.CertFile("server-rsa.pem"),
			ssltest.CertFile("server-rsa.key")); err == nil {
			key = pair.PrivateKey.(crypto.Signer)
		}
	case "P384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	default:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	own, other := ssltest.IssuedWith(t, "ca", leaf, key)
	s.own, s.other = append(s.own, own), append(s.other, other)
}

// ways are the configurations that give a server certs.
func (s *several) ways(t testing.TB, srv *ssl.Config) map[string]*ssl.Config {
	t.Helper()
	with := func(change func(*ssl.Config)) *ssl.Config {
		return ssltest.CopyOf(srv, func(c *ssl.Config) { c.Certificates = nil; change(c) })
	}
	before, err := ssl.NewReloadableCertificates(s.own...)
	if err != nil {
		t.Fatal(err)
	}
	after, err := ssl.NewReloadableCertificates(ssltest.KeyPair(t, "server-ecdsa"))
	if err == nil {
		err = after.Replace(s.own...)
	}
	if err != nil {
		t.Fatal(err)
	}
	own := func(c *ssl.Config) { c.Certificates = s.own }
	host := ssltest.NewServerCtx(t, with(own))
	return map[string]*ssl.Config{
		"Certificates": with(own),
		"reloadable":   with(func(c *ssl.Config) { c.ReloadableCertificates = before }),
		"reloaded":     with(func(c *ssl.Config) { c.ReloadableCertificates = after }),
		"a host's": with(func(c *ssl.Config) {
			c.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-ecdsa"), ssltest.KeyPair(t, "a-test")}
			c.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return host, nil }
		}),
		"GetCertificate has none": with(func(c *ssl.Config) {
			c.Certificates = s.own
			c.GetCertificate = func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) { return nil, nil }
		}),
	}
}

// showsTo is the common name of what a server of cfg shows to a client of cli, and "" if they do
// not come together. The server says the same of itself.
func showsTo(t *testing.T, cfg, cli *ssl.Config) string {
	t.Helper()
	p := ssltest.NewTCPPair(t, cli, cfg)
	defer p.CloseBoth()
	if cerr, _ := p.Shake(); cerr != nil {
		return ""
	}
	got, own := p.Client.ConnectionState().PeerCertificates[0], p.Server.ConnectionState().LocalCertificates
	if len(own) == 0 || !own[0].Equal(got) {
		t.Errorf("the server says that it has sent %v", own)
	}
	return got.Subject.CommonName
}

// shownByGo is showsTo for a server of crypto/tls.
func (s *several) shownByGo(t *testing.T, cli *ssl.Config) string {
	t.Helper()
	a, b := ssltest.TCPPipe(t)
	c, err := ssl.Client(a, ssltest.NewClientCtx(t, cli))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	srv := tls.Server(b, &tls.Config{Certificates: s.other})
	b.SetDeadline(time.Now().Add(ssltest.Timeout))
	c.SetDeadline(time.Now().Add(ssltest.Timeout))
	done := make(chan error)
	go func() { done <- srv.Handshake() }()
	err = c.Handshake()
	if err != nil {
		b.Close()
	}
	<-done
	if err != nil {
		return ""
	}
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// A server shows the certificate that is for the name which the client sends, however many of
// one type it has; to the others the first. crypto/tls does the same.
func TestCertificateByName(t *testing.T) {
	var s several
	s.add(t, "ECDSA", "first", "a.test", "www.a.test")
	s.add(t, "ECDSA", "second", "b.test")
	s.add(t, "ECDSA", "third", "c.test", "*.wild.example")
	s.add(t, "ECDSA", "late", "a.test", "late.test")
	s.add(t, "ECDSA", "local", "*.local")
	want := map[string]string{
		"": "first", "a.test": "first", "www.a.test": "first", "b.test": "second", "B.Test": "second",
		"c.test": "third", "a_b.wild.example": "third",
		"x.wild.example": "third", "wild.example": "first", "x.y.wild.example": "first", "late.test": "late",
		"unknown.test": "first", "a.local": "local", "192.0.2.1": "first",
	}
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		ssltest.Insecure(cli)
		cli.RootCAs = nil
		ways := s.ways(t, srv)
		for name, cn := range want {
			cli.ServerName = name
			for way, srv := range ways {
				if got := showsTo(t, srv, cli); got != cn {
					t.Errorf("%s, %q: shows %q, want %q", way, name, got, cn)
				}
			}
			if got := s.shownByGo(t, cli); got != cn {
				t.Errorf("crypto/tls, %q: shows %q, want %q", name, got, cn)
			}
		}
	})
}

// Among those for a name the client's algorithms decide.
func TestCertificateByNameAndKey(t *testing.T) {
	var s several
	s.add(t, "RSA", "RSA a", "a.test")
	s.add(t, "ECDSA", "EC b", "b.test")
	s.add(t, "P384", "EC a", "a.test")
	s.add(t, "RSA", "RSA b", "b.test")
	s.add(t, "ECDSA", "EC a too", "a.test")
	s.add(t, "RSA", "RSA c", "c.test")
	onlyRSA := func(c *ssl.Config) {
		c.SignatureSchemes = []tls.SignatureScheme{tls.PSSWithSHA256, tls.PKCS1WithSHA256}
	}
	suites := func(ids ...uint16) func(*ssl.Config) { return func(c *ssl.Config) { c.CipherSuites = ids } }
	for _, tc := range []struct {
		what  string
		name  string
		only  uint16
		limit func(*ssl.Config)
		want  string
	}{
		{"RSA for b", "b.test", 0, onlyRSA, "RSA b"},
		{"RSA for a", "a.test", 0, onlyRSA, "RSA a"},
		{"EC for b", "b.test", ssl.VersionTLS12, suites(tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256), "EC b"},
		{"RSA suite for b", "b.test", ssl.VersionTLS12, suites(tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256), "RSA b"},
		{"a curve", "a.test", ssl.VersionTLS13,
			func(c *ssl.Config) { c.SignatureSchemes = []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256} },
			"EC a too"},
		{"any for c", "c.test", 0, func(*ssl.Config) {}, "RSA c"},
		{"no EC for c", "c.test", ssl.VersionTLS13,
			func(c *ssl.Config) { c.SignatureSchemes = []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256} }, ""},
		{"no name, RSA", "", 0, onlyRSA, "RSA a"},
		{"no name, EC suites", "", ssl.VersionTLS12, suites(tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256), "EC a"},
		{"another name, RSA", "unknown.test", 0, onlyRSA, "RSA a"},
	} {
		t.Run(tc.what, func(t *testing.T) {
			ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
				if tc.only != 0 && cli.MaxVersion != tc.only {
					return
				}
				ssltest.Insecure(cli)
				cli.RootCAs, cli.ServerName = nil, tc.name
				tc.limit(cli)
				for way, srv := range s.ways(t, srv) {
					if got := showsTo(t, srv, cli); got != tc.want {
						t.Errorf("%s: shows %q, want %q", way, got, tc.want)
					}
				}
			})
		})
	}
	// Without a name those of the first one's names count, even where libssl would prefer another
	// type; only a client that can do nothing with them gets another.
	var two several
	two.add(t, "RSA", "RSA a", "a.test")
	two.add(t, "ECDSA", "EC b", "b.test")
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		ssltest.Insecure(cli)
		cli.RootCAs, cli.ServerName = nil, ""
		ec := ssltest.CopyOf(cli, suites(tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256))
		if cli.MaxVersion == ssl.VersionTLS13 {
			ec = ssltest.CopyOf(cli,
				func(c *ssl.Config) { c.SignatureSchemes = []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256} })
		}
		for way, srv := range two.ways(t, srv) {
			if got := showsTo(t, srv, cli); got != "RSA a" {
				t.Errorf("%s: shows %q", way, got)
			}
			if got := showsTo(t, srv, ec); got != "EC b" {
				t.Errorf("%s: shows %q to a client without RSA", way, got)
			}
		}
	})
}

// Each certificate of one type has its own staple.
func TestStaplesByName(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		for _, certs := range [][]ssl.Certificate{
			{certNamed(t, "plain.test"), ssltest.Stapled(t, "server-ecdsa")},
			{ssltest.Stapled(t, "server-ecdsa"), certNamed(t, "plain.test")},
		} {
			srv.Certificates = certs
			for name, want := range map[string][]byte{"localhost": ssltest.Staple(t, "server-ecdsa"),
				"plain.test": nil} {
				cli.ServerName, cli.RequestOCSPStaple = name, true
				p := ssltest.NewTCPPair(t, cli, srv)
				p.MustShake(t)
				if got := p.Client.ConnectionState().OCSPResponse; !bytes.Equal(got, want) {
					t.Errorf("%s: a staple of %d bytes, want %d", name, len(got), len(want))
				}
				p.CloseBoth()
			}
		}
	})
}

// Servers of which one has one name more do not resume each other's sessions.
func TestAllNamesInTheContext(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		shareSessions(t, srv)
		a, b, c := certNamed(t, "localhost"), certNamed(t, "b.test"), certNamed(t, "c.test")
		with := func(certs ...ssl.Certificate) *ssl.Ctx {
			return ssltest.NewServerCtx(t, ssltest.CopyOf(srv, func(cfg *ssl.Config) { cfg.Certificates = certs }))
		}
		cctx, here := ssltest.NewClientCtx(t, cli), with(a, b, c)
		p := ssltest.Meet(t, cctx, here, nil)
		s := ssltest.SessionOf(t, p.Client)
		p.CloseBoth()
		for sctx, want := range map[*ssl.Ctx]bool{with(a, b): false, with(a, c, b): true, here: true} {
			p := ssltest.Meet(t, cctx, sctx, ssltest.Dup(t, s))
			if p.Server.SessionReused() != want {
				t.Errorf("resumed %t", !want)
			}
			p.CloseBoth()
		}
	})
}

// A client with several certificates of one type shows one that the server's authorities have
// signed; if there is none, the first.
func TestClientCertificateByAuthority(t *testing.T) {
	usage := x509.ExtKeyUsageClientAuth
	mine, others := ssltest.Issued(t, "other-ca", usage, "other's", nil, ssltest.FarFuture),
		ssltest.Issued(t, "ca", usage, "ca's", nil, ssltest.FarFuture)
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		reloadable, err := ssl.NewReloadableCertificates(mine, others)
		if err != nil {
			t.Fatal(err)
		}
		srv.ClientAuth = ssl.RequireAnyClientCert
		for ca, want := range map[string]string{"ca": "ca's", "other-ca": "other's", "selfsigned": "other's",
			"": "other's"} {
			srv.ClientCAs = nil
			if ca != "" {
				srv.ClientCAs = ssltest.Roots(t, ca)
			}
			for way, cli := range map[string]*ssl.Config{
				"Certificates": ssltest.CopyOf(cli, func(c *ssl.Config) {
					c.Certificates = []ssl.Certificate{mine,
						others}
				}),
				"reloadable": ssltest.CopyOf(cli, func(c *ssl.Config) { c.ReloadableCertificates = reloadable }),
			} {
				p := ssltest.NewTCPPair(t, cli, srv)
				p.MustShake(t)
				if got := p.Server.ConnectionState().PeerCertificates[0].Subject.CommonName; got != want {
					t.Errorf("%s, authorities of %q: shows %q, want %q", way, ca, got, want)
				}
				p.CloseBoth()
			}
		}
	})
}

// A server that has used the name which the client sent says so, in full handshakes and in no
// resumption (RFC 6066, section 3). A client of libssl notes it with the session.
func TestServerNameAcknowledged(t *testing.T) {
	a, b := certNamed(t, "localhost"), certNamed(t, "b.test")
	one := func(c *ssl.Config) { c.Certificates = []ssl.Certificate{a} }
	for _, tc := range []struct {
		what   string
		change func(*testing.T, *ssl.Config)
		acks   bool
	}{
		{"one certificate", func(_ *testing.T, c *ssl.Config) { one(c) }, false},
		{"two certificates", func(_ *testing.T, c *ssl.Config) { c.Certificates = []ssl.Certificate{b, a} }, true},
		{"GetCertificate", func(_ *testing.T, c *ssl.Config) {
			c.Certificates = nil
			c.GetCertificate = func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) { return &a, nil }
		}, true},
		{"GetConfigForClient", func(t *testing.T, c *ssl.Config) {
			chosen := ssltest.NewServerCtx(t, ssltest.CopyOf(c, one))
			c.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return chosen, nil }
		}, true},
		{"GetConfigForClient that has none", func(_ *testing.T, c *ssl.Config) {
			one(c)
			c.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return nil, nil }
		}, true},
		{"two that are reloaded", func(t *testing.T, c *ssl.Config) {
			r, err := ssl.NewReloadableCertificates(b, a)
			if err != nil {
				t.Fatal(err)
			}
			c.Certificates, c.ReloadableCertificates = nil, r
		}, true},
		{"two, and a HelloRetryRequest", func(_ *testing.T, c *ssl.Config) {
			c.Certificates, c.CurvePreferences = []ssl.Certificate{b, a}, []tls.CurveID{tls.CurveP384}
		}, true},
	} {
		t.Run(tc.what, func(t *testing.T) {
			ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
				tc.change(t, srv)
				cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
				p := ssltest.Meet(t, cctx, sctx, nil)
				s := ssltest.SessionOf(t, p.Client)
				p.CloseBoth()
				want := ""
				if tc.acks {
					want = "localhost"
				}
				if got, err := s.Hostname(); got != want || err != nil {
					t.Errorf("acknowledged %q, %v; want %q", got, err, want)
				}
				for range 2 {
					p := ssltest.Meet(t, cctx, sctx, s)
					if !p.Server.SessionReused() || p.Server.ConnectionState().ServerName != "localhost" {
						t.Errorf("resumed %t, name %q", p.Server.SessionReused(), p.Server.ConnectionState().ServerName)
					}
					s = ssltest.SessionOf(t, p.Client)
					p.CloseBoth()
				}
				if p := meetUnnamed(t, cli, sctx); p != "" {
					t.Errorf("acknowledged %q to a client that asks for nothing", p)
				}
			})
		})
	}
}

// meetUnnamed is what a server acknowledges to a client that sends no name.
func meetUnnamed(t *testing.T, cli *ssl.Config, sctx *ssl.Ctx) string {
	t.Helper()
	p := ssltest.Meet(t, ssltest.NewClientCtx(t, ssltest.CopyOf(cli,
		func(c *ssl.Config) { ssltest.Insecure(c); c.ServerName, c.RootCAs = "", nil })), sctx, nil)
	defer p.CloseBoth()
	name, err := ssltest.SessionOf(t, p.Client).Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// An external key is to libssl what a session is: nothing is acknowledged, and nothing breaks. A
// client of crypto/tls takes an acknowledgement in both versions.
func TestServerNameOfOthers(t *testing.T) {
	leakcheck.Test(t)
	k := ssltest.NewPSK(t, ssltest.PSKName, ssltest.PSKKey)
	certs := []ssl.Certificate{certNamed(t, "b.test"), certNamed(t, "localhost")}
	srv := &ssl.Config{PSKs: []ssl.PSK{k}, Certificates: certs}
	cli := ssltest.ClientConfig(t)
	cli.PSKs = []ssl.PSK{k}
	p := ssltest.Meet(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), nil)
	ssltest.WantPSK(t, p.Server, ssltest.PSKName)
	p.CloseBoth()

	s := ssltest.StartServer(t, &ssl.Config{Certificates: certs})
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ssltest.ReadFile(t, "ca.pem"))
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		cfg := &tls.Config{RootCAs: pool, ServerName: "localhost", MaxVersion: v,
			ClientSessionCache: tls.NewLRUClientSessionCache(4)}
		for i := range 3 {
			raw, err := net.Dial("tcp", s.Addr)
			if err != nil {
				t.Fatal(err)
			}
			c := tls.Client(raw, cfg)
			c.SetDeadline(time.Now().Add(ssltest.Timeout))
			if _, err := c.Write([]byte("ping")); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Read(make([]byte, 4)); err != nil {
				t.Fatal(err)
			}
			if c.ConnectionState().DidResume != (i > 0) {
				t.Errorf("%s, connection %d: resumed %t", tls.VersionName(v), i, i == 0)
			}
			c.Close()
		}
	}
}
