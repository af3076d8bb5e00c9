package ssl_test

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// attempt is what became of a session that was offered to a server.
type attempt struct {
	offered, reused bool
	client, server  error
}

// tryWith offers s on a new connection.
func tryWith(t *testing.T, cli, srv *ssl.Ctx, s *ssl.Session) attempt {
	t.Helper()
	a, b := tcpPipe(t)
	p := newPair(t, cli, srv, a, b)
	if err := p.client.SetSession(s); err != nil {
		t.Fatal(err)
	}
	var got attempt
	got.client, got.server = p.shake()
	got.offered, got.reused = p.client.SessionOffered(), p.client.SessionReused()
	if got.client == nil && got.server == nil {
		p.echo(t)
		if got.reused != p.server.SessionReused() {
			t.Errorf("reused is %t here and %t there", got.reused, !got.reused)
		}
		if !p.client.ConnectionState().Verified {
			t.Error("connected without verification")
		}
	}
	p.client.Close()
	p.server.Close()
	return got
}

// try is tryWith for a fresh client.
func try(t *testing.T, cli *ssl.Config, srv *ssl.Ctx, s *ssl.Session) attempt {
	t.Helper()
	return tryWith(t, newClientCtx(t, cli), srv, s)
}

// madeWith makes a session between fresh clients of cli and a server that stays.
func madeWith(t *testing.T, cli *ssl.Config, srv *ssl.Ctx) *ssl.Session {
	t.Helper()
	a, b := tcpPipe(t)
	p := newPair(t, newClientCtx(t, cli), srv, a, b)
	p.mustShake(t)
	p.echo(t)
	s := sessionOf(t, p.client)
	p.client.Close()
	p.server.Close()
	return s
}

// wantFull says that the session was not offered; the full handshake then ended with code.
func wantFull(t *testing.T, got attempt, code int) {
	t.Helper()
	if got.offered || got.reused {
		t.Errorf("offered is %t, reused is %t", got.offered, got.reused)
	}
	if code == 0 && (got.client != nil || got.server != nil) || verifyCode(got.client) != code {
		t.Errorf("code %d, want %d: client %v, server %v", verifyCode(got.client), code, got.client, got.server)
	}
}

func wantResumed(t *testing.T, got attempt) {
	t.Helper()
	if !got.offered || !got.reused || got.client != nil || got.server != nil {
		t.Errorf("%+v", got)
	}
}

func copyOf(cfg *ssl.Config, change func(*ssl.Config)) *ssl.Config {
	c := *cfg
	change(&c)
	return &c
}

func insecure(c *ssl.Config) { c.InsecureSkipVerify = true }

// Attack (a): a session from a client that does not verify, of a server that would not
// pass, does nothing for a client that verifies; neither with that server nor with a good one.
func TestAttackUnverifiedSession(t *testing.T) {
	for _, cert := range []string{"selfsigned", "other-server"} {
		forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
			good := newServerCtx(t, srv)
			bad := newServerCtx(t, copyOf(srv, func(c *ssl.Config) { c.Certificates = []ssl.Certificate{keyPair(t, cert)} }))
			s := madeWith(t, copyOf(cli, insecure), bad)
			ctx := newClientCtx(t, cli)
			code := noIssuer
			if cert == "selfsigned" {
				code = selfSigned
			}
			wantFull(t, tryWith(t, ctx, bad, s), code)
			wantFull(t, tryWith(t, ctx, bad, dup(t, s)), code)
			wantFull(t, tryWith(t, ctx, bad, reparsed(t, s)), code)
			wantFull(t, tryWith(t, ctx, good, s), 0)
		})
	}
}

