package closing_test

import (
	"errors"
	"fmt"
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// saysWhy tells whether a server can tell a client that its application refuses it.
func saysWhy(cli *ssl.Config) bool {
	return cli.MaxVersion == ssl.VersionTLS13 && ssltest.LibraryRelease() != "1.1.1"
}

// A client that a server's application refuses hears why, also when it has resumed, and gets no
// session; where libssl has no means it meets the end of the connection.
func TestServersRefusalIsTold(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		for _, plain := range []bool{false, true} {
			for err, alert := range map[error]int{ssltest.ErrRefused: ssltest.AlertBadCertificate,
				fmt.Errorf("not here: %w", ssl.AlertError(49)): 49} {
				refuses := func(ssl.ConnectionState) bool { return true }
				srv.VerifyConnection = func(st ssl.ConnectionState) error {
					if refuses(st) {
						return err
					}
					return nil
				}
				got := ssltest.NewInbox(t, cli)
				cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
				refused := func(offer *ssl.Session) {
					t.Helper()
					ssltest.PlainTCP = plain
					defer func() { ssltest.PlainTCP = false }()
					a, b := ssltest.TCPPipe(t)
					p := ssltest.NewPair(t, cctx, sctx, a, b)
					if offer != nil {
						if err := p.Client.SetSession(offer); err != nil {
							t.Fatal(err)
						}
					}
					before := len(got.All())
					cerr, serr := p.Shake()
					if !errors.Is(serr, err) {
						t.Fatalf("server: %v", serr)
					}
					p.Server.Close()
					if cerr == nil {
						_, cerr = p.Client.Read(make([]byte, 1))
					}
					want := -1
					if saysWhy(cli) {
						want = alert
						if n := len(got.All()) - before; n != 0 {
							t.Errorf("%d sessions were delivered", n)
						}
					}
					if ssltest.AlertOf(cerr) != want || cerr == nil {
						t.Errorf("client: %v, want the alert %d", cerr, want)
					}
					p.Client.Close()
				}
				refused(nil)
				refuses = func(st ssl.ConnectionState) bool { return st.DidResume }
				first := ssltest.Meet(t, cctx, sctx, nil)
				first.CloseBoth()
				refused(got.Last(t))
			}
		}
	})
}

// A refusal after the handshake, when the client has answered a request, is told as well.
func TestServersLaterRefusalIsTold(t *testing.T) {
	if ssltest.LibraryRelease() == "1.1.1" {
		return // it has no means
	}
	ssltest.ForEachLater(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.VerifyConnection = func(st ssl.ConnectionState) error {
			if len(st.PeerCertificates) > 0 {
				return ssl.AlertError(49)
			}
			return nil
		}
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		p.Echo(t)
		asked := make(chan error, 1)
		go func() { asked <- p.Server.RequestClientCertificate(t.Context()) }()
		_, err := p.Client.Read(make([]byte, 1))
		if ssltest.AlertOf(err) != 49 {
			t.Errorf("client: %v", err)
		}
		if err := <-asked; !errors.Is(err, ssl.AlertError(49)) {
			t.Errorf("server: %v", err)
		}
		p.CloseBoth()
	})
}

// A client's application chooses the alert among those that libssl has for a certificate.
func TestClientsAlert(t *testing.T) {
	if ssltest.LibraryRelease() == "1.1.1" {
		return // it is asked too late
	}
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		for alert, want := range map[uint8]int{40: 40, 42: 42, 43: 43, 44: 44, 45: 45, 48: 48, 51: 51, 80: 80,
			49: 42, 112: 42} {
			for _, skip := range []bool{false, true} {
				cli.InsecureSkipVerify = skip
				cli.VerifyConnection = func(ssl.ConnectionState) error {
					return fmt.Errorf("no: %w",
						ssl.AlertError(alert))
				}
				cerr, serr := ssltest.NewTCPPair(t, cli, srv).Shake()
				if !errors.Is(cerr, ssl.AlertError(alert)) || ssltest.AlertOf(serr) != want {
					t.Errorf("%d, want %d: client %v, server %v", alert, want, cerr, serr)
				}
			}
		}
	})
}
