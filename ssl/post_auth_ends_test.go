package ssl_test

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
	srv, cli := laterConfigs(t)
	p := newTCPPair(t, cli, srv)
	wantIs(t, "before the handshake", p.server.RequestClientCertificate(ctx), ssl.ErrHandshakeIncomplete)
	p.mustShake(t)
	wantIs(t, "a client", p.client.RequestClientCertificate(ctx), ssl.ErrClient)
	wantIs(t, "nil Conn", (*ssl.Conn)(nil).RequestClientCertificate(ctx), ssl.ErrNil)
	wantIs(t, "zero Conn", new(ssl.Conn).RequestClientCertificate(ctx), ssl.ErrClosed)
	wantIs(t, "nil context", p.server.RequestClientCertificate(noContext), ssl.ErrNil)
	wantIs(t, "ended context", p.server.RequestClientCertificate(ended), context.Canceled)
	p.echo(t)
	p.server.CloseWrite()
	wantIs(t, "after CloseWrite", p.server.RequestClientCertificate(ctx), ssl.ErrClosed)
	p.closeBoth()
	wantIs(t, "closed", p.server.RequestClientCertificate(ctx), ssl.ErrClosed)

	refused := func(what string, want error, srv, cli *ssl.Config) {
		t.Helper()
		p := newTCPPair(t, cli, srv)
		p.mustShake(t)
		wantIs(t, what, p.server.RequestClientCertificate(ctx), want)
		p.echo(t)
		p.closeBoth()
	}
	cli.PostHandshakeAuth = false
	refused("not offered", ssl.ErrPostHandshakeAuth, srv, cli)
	cli.MaxVersion = ssl.VersionTLS12
	refused("TLS 1.2", ssl.ErrPostHandshakeAuth, srv, cli)
	cli.MaxVersion = 0
	refused("NoClientCert", ssl.ErrConfig, serverConfig(t), cli)

	for _, bad := range []func(*ssl.Config){
		func(c *ssl.Config) { c.ClientAuth = ssl.NoClientCert },
		func(c *ssl.Config) { c.MaxVersion = ssl.VersionTLS12 },
	} {
		cfg, _ := laterConfigs(t)
		bad(cfg)
		if err := cfg.CheckServer(); !errors.Is(err, ssl.ErrConfig) {
			t.Errorf("CheckServer: %v", err)
		}
	}
}

// A client of TLS 1.2 cannot be asked later, so it is asked in the handshake.
func TestPostHandshakeAuthTLS12(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := laterConfigs(t)
	cli.PostHandshakeAuth, cli.MaxVersion = false, ssl.VersionTLS12
	p := newTCPPair(t, cli, srv)
	p.mustShake(t)
	wantClient(t, p.server, clientName)
	p.closeBoth()
	cli.Certificates = nil
	p = newTCPPair(t, cli, srv)
	if _, err := p.shake(); err == nil {
		t.Error("a client of TLS 1.2 got in without a certificate")
	}
	p.closeBoth()
}

// crypto/tls has no post-handshake authentication.
func TestPostHandshakeAuthCryptoTLS(t *testing.T) {
	leakcheck.Test(t)
	srv, _ := laterConfigs(t)
	a, b := tcpPipe(t)
	s, err := ssl.Server(b, newServerCtx(t, srv))
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

var errNotHim = errors.New("not him")

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
		srv, cli := laterConfigs(t)
		srv.SessionTicketsDisabled = disabled
		got, met := newInbox(t, cli), meets(cli)
		srv.VerifyConnection = func(s ssl.ConnectionState) error {
			if s.Verified {
				return errNotHim
			}
			return nil
		}
		a, b := tcpPipe(t)
		g := &gated{Conn: b}
		p := newPair(t, newClientCtx(t, cli), newServerCtx(t, srv), a, g)
		p.mustShake(t)
		p.echo(t)
		n := len(got.all())
		gate := make(chan struct{})
		g.gate.Store(&gate)
		heard := make(chan error, 1)
		go func() {
			_, err := p.client.Read(make([]byte, 1))
			heard <- err
		}()
		go func() {
			defer close(gate) // the server gets certificate and secret in one piece
			<-met
			if _, err := p.client.Write([]byte("secret")); err != nil {
				t.Error(err)
			}
		}()
		wantIs(t, "request", p.server.RequestClientCertificate(context.Background()), errNotHim)
		if n, err := p.server.Read(make([]byte, 10)); n != 0 || !errors.Is(err, errNotHim) {
			t.Errorf("Read: %d bytes, %v", n, err)
		}
		if _, err := p.server.Write([]byte("x")); !errors.Is(err, errNotHim) {
			t.Errorf("Write: %v", err)
		}
		wantClient(t, p.server, "")
		p.server.Close()
		if err := <-heard; err == nil || err == io.EOF {
			t.Errorf("the client saw a clean end: %v", err)
		}
		if more := len(got.all()) - n; more != 0 {
			t.Errorf("%d tickets for a client that was refused", more)
		}
		p.client.Close()
	}
}

// quietPair is a pair over net.Pipe, for a bubble. Its client does not read.
func quietPair(t *testing.T, cli, srv *ssl.Ctx) pair {
	a, b := net.Pipe()
	p := newPair(t, cli, srv, a, b)
	p.client.SetDeadline(time.Time{})
	p.server.SetDeadline(time.Time{})
	p.mustShake(t)
	return p
}

