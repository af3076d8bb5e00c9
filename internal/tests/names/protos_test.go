package names_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// What one connection offers or accepts is its own affair, in both roles and versions.
func TestSetNextProtos(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		all := []string{"h2", "http/1.1"}
		for _, tc := range []struct {
			name           string
			ctxs           []string // both Ctxs'
			client, server []string // nil is not called
			want           string
			fails          bool
		}{
			{name: "neither", ctxs: all, want: "h2"},
			{name: "client", ctxs: all, client: []string{"http/1.1"}, want: "http/1.1"},
			{name: "server", ctxs: all, server: []string{"http/1.1"}, want: "http/1.1"},
			{name: "client without any", ctxs: all, client: []string{}},
			{name: "server without any", ctxs: all, server: []string{}},
			{name: "only here", client: all, server: all[1:], want: "http/1.1"},
			{name: "nothing in common", ctxs: all, client: all[:1], server: all[1:], fails: true},
		} {
			t.Run(tc.name, func(t *testing.T) {
				leakcheck.Test(t)
				s, c := *srv, *cli
				s.NextProtos, c.NextProtos = tc.ctxs, tc.ctxs
				p := ssltest.NewTCPPair(t, &c, &s)
				for conn, protos := range map[*ssl.Conn][]string{p.Client: tc.client, p.Server: tc.server} {
					if protos == nil {
						continue
					}
					own := slices.Clone(protos)
					for range 2 {
						if err := conn.SetNextProtos(own); err != nil {
							t.Fatal(err)
						}
					}
					for i := range own {
						own[i] = "changed later"
					}
				}
				cerr, serr := p.Shake()
				if (cerr != nil || serr != nil) != tc.fails {
					t.Fatal(cerr, serr)
				}
				if tc.fails {
					if ssltest.AlertOf(cerr) != 120 {
						t.Errorf("%v, want no_application_protocol", cerr)
					}
					return
				}
				for _, conn := range []*ssl.Conn{p.Client, p.Server} {
					if got := conn.ConnectionState().NegotiatedProtocol; got != tc.want {
						t.Errorf("%q, want %q", got, tc.want)
					}
				}
			})
		}
	})
}

// A virtual host's Ctx has protocols of its own, which do not come back.
func TestSetNextProtosAndVirtualHosts(t *testing.T) {
	leakcheck.Test(t)
	cfg := ssltest.ServerConfig(t)
	cfg.NextProtos = []string{"h2", "http/1.1"}
	chosen := ssltest.NewServerCtx(t, cfg)
	cfg = ssltest.ServerConfig(t)
	cfg.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return chosen, nil }
	cli := ssltest.ClientConfig(t)
	cli.NextProtos = []string{"h2", "http/1.1"}
	p := ssltest.NewTCPPair(t, cli, cfg)
	if err := p.Server.SetNextProtos([]string{"http/1.1"}); err != nil {
		t.Fatal(err)
	}
	p.MustShake(t)
	if got := p.Client.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
		t.Errorf("%q", got)
	}
}

func TestSetNextProtosRefuses(t *testing.T) {
	leakcheck.Test(t)
	p := ssltest.NewTCPPair(t, ssltest.ClientConfig(t), ssltest.ServerConfig(t))
	for _, protos := range [][]string{{""}, {strings.Repeat("x", 256)}} {
		if err := p.Client.SetNextProtos(protos); !errors.Is(err, ssl.ErrConfig) {
			t.Errorf("%q: %v", protos, err)
		}
	}
	p.MustShake(t)
	for _, c := range []*ssl.Conn{p.Client, p.Server} {
		if err := c.SetNextProtos(nil); !errors.Is(err, ssl.ErrHandshakeStarted) {
			t.Error(err)
		}
		c.Close()
		if err := c.SetNextProtos(nil); !errors.Is(err, ssl.ErrClosed) {
			t.Error(err)
		}
	}
	if err := (*ssl.Conn)(nil).SetNextProtos(nil); !errors.Is(err, ssl.ErrNil) {
		t.Error(err)
	}
}
