package ssl_test

import (
	"errors"
	"fmt"
	"testing"

	"sessl/ssl"
)

// saysWhy tells whether a server can tell a client that its application refuses it.
func saysWhy(cli *ssl.Config) bool {
	return cli.MaxVersion == ssl.VersionTLS13 && release() != "1.1.1"
}

// A client that a server's application refuses hears why, also when it has resumed, and gets no
// session; where libssl has no means it meets the end of the connection.
func TestServersRefusalIsTold(t *testing.T) {
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		for _, plain := range []bool{false, true} {
			for err, alert := range map[error]int{errRefused: alertBadCertificate, fmt.Errorf("not here: %w", ssl.AlertError(49)): 49} {
				refuses := func(ssl.ConnectionState) bool { return true }
				srv.VerifyConnection = func(st ssl.ConnectionState) error {
					if refuses(st) {
						return err
					}
					return nil
				}
				got := newInbox(t, cli)
				cctx, sctx := newClientCtx(t, cli), newServerCtx(t, srv)
				refused := func(offer *ssl.Session) {
					t.Helper()
					plainTCP = plain
					defer func() { plainTCP = false }()
					a, b := tcpPipe(t)
					p := newPair(t, cctx, sctx, a, b)
					if offer != nil {
						if err := p.client.SetSession(offer); err != nil {
							t.Fatal(err)
						}
					}
					before := len(got.all())
					cerr, serr := p.shake()
					if !errors.Is(serr, err) {
						t.Fatalf("server: %v", serr)
					}
					p.server.Close()
					if cerr == nil {
						_, cerr = p.client.Read(make([]byte, 1))
					}
					want := -1
					if saysWhy(cli) {
						want = alert
						if n := len(got.all()) - before; n != 0 {
							t.Errorf("%d sessions were delivered", n)
						}
					}
					if alertOf(cerr) != want || cerr == nil {
						t.Errorf("client: %v, want the alert %d", cerr, want)
					}
					p.client.Close()
				}
				refused(nil)
				refuses = func(st ssl.ConnectionState) bool { return st.DidResume }
				first := meet(t, cctx, sctx, nil)
				first.closeBoth()
				refused(got.last(t))
			}
		}
	})
}

// A refusal after the handshake, when the client has answered a request, is told as well.
func TestServersLaterRefusalIsTold(t *testing.T) {
	if release() == "1.1.1" {
		return // it has no means
	}
	forEachLater(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.VerifyConnection = func(st ssl.ConnectionState) error {
			if len(st.PeerCertificates) > 0 {
				return ssl.AlertError(49)
			}
			return nil
		}
		p := newTCPPair(t, cli, srv)
		p.mustShake(t)
		p.echo(t)
		asked := make(chan error, 1)
		go func() { asked <- p.server.RequestClientCertificate(t.Context()) }()
		_, err := p.client.Read(make([]byte, 1))
		if alertOf(err) != 49 {
			t.Errorf("client: %v", err)
		}
		if err := <-asked; !errors.Is(err, ssl.AlertError(49)) {
			t.Errorf("server: %v", err)
		}
		p.closeBoth()
	})
}

// A client's application chooses the alert among those that libssl has for a certificate.
func TestClientsAlert(t *testing.T) {
	if release() == "1.1.1" {
		return // it is asked too late
	}
	forEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		for alert, want := range map[uint8]int{40: 40, 42: 42, 43: 43, 44: 44, 45: 45, 48: 48, 51: 51, 80: 80, 49: 42, 112: 42} {
			for _, skip := range []bool{false, true} {
				cli.InsecureSkipVerify = skip
				cli.VerifyConnection = func(ssl.ConnectionState) error { return fmt.Errorf("no: %w", ssl.AlertError(alert)) }
				cerr, serr := newTCPPair(t, cli, srv).shake()
				if !errors.Is(cerr, ssl.AlertError(alert)) || alertOf(serr) != want {
					t.Errorf("%d, want %d: client %v, server %v", alert, want, cerr, serr)
				}
			}
		}
	})
}