// Attack (b): a session that was verified for one name is not resumed under another that
// the certificate does not have; under one that it has, it is offered, and resumed unless the
// server's ticket is of the other name.
func TestAttackOtherName(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		sctx := newServerCtx(t, srv)
		s := madeWith(t, cli, sctx)
		for name, code := range map[string]int{
			"other.test": hostnameMismatch, "x.localhost": hostnameMismatch, "127.0.0.2": ipMismatch,
			"server.test": 0, "127.0.0.1": 0, "LOCALHOST": 0, "localhost.": 0,
		} {
			got := try(t, copyOf(cli, func(c *ssl.Config) { c.ServerName = name }), sctx, s)
			switch {
			case code != 0:
				wantFull(t, got, code)
			case fm.tickets && name == "server.test": // an address is not sent
				if !got.offered || got.reused || got.client != nil || got.server != nil {
					t.Errorf("%s: %+v", name, got)
				}
			default:
				wantResumed(t, got)
			}
		}
	})
}

// Attack (c): a Ctx that trusts nobody, or somebody else, does not resume what another
// Ctx had verified.
func TestAttackOtherRoots(t *testing.T) {
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		sctx := newServerCtx(t, srv)
		s := madeWith(t, cli, sctx)
		for _, pool := range []*ssl.CertPool{ssl.NewCertPool(), roots(t, "other-ca")} {
			strict := copyOf(cli, func(c *ssl.Config) { c.RootCAs = pool })
			wantFull(t, try(t, strict, sctx, s), noIssuer)
		}
		wantResumed(t, try(t, cli, sctx, s))
	})
}

// Attack (d): a session whose leaf is out of date does not keep its server alive.
func TestAttackExpiredLeaf(t *testing.T) {
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		srv.Certificates = []ssl.Certificate{keyPair(t, "expired")}
		sctx := newServerCtx(t, srv)
		s := madeWith(t, copyOf(cli, insecure), sctx)
		wantFull(t, try(t, cli, sctx, s), certExpired)
	})
}

// Attack (d) with sessions that were verified while the leaf was valid; and the same for
// a client's certificate, beyond which the server's sessions do not live.
func TestAttackLeafExpiresMeanwhile(t *testing.T) {
	leakcheck.Test(t)
	until := time.Now()
	type attack struct {
		form
		cli, known *ssl.Config // known has a certificate
		srv, asks  *ssl.Ctx    // asks demands it
		s, m       *ssl.Session
	}
	prepare := func(fm form) (a attack, ok bool) {
		srv, cli := serverConfig(t), clientConfig(t)
		srv.SessionTicketsDisabled = !fm.tickets
		cli.MaxVersion, srv.MaxVersion = fm.version, fm.version
		a = attack{form: fm, cli: cli, known: copyOf(cli, func(*ssl.Config) {})}
		a.known.Certificates = []ssl.Certificate{issued(t, "ca", x509.ExtKeyUsageClientAuth, "x", nil, until)}
		a.asks = newServerCtx(t, copyOf(srv, func(c *ssl.Config) {
			c.ClientAuth, c.ClientCAs = ssl.RequireAndVerifyClientCert, roots(t, "ca")
		}))
		srv.Certificates = []ssl.Certificate{issued(t, "ca", x509.ExtKeyUsageServerAuth, "x", []string{"localhost"}, until)}
		a.srv = newServerCtx(t, srv)
		a.s, a.m = madeInTime(t, a.cli, a.srv), madeInTime(t, a.known, a.asks)
		return a, a.s != nil && a.m != nil
	}
	var attacks []attack
	for window := 2 * time.Second; len(attacks) < len(forms); window *= 2 {
		attacks = nil // those that were made in time
		until = time.Now().Add(window).Truncate(time.Second)
		for _, fm := range forms {
			if a, ok := prepare(fm); ok {
				attacks = append(attacks, a)
			}
		}
	}
	// time(3), which OpenSSL reads, lags behind the clock by up to a tick.
	<-time.After(time.Until(until.Add(time.Second + 100*time.Millisecond)))

	for _, a := range attacks {
		wantFull(t, try(t, a.cli, a.srv, a.s), certExpired)
		// Here the server's leaf is fine: the session is offered. On the server it has not
		// outlived the client's certificate, so the handshake is a full one.
		if got := try(t, a.known, a.asks, a.m); !got.offered || verifyCode(got.server) != certExpired {
			t.Errorf("%s, expired client: %+v", a.name, got)
		}
	}
}

