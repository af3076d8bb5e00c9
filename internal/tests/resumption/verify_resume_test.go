package resumption_test

import (
	"crypto/x509"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Attack (a): a session from a client that does not verify, of a server that would not
// pass, does nothing for a client that verifies; neither with that server nor with a good one.
func TestAttackUnverifiedSession(t *testing.T) {
	for _, cert := range []string{"selfsigned", "other-server"} {
		ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
			good := ssltest.NewServerCtx(t, srv)
			bad := ssltest.NewServerCtx(t, ssltest.CopyOf(srv,
				func(c *ssl.Config) { c.Certificates = []ssl.Certificate{ssltest.KeyPair(t, cert)} }))
			s := ssltest.MadeWith(t, ssltest.CopyOf(cli, ssltest.Insecure), bad)
			ctx := ssltest.NewClientCtx(t, cli)
			code := ssltest.NoIssuer
			if cert == "selfsigned" {
				code = ssltest.SelfSigned
			}
			ssltest.WantFull(t, ssltest.TryWith(t, ctx, bad, s), code)
			ssltest.WantFull(t, ssltest.TryWith(t, ctx, bad, ssltest.Dup(t, s)), code)
			ssltest.WantFull(t, ssltest.TryWith(t, ctx, bad, ssltest.Reparsed(t, s)), code)
			ssltest.WantFull(t, ssltest.TryWith(t, ctx, good, s), 0)
		})
	}
}

// Attack (b): a session that was verified for one name is not resumed under another that
// the certificate does not have; under one that it has, it is offered, and resumed unless the
// server's ticket is of the other name.
func TestAttackOtherName(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		sctx := ssltest.NewServerCtx(t, srv)
		s := ssltest.MadeWith(t, cli, sctx)
		for name, code := range map[string]int{
			"other.test": ssltest.HostnameMismatch, "x.localhost": ssltest.HostnameMismatch,
			"127.0.0.2":   ssltest.IPMismatch,
			"server.test": 0, "127.0.0.1": 0, "LOCALHOST": 0, "localhost.": 0,
		} {
			got := ssltest.Try(t, ssltest.CopyOf(cli, func(c *ssl.Config) { c.ServerName = name }), sctx, s)
			switch {
			case code != 0:
				ssltest.WantFull(t, got, code)
			case fm.Tickets && name == "server.test": // an address is not sent
				if !got.Offered || got.Reused || got.Client != nil || got.Server != nil {
					t.Errorf("%s: %+v", name, got)
				}
			default:
				ssltest.WantResumed(t, got)
			}
		}
	})
}

// Attack (c): a Ctx that trusts no root, or another one, does not resume what another
// Ctx had verified.
func TestAttackOtherRoots(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		sctx := ssltest.NewServerCtx(t, srv)
		s := ssltest.MadeWith(t, cli, sctx)
		for _, pool := range []*ssl.CertPool{ssl.NewCertPool(), ssltest.Roots(t, "other-ca")} {
			strict := ssltest.CopyOf(cli, func(c *ssl.Config) { c.RootCAs = pool })
			ssltest.WantFull(t, ssltest.Try(t, strict, sctx, s), ssltest.NoIssuer)
		}
		ssltest.WantResumed(t, ssltest.Try(t, cli, sctx, s))
	})
}

// Attack (d): a session whose leaf is out of date does not keep its server alive.
func TestAttackExpiredLeaf(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		srv.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "expired")}
		sctx := ssltest.NewServerCtx(t, srv)
		s := ssltest.MadeWith(t, ssltest.CopyOf(cli, ssltest.Insecure), sctx)
		ssltest.WantFull(t, ssltest.Try(t, cli, sctx, s), ssltest.CertExpired)
	})
}

// Attack (d) with sessions that were verified while the leaf was valid; and the same for
// a client's certificate, beyond which the server's sessions do not live.
func TestAttackLeafExpiresMeanwhile(t *testing.T) {
	leakcheck.Test(t)
	clock := ssltest.NewClock(t)
	until := clock.Now().Add(time.Minute)
	type attack struct {
		ssltest.Form
		cli, known *ssl.Config // known has a certificate
		srv, asks  *ssl.Ctx    // asks demands it
		s, m       *ssl.Session
	}
	prepare := func(fm ssltest.Form) (a attack) {
		srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
		srv.SessionTicketsDisabled = !fm.Tickets
		cli.MaxVersion, srv.MaxVersion = fm.Version, fm.Version
		a = attack{Form: fm, cli: cli, known: ssltest.CopyOf(cli, func(*ssl.Config) {})}
		a.known.Certificates = []ssl.Certificate{ssltest.Issued(t, "ca", x509.ExtKeyUsageClientAuth, "x", nil,
			until)}
		a.asks = ssltest.NewServerCtx(t, ssltest.CopyOf(srv, func(c *ssl.Config) {
			c.ClientAuth, c.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
		}))
		srv.Certificates = []ssl.Certificate{ssltest.Issued(t, "ca", x509.ExtKeyUsageServerAuth, "x",
			[]string{"localhost"}, until)}
		a.srv = ssltest.NewServerCtx(t, srv)
		a.s, a.m = ssltest.MadeWith(t, a.cli, a.srv), ssltest.MadeWith(t, a.known, a.asks)
		return a
	}
	var attacks []attack
	for _, fm := range ssltest.Forms {
		attacks = append(attacks, prepare(fm))
	}
	clock.Pass(time.Minute + 2*time.Second) // OpenSSL counts in seconds

	for _, a := range attacks {
		ssltest.WantFull(t, ssltest.Try(t, a.cli, a.srv, a.s), ssltest.CertExpired)
		// Here the server's leaf is fine: in TLS 1.2 the session is offered. On the server it has not
		// outlived the client's certificate, so the handshake is a full one. In TLS 1.3 it is older than
		// the server's hint, and libssl leaves it out.
		old := a.Version == ssl.VersionTLS13
		if got := ssltest.Try(t, a.known, a.asks, a.m); got.Offered == old || got.Reused ||
			ssltest.VerifyCode(got.Server) != ssltest.CertExpired {
			t.Errorf("%s, expired client: %+v", a.Name, got)
		}
	}
}

