package trust_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

func wantIs(t testing.TB, what string, err, want error) {
	t.Helper()
	var e *ssl.Error
	if !errors.Is(err, want) || !errors.As(err, &e) || e.Op != "Conn.RequestClientCertificate" {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// A request that cannot be made says why, and harms nothing.
func TestPostHandshakeAuthImpossible(t *testing.T) {
	leakcheck.Test(t)
	var noContext context.Context
	ctx := context.Background()
	ended, cancel := context.WithCancel(ctx)
	cancel()
	srv, cli := ssltest.LaterConfigs(t)
	p := ssltest.NewTCPPair(t, cli, srv)
	wantIs(t, "before the handshake", p.Server.RequestClientCertificate(ctx), ssl.ErrHandshakeIncomplete)
	p.MustShake(t)
	wantIs(t, "a client", p.Client.RequestClientCertificate(ctx), ssl.ErrClient)
	wantIs(t, "nil Conn", (*ssl.Conn)(nil).RequestClientCertificate(ctx), ssl.ErrNil)
	wantIs(t, "zero Conn", new(ssl.Conn).RequestClientCertificate(ctx), ssl.ErrClosed)
	wantIs(t, "nil context", p.Server.RequestClientCertificate(noContext), ssl.ErrNil)
	wantIs(t, "ended context", p.Server.RequestClientCertificate(ended), context.Canceled)
	p.Echo(t)
	p.Server.CloseWrite()
	wantIs(t, "after CloseWrite", p.Server.RequestClientCertificate(ctx), ssl.ErrClosed)
	p.CloseBoth()
	wantIs(t, "closed", p.Server.RequestClientCertificate(ctx), ssl.ErrClosed)

	refused := func(what string, want error, srv, cli *ssl.Config) {
		t.Helper()
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		wantIs(t, what, p.Server.RequestClientCertificate(ctx), want)
		p.Echo(t)
		p.CloseBoth()
	}
	cli.PostHandshakeAuth = false
	refused("not offered", ssl.ErrPostHandshakeAuth, srv, cli)
	cli.MaxVersion = ssl.VersionTLS12
	refused("TLS 1.2", ssl.ErrPostHandshakeAuth, srv, cli)
	cli.MaxVersion = 0
	refused("NoClientCert", ssl.ErrConfig, ssltest.ServerConfig(t), cli)

	for _, bad := range []func(*ssl.Config){
		func(c *ssl.Config) { c.ClientAuth = ssl.NoClientCert },
		func(c *ssl.Config) { c.MaxVersion = ssl.VersionTLS12 },
	} {
		cfg, _ := ssltest.LaterConfigs(t)
		bad(cfg)
		if err := cfg.CheckServer(); !errors.Is(err, ssl.ErrConfig) {
			t.Errorf("CheckServer: %v", err)
		}
	}
}

// A client of TLS 1.2 cannot be asked later, so it is asked in the handshake.
func TestPostHandshakeAuthTLS12(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.LaterConfigs(t)
	cli.PostHandshakeAuth, cli.MaxVersion = false, ssl.VersionTLS12
	p := ssltest.NewTCPPair(t, cli, srv)
	p.MustShake(t)
	ssltest.WantClient(t, p.Server, ssltest.ClientName)
	p.CloseBoth()
	cli.Certificates = nil
	p = ssltest.NewTCPPair(t, cli, srv)
	if _, err := p.Shake(); err == nil {
		t.Error("a client of TLS 1.2 got in without a certificate")
	}
	p.CloseBoth()
}

// crypto/tls has no post-handshake authentication.
func TestPostHandshakeAuthCryptoTLS(t *testing.T) {
	leakcheck.Test(t)
	srv, _ := ssltest.LaterConfigs(t)
	a, b := ssltest.TCPPipe(t)
	s, err := ssl.Server(b, ssltest.NewServerCtx(t, srv))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	done := make(chan error, 1)
	go func() { done <- tls.Client(a, &tls.Config{InsecureSkipVerify: true}).Handshake() }()
	if err := s.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantIs(t, "crypto/tls", s.RequestClientCertificate(context.Background()), ssl.ErrPostHandshakeAuth)
}

// gated is a net.Conn that reads nothing while its gate is shut.
type gated struct {
	net.Conn
	gate atomic.Pointer[chan struct{}]
}

func (g *gated) Read(b []byte) (int, error) {
	if ch := g.gate.Load(); ch != nil {
		<-*ch
	}
	return g.Conn.Read(b)
}

// VerifyConnection has the last word: no byte after the certificate is read, no ticket is
// issued, nothing more is written, and the state does not change.
func TestPostHandshakeAuthRefused(t *testing.T) {
	for _, disabled := range []bool{false, true} {
		leakcheck.Test(t)
		srv, cli := ssltest.LaterConfigs(t)
		srv.SessionTicketsDisabled = disabled
		got, met := ssltest.NewInbox(t, cli), meets(cli)
		srv.VerifyConnection = func(s ssl.ConnectionState) error {
			if s.Verified {
				return ssltest.ErrNotHim
			}
			return nil
		}
		a, b := ssltest.TCPPipe(t)
		g := &gated{Conn: b}
		p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), a, g)
		p.MustShake(t)
		p.Echo(t)
		n := len(got.All())
		gate := make(chan struct{})
		g.gate.Store(&gate)
		heard := make(chan error, 1)
		go func() {
			_, err := p.Client.Read(make([]byte, 1))
			heard <- err
		}()
		go func() {
			defer close(gate) // the server gets certificate and secret in one piece
			<-met
			if _, err := p.Client.Write([]byte("secret")); err != nil {
				t.Error(err)
			}
		}()
		wantIs(t, "request", p.Server.RequestClientCertificate(context.Background()), ssltest.ErrNotHim)
		if n, err := p.Server.Read(make([]byte, 10)); n != 0 || !errors.Is(err, ssltest.ErrNotHim) {
			t.Errorf("Read: %d bytes, %v", n, err)
		}
		if _, err := p.Server.Write([]byte("x")); !errors.Is(err, ssltest.ErrNotHim) {
			t.Errorf("Write: %v", err)
		}
		ssltest.WantClient(t, p.Server, "")
		p.Server.Close()
		if err := <-heard; err == nil || err == io.EOF {
			t.Errorf("the client saw a clean end: %v", err)
		}
		if more := len(got.All()) - n; more != 0 {
			t.Errorf("%d tickets for a client that was refused", more)
		}
		p.Client.Close()
	}
}

