package ssl_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

var errRefused = errors.New("refused by the application")

// VerifyConnection is asked on every connection, resumed ones included, on both sides,
// with the certificates of the session.
func TestVerifyConnectionIsAskedOnResumption(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		var client, server atomic.Int32
		cli.VerifyConnection = func(st ssl.ConnectionState) error {
			client.Add(1)
			if len(st.PeerCertificates) == 0 || len(st.VerifiedChain) == 0 || !st.Verified {
				t.Errorf("the client is asked about %d certificates and a chain of %d", len(st.PeerCertificates), len(st.VerifiedChain))
			}
			return nil
		}
		srv.VerifyConnection = func(ssl.ConnectionState) error { server.Add(1); return nil }
		got := newInbox(t, cli)
		s := startServer(t, srv)
		ctx := newClientCtx(t, cli)
		dial(t, s, ctx, nil).Close()
		c := dial(t, s, ctx, got.last(t))
		if !c.SessionReused() {
			t.Error("not resumed")
		}
		if client.Load() != 2 || server.Load() != 2 {
			t.Errorf("asked %d times at the client and %d at the server, want 2 and 2", client.Load(), server.Load())
		}
	})
}

// A client that the application refuses gets its error, and no session.
func TestVerifyConnectionRefuses(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		cli.VerifyConnection = func(ssl.ConnectionState) error { return errRefused }
		got := newInbox(t, cli)
		s := startServer(t, srv)
		c := clientConn(t, s, newClientCtx(t, cli))
		for range 2 { // it stays refused
			if err := c.Handshake(); !errors.Is(err, errRefused) {
				t.Fatalf("handshake: %v, want %v", err, errRefused)
			}
		}
		if _, err := c.Session(); !errors.Is(err, ssl.ErrNoSession) {
			t.Errorf("Session: %v, want ErrNoSession", err)
		}
		c.Close()
		if n := len(got.all()); n != 0 {
			t.Errorf("%d sessions were delivered", n)
		}
	})
}

// A server's refusal leaves nothing to resume: no ticket of TLS 1.3 has been issued, and
// what was cached or issued in TLS 1.2 is asked about again.
func TestVerifyConnectionRefusesAtServer(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		srv.VerifyConnection = func(ssl.ConnectionState) error { return errRefused }
		got := newInbox(t, cli)
		p := newTCPPair(t, cli, srv)
		if _, err := p.shake(); !errors.Is(err, errRefused) {
			t.Fatalf("server: %v, want %v", err, errRefused)
		}
		p.server.Close()
		p.client.Read(make([]byte, 1)) // until the end of the connection
		if n := len(got.all()); fm.version == ssl.VersionTLS13 && n != 0 && release() != "1.1.1" {
			t.Errorf("%d tickets were issued", n)
		}
	})
}

// A panic goes to the goroutine that did the handshake; the connection has failed.
func TestVerifyConnectionPanics(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		cli.VerifyConnection = func(ssl.ConnectionState) error { panic("on purpose") }
		s := startServer(t, srv)
		c := clientConn(t, s, newClientCtx(t, cli))
		func() {
			defer func() {
				if r := recover(); r != "on purpose" {
					t.Errorf("recovered %v", r)
				}
			}()
			c.Handshake()
		}()
		var e *ssl.Error
		if err := c.Handshake(); !errors.As(err, &e) {
			t.Errorf("second handshake: %v, want an error", err)
		}
	})
}

