package ssl_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"sessl/internal/cshim"
	"sessl/internal/leakcheck"
	"sessl/ssl"
)

const suiteChaCha13 = 0x1303

// without3 reports a library that has no providers, and wants the errors that say so.
func without3(t *testing.T, cfg *ssl.Config) bool {
	t.Helper()
	if !strings.HasPrefix(cshim.Version(), "OpenSSL 1.") {
		return false
	}
	err := cfg.CheckClient()
	refuses(t, cshim.Version(), err, ssl.ErrUnsupported)
	if err != nil && !strings.Contains(err.Error(), "needs OpenSSL 3.0") {
		t.Errorf("%q does not say what is needed", err)
	}
	return true
}

// With FIPS a connection is made with the FIPS provider or not at all: where it cannot be
// loaded the error says so, on both sides and each time. Where it can, what it lacks is not
// there, and sessions are resumed.
func TestFIPS(t *testing.T) {
	leakcheck.Test(t)
	fips := func(c *ssl.Config) { c.FIPS = true }
	if without3(t, copyOf(clientConfig(t), fips)) {
		return
	}
	if err := copyOf(clientConfig(t), fips).CheckClient(); errors.Is(err, ssl.ErrNoProvider) {
		if os.Getenv("SESSL_EXPECT_FIPS") == "yes" {
			t.Fatal("the provider that scripts/matrix has set up:", err)
		}
		t.Log("no FIPS provider here, only its error is tested:", err)
		for range 2 {
			for _, err := range []error{copyOf(clientConfig(t), fips).CheckClient(), copyOf(serverConfig(t), fips).CheckServer()} {
				refuses(t, "no provider", err, ssl.ErrNoProvider)
				var e *ssl.Error
				if !errors.As(err, &e) || !strings.Contains(err.Error(), "provider fips could not be loaded") || len(e.Entries) == 0 {
					t.Errorf("%q with %d entries does not say why", err, len(e.Entries))
				}
			}
		}
		newTCPPair(t, clientConfig(t), serverConfig(t)).mustShake(t) // others are not affected
		return
	}
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		plain := newServerCtx(t, srv)
		s := madeWith(t, cli, plain)
		fips(srv)
		sctx := newServerCtx(t, srv)
		for _, change := range []func(*ssl.Config){fips, func(*ssl.Config) {}} {
			ctx := newClientCtx(t, copyOf(cli, change))
			a, b := tcpPipe(t)
			p := newPair(t, ctx, sctx, a, b)
			p.mustShake(t)
			p.echo(t)
			own := sessionOf(t, p.client)
			p.closeBoth()
			wantResumed(t, tryWith(t, ctx, sctx, own))
		}
		wantFull(t, try(t, copyOf(cli, fips), plain, s), 0)
		wantFull(t, try(t, copyOf(cli, fips), plain, reparsed(t, s)), 0)
		if cli.MaxVersion == ssl.VersionTLS13 {
			a, b := tcpPipe(t)
			chacha := copyOf(cli, func(c *ssl.Config) { c.CipherSuites = []uint16{suiteChaCha13} })
			if cerr, serr := newPair(t, newClientCtx(t, chacha), sctx, a, b).shake(); alertOf(cerr) != alertHandshakeFailure {
				t.Errorf("a client with ChaCha20 alone: %v, %v", cerr, serr)
			}
		}
		srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, roots(t, "ca")
		cli.Certificates = []ssl.Certificate{keyPair(t, "client")}
		newTCPPair(t, copyOf(cli, fips), srv).mustShake(t)
		cli.ServerName = "other.test"
		if cerr, _ := newTCPPair(t, copyOf(cli, fips), srv).shake(); verifyCode(cerr) != hostnameMismatch {
			t.Errorf("a wrong name: %v", cerr)
		}
	})
	cfg := copyOf(clientConfig(t), fips)
	cfg.CipherSuites = []uint16{suiteChaCha13}
	refuses(t, "ChaCha20", cfg.CheckClient(), ssl.ErrUnsupported)
}

// A property query takes what has the properties, and fails where nothing has.
func TestPropertyQuery(t *testing.T) {
	leakcheck.Test(t)
	query := func(q string) func(*ssl.Config) { return func(c *ssl.Config) { c.PropertyQuery = q } }
	if without3(t, copyOf(clientConfig(t), query("provider=default"))) {
		return
	}
	for _, q := range []string{"provider=default", "?provider=nosuch"} {
		forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
			sctx := newServerCtx(t, copyOf(srv, query(q)))
			cli = copyOf(cli, query(q))
			s := madeWith(t, cli, sctx)
			wantResumed(t, try(t, cli, sctx, s))
			// Verified with other implementations, or nobody knows with which.
			wantFull(t, try(t, copyOf(cli, query("provider=default,?x=y")), sctx, s), 0)
			wantFull(t, try(t, cli, sctx, reparsed(t, s)), 0)
		})
	}
	refuses(t, "nosuch", copyOf(serverConfig(t), query("provider=nosuch")).CheckServer(), ssl.ErrNoProvider)
	// libssl itself takes what it cannot parse for no query at all.
	for _, q := range []string{"=", "provider=", "fips=yes,,", "-", "fips=yes provider=default", "'", "(((("} {
		refuses(t, q, copyOf(serverConfig(t), query(q)).CheckServer(), ssl.ErrConfig)
	}
	for _, q := range []string{"provider=default\x00", strings.Repeat("x", 4097)} {
		refuses(t, "a query of other bytes", copyOf(clientConfig(t), query(q)).CheckClient(), ssl.ErrConfig)
	}
}
