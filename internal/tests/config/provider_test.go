package config_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

const suiteChaCha13 = 0x1303

// With FIPS a connection is made with the FIPS provider or not at all: where it cannot be
// loaded the error says so, on both sides and each time. Where it can, what it lacks is not
// there, and sessions are resumed.
func TestFIPS(t *testing.T) {
	leakcheck.Test(t)
	fips := func(c *ssl.Config) { c.FIPS = true }
	if ssltest.Without3(t, ssltest.CopyOf(ssltest.ClientConfig(t), fips)) {
		return
	}
	if err := ssltest.CopyOf(ssltest.ClientConfig(t), fips).CheckClient(); errors.Is(err, ssl.ErrNoProvider) {
		if os.Getenv("SESSL_EXPECT_FIPS") == "yes" {
			t.Fatal("the provider that scripts/matrix has set up:", err)
		}
		t.Log("no FIPS provider here, only its error is tested:", err)
		for range 2 {
			for _, err := range []error{ssltest.CopyOf(ssltest.ClientConfig(t), fips).CheckClient(),
				ssltest.CopyOf(ssltest.ServerConfig(t), fips).CheckServer()} {
				ssltest.Refuses(t, "no provider", err, ssl.ErrNoProvider)
				var e *ssl.Error
				if !errors.As(err, &e) || !strings.Contains(err.Error(), "provider fips could not be loaded") ||
					len(e.Entries) == 0 {
					t.Errorf("%q with %d entries does not say why", err, len(e.Entries))
				}
			}
		}
		ssltest.NewTCPPair(t, ssltest.ClientConfig(t),
			ssltest.ServerConfig(t)).MustShake(t) // others are not affected
		return
	}
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		plain := ssltest.NewServerCtx(t, srv)
		s := ssltest.MadeWith(t, cli, plain)
		fips(srv)
		sctx := ssltest.NewServerCtx(t, srv)
		for _, change := range []func(*ssl.Config){fips, func(*ssl.Config) {}} {
			ctx := ssltest.NewClientCtx(t, ssltest.CopyOf(cli, change))
			a, b := ssltest.TCPPipe(t)
			p := ssltest.NewPair(t, ctx, sctx, a, b)
			p.MustShake(t)
			p.Echo(t)
			own := ssltest.SessionOf(t, p.Client)
			p.CloseBoth()
			ssltest.WantResumed(t, ssltest.TryWith(t, ctx, sctx, own))
		}
		ssltest.WantFull(t, ssltest.Try(t, ssltest.CopyOf(cli, fips), plain, s), 0)
		ssltest.WantFull(t, ssltest.Try(t, ssltest.CopyOf(cli, fips), plain, ssltest.Reparsed(t, s)), 0)
		if cli.MaxVersion == ssl.VersionTLS13 {
			a, b := ssltest.TCPPipe(t)
			chacha := ssltest.CopyOf(cli, func(c *ssl.Config) { c.CipherSuites = []uint16{suiteChaCha13} })
			if cerr, serr := ssltest.NewPair(t, ssltest.NewClientCtx(t, chacha), sctx, a,
				b).Shake(); ssltest.AlertOf(cerr) != ssltest.AlertHandshakeFailure {
				t.Errorf("a client with ChaCha20 alone: %v, %v", cerr, serr)
			}
		}
		srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
		cli.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client")}
		ssltest.NewTCPPair(t, ssltest.CopyOf(cli, fips), srv).MustShake(t)
		cli.ServerName = "other.test"
		if cerr, _ := ssltest.NewTCPPair(t, ssltest.CopyOf(cli, fips),
			srv).Shake(); ssltest.VerifyCode(cerr) != ssltest.HostnameMismatch {
			t.Errorf("a wrong name: %v", cerr)
		}
	})
	cfg := ssltest.CopyOf(ssltest.ClientConfig(t), fips)
	cfg.CipherSuites = []uint16{suiteChaCha13}
	ssltest.Refuses(t, "ChaCha20", cfg.CheckClient(), ssl.ErrUnsupported)
}

// A property query takes what has the properties, and fails where nothing has.
func TestPropertyQuery(t *testing.T) {
	leakcheck.Test(t)
	query := func(q string) func(*ssl.Config) { return func(c *ssl.Config) { c.PropertyQuery = q } }
	if ssltest.Without3(t, ssltest.CopyOf(ssltest.ClientConfig(t), query("provider=default"))) {
		return
	}
	for _, q := range []string{"provider=default", "?provider=nosuch"} {
		ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
			sctx := ssltest.NewServerCtx(t, ssltest.CopyOf(srv, query(q)))
			cli = ssltest.CopyOf(cli, query(q))
			s := ssltest.MadeWith(t, cli, sctx)
			ssltest.WantResumed(t, ssltest.Try(t, cli, sctx, s))
			// Verified with other implementations, or it is not known with which.
			ssltest.WantFull(t, ssltest.Try(t, ssltest.CopyOf(cli, query("provider=default,?x=y")), sctx, s), 0)
			ssltest.WantFull(t, ssltest.Try(t, cli, sctx, ssltest.Reparsed(t, s)), 0)
		})
	}
	ssltest.Refuses(t, "nosuch", ssltest.CopyOf(ssltest.ServerConfig(t), query("provider=nosuch")).CheckServer(),
		ssl.ErrNoProvider)
	// libssl itself takes what it cannot parse for no query at all.
	for _, q := range []string{"=", "provider=", "fips=yes,,", "-", "fips=yes provider=default", "'", "(((("} {
		ssltest.Refuses(t, q, ssltest.CopyOf(ssltest.ServerConfig(t), query(q)).CheckServer(), ssl.ErrConfig)
	}
	for _, q := range []string{"provider=default\x00", strings.Repeat("x", 4097)} {
		ssltest.Refuses(t, "a query of other bytes", ssltest.CopyOf(ssltest.ClientConfig(t),
			query(q)).CheckClient(), ssl.ErrConfig)
	}
}
