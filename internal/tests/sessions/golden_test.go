package sessions_test

import (
	"errors"
	"flag"
	"os"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

var updateGolden = flag.Bool("update-golden", false, "write testdata/sessions of this OpenSSL version anew")

func goldenFile(release string, fm ssltest.Form) string {
	return ssltest.TestData("sessions", release+"-"+fm.Name+".pem")
}

// Session files written by one version of OpenSSL are read by the others, except that
// 1.1.1 cannot read what 3.0 and later write.
func TestGoldenSessionsCrossVersions(t *testing.T) {
	leakcheck.Test(t)
	if *updateGolden {
		writeGolden(t)
	}
	for _, from := range []string{"1.1.1", "3.0", "3.5", "3.6", "4.0"} {
		for _, fm := range ssltest.Forms {
			pem, err := os.ReadFile(goldenFile(from, fm))
			if err != nil {
				t.Fatal(err)
			}
			s, err := ssl.ParseSessionPEM(pem)
			if ssltest.LibraryRelease() == "1.1.1" && from != "1.1.1" {
				if !errors.Is(err, ssl.ErrMalformed) {
					t.Errorf("1.1.1 reads %s of %s: %v, want ErrMalformed", fm.Name, from, err)
				}
				s.Close()
				continue
			}
			if err != nil {
				t.Errorf("%s of %s: %v", fm.Name, from, err)
				continue
			}
			checkGolden(t, from, fm, s)
			s.Close()
		}
	}
}

func checkGolden(t *testing.T, from string, fm ssltest.Form, s *ssl.Session) {
	t.Helper()
	version, _ := s.ProtocolVersion()
	cert, err := s.PeerCertificate()
	if err != nil || cert == nil || cert.VerifyHostname("localhost") != nil {
		t.Errorf("%s of %s: peer certificate %v, %v", fm.Name, from, cert, err)
	}
	ticket, _ := s.HasTicket()
	ok, _ := s.Resumable()
	at, _ := s.Time()
	if version != fm.Version || ticket != (fm.Tickets || fm.Version == ssl.VersionTLS13) || !ok ||
		at.Year() < 2026 {
		t.Errorf("%s of %s: version %s, ticket %t, resumable %t, time %s", fm.Name, from, ssl.VersionName(version),
			ticket, ok, at)
	}
	if _, err := s.MarshalPEM(); err != nil {
		t.Errorf("%s of %s: %v", fm.Name, from, err)
	}
}

func writeGolden(t *testing.T) {
	for _, fm := range ssltest.Forms {
		srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
		srv.SessionTicketsDisabled, cli.MaxVersion = !fm.Tickets, fm.Version
		got := ssltest.NewInbox(t, cli)
		ssltest.Dial(t, ssltest.StartServer(t, srv), ssltest.NewClientCtx(t, cli), nil).Close()
		pem, err := got.Last(t).MarshalPEM()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(goldenFile(ssltest.LibraryRelease(), fm), pem, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