// madeInTime is madeWith, or nil if a certificate expired before the handshake was over.
func madeInTime(t *testing.T, cli *ssl.Config, srv *ssl.Ctx) *ssl.Session {
	t.Helper()
	a, b := tcpPipe(t)
	p := newPair(t, newClientCtx(t, cli), srv, a, b)
	defer p.closeBoth()
	c, s := p.shake()
	if verifyCode(c) == certExpired || verifyCode(s) == certExpired {
		return nil
	}
	if c != nil || s != nil {
		t.Fatalf("client %v, server %v", c, s)
	}
	p.echo(t)
	return sessionOf(t, p.client)
}

// A session without a stamp is resumed if its leaf verifies now; one whose intermediate
// certificate did not travel with it costs a full handshake and no error.
func TestUnstampedSession(t *testing.T) {
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		plain := newServerCtx(t, srv)
		wantResumed(t, try(t, cli, plain, reparsed(t, madeWith(t, cli, plain))))
		// Made without verification, but of a server that passes it.
		wantResumed(t, try(t, cli, plain, madeWith(t, copyOf(cli, insecure), plain)))

		srv.Certificates = []ssl.Certificate{keyPair(t, "server-chain")}
		chained := newServerCtx(t, srv)
		wantFull(t, try(t, cli, chained, reparsed(t, madeWith(t, cli, chained))), 0)
		wantFull(t, try(t, cli, chained, madeWith(t, copyOf(cli, insecure), chained)), 0)

		// A client that has the intermediate resumes, and trusts it no more than before:
		// without the root it is nobody's.
		helped := copyOf(cli, func(c *ssl.Config) { c.RootCAs = roots(t, "ca"); c.RootCAs.AddCert(parsedCert(t, "intermediate")) })
		wantResumed(t, try(t, helped, chained, reparsed(t, madeWith(t, cli, chained))))
		alone := copyOf(cli, func(c *ssl.Config) { c.RootCAs = roots(t, "intermediate") })
		wantFull(t, try(t, alone, chained, reparsed(t, madeWith(t, cli, chained))), noIssuerOfIssuer)
	})
}

// Without its intermediate the leaf of server-chain never verifies again, so only the
// stamp can have such a session offered: it shows who has the stamp.
func TestStamp(t *testing.T) {
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		srv.Certificates = []ssl.Certificate{keyPair(t, "server-chain")}
		sctx := newServerCtx(t, srv)
		s := madeWith(t, cli, sctx)

		// Across Ctxs with the same roots, and through Dup, even twice.
		wantResumed(t, try(t, cli, sctx, s))
		wantResumed(t, try(t, copyOf(cli, func(c *ssl.Config) { c.RootCAs = roots(t, "ca") }), sctx, s))
		wantResumed(t, try(t, cli, sctx, dup(t, dup(t, s))))

		// Onto the sessions of a resumed connection.
		a, b := tcpPipe(t)
		p := newPair(t, newClientCtx(t, cli), sctx, a, b)
		if err := p.client.SetSession(s); err != nil {
			t.Fatal(err)
		}
		p.mustShake(t)
		p.echo(t)
		next := sessionOf(t, p.client)
		p.closeBoth()
		wantResumed(t, try(t, cli, sctx, next))

		// Not to another key, another set of roots, another client certificate.
		other := dup(t, s)
		key, err := other.SecretMasterKey()
		if err != nil {
			t.Fatal(err)
		}
		if err := other.SetSecretMasterKey(key); err != nil {
			t.Fatal(err)
		}
		wantFull(t, try(t, cli, sctx, other), 0)
		more := roots(t, "ca")
		more.AddCert(parsedCert(t, "other-ca"))
		wantFull(t, try(t, copyOf(cli, func(c *ssl.Config) { c.RootCAs = more }), sctx, s), 0)
		wantFull(t, try(t, copyOf(cli, func(c *ssl.Config) {
			c.Certificates = []ssl.Certificate{keyPair(t, "client")}
		}), sctx, s), 0)
		wantResumed(t, try(t, cli, sctx, s))
	})
}

func parsedCert(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	data, err := os.ReadFile(certFile(name + ".pem"))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := pem.Decode(data)
	cert, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
