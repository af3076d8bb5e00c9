package names_test

import (
	"errors"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// The name given is sent and demanded, whatever the Ctx says.
func TestClientWithServerName(t *testing.T) {
	leakcheck.Test(t)
	srv := ssltest.ServerConfig(t)
	sni := make(chan string, 1)
	srv.GetConfigForClient = func(h *ssl.ClientHelloInfo) (*ssl.Ctx, error) {
		sni <- h.ServerName
		return nil, nil
	}
	s := ssltest.StartServer(t, srv)
	for _, tc := range []struct{ ctx, given, sent, demanded string }{
		{"", "server.test", "server.test", "server.test"},
		{"elsewhere.test", "server.test", "server.test", "server.test"},
		{"localhost", "elsewhere.test", "elsewhere.test", "elsewhere.test"},
		{"localhost", "", "localhost", "localhost"},
		{"elsewhere.test", "", "elsewhere.test", "elsewhere.test"},
		{"localhost", "[::1]", "", "::1"},
	} {
		cfg := ssltest.ClientConfig(t)
		cfg.ServerName = tc.ctx
		ctx := ssltest.NewClientCtx(t, cfg)
		if got := ctx.ServerName(); got != tc.ctx {
			t.Errorf("Ctx.ServerName %q, want %q", got, tc.ctx)
		}
		c, err := ssltest.NameClient(t, s, ctx, tc.given)
		if err != nil {
			t.Fatal(err)
		}
		err = c.Handshake()
		if got := <-sni; got != tc.sent {
			t.Errorf("%+v: sent %q", tc, got)
		}
		var v *ssl.VerificationError
		switch refused := tc.demanded == "elsewhere.test"; {
		case refused && (!errors.As(err, &v) || v.Host != tc.demanded):
			t.Errorf("%+v: %v, want a VerificationError for the name", tc, err)
		case !refused && (err != nil || c.ConnectionState().ServerName != tc.demanded):
			t.Errorf("%+v: %v, %q", tc, err, c.ConnectionState().ServerName)
		}
	}
}

func TestClientWithServerNameRefuses(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.StartServer(t, ssltest.ServerConfig(t))
	cfg := ssltest.ClientConfig(t)
	cfg.ServerName = ""
	nameless := ssltest.NewClientCtx(t, cfg)
	for _, tc := range []struct {
		what string
		ctx  *ssl.Ctx
		name string
		want error
	}{
		{"no name at all", nameless, "", ssl.ErrConfig},
		{"not a name", nameless, "host:443", ssl.ErrConfig},
		{"no Ctx", nil, "localhost", ssl.ErrNil},
		{"a server's Ctx", ssltest.NewServerCtx(t, ssltest.ServerConfig(t)), "localhost", ssl.ErrServer},
	} {
		if c, err := ssltest.NameClient(t, s, tc.ctx, tc.name); c != nil || !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, %v, want %v", tc.what, c, err, tc.want)
		}
	}
	if got := (*ssl.Ctx)(nil).ServerName(); got != "" {
		t.Errorf("ServerName of a nil Ctx: %q", got)
	}
}

// A session that was verified for one name is not offered where another is demanded that
// its certificate does not have.
func TestClientWithServerNameWithholds(t *testing.T) {
	leakcheck.Test(t)
	s := ssltest.StartServer(t, ssltest.ServerConfig(t))
	cfg := ssltest.ClientConfig(t)
	box := ssltest.NewInbox(t, cfg)
	ctx := ssltest.NewClientCtx(t, cfg)
	c, err := ssltest.NameClient(t, s, ctx, "localhost")
	if err != nil {
		t.Fatal(err)
	}
	ssltest.RoundTrip(t, c)
	for name, want := range map[string]bool{"localhost": true, "elsewhere.test": false} {
		c, err := ssltest.NameClient(t, s, ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetSession(box.Last(t)); err != nil {
			t.Fatal(err)
		}
		err = c.Handshake()
		if got := c.SessionOffered(); got != want || (err == nil) != want {
			t.Errorf("%s: offered %t, %v", name, got, err)
		}
	}
}
