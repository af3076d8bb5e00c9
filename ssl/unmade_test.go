package ssl_test

import (
	"errors"
	"io"
	"net"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// forEachServer runs f over a socket and over a net.Conn that hides it; a is the client's end.
func forEachServer(t *testing.T, ctx *ssl.Ctx, f func(t *testing.T, a net.Conn, server *ssl.Conn)) {
	for name, hide := range map[string]bool{"socket": false, "net.Conn": true} {
		t.Run(name, func(t *testing.T) {
			a, b := ssltest.TCPPipe(t)
			if hide {
				b = ssltest.Plain{Conn: b}
			}
			server, err := ssl.Server(b, ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			f(t, a, server)
		})
	}
}

// A server makes no SSL for a client whose ClientHello is not whole.
func TestNoSSLBeforeTheClientHello(t *testing.T) {
	leakcheck.Test(t)
	srv := ssltest.ServerConfig(t)
	reloads := *srv
	reloads.Certificates = nil
	reloads.ReloadableCertificates = ssltest.Reloadable(t, "server-ecdsa")
	hello := ssltest.RawHello{}.Record()
	for name, cfg := range map[string]*ssl.Config{"fixed": srv, "reloadable": &reloads} {
		t.Run(name, func(t *testing.T) {
			ctx := ssltest.NewServerCtx(t, cfg)
			for _, n := range []int{0, 1, len(hello) - 1, len(hello)} {
				forEachServer(t, ctx, func(t *testing.T, a net.Conn, server *ssl.Conn) {
					if ssl.HasSSL(server) {
						t.Error("a new one has an SSL")
					}
					if _, err := a.Write(hello[:n]); err != nil {
						t.Fatal(err)
					}
					if err := a.(*net.TCPConn).CloseWrite(); err != nil {
						t.Fatal(err)
					}
					if err := server.Handshake(); err == nil {
						t.Fatal("the handshake succeeded")
					}
					if want := n == len(hello); ssl.HasSSL(server) != want {
						t.Errorf("%d of %d bytes have come: an SSL: %t", n, len(hello), !want)
					}
				})
			}
		})
	}
}

// What can be called before the handshake works without an SSL, and the handshake after it.
func TestCallsBeforeTheClientHello(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.NumTickets = 3
	cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
	refusal := func(want error, call func(*ssl.Conn) error) func(*ssl.Conn) error {
		return func(c *ssl.Conn) error {
			if err := call(c); !errors.Is(err, want) {
				return errors.New("not refused")
			}
			return nil
		}
	}
	for name, call := range map[string]func(c *ssl.Conn) error{
		"SetNumTickets":       func(c *ssl.Conn) error { return c.SetNumTickets(1) },
		"SetMaxEarlyData":     func(c *ssl.Conn) error { return c.SetMaxEarlyData(0) },
		"SetSkipEarlyData":    func(c *ssl.Conn) error { return c.SetSkipEarlyData(1 << 20) },
		"SetSessionIDContext": func(c *ssl.Conn) error { return c.SetSessionIDContext([]byte("id")) },
		"SetPSKIdentityHint":  func(c *ssl.Conn) error { return c.SetPSKIdentityHint("hint") },
		"SetNotResumable":     (*ssl.Conn).SetNotResumable,
		"SetTicketData":       func(c *ssl.Conn) error { return c.SetTicketData([]byte("data")) },
		"SetNextProtos":       func(c *ssl.Conn) error { return c.SetNextProtos(nil) },
		"NumTickets": func(c *ssl.Conn) error {
			if c.NumTickets() != srv.NumTickets {
				return errors.New("another number than the Ctx's")
			}
			return nil
		},
		"getters": func(c *ssl.Conn) error {
			if c.MaxEarlyData() != 0 || c.SkipEarlyData() == 0 || c.Pending() != 0 ||
				c.ConnectionState().Version != 0 || c.ReuseState() != ssl.ReuseUnknown {
				return errors.New("not the values of a new connection")
			}
			return nil
		},
		"Session":     refusal(ssl.ErrNoSession, func(c *ssl.Conn) error { _, err := c.Session(); return err }),
		"KeyUpdate":   refusal(ssl.ErrNoSession, func(c *ssl.Conn) error { return c.KeyUpdate(false) }),
		"CloseWrite":  refusal(ssl.ErrHandshakeIncomplete, (*ssl.Conn).CloseWrite),
		"IssueTicket": refusal(ssl.ErrHandshakeIncomplete, (*ssl.Conn).IssueTicket),
		"ExportEarlyKeyingMaterial": refusal(ssl.ErrNoEarlyData, func(c *ssl.Conn) error {
			_, err := c.ExportEarlyKeyingMaterial("label", nil, 8)
			return err
		}),
	} {
		t.Run(name, func(t *testing.T) {
			forEachServer(t, sctx, func(t *testing.T, a net.Conn, server *ssl.Conn) {
				if err := call(server); err != nil {
					t.Fatal(err)
				}
				client, err := ssl.Client(a, cctx)
				if err != nil {
					t.Fatal(err)
				}
				p := ssltest.Pair{Client: client, Server: server}
				p.MustShake(t)
				p.Echo(t)
				p.CloseBoth()
			})
			forEachServer(t, sctx, func(t *testing.T, a net.Conn, server *ssl.Conn) {
				if err := call(server); err != nil {
					t.Fatal(err)
				}
				if err := server.Close(); err != nil {
					t.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, a); n != 0 || err != nil {
					t.Errorf("the client of a closed connection got %d bytes, %v", n, err)
				}
			})
		})
	}
}

// A Ctx that is closed serves the connections that it has, also those without an SSL.
func TestClosedCtxBeforeTheClientHello(t *testing.T) {
	leakcheck.Test(t)
	cctx := ssltest.NewClientCtx(t, ssltest.ClientConfig(t))
	sctx := ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	a, b := ssltest.TCPPipe(t)
	p := ssltest.NewPair(t, cctx, sctx, a, b)
	if err := sctx.Close(); err != nil {
		t.Fatal(err)
	}
	p.MustShake(t)
	p.Echo(t)
	p.CloseBoth()
}

// The handshake fails where the certificates of the moment cannot be used.
func TestSpoiledCertificatesAtTheClientHello(t *testing.T) {
	leakcheck.Test(t)
	r := ssltest.Reloadable(t, "server-ecdsa")
	ctx := ssltest.NewServerCtx(t, &ssl.Config{ReloadableCertificates: r})
	r.Spoil()
	reasons := map[string]bool{}
	for _, before := range []func(*ssl.Conn){func(*ssl.Conn) {}, func(c *ssl.Conn) { c.NumTickets() }} {
		forEachServer(t, ctx, func(t *testing.T, a net.Conn, server *ssl.Conn) {
			if _, err := a.Write(ssltest.RawHello{}.Record()); err != nil {
				t.Fatal(err)
			}
			before(server) // makes an SSL, and fails to give it a certificate
			var first, again *ssl.Error
			if err := server.Handshake(); !errors.As(err, &first) || first.Op != "handshake" {
				t.Errorf("a handshake without a certificate: %v", err)
			}
			if err := server.Handshake(); !errors.As(err, &again) || again != first {
				t.Errorf("once more: %v", err)
			}
			reasons[first.Error()] = true
		})
	}
	if len(reasons) != 1 {
		t.Errorf("the reason depends on what was called before: %v", reasons)
	}
}
