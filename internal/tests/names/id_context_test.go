package names_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/url"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// certNamed is a server's certificate with that in its subjectAltName: names, addresses behind
// "ip:", URIs and addresses of mail.
func certNamed(t testing.TB, names ...string) ssl.Certificate {
	t.Helper()
	leaf := &x509.Certificate{Subject: pkix.Name{CommonName: "a server"}, NotAfter: ssltest.FarFuture,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, name := range names {
		switch ip, isIP := strings.CutPrefix(name, "ip:"); {
		case isIP:
			leaf.IPAddresses = append(leaf.IPAddresses, net.ParseIP(ip))
		case strings.Contains(name, "://"):
			u, err := url.Parse(name)
			if err != nil {
				t.Fatal(err)
			}
			leaf.URIs = append(leaf.URIs, u)
		case strings.Contains(name, "@"):
			leaf.EmailAddresses = append(leaf.EmailAddresses, name)
		case strings.HasPrefix(name, "CN="):
			leaf.Subject.CommonName = name[3:]
		default:
			leaf.DNSNames = append(leaf.DNSNames, name)
		}
	}
	return ssltest.IssuedAs(t, "ca", leaf)
}

// shareSessions gives servers of cfg what other servers have, too: keys, or a cache.
func shareSessions(t testing.TB, cfg *ssl.Config) {
	if cfg.SessionTicketsDisabled {
		cfg.SessionCache = ssltest.NewServerCache(t, nil)
	} else {
		cfg.TicketKeys = ssltest.TicketKeys(t, ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)})
	}
}

// Servers that share keys or a cache resume each other's sessions only where they are known by
// the same names, of whatever kind; and never by default where a function says which names.
func TestServersOfOtherNames(t *testing.T) {
	of := func(names ...string) func(*ssl.Config) {
		cert := certNamed(t, names...)
		return func(c *ssl.Config) { c.Certificates = []ssl.Certificate{cert} }
	}
	asked := func(names ...string) func(*ssl.Config) {
		cert := certNamed(t, names...)
		return func(c *ssl.Config) {
			c.Certificates = nil
			c.GetCertificate = func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) { return &cert, nil }
		}
	}
	fleet := func(f func(*ssl.Config)) func(*ssl.Config) {
		return func(c *ssl.Config) { f(c); c.SessionIDContext = []byte("fleet") }
	}
	for _, tc := range []struct {
		what   string
		a, b   func(*ssl.Config)
		shared bool
	}{
		{"two addresses", of("ip:192.0.2.1"), of("ip:192.0.2.2"), false},
		{"an address and none", of("ip:192.0.2.1"), of(), false},
		{"one name, two addresses", of("a.test", "ip:192.0.2.1"), of("a.test", "ip:192.0.2.2"), false},
		{"two URIs", of("spiffe://test/a"), of("spiffe://test/b"), false},
		{"two addresses of mail", of("a@a.test"), of("b@a.test"), false},
		{"two subjects", of("CN=a"), of("CN=b"), false},
		{"names with a blank", of("a.test b.test"), of("a.test", "b.test"), false},
		{"the same address", of("ip:192.0.2.1"), of("ip:192.0.2.1"), true},
		{"the same in another order", of("a.test", "b.test"), of("b.test", "a.test"), true},
		{"the same URI", of("spiffe://test/a"), of("spiffe://test/a"), true},
		{"the same subject", of("CN=a"), of("CN=a"), true},
		{"GetCertificate", asked("ip:192.0.2.1"), asked("ip:192.0.2.2"), false},
		{"GetCertificate with the same certificate", asked("ip:192.0.2.1"), asked("ip:192.0.2.1"), false},
		{"GetCertificate in a fleet", fleet(asked("a.test")), fleet(asked("b.test")), true},
		{"two names in a fleet", fleet(of("ip:192.0.2.1")), fleet(of("ip:192.0.2.2")), true},
	} {
		t.Run(tc.what, func(t *testing.T) {
			ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
				shareSessions(t, srv)
				ssltest.Insecure(cli)
				cli.ServerName, cli.RootCAs = "", nil
				cctx, a, b := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, ssltest.CopyOf(srv, tc.a)),
					ssltest.NewServerCtx(t, ssltest.CopyOf(srv, tc.b))
				p := ssltest.Meet(t, cctx, a, nil)
				s := ssltest.SessionOf(t, p.Client)
				p.CloseBoth()
				for i, sctx := range []*ssl.Ctx{b, a} {
					p := ssltest.Meet(t, cctx, sctx, ssltest.Dup(t, s))
					if got, want := p.Server.SessionReused(), i == 1 || tc.shared; got != want ||
						p.Client.SessionReused() != want {
						t.Errorf("server %d: resumed %t, want %t", i, got, want)
					}
					p.CloseBoth()
				}
			})
		})
	}
}