func TestIssueTicket(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		got := newInbox(t, cli)
		p := newTCPPair(t, cli, srv)
		if err := p.server.IssueTicket(); !errors.Is(err, ssl.ErrHandshakeIncomplete) {
			t.Errorf("before the handshake: %v", err)
		}
		p.mustShake(t)
		p.echo(t)
		before := len(got.all())
		err := p.server.IssueTicket()
		switch {
		case release() == "1.1.1":
			if !errors.Is(err, ssl.ErrUnsupported) {
				t.Errorf("on 1.1.1: %v, want ErrUnsupported", err)
			}
			return
		case fm.version == ssl.VersionTLS12:
			var e *ssl.Error
			if !errors.As(err, &e) {
				t.Errorf("in TLS 1.2: %v, want an error", err)
			}
			return
		case err != nil:
			t.Fatal(err)
		}
		p.echo(t)
		if n := len(got.all()) - before; n != 1 {
			t.Errorf("%d sessions arrived, want 1", n)
		}
		if err := p.client.IssueTicket(); !errors.Is(err, ssl.ErrClient) {
			t.Errorf("on a client: %v, want ErrClient", err)
		}
	})
}

// Many handshakes at once get through a gate for one, and none keeps its place.
func TestHandshakeLimit(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := serverConfig(t), clientConfig(t)
	srv.HandshakeLimit, cli.HandshakeLimit = 1, 1
	s := startServer(t, srv)
	ctx := newClientCtx(t, cli)
	const clients = 200
	errs := make(chan error, clients)
	for range clients {
		c := clientConn(t, s, ctx)
		go func() { errs <- c.Handshake() }()
	}
	for range clients {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	roundTrip(t, dial(t, s, ctx, nil))
}

func TestHandshakeLimitIsChecked(t *testing.T) {
	leakcheck.Test(t)
	cfg := clientConfig(t)
	cfg.HandshakeLimit = -1
	if ctx, err := ssl.NewClientCtx(cfg); !errors.Is(err, ssl.ErrConfig) {
		ctx.Close()
		t.Errorf("%v, want ErrConfig", err)
	}
}

// A client asks before it has sent anything that depends on the certificate: the server
// gets the alert, and its handshake fails. With nobody else verifying, too.
func TestClientRefusesWithinTheHandshake(t *testing.T) {
	if release() == "1.1.1" {
		return // asked when the handshake is over: TestVerifyConnectionRefuses
	}
	for _, insecure := range []bool{false, true} {
		forEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
			cli.InsecureSkipVerify = insecure
			cli.VerifyConnection = func(st ssl.ConnectionState) error {
				if len(st.PeerCertificates) != 1 || st.Version != cli.MaxVersion || st.Verified == insecure || (len(st.VerifiedChain) == 2) == insecure {
					t.Errorf("asked about %d certificates, a chain of %d, %+v", len(st.PeerCertificates), len(st.VerifiedChain), st)
				}
				return errRefused
			}
			client, server := newTCPPair(t, cli, srv).shake()
			if !errors.Is(client, errRefused) || alertOf(server) != 42 {
				t.Errorf("client: %v, server: %v; want %v and the alert bad_certificate", client, server, errRefused)
			}
		})
	}
}

// With InsecureSkipVerify the function alone decides, and its yes does not count as a
// verification for those who do verify.
func TestVerifyConnectionAlone(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		strict := *cli
		cli.InsecureSkipVerify, cli.ServerName = true, "elsewhere.test"
		asked := 0
		cli.VerifyConnection = func(ssl.ConnectionState) error { asked++; return nil }
		got := newInbox(t, cli)
		s := startServer(t, srv)
		ctx := newClientCtx(t, cli)
		if st := dial(t, s, ctx, nil).ConnectionState(); st.Verified || len(st.VerifiedChain) != 0 || len(st.PeerCertificates) != 1 {
			t.Errorf("unverified, but the state is %+v", st)
		}
		if c := dial(t, s, ctx, got.last(t)); !c.SessionReused() || asked != 2 {
			t.Errorf("resumed: %t, asked %d times, want 2", c.SessionReused(), asked)
		}
		strict.RootCAs = roots(t, "other-ca")
		c := clientConn(t, s, newClientCtx(t, &strict))
		c.SetSession(got.last(t))
		if err := c.Handshake(); err == nil || c.SessionOffered() {
			t.Errorf("a verifying client offered it (%t): %v", c.SessionOffered(), err)
		}
	})
}
