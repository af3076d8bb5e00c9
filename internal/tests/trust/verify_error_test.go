package trust_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A wrong name is reported with both sides of it.
func TestWrongNameIsExplained(t *testing.T) {
	has := []string{"localhost", "server.test", "*.wild.test", "127.0.0.1", "::1"}
	for name, code := range map[string]int{"other.test": ssltest.HostnameMismatch,
		"127.0.0.2": ssltest.IPMismatch} {
		ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
			cli.ServerName = name
			if cli.MaxVersion == ssl.VersionTLS13 { // with a word of the application's, too
				cli.VerifyConnection = func(ssl.ConnectionState) error { t.Error("asked"); return nil }
			}
			cerr, _ := ssltest.NewTCPPair(t, cli, srv).Shake()
			v := ssltest.RefusalOf(t, cerr)
			if v.Code != code || v.Host != name || !slices.Equal(v.Names, has) || v.Depth != 0 {
				t.Errorf("%+v", v)
			}
			if v.Certificate == nil || !v.Certificate.Equal(ssltest.ParsedCert(t, "server-ecdsa")) {
				t.Error("not the server's certificate")
			}
			want := fmt.Sprintf(`asked for %q, the certificate is for `+
				`"localhost", "server.test", "*.wild.test", "127.0.0.1", "::1"`, name)
			if !strings.Contains(cerr.Error(), want) {
				t.Errorf("%q does not say %q", cerr, want)
			}
		})
	}
}

// A certificate without names, and one with more than a line can hold, of which some
// would break the line.
func TestNamesOfStrangers(t *testing.T) {
	many := make([]string, 50)
	for i := range many {
		many[i] = fmt.Sprintf("n%d.test\nlevel=error", i)
	}
	for _, c := range []struct {
		names []string
		want  string
	}{
		{nil, "the certificate is for no name"},
		{many, `"n0.test\nlevel=error", "n1.test\nlevel=error"`},
		{many, `"n7.test\nlevel=error" and 42 more`},
	} {
		ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
			srv.Certificates = []ssl.Certificate{ssltest.NamedCert(t, "cn.test", c.names...)}
			cli.ServerName = "cn.test"
			cerr, _ := ssltest.NewTCPPair(t, cli, srv).Shake()
			if v := ssltest.RefusalOf(t, cerr); len(v.Names) != len(c.names) || !strings.Contains(cerr.Error(),
				c.want) || strings.Contains(cerr.Error(), "\n") {
				t.Errorf("%d names: %q", len(v.Names), cerr)
			}
		})
	}
}

// The fault may be up the chain; then the certificate there is named. A name does not come
// into it.
func TestDepthIsExplained(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-chain")}
		cli.CRLs, cli.CRLCheckChain = [][]byte{ssltest.Current(t, "intermediate"),
			ssltest.Current(t, "ca", "intermediate")}, true
		cerr, _ := ssltest.NewTCPPair(t, cli, srv).Shake()
		v := ssltest.RefusalOf(t, cerr)
		if v.Code != certRevoked || v.Depth != 1 || v.Host != "" || v.Names != nil {
			t.Errorf("%+v", v)
		}
		if v.Certificate == nil || !v.Certificate.Equal(ssltest.ParsedCert(t, "intermediate")) {
			t.Error("not the intermediate certificate")
		}
		if want := `certificate revoked at depth 1, "CN=sessl test intermediate"`; !strings.Contains(cerr.Error(),
			want) {
			t.Errorf("%q does not say %q", cerr, want)
		}
	})
}

// A server tells which client it has refused.
func TestRefusedClientIsExplained(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
		srv.CRLs = [][]byte{ssltest.Current(t, "ca", "client")}
		cli.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client")}
		_, serr := ssltest.NewTCPPair(t, cli, srv).Shake()
		v := ssltest.RefusalOf(t, serr)
		if v.Code != certRevoked || v.Depth != 0 || v.Host != "" || v.Certificate == nil ||
			!v.Certificate.Equal(ssltest.ParsedCert(t, "client")) {
			t.Errorf("%+v", v)
		}
	})
}