// quietPair is a pair over net.Pipe, for a bubble. Its client does not read.
func quietPair(t *testing.T, cli, srv *ssl.Ctx) ssltest.Pair {
	a, b := net.Pipe()
	p := ssltest.NewPair(t, cli, srv, a, b)
	p.Client.SetDeadline(time.Time{})
	p.Server.SetDeadline(time.Time{})
	p.MustShake(t)
	return p
}

// A wait ends with its context, the read deadline, Close and the end of the connection. In
// the first two cases the answer still counts when it comes.
func TestPostHandshakeAuthEnds(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.LaterConfigs(t)
	sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
	for name, end := range map[string]func(p ssltest.Pair, cancel func()) error{
		"context":  func(_ ssltest.Pair, cancel func()) error { cancel(); return context.Canceled },
		"deadline": func(p ssltest.Pair, _ func()) error { p.Server.SetReadDeadline(time.Unix(1, 0)); return nil },
		"close":    func(p ssltest.Pair, _ func()) error { p.Server.Close(); return ssl.ErrClosed },
		"hang up":  func(p ssltest.Pair, _ func()) error { p.Client.NetConn().Close(); return io.ErrUnexpectedEOF },
	} {
		for _, reads := range []bool{false, true} {
			ssltest.Bubble(t, func(t *testing.T) {
				p := quietPair(t, cctx, sctx)
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				read := make(chan error, 1)
				if reads {
					go func() { read <- ssltest.ReadUntil(p.Server, "ping") }()
				}
				asked := make(chan error, 1)
				go func() { asked <- p.Server.RequestClientCertificate(ctx) }()
				synctest.Wait()
				wantIs(t, "a second call", p.Server.RequestClientCertificate(ctx), ssl.ErrRequestPending)
				want := end(p, cancel)
				err := <-asked
				if name == "deadline" {
					if !ssltest.IsTimeout(err) {
						t.Errorf("%s: %v", name, err)
					}
					if reads {
						<-read // that one met it, too
					}
					p.Server.SetReadDeadline(time.Time{})
					if reads {
						go func() { read <- ssltest.ReadUntil(p.Server, "ping") }()
					}
				} else {
					wantIs(t, name, err, want)
				}
				if name == "context" || name == "deadline" {
					go func() { asked <- p.Server.RequestClientCertificate(context.Background()) }()
					synctest.Wait() // it waits for the same answer; later it would ask anew
					go p.Server.Write([]byte("go on"))
					wrote := make(chan error, 1)
					go func() {
						err := ssltest.ReadUntil(p.Client, "go on")
						if err == nil {
							_, err = p.Client.Write([]byte("ping"))
						}
						wrote <- err
					}()
					if err := <-asked; err != nil {
						t.Errorf("%s, once more: %v", name, err)
					}
					ssltest.WantClient(t, p.Server, ssltest.ClientName)
					if !reads {
						read <- ssltest.ReadUntil(p.Server, "ping")
					}
					if err := <-read; err != nil {
						t.Errorf("%s: %v", name, err)
					}
					if err := <-wrote; err != nil {
						t.Errorf("%s: client: %v", name, err)
					}
				} else if reads {
					<-read
				}
				p.Client.NetConn().Close()
				p.Server.Close()
				p.Client.Close()
			})
		}
	}
}

