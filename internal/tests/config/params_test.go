package config_test

import (
	"crypto/tls"
	"strings"
	"testing"

	"sessl/internal/cshim"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// The groups that are listed are offered, in that order, and the first in common is used.
func TestCurvePreferences(t *testing.T) {
	leakcheck.Test(t)
	for _, c := range []struct {
		client, server []tls.CurveID
		want           tls.CurveID // 0: none in common
	}{
		{[]tls.CurveID{tls.CurveP384, tls.X25519}, nil, tls.CurveP384},
		{[]tls.CurveID{tls.X25519, tls.CurveP521}, nil, tls.X25519},
		{[]tls.CurveID{tls.CurveP521, tls.CurveP256}, []tls.CurveID{tls.CurveP256}, tls.CurveP256},
		// HelloRetryRequest
		{[]tls.CurveID{tls.CurveP521}, []tls.CurveID{tls.X25519}, 0},
	} {
		cli := ssltest.ClientConfig(t)
		cli.CurvePreferences, cli.MinVersion = c.client, ssl.VersionTLS13
		client, hello, server, cerr, serr := ssltest.StdServer(t, cli, &tls.Config{CurvePreferences: c.server})
		if c.want == 0 {
			if cerr == nil || serr == nil {
				t.Errorf("%v with %v: client %v, server %v", c.client, c.server, cerr, serr)
			}
			continue
		}
		if cerr != nil || serr != nil {
			t.Errorf("%v with %v: client %v, server %v", c.client, c.server, cerr, serr)
			continue
		}
		if got := server.ConnectionState().CurveID; got != c.want {
			t.Errorf("%v with %v: %v, want %v", c.client, c.server, got, c.want)
		}
		if len(hello.SupportedCurves) != len(c.client) || hello.SupportedCurves[0] != c.client[0] {
			t.Errorf("offered %v, want %v", hello.SupportedCurves, c.client)
		}
		client.Close()
	}
}

// A server takes only what it lists.
func TestCurvePreferencesOfServer(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.CurvePreferences = []tls.CurveID{tls.CurveP384}
		cli.CurvePreferences = []tls.CurveID{tls.CurveP256, tls.CurveP384}
		ssltest.NewTCPPair(t, cli, srv).MustShake(t)
		cli.CurvePreferences = []tls.CurveID{tls.CurveP256}
		p := ssltest.NewTCPPair(t, cli, srv)
		cerr, serr := p.Shake()
		if serr == nil || ssltest.AlertOf(cerr) != ssltest.AlertHandshakeFailure {
			t.Errorf("client %v, server %v", cerr, serr)
		}
	})
}

// X25519MLKEM768 is used where the library has it, and named with the version needed where
// it has not.
func TestHybridGroup(t *testing.T) {
	leakcheck.Test(t)
	cli := ssltest.ClientConfig(t)
	cli.CurvePreferences, cli.MinVersion = []tls.CurveID{tls.X25519MLKEM768, tls.X25519}, ssl.VersionTLS13
	if v := cshim.Version(); strings.HasPrefix(v, "OpenSSL 1.") || strings.HasPrefix(v, "OpenSSL 3.0") {
		err := cli.CheckClient()
		ssltest.Refuses(t, v, err, ssl.ErrUnsupported)
		if err != nil && !strings.Contains(err.Error(), "X25519MLKEM768 needs OpenSSL 3.5") {
			t.Errorf("%q does not say what is needed", err)
		}
		return
	}
	_, _, server, cerr, serr := ssltest.StdServer(t, cli, &tls.Config{})
	if cerr != nil || serr != nil || server.ConnectionState().CurveID != tls.X25519MLKEM768 {
		t.Errorf("client %v, server %v, group %v", cerr, serr, server.ConnectionState().CurveID)
	}
}

// The schemes that are listed are offered, and a peer that can sign with none of them is
// refused.
func TestSignatureSchemes(t *testing.T) {
	leakcheck.Test(t)
	for _, c := range []struct {
		schemes []tls.SignatureScheme
		ok      bool
	}{
		{[]tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.PSSWithSHA256}, true},
		{[]tls.SignatureScheme{tls.PSSWithSHA512, tls.Ed25519}, false},
	} {
		cli := ssltest.ClientConfig(t)
		cli.SignatureSchemes, cli.MinVersion = c.schemes, ssl.VersionTLS13
		_, hello, _, cerr, serr := ssltest.StdServer(t, cli, &tls.Config{})
		if ok := cerr == nil && serr == nil; ok != c.ok {
			t.Errorf("%v: client %v, server %v", c.schemes, cerr, serr)
		}
		if len(hello.SignatureSchemes) != len(c.schemes) || hello.SignatureSchemes[0] != c.schemes[0] {
			t.Errorf("offered %v, want %v", hello.SignatureSchemes, c.schemes)
		}
	}
}

// At level 3 nothing weaker than 128 bits passes: neither the peer's key of 2048 bits, nor
// what the peer signs with it.
func TestSecurityLevelRefusesPeer(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-rsa")}
		cli.SecurityLevel = 3
		p := ssltest.NewTCPPair(t, cli, srv)
		cerr, _ := p.Shake()
		const eeKeyTooSmall = 66
		if ssltest.VerifyCode(cerr) != eeKeyTooSmall {
			t.Errorf("client: %v", cerr)
		}
	})
}

// TLS 1.0 and 1.1 work for those who demand them with all that they need.
func TestOldVersions(t *testing.T) {
	leakcheck.Test(t)
	for _, v := range []uint16{ssl.VersionTLS10, ssl.VersionTLS11} {
		old := func(c *ssl.Config) {
			c.MinVersion, c.MaxVersion, c.SecurityLevel = v, v, ssl.InsecureSecurityLevel0
			c.CipherSuites = []uint16{ssltest.SuiteECDSACBC}
		}
		srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
		old(srv)
		old(cli)
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		if got := p.Client.ConnectionState().Version; got != v {
			t.Errorf("%s, want %s", ssl.VersionName(got), ssl.VersionName(v))
		}
		p.CloseBoth()
	}
}
