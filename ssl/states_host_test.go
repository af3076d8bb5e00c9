package ssl_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// fieldsOf has a client connect to a server of ctx, and returns what C has of the server's
// connection when its GetCertificate is asked. ask sets what that is.
func fieldsOf(t *testing.T, cctx, ctx *ssl.Ctx, ask *func()) (fields map[string]int64) {
	t.Helper()
	a, b := ssltest.TCPPipe(t)
	p := ssltest.NewPair(t, cctx, ctx, a, b)
	*ask = func() { fields = ssl.ConnFields(p.Server) }
	p.MustShake(t)
	p.Echo(t)
	p.CloseBoth()
	if len(fields) < 20 {
		t.Fatalf("only %d fields are known", len(fields))
	}
	return fields
}

// A connection whose server has chosen another Ctx is, in all that C has of it, one that was made
// from that Ctx.
func TestVirtualHostHasAllSettings(t *testing.T) {
	leakcheck.Test(t)
	cache, err := ssl.NewServerSessionCache(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cache.Close() })
	rich := func(cfg *ssl.Config) {
		cfg.SessionCache = cache
		cfg.MaxEarlyData, cfg.ReplayGuard = 100, ssltest.NewSpyGuard(t)
		cfg.OnNewSession = func(_ *ssl.Conn, s *ssl.Session) { s.Close() }
		cfg.GetPSK = func(*ssl.ClientHelloInfo, string) (ssl.PSK, error) { return ssl.PSK{}, nil }
	}
	old := func(cfg *ssl.Config) { cfg.MaxVersion = ssl.VersionTLS12; cfg.SessionCache = cache }
	poor := func(*ssl.Config) {}
	for name, pick := range map[string][2]func(*ssl.Config){
		"rich behind poor": {poor, rich}, "poor behind rich": {rich, poor},
		"old behind poor": {poor, old}, "poor behind old": {old, poor},
	} {
		var ask func()
		cert := ssltest.KeyPair(t, "server-ecdsa")
		host := ssltest.ServerConfig(t)
		host.GetCertificate = func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) {
			ask()
			return &cert, nil
		}
		pick[1](host)
		hctx := ssltest.NewServerCtx(t, host)
		front := ssltest.ServerConfig(t)
		front.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return hctx, nil }
		pick[0](front)
		cctx := ssltest.NewClientCtx(t, ssltest.ClientConfig(t))
		direct, chosen := fieldsOf(t, cctx, hctx, &ask), fieldsOf(t, cctx, ssltest.NewServerCtx(t, front), &ask)
		for f, want := range direct {
			switch {
			case f == "hello_use", f == "by_name": // the first Ctx has seen the hello, and chosen by it
			case strings.HasPrefix(f, "hold.message."): // until the questions that the hello raised are answered
			case strings.HasPrefix(f, "in."), strings.HasPrefix(f, "out."), f == "ahead", f == "received":
			case chosen[f] != want:
				t.Errorf("%s: %s is %d, and %d on a connection of that Ctx", name, f, chosen[f], want)
			}
		}
	}
}

// While GetConfigForClient is asked, and the connection becomes another Ctx's, others may wait for
// the handshake, give up, and look. It is the race detector that finds what is wrong.
func TestVirtualHostBesideOthers(t *testing.T) {
	leakcheck.Test(t)
	hctx := ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	var asked, goOn chan struct{}
	front := ssltest.ServerConfig(t)
	front.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) {
		close(asked)
		<-goOn
		return hctx, nil
	}
	cctx, fctx := ssltest.NewClientCtx(t, ssltest.ClientConfig(t)), ssltest.NewServerCtx(t, front)
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	for range 50 {
		asked, goOn = make(chan struct{}), make(chan struct{})
		a, b := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, cctx, fctx, a, b)
		var ended atomic.Bool
		var others sync.WaitGroup
		others.Go(func() {
			<-asked
			close(goOn)
			for !ended.Load() {
				p.Server.HandshakeContext(gone)
			}
		})
		p.MustShake(t)
		ended.Store(true)
		others.Wait()
		p.Echo(t)
		p.CloseBoth()
	}
}
