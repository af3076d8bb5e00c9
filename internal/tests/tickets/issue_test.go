package tickets_test

import (
	"errors"
	"io"
	"sync"
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

// Tickets that several goroutines issue at once are all sent, and no session is lost on its way to the
// cache. None of the goroutines waits for a socket that has room.
func TestIssueTicketAtOnce(t *testing.T) {
	leakcheck.Test(t)
	if ssltest.LibraryRelease() == "1.1.1" {
		t.Skip("IssueTicket needs OpenSSL 3.0")
	}
	const goroutines, each = 4, 250
	for _, caches := range []bool{false, true} {
		for _, wants := range []bool{false, true} {
			srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
			srv.NumTickets = -1
			if wants {
				srv.OnNewSession = func(_ *ssl.Conn, s *ssl.Session) { s.Close() }
			}
			cache, err := ssl.NewServerSessionCache(nil)
			if err != nil {
				t.Fatal(err)
			}
			if caches {
				srv.SessionCache = cache
			}
			issueAtOnce(t, ssltest.NewTCPPair(t, cli, srv), goroutines, each)
			if n := cache.Stats().Stores; caches && n != goroutines*each {
				t.Errorf("OnNewSession %t: the cache got %d sessions, want %d", wants, n, goroutines*each)
			}
			cache.Close()
		}
	}
}

func issueAtOnce(t *testing.T, p ssltest.Pair, goroutines, each int) {
	t.Helper()
	p.MustShake(t)
	read := make(chan error, 1)
	go func() { _, err := p.Client.Read(make([]byte, 1)); read <- err }()
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range each {
				if err := p.Server.IssueTicket(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if err := p.Server.CloseWrite(); err != nil {
		t.Error(err)
	}
	if err := <-read; err != io.EOF {
		t.Errorf("Read: %v", err)
	}
	p.CloseBoth()
}
