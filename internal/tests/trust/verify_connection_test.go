package trust_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// VerifyConnection is asked on every connection, resumed ones included, on both sides,
// with the certificates of the session.
func TestVerifyConnectionIsAskedOnResumption(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		var client, server atomic.Int32
		cli.VerifyConnection = func(st ssl.ConnectionState) error {
			client.Add(1)
			if len(st.PeerCertificates) == 0 || len(st.VerifiedChain) == 0 || !st.Verified {
				t.Errorf("the client is asked about %d certificates and a chain of %d", len(st.PeerCertificates),
					len(st.VerifiedChain))
			}
			return nil
		}
		srv.VerifyConnection = func(ssl.ConnectionState) error { server.Add(1); return nil }
		got := ssltest.NewInbox(t, cli)
		s := ssltest.StartServer(t, srv)
		ctx := ssltest.NewClientCtx(t, cli)
		ssltest.Dial(t, s, ctx, nil).Close()
		c := ssltest.Dial(t, s, ctx, got.Last(t))
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
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		cli.VerifyConnection = func(ssl.ConnectionState) error { return ssltest.ErrRefused }
		got := ssltest.NewInbox(t, cli)
		s := ssltest.StartServer(t, srv)
		c := ssltest.ClientConn(t, s, ssltest.NewClientCtx(t, cli))
		for range 2 { // it stays refused
			if err := c.Handshake(); !errors.Is(err, ssltest.ErrRefused) {
				t.Fatalf("handshake: %v, want %v", err, ssltest.ErrRefused)
			}
		}
		if _, err := c.Session(); !errors.Is(err, ssl.ErrNoSession) {
			t.Errorf("Session: %v, want ErrNoSession", err)
		}
		c.Close()
		if n := len(got.All()); n != 0 {
			t.Errorf("%d sessions were delivered", n)
		}
	})
}

// A server's refusal leaves nothing to resume: no ticket of TLS 1.3 has been issued, and
// what was cached or issued in TLS 1.2 is asked about again.
func TestVerifyConnectionRefusesAtServer(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		srv.VerifyConnection = func(ssl.ConnectionState) error { return ssltest.ErrRefused }
		got := ssltest.NewInbox(t, cli)
		p := ssltest.NewTCPPair(t, cli, srv)
		if _, err := p.Shake(); !errors.Is(err, ssltest.ErrRefused) {
			t.Fatalf("server: %v, want %v", err, ssltest.ErrRefused)
		}
		p.Server.Close()
		p.Client.Read(make([]byte, 1)) // until the end of the connection
		if n := len(got.All()); fm.Version == ssl.VersionTLS13 && n != 0 && ssltest.LibraryRelease() != "1.1.1" {
			t.Errorf("%d tickets were issued", n)
		}
	})
}

// A panic goes to the goroutine that did the handshake; the connection has failed.
func TestVerifyConnectionPanics(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		cli.VerifyConnection = func(ssl.ConnectionState) error { panic("on purpose") }
		s := ssltest.StartServer(t, srv)
		c := ssltest.ClientConn(t, s, ssltest.NewClientCtx(t, cli))
		func() {
			defer func() {
				if r := recover(); r != "on purpose" {
					t.Errorf("recovered %v", r)
				}
			}()
			c.Handshake()
		}()
		for range 2 { // it does not panic again
			var e *ssl.Error
			if err := c.Handshake(); !errors.As(err, &e) || !strings.Contains(err.Error(), "panicked") {
				t.Errorf("a later handshake: %v, want an error", err)
			}
		}
	})
}

func TestIssueTicket(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		got := ssltest.NewInbox(t, cli)
		p := ssltest.NewTCPPair(t, cli, srv)
		if err := p.Server.IssueTicket(); !errors.Is(err, ssl.ErrHandshakeIncomplete) {
			t.Errorf("before the handshake: %v", err)
		}
		p.MustShake(t)
		p.Echo(t)
		before := len(got.All())
		err := p.Server.IssueTicket()
		switch {
		case ssltest.LibraryRelease() == "1.1.1":
			if !errors.Is(err, ssl.ErrUnsupported) {
				t.Errorf("on 1.1.1: %v, want ErrUnsupported", err)
			}
			return
		case fm.Version == ssl.VersionTLS12:
			var e *ssl.Error
			if !errors.As(err, &e) {
				t.Errorf("in TLS 1.2: %v, want an error", err)
			}
			return
		case err != nil:
			t.Fatal(err)
		}
		p.Echo(t)
		if n := len(got.All()) - before; n != 1 {
			t.Errorf("%d sessions arrived, want 1", n)
		}
		if err := p.Client.IssueTicket(); !errors.Is(err, ssl.ErrClient) {
			t.Errorf("on a client: %v, want ErrClient", err)
		}
	})
}

