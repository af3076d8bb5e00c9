package conns_test

import (
	"crypto/tls"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Each form of session resumes under an encrypted ClientHello, also after a HelloRetryRequest, and with keys
// and configurations that are others by then.
func TestECHSessions(t *testing.T) {
	leakcheck.Test(t)
	for name, form := range map[string]func(t *testing.T, srv *ssl.Config){
		"ticket":         func(*testing.T, *ssl.Config) {},
		"TicketKeys":     func(t *testing.T, srv *ssl.Config) { srv.TicketKeys = randomKeys(t) },
		"internal cache": func(_ *testing.T, srv *ssl.Config) { srv.SessionTicketsDisabled = true },
		"SessionCache":   func(t *testing.T, srv *ssl.Config) { srv.SessionCache = ssltest.NewServerCache(t, nil) },
		"client verified": func(t *testing.T, srv *ssl.Config) {
			srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
		},
	} {
		for _, groups := range [][]tls.CurveID{nil, {tls.CurveP384}} {
			t.Run(name, func(t *testing.T) {
				keys := echKeys(t, echKey(t))
				srv, cli := echConfigs(t, keys)
				form(t, srv)
				srv.CurvePreferences = groups
				cli.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client")}
				sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
				p := ssltest.Meet(t, cctx, sctx, nil)
				offer := ssltest.SessionOf(t, p.Client)
				p.CloseBoth()
				if err := keys.SetKeys(echKey(t)); err != nil {
					t.Fatal(err)
				}
				cli.EncryptedClientHelloConfigList = keys.ConfigList()
				p = ssltest.Meet(t, ssltest.NewClientCtx(t, cli), sctx, offer)
				defer p.CloseBoth()
				c, s := p.Client.ConnectionState(), p.Server.ConnectionState()
				if !c.DidResume || !s.DidResume || !c.ECHAccepted || !s.ECHAccepted || s.ServerName != "b.test" {
					t.Errorf("resumed %t and %t, accepted %t and %t, name %q", c.DidResume, s.DidResume, c.ECHAccepted,
						s.ECHAccepted, s.ServerName)
				}
			})
		}
	}
}

// A session of a refused connection is none, and what the cache had stays for the next one.
func TestECHRefusalKeepsTheCache(t *testing.T) {
	leakcheck.Test(t)
	keys := echKeys(t, echKey(t))
	srv, cli := echConfigs(t, keys)
	s := ssltest.StartServer(t, srv)
	ctx := ssltest.NewClientCtx(t, cli)
	states := func() (got []ssl.ReuseState) {
		for range 2 {
			conn, err := ssl.Dial("tcp", s.Addr, ctx)
			if err != nil {
				got = append(got, ssl.ReuseUnknown)
				continue
			}
			ssltest.RoundTrip(t, conn)
			got = append(got, conn.ReuseState())
			conn.Close()
		}
		return got
	}
	if got := states(); got[0] != ssl.ReuseNoSession || got[1] != ssl.ReusedTicket {
		t.Fatalf("with the key: %v", got)
	}
	first := echKey(t)
	if err := keys.SetKeys(first); err != nil {
		t.Fatal(err)
	}
	if got := states(); got[0] != ssl.ReuseUnknown || got[1] != ssl.ReuseUnknown {
		t.Errorf("without it: %v", got)
	}
}

// Early data waits for the end of the handshake: its binder is in a ClientHello that only libssl sees.
func TestECHEarlyDataIsRejected(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := echConfigs(t, echKeys(t, echKey(t)))
	srv.MaxEarlyData = 1 << 10
	sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
	p := ssltest.Meet(t, cctx, sctx, nil)
	offer := ssltest.SessionOf(t, p.Client)
	p.CloseBoth()
	a, b := ssltest.TCPPipe(t)
	p = ssltest.NewPair(t, cctx, sctx, a, b)
	defer p.CloseBoth()
	if err := p.Client.SetSession(offer); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Client.WriteEarlyData([]byte("early")); err != nil {
		t.Fatal(err)
	}
	got := make(chan int, 1)
	go func() {
		n, _ := p.Server.ReadEarlyData(make([]byte, 16))
		got <- n
		p.Server.Handshake()
	}()
	if err := p.Client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if n := <-got; n != 0 || p.Client.EarlyDataStatus() != ssl.EarlyDataRejected || !p.Client.SessionReused() {
		t.Errorf("%d bytes read early, %v, resumed %t", n, p.Client.EarlyDataStatus(), p.Client.SessionReused())
	}
}

func randomKeys(t *testing.T) *ssl.TicketKeys {
	t.Helper()
	keys, err := ssl.NewTicketKeys(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	return keys
}