// A wait ends with its context, the read deadline, Close and the end of the connection. In
// the first two cases the answer still counts when it comes.
func TestPostHandshakeAuthEnds(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := laterConfigs(t)
	sctx, cctx := newServerCtx(t, srv), newClientCtx(t, cli)
	for name, end := range map[string]func(p pair, cancel func()) error{
		"context":  func(_ pair, cancel func()) error { cancel(); return context.Canceled },
		"deadline": func(p pair, _ func()) error { p.server.SetReadDeadline(time.Unix(1, 0)); return nil },
		"close":    func(p pair, _ func()) error { p.server.Close(); return ssl.ErrClosed },
		"hang up":  func(p pair, _ func()) error { p.client.NetConn().Close(); return io.ErrUnexpectedEOF },
	} {
		for _, reads := range []bool{false, true} {
			bubble(t, func(t *testing.T) {
				p := quietPair(t, cctx, sctx)
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				read := make(chan error, 1)
				if reads {
					go func() { read <- readUntil(p.server, "ping") }()
				}
				asked := make(chan error, 1)
				go func() { asked <- p.server.RequestClientCertificate(ctx) }()
				synctest.Wait()
				wantIs(t, "a second call", p.server.RequestClientCertificate(ctx), ssl.ErrRequestPending)
				want := end(p, cancel)
				err := <-asked
				if name == "deadline" {
					if !isTimeout(err) {
						t.Errorf("%s: %v", name, err)
					}
					if reads {
						<-read // that one met it, too
					}
					p.server.SetReadDeadline(time.Time{})
					if reads {
						go func() { read <- readUntil(p.server, "ping") }()
					}
				} else {
					wantIs(t, name, err, want)
				}
				if name == "context" || name == "deadline" {
					go func() { asked <- p.server.RequestClientCertificate(context.Background()) }()
					synctest.Wait() // it waits for the same answer; later it would ask anew
					go p.server.Write([]byte("go on"))
					wrote := make(chan error, 1)
					go func() {
						err := readUntil(p.client, "go on")
						if err == nil {
							_, err = p.client.Write([]byte("ping"))
						}
						wrote <- err
					}()
					if err := <-asked; err != nil {
						t.Errorf("%s, once more: %v", name, err)
					}
					wantClient(t, p.server, clientName)
					if !reads {
						read <- readUntil(p.server, "ping")
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
				p.client.NetConn().Close()
				p.server.Close()
				p.client.Close()
			})
		}
	}
}

// In the middle of a message that the client sends in parts nothing can be asked: a request
// waits as a Write does.
func TestPostHandshakeAuthMidway(t *testing.T) {
	leakcheck.Test(t)
	srv, _ := laterConfigs(t)
	sctx := newServerCtx(t, srv)
	for _, reads := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			c, _, rest, done := midwayServer(t, pipeWire, sctx, reads)
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
				if err := readUntil(c, "pong"); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// More data than is kept waits for a Read to take it.
func TestPostHandshakeAuthMuchData(t *testing.T) {
	forEachLater(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := newTCPPair(t, cli, srv)
		p.mustShake(t)
		const size = 300 << 10
		sent := make(chan error, 1)
		go func() {
			_, err := p.client.Write(make([]byte, size))
			if err == nil {
				err = readUntil(p.client, "done")
			}
			sent <- err
		}()
		asked := make(chan error, 1)
		go func() { asked <- p.server.RequestClientCertificate(context.Background()) }()
		if n, err := io.CopyN(io.Discard, p.server, size); n != size || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		if err := <-asked; err != nil {
			t.Error(err)
		}
		if _, err := p.server.Write([]byte("done")); err != nil {
			t.Error(err)
		}
		wantClient(t, p.server, clientName)
		if err := <-sent; err != nil {
			t.Error(err)
		}
		p.closeBoth()
	})
}

// A panic of the application's code ends the connection and surfaces, at the server from
// the request, at the client from the Read; an error of GetClientCertificate ends it too.
func TestPostHandshakeAuthPanics(t *testing.T) {
	forEachLater(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.VerifyConnection = func(s ssl.ConnectionState) error {
			if s.Verified {
				panic(onPurpose)
			}
			return nil
		}
		p := newTCPPair(t, cli, srv)
		p.mustShake(t)
		read := make(chan error, 1)
		go func() { read <- readUntil(p.client, "done") }()
		before := ssl.ReadCounters()
		var err error
		if r := recovered(func() { err = p.server.RequestClientCertificate(context.Background()) }); r != onPurpose {
			t.Errorf("recovered %v, error %v", r, err)
		}
		wantAbandoned(t, p.server, before)
		<-read
		p.client.Close()

		srv.VerifyConnection = nil
		for _, answer := range []func() error{func() error { return errNotHim }, func() error { panic(onPurpose) }} {
			cli.GetClientCertificate = func(*ssl.CertificateRequestInfo) (*ssl.Certificate, error) { return nil, answer() }
			p = newTCPPair(t, cli, srv)
			p.mustShake(t)
			asked := make(chan error, 1)
			go func() { asked <- p.server.RequestClientCertificate(context.Background()) }()
			var err error
			r := recovered(func() { err = readUntil(p.client, "done") })
			if r != onPurpose && !errors.Is(err, errNotHim) {
				t.Errorf("recovered %v, error %v", r, err)
			}
			if serr := <-asked; serr == nil || r == nil && alertOf(serr) != 80 {
				t.Errorf("server: %v", serr)
			}
			p.closeBoth()
		}
	})
}
