package ssl_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// fieldsOf has a client connect to a server of ctx, and returns what C has of the server's
// connection when its GetCertificate is asked. ask sets what that is.
func fieldsOf(t *testing.T, cctx, ctx *ssl.Ctx, ask *func()) (fields map[string]int64) {
	t.Helper()
	a, b := tcpPipe(t)
	p := newPair(t, cctx, ctx, a, b)
	*ask = func() { fields = ssl.ConnFields(p.server) }
	p.mustShake(t)
	p.echo(t)
	p.closeBoth()
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
		cfg.MaxEarlyData, cfg.ReplayGuard = 100, newSpyGuard(t)
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
		cert := keyPair(t, "server-ecdsa")
		host := serverConfig(t)
		host.GetCertificate = func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) {
			ask()
			return &cert, nil
		}
		pick[1](host)
		hctx := newServerCtx(t, host)
		front := serverConfig(t)
		front.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return hctx, nil }
		pick[0](front)
		cctx := newClientCtx(t, clientConfig(t))
		direct, chosen := fieldsOf(t, cctx, hctx, &ask), fieldsOf(t, cctx, newServerCtx(t, front), &ask)
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
	hctx := newServerCtx(t, serverConfig(t))
	var asked, goOn chan struct{}
	front := serverConfig(t)
	front.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) {
		close(asked)
		<-goOn
		return hctx, nil
	}
	cctx, fctx := newClientCtx(t, clientConfig(t)), newServerCtx(t, front)
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	for range 50 {
		asked, goOn = make(chan struct{}), make(chan struct{})
		a, b := tcpPipe(t)
		p := newPair(t, cctx, fctx, a, b)
		var ended atomic.Bool
		var others sync.WaitGroup
		others.Go(func() {
			<-asked
			close(goOn)
			for !ended.Load() {
				p.server.HandshakeContext(gone)
			}
		})
		p.mustShake(t)
		ended.Store(true)
		others.Wait()
		p.echo(t)
		p.closeBoth()
	}
}
