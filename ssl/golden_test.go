package ssl_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sessl/internal/cshim"
	"sessl/internal/leakcheck"
	"sessl/ssl"
)

var updateGolden = flag.Bool("update-golden", false, "write testdata/sessions of this OpenSSL version anew")

// release is "1.1.1" or "3.0" of "OpenSSL 3.0.19 27 Jan 2026".
func release() string {
	v := strings.Fields(cshim.Version())[1]
	if strings.HasPrefix(v, "1.1.1") {
		return "1.1.1"
	}
	return strings.Join(strings.Split(v, ".")[:2], ".")
}

func goldenFile(release string, fm form) string {
	return filepath.Join("..", "testdata", "sessions", release+"-"+fm.name+".pem")
}

// Session files written by one version of OpenSSL are read by the others, except that
// 1.1.1 cannot read what 3.0 and later write.
func TestGoldenSessionsCrossVersions(t *testing.T) {
	leakcheck.Test(t)
	if *updateGolden {
		writeGolden(t)
	}
	for _, from := range []string{"1.1.1", "3.0", "3.5", "3.6", "4.0"} {
		for _, fm := range forms {
			pem, err := os.ReadFile(goldenFile(from, fm))
			if err != nil {
				t.Fatal(err)
			}
			s, err := ssl.ParseSessionPEM(pem)
			if release() == "1.1.1" && from != "1.1.1" {
				if !errors.Is(err, ssl.ErrMalformed) {
					t.Errorf("1.1.1 reads %s of %s: %v, want ErrMalformed", fm.name, from, err)
				}
				s.Close()
				continue
			}
			if err != nil {
				t.Errorf("%s of %s: %v", fm.name, from, err)
				continue
			}
			checkGolden(t, from, fm, s)
			s.Close()
		}
	}
}

func checkGolden(t *testing.T, from string, fm form, s *ssl.Session) {
	t.Helper()
	version, _ := s.ProtocolVersion()
	cert, err := s.PeerCertificate()
	if err != nil || cert == nil || cert.VerifyHostname("localhost") != nil {
		t.Errorf("%s of %s: peer certificate %v, %v", fm.name, from, cert, err)
	}
	ticket, _ := s.HasTicket()
	ok, _ := s.Resumable()
	at, _ := s.Time()
	if version != fm.version || ticket != (fm.tickets || fm.version == ssl.VersionTLS13) || !ok || at.Year() < 2026 {
		t.Errorf("%s of %s: version %s, ticket %t, resumable %t, time %s", fm.name, from, ssl.VersionName(version), ticket, ok, at)
	}
	if _, err := s.MarshalPEM(); err != nil {
		t.Errorf("%s of %s: %v", fm.name, from, err)
	}
}

func writeGolden(t *testing.T) {
	for _, fm := range forms {
		srv, cli := serverConfig(t), clientConfig(t)
		srv.SessionTicketsDisabled, cli.MaxVersion = !fm.tickets, fm.version
		got := newInbox(t, cli)
		dial(t, startServer(t, srv), newClientCtx(t, cli), nil).Close()
		pem, err := got.last(t).MarshalPEM()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(goldenFile(release(), fm), pem, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
