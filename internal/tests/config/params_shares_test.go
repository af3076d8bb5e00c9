package config_test

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A share for each group of KeyShares is in the first ClientHello: a server that wants the second asks for
// no other hello. Without KeyShares there is one for the first.
func TestKeyShares(t *testing.T) {
	leakcheck.Test(t)
	two := []tls.CurveID{tls.CurveP256, tls.CurveP384}
	for _, c := range []struct {
		shares []tls.CurveID
		retry  bool
	}{{nil, true}, {two[:1], true}, {two, false}, {two[1:], false}} {
		cli := ssltest.ClientConfig(t)
		cli.CurvePreferences, cli.KeyShares = two, c.shares
		if more := len(c.shares) > 0 && !c.retry; more && ssltest.LibraryRelease() < "3.5" {
			ssltest.Refuses(t, ssltest.LibraryRelease(), cli.CheckClient(), ssl.ErrUnsupported)
			continue
		}
		client, hello, server, cerr, serr := ssltest.StdServer(t, cli, &tls.Config{
			CurvePreferences: []tls.CurveID{tls.CurveP384}})
		if cerr != nil || serr != nil {
			t.Fatalf("%v: client %v, server %v", c.shares, cerr, serr)
		}
		if got := server.ConnectionState().HelloRetryRequest; got != c.retry || len(hello.SupportedCurves) != 2 {
			t.Errorf("%v: HelloRetryRequest %t, groups %v", c.shares, got, hello.SupportedCurves)
		}
		client.Close()
	}
}

func TestKeySharesMistakes(t *testing.T) {
	leakcheck.Test(t)
	one := []tls.CurveID{tls.CurveP256}
	for name, shares := range map[string][]tls.CurveID{
		"not offered": {tls.CurveP384}, "twice": {tls.CurveP256, tls.CurveP256},
	} {
		cli := ssltest.ClientConfig(t)
		cli.CurvePreferences, cli.KeyShares = one, shares
		ssltest.Refuses(t, name, cli.CheckClient(), ssl.ErrConfig)
	}
	cli := ssltest.ClientConfig(t)
	cli.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521,
		tls.X25519MLKEM768}
	cli.KeyShares = cli.CurvePreferences
	if err := cli.CheckClient(); !errors.Is(err, ssl.ErrConfig) || !strings.Contains(err.Error(), "4 at most") {
		t.Error("five shares: ", err)
	}
	srv := ssltest.ServerConfig(t)
	srv.CurvePreferences, srv.KeyShares = one, one
	ssltest.Refuses(t, "on a server", srv.CheckServer(), ssl.ErrConfig)
}