// Many handshakes at once get through a gate for one, and none keeps its place.
func TestHandshakeLimit(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.HandshakeLimit, cli.HandshakeLimit = 1, 1
	s := ssltest.StartServer(t, srv)
	ctx := ssltest.NewClientCtx(t, cli)
	const clients = 200
	errs := make(chan error, clients)
	for range clients {
		c := ssltest.ClientConn(t, s, ctx)
		go func() { errs <- c.Handshake() }()
	}
	for range clients {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	ssltest.RoundTrip(t, ssltest.Dial(t, s, ctx, nil))
}

func TestHandshakeLimitIsChecked(t *testing.T) {
	leakcheck.Test(t)
	cfg := ssltest.ClientConfig(t)
	cfg.HandshakeLimit = -1
	if ctx, err := ssl.NewClientCtx(cfg); !errors.Is(err, ssl.ErrConfig) {
		ctx.Close()
		t.Errorf("%v, want ErrConfig", err)
	}
}

// A client asks before it has sent anything that depends on the certificate: the server
// gets the alert, and its handshake fails. So it is where nothing else verifies.
func TestClientRefusesWithinTheHandshake(t *testing.T) {
	if ssltest.LibraryRelease() == "1.1.1" {
		return // asked when the handshake is over: TestVerifyConnectionRefuses
	}
	for _, insecure := range []bool{false, true} {
		ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
			cli.InsecureSkipVerify = insecure
			cli.VerifyConnection = func(st ssl.ConnectionState) error {
				if len(st.PeerCertificates) != 1 || st.Version != cli.MaxVersion || st.Verified == insecure ||
					(len(st.VerifiedChain) == 2) == insecure {
					t.Errorf("asked about %d certificates, a chain of %d, %+v", len(st.PeerCertificates),
						len(st.VerifiedChain), st)
				}
				return ssltest.ErrRefused
			}
			client, server := ssltest.NewTCPPair(t, cli, srv).Shake()
			if !errors.Is(client, ssltest.ErrRefused) || ssltest.AlertOf(server) != 42 {
				t.Errorf("client: %v, server: %v; want %v and the alert bad_certificate", client, server,
					ssltest.ErrRefused)
			}
		})
	}
}

// With InsecureSkipVerify the function alone decides, and its yes does not count as a
// verification for those who do verify.
func TestVerifyConnectionAlone(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		strict := *cli
		cli.InsecureSkipVerify, cli.ServerName = true, "elsewhere.test"
		asked := 0
		cli.VerifyConnection = func(ssl.ConnectionState) error { asked++; return nil }
		got := ssltest.NewInbox(t, cli)
		s := ssltest.StartServer(t, srv)
		ctx := ssltest.NewClientCtx(t, cli)
		if st := ssltest.Dial(t, s, ctx, nil).ConnectionState(); st.Verified || len(st.VerifiedChain) != 0 ||
			len(st.PeerCertificates) != 1 {
			t.Errorf("unverified, but the state is %+v", st)
		}
		if c := ssltest.Dial(t, s, ctx, got.Last(t)); !c.SessionReused() || asked != 2 {
			t.Errorf("resumed: %t, asked %d times, want 2", c.SessionReused(), asked)
		}
		strict.RootCAs = ssltest.Roots(t, "other-ca")
		c := ssltest.ClientConn(t, s, ssltest.NewClientCtx(t, &strict))
		c.SetSession(got.Last(t))
		if err := c.Handshake(); err == nil || c.SessionOffered() {
			t.Errorf("a verifying client offered it (%t): %v", c.SessionOffered(), err)
		}
	})
}
