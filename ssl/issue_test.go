package ssl_test

import (
	"errors"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// A server's OnNewSession has been called for the tickets of the handshake when Handshake
// returns, also when they are issued only after VerifyConnection has passed; and for one
// more when IssueTicket returns.
func TestServerSessionsAreDeliveredInTime(t *testing.T) {
	leakcheck.Test(t)
	for _, asks := range []bool{false, true} {
		srv := serverConfig(t)
		if asks {
			srv.VerifyConnection = func(ssl.ConnectionState) error { return nil }
		}
		got := newInbox(t, srv)
		p := newTCPPair(t, clientConfig(t), srv)
		p.mustShake(t)
		if n := len(got.all()); n != 2 {
			t.Errorf("VerifyConnection %t: %d sessions after the handshake, want 2", asks, n)
		}
		if release() == "1.1.1" {
			continue
		}
		if err := p.server.IssueTicket(); err != nil {
			t.Fatal(err)
		}
		if n := len(got.all()); n != 3 {
			t.Errorf("VerifyConnection %t: %d sessions after IssueTicket, want 3", asks, n)
		}
	}
}

// TLS 1.2 has no tickets after the handshake.
func TestIssueTicketNeedsTLS13(t *testing.T) {
	leakcheck.Test(t)
	srv := serverConfig(t)
	srv.MaxVersion = ssl.VersionTLS12
	p := newTCPPair(t, clientConfig(t), srv)
	p.mustShake(t)
	if err := p.server.IssueTicket(); !errors.Is(err, want(release() == "1.1.1", ssl.ErrUnsupported, ssl.ErrTLS13Only)) {
		t.Error(err)
	}
	p.echo(t)
}
