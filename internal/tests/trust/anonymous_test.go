package trust_test

import (
	"os"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// anonymous is TLS_ECDH_anon_WITH_AES_128_CBC_SHA, in which a server shows nothing.
const anonymous = 0xC018

// Who verifies, or judges, talks to no server without a certificate: not where the Config has such
// suites, nor where openssl.cnf allows all.
func TestAnonymousServer(t *testing.T) {
	child := os.Getenv(ssltest.CnfEnv) != ""
	if !child {
		ssltest.UnderConf(t, "TestAnonymousServer", "CipherString = ALL:@SECLEVEL=0", "all suites")
	}
	leakcheck.Test(t)
	srv := ssltest.ServerConfig(t)
	srv.SecurityLevel, srv.CipherSuites = ssl.InsecureSecurityLevel0, []uint16{anonymous}
	srv.MaxVersion = ssl.VersionTLS12
	sctx := ssltest.NewServerCtx(t, srv)
	for what, c := range map[string]struct {
		verifies, judges bool
	}{"verifies": {true, false}, "judges": {false, true}, "does neither": {false, false}} {
		cli := ssltest.ClientConfig(t)
		cli.MaxVersion, cli.InsecureSkipVerify = srv.MaxVersion, !c.verifies
		if !child {
			cli.SecurityLevel, cli.CipherSuites = srv.SecurityLevel, srv.CipherSuites
		}
		asked := false
		if c.judges {
			cli.VerifyConnection = func(ssl.ConnectionState) error { asked = true; return nil }
		}
		x, y := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), sctx, x, y)
		err, _ := p.Shake()
		switch refused := err != nil && strings.Contains(err.Error(), "no certificate"); {
		case refused != (c.verifies || c.judges), !refused && err != nil, asked:
			t.Errorf("%s: %v, asked is %t", what, err, asked)
		case refused:
			if n, err := p.Client.Write([]byte("secret")); n > 0 || err == nil {
				t.Errorf("%s: wrote %d bytes, %v", what, n, err)
			}
		}
		p.CloseBoth()
	}
}

// A session of such a server is no way around: who judges does not offer it.
func TestAnonymousSession(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	for _, c := range []*ssl.Config{srv, cli} {
		c.SecurityLevel, c.MaxVersion = ssl.InsecureSecurityLevel0, ssl.VersionTLS12
		c.CipherSuites = []uint16{anonymous}
	}
	cli.InsecureSkipVerify = true
	sctx := ssltest.NewServerCtx(t, srv)
	p := ssltest.Meet(t, ssltest.NewClientCtx(t, cli), sctx, nil)
	s := ssltest.SessionOf(t, p.Client)
	p.CloseBoth()
	p = ssltest.Meet(t, ssltest.NewClientCtx(t, cli), sctx, s)
	if !p.Client.SessionReused() {
		t.Error("not resumed by a client that does not look")
	}
	p.CloseBoth()

	asked := false
	cli.VerifyConnection = func(ssl.ConnectionState) error { asked = true; return nil }
	a, b := ssltest.TCPPipe(t)
	p = ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), sctx, a, b)
	if err := p.Client.SetSession(s); err != nil {
		t.Fatal(err)
	}
	if p.Client.SessionOffered() {
		t.Error("a client that judges offers it")
	}
	if err, _ := p.Shake(); err == nil || !strings.Contains(err.Error(), "no certificate") || asked {
		t.Errorf("%v, asked is %t", err, asked)
	}
	p.CloseBoth()
}
