package tickets_test

import (
	"errors"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A server's OnNewSession has been called for the tickets of the handshake when Handshake
// returns, also when they are issued only after VerifyConnection has passed; and for one
// more when IssueTicket returns.
func TestServerSessionsAreDeliveredInTime(t *testing.T) {
	leakcheck.Test(t)
	for _, asks := range []bool{false, true} {
		srv := ssltest.ServerConfig(t)
		if asks {
			srv.VerifyConnection = func(ssl.ConnectionState) error { return nil }
		}
		got := ssltest.NewInbox(t, srv)
		p := ssltest.NewTCPPair(t, ssltest.ClientConfig(t), srv)
		p.MustShake(t)
		if n := len(got.All()); n != 2 {
			t.Errorf("VerifyConnection %t: %d sessions after the handshake, want 2", asks, n)
		}
		if ssltest.LibraryRelease() == "1.1.1" {
			continue
		}
		if err := p.Server.IssueTicket(); err != nil {
			t.Fatal(err)
		}
		if n := len(got.All()); n != 3 {
			t.Errorf("VerifyConnection %t: %d sessions after IssueTicket, want 3", asks, n)
		}
	}
}

// TLS 1.2 has no tickets after the handshake.
func TestIssueTicketNeedsTLS13(t *testing.T) {
	leakcheck.Test(t)
	srv := ssltest.ServerConfig(t)
	srv.MaxVersion = ssl.VersionTLS12
	p := ssltest.NewTCPPair(t, ssltest.ClientConfig(t), srv)
	p.MustShake(t)
	if err := p.Server.IssueTicket(); !errors.Is(err, ssltest.If(ssltest.LibraryRelease() == "1.1.1",
		ssl.ErrUnsupported, ssl.ErrTLS13Only)) {
		t.Error(err)
	}
	p.Echo(t)
}