// A client that wants one address and is led to another is told so, with a session as without.
func TestLedToAnotherAddress(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		shareSessions(t, srv)
		cli.ServerName = "192.0.2.1"
		cctx := ssltest.NewClientCtx(t, cli)
		here, there := *srv, *srv
		here.Certificates, there.Certificates = []ssl.Certificate{certNamed(t, "ip:192.0.2.1")},
			[]ssl.Certificate{certNamed(t, "ip:192.0.2.2")}
		p := ssltest.Meet(t, cctx, ssltest.NewServerCtx(t, &here), nil)
		s := ssltest.SessionOf(t, p.Client)
		p.CloseBoth()
		a, b := ssltest.TCPPipe(t)
		p = ssltest.NewPair(t, cctx, ssltest.NewServerCtx(t, &there), a, b)
		if err := p.Client.SetSession(s); err != nil || !p.Client.SessionOffered() {
			t.Fatalf("%v, offered %t", err, p.Client.SessionOffered())
		}
		if cerr, _ := p.Shake(); ssltest.VerifyCode(cerr) != ssltest.IPMismatch {
			t.Errorf("client: %v", cerr)
		}
	})
}

// The names of reloaded certificates are those of the connections that begin with them.
func TestReloadedNames(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		shareSessions(t, srv)
		ssltest.Insecure(cli)
		cli.ServerName, cli.RootCAs, srv.Certificates = "", nil, nil
		cctx := ssltest.NewClientCtx(t, cli)
		reloadable := func(names ...string) (*ssl.Ctx, *ssl.ReloadableCertificates) {
			r, err := ssl.NewReloadableCertificates(certNamed(t, names...))
			if err != nil {
				t.Fatal(err)
			}
			return ssltest.NewServerCtx(t, ssltest.CopyOf(srv, func(c *ssl.Config) { c.ReloadableCertificates = r })),
				r
		}
		resumes := func(what string, from, to *ssl.Ctx, want bool) {
			t.Helper()
			p := ssltest.Meet(t, cctx, from, nil)
			s := ssltest.SessionOf(t, p.Client)
			p.CloseBoth()
			p = ssltest.Meet(t, cctx, to, s)
			if p.Server.SessionReused() != want {
				t.Errorf("%s: resumed %t", what, !want)
			}
			p.CloseBoth()
		}
		a, ra := reloadable("a.test")
		other, _ := reloadable("a.test")
		resumes("equal from the beginning", a, other, true)
		if err := ra.Replace(certNamed(t, "a.test")); err != nil {
			t.Fatal(err)
		}
		resumes("renewed", a, other, true)
		if err := ra.Replace(certNamed(t, "b.test")); err != nil {
			t.Fatal(err)
		}
		resumes("of another name since", a, other, false)
		resumes("of another name since, the other way", other, a, false)
		resumes("with itself", a, a, true)
		began, _ := reloadable("b.test")
		resumes("of the same name since, and from the beginning", a, began, true)
		resumes("the other way", began, a, true)
	})
}

// What GetPSK answers is one server's own: another one with the same keys of tickets, or the
// same cache, does not resume what began with its keys, unless both have the same SessionIDContext.
func TestGetPSKTenants(t *testing.T) {
	for _, fm := range ssltest.Forms {
		if fm.Version != ssl.VersionTLS13 {
			continue // where GetPSK is not asked
		}
		for _, same := range []bool{false, true} {
			t.Run(fm.Name, func(t *testing.T) {
				leakcheck.Test(t)
				srv := &ssl.Config{SessionTicketsDisabled: !fm.Tickets}
				shareSessions(t, srv)
				if same {
					srv.SessionIDContext = []byte("fleet")
				}
				tenant := func(key []byte) (cctx, sctx *ssl.Ctx) {
					k := ssltest.NewPSK(t, ssltest.PSKName, key)
					get := func(*ssl.ClientHelloInfo, string) (ssl.PSK, error) { return k, nil }
					return ssltest.NewClientCtx(t, &ssl.Config{PSKs: []ssl.PSK{k}, PSKOnly: true}),
						ssltest.NewServerCtx(t, ssltest.CopyOf(srv, func(c *ssl.Config) { c.GetPSK = get }))
				}
				client, mine := tenant(ssltest.PSKKey)
				_, others := tenant(ssltest.OtherKey())
				s := ssltest.PSKSession(t, client, mine)
				p := ssltest.Meet(t, client, mine, ssltest.Dup(t, s))
				if state := p.Server.ConnectionState(); !state.DidResume || state.PSKIdentity != ssltest.PSKName {
					t.Errorf("at its own server: %+v", state)
				}
				p.CloseBoth()
				a, b := ssltest.TCPPipe(t)
				p = ssltest.NewPair(t, client, others, a, b)
				if err := p.Client.SetSession(ssltest.Dup(t, s)); err != nil {
					t.Fatal(err)
				}
				cerr, serr := p.Shake()
				if same && (cerr != nil || serr != nil || !p.Server.SessionReused()) {
					t.Errorf("in one fleet: client %v, server %v", cerr, serr)
				}
				if !same && (serr == nil || p.Server.ConnectionState().PSKIdentity != "") {
					t.Errorf("at the other server: client %v, server %v, %+v", cerr, serr, p.Server.ConnectionState())
				}
			})
		}
	}
}