// A session without a stamp is resumed if its leaf verifies now; one whose intermediate
// certificate did not travel with it costs a full handshake and no error.
func TestUnstampedSession(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		plain := ssltest.NewServerCtx(t, srv)
		ssltest.WantResumed(t, ssltest.Try(t, cli, plain, ssltest.Reparsed(t, ssltest.MadeWith(t, cli, plain))))
		// Made without verification, but of a server that passes it.
		ssltest.WantResumed(t, ssltest.Try(t, cli, plain, ssltest.MadeWith(t, ssltest.CopyOf(cli, ssltest.Insecure),
			plain)))

		srv.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-chain")}
		chained := ssltest.NewServerCtx(t, srv)
		ssltest.WantFull(t, ssltest.Try(t, cli, chained, ssltest.Reparsed(t, ssltest.MadeWith(t, cli, chained))), 0)
		ssltest.WantFull(t, ssltest.Try(t, cli, chained, ssltest.MadeWith(t, ssltest.CopyOf(cli, ssltest.Insecure),
			chained)), 0)

		// A client that has the intermediate resumes, and trusts it no more than before:
		// without the root it has no issuer.
		helped := ssltest.CopyOf(cli, func(c *ssl.Config) {
			c.RootCAs = ssltest.Roots(t, "ca")
			c.RootCAs.AddCert(ssltest.ParsedCert(t, "intermediate"))
		})
		ssltest.WantResumed(t, ssltest.Try(t, helped, chained,
			ssltest.Reparsed(t, ssltest.MadeWith(t, cli, chained))))
		alone := ssltest.CopyOf(cli, func(c *ssl.Config) { c.RootCAs = ssltest.Roots(t, "intermediate") })
		ssltest.WantFull(t, ssltest.Try(t, alone, chained, ssltest.Reparsed(t, ssltest.MadeWith(t, cli, chained))),
			ssltest.NoIssuerOfIssuer)
	})
}

// Without its intermediate the leaf of server-chain never verifies again, so only the
// stamp can have such a session offered: it shows who has the stamp.
func TestStamp(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		srv.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-chain")}
		sctx := ssltest.NewServerCtx(t, srv)
		s := ssltest.MadeWith(t, cli, sctx)

		// Across Ctxs with the same roots, and through Dup, even twice.
		ssltest.WantResumed(t, ssltest.Try(t, cli, sctx, s))
		ssltest.WantResumed(t,
			ssltest.Try(t, ssltest.CopyOf(cli, func(c *ssl.Config) { c.RootCAs = ssltest.Roots(t, "ca") }), sctx, s))
		ssltest.WantResumed(t, ssltest.Try(t, cli, sctx, ssltest.Dup(t, ssltest.Dup(t, s))))

		// Onto the sessions of a resumed connection.
		a, b := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), sctx, a, b)
		if err := p.Client.SetSession(s); err != nil {
			t.Fatal(err)
		}
		p.MustShake(t)
		p.Echo(t)
		next := ssltest.SessionOf(t, p.Client)
		p.CloseBoth()
		ssltest.WantResumed(t, ssltest.Try(t, cli, sctx, next))

		// Not to another key, another set of roots, another client certificate.
		other := ssltest.Dup(t, s)
		key, err := other.SecretMasterKey()
		if err != nil {
			t.Fatal(err)
		}
		if err := other.SetSecretMasterKey(key); err != nil {
			t.Fatal(err)
		}
		ssltest.WantFull(t, ssltest.Try(t, cli, sctx, other), 0)
		more := ssltest.Roots(t, "ca")
		more.AddCert(ssltest.ParsedCert(t, "other-ca"))
		ssltest.WantFull(t, ssltest.Try(t, ssltest.CopyOf(cli, func(c *ssl.Config) { c.RootCAs = more }), sctx, s),
			0)
		ssltest.WantFull(t, ssltest.Try(t, ssltest.CopyOf(cli, func(c *ssl.Config) {
			c.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client")}
		}), sctx, s), 0)
		ssltest.WantResumed(t, ssltest.Try(t, cli, sctx, s))
	})
}