// In the middle of a message that the client sends in parts nothing can be asked: a request
// waits as a Write does.
func TestPostHandshakeAuthMidway(t *testing.T) {
	leakcheck.Test(t)
	srv, _ := ssltest.LaterConfigs(t)
	sctx := ssltest.NewServerCtx(t, srv)
	for _, reads := range []bool{true, false} {
		ssltest.Bubble(t, func(t *testing.T) {
			c, _, rest, done := ssltest.MidwayServer(t, ssltest.PipeWire, sctx, reads)
			defer done()
			ctx, cancel := context.WithCancel(context.Background())
			asked := make(chan error, 1)
			ask := func(ctx context.Context) { asked <- c.RequestClientCertificate(ctx) }
			go ask(ctx)
			synctest.Wait()
			cancel()
			wantIs(t, "midway", <-asked, context.Canceled)
			go ask(context.Background())
			synctest.Wait()
			rest()
			wantIs(t, "afterwards", <-asked, ssl.ErrPostHandshakeAuth) // that client has not offered it
			if !reads {
				if err := ssltest.ReadUntil(c, "pong"); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// More data than is kept waits for a Read to take it.
func TestPostHandshakeAuthMuchData(t *testing.T) {
	ssltest.ForEachLater(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		const size = 300 << 10
		sent := make(chan error, 1)
		go func() {
			_, err := p.Client.Write(make([]byte, size))
			if err == nil {
				err = ssltest.ReadUntil(p.Client, "done")
			}
			sent <- err
		}()
		asked := make(chan error, 1)
		go func() { asked <- p.Server.RequestClientCertificate(context.Background()) }()
		if n, err := io.CopyN(io.Discard, p.Server, size); n != size || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		if err := <-asked; err != nil {
			t.Error(err)
		}
		if _, err := p.Server.Write([]byte("done")); err != nil {
			t.Error(err)
		}
		ssltest.WantClient(t, p.Server, ssltest.ClientName)
		if err := <-sent; err != nil {
			t.Error(err)
		}
		p.CloseBoth()
	})
}

// A panic of the application's code ends the connection and surfaces, at the server from
// the request, at the client from the Read; an error of GetClientCertificate ends it too.
func TestPostHandshakeAuthPanics(t *testing.T) {
	ssltest.ForEachLater(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.VerifyConnection = func(s ssl.ConnectionState) error {
			if s.Verified {
				panic(ssltest.OnPurpose)
			}
			return nil
		}
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		read := make(chan error, 1)
		go func() { read <- ssltest.ReadUntil(p.Client, "done") }()
		before := ssl.ReadCounters()
		var err error
		request := func() { err = p.Server.RequestClientCertificate(context.Background()) }
		if r := ssltest.Recovered(request); r != ssltest.OnPurpose {
			t.Errorf("recovered %v, error %v", r, err)
		}
		ssltest.WantAbandoned(t, p.Server, before)
		<-read
		p.Client.Close()

		srv.VerifyConnection = nil
		for _, answer := range []func() error{func() error { return ssltest.ErrNotHim },
			func() error { panic(ssltest.OnPurpose) }} {
			cli.GetClientCertificate = func(*ssl.CertificateRequestInfo) (*ssl.Certificate, error) {
				return nil,
					answer()
			}
			p = ssltest.NewTCPPair(t, cli, srv)
			p.MustShake(t)
			asked := make(chan error, 1)
			go func() { asked <- p.Server.RequestClientCertificate(context.Background()) }()
			var err error
			r := ssltest.Recovered(func() { err = ssltest.ReadUntil(p.Client, "done") })
			if r != ssltest.OnPurpose && !errors.Is(err, ssltest.ErrNotHim) {
				t.Errorf("recovered %v, error %v", r, err)
			}
			if serr := <-asked; serr == nil || r == nil && ssltest.AlertOf(serr) != 80 {
				t.Errorf("server: %v", serr)
			}
			p.CloseBoth()
		}
	})
}
