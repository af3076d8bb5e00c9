package peers

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// openssl s_client reports the staple that our server sends, with one and without.
func TestStapleForSClient(t *testing.T) {
	for _, version := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
		t.Run(ssl.VersionName(version), func(t *testing.T) {
			leakcheck.Test(t)
			cert := ssltest.KeyPair(t, "server-ecdsa")
			staple, err := os.ReadFile(ssltest.CertFile("server-ecdsa.ocsp"))
			if err != nil {
				t.Fatal(err)
			}
			s := startServerWith(t, &ssl.Config{Certificates: []ssl.Certificate{cert}, MaxVersion: version})
			for _, c := range []struct {
				staple []byte
				says   string
			}{{nil, "OCSP response: no response sent"}, {staple, "Cert Status: good"}} {
				if err := cert.SetOCSPStaple(c.staple); err != nil {
					t.Fatal(err)
				}
				said := run(t, request, "openssl", "s_client", "-connect", "127.0.0.1:"+s.port,
					"-servername", "localhost",
					"-CAfile", ssltest.CertFile("ca.pem"), "-verify_return_error", "-ign_eof", "-status")
				if !strings.Contains(said, c.says) {
					t.Errorf("it does not say %q:\n%s", c.says, said)
				}
			}
			s.finish(t)
		})
	}
}

// Our client's staple from openssl s_server is the file that the server was given.
func TestStapleOfSServer(t *testing.T) {
	for _, version := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
		t.Run(ssl.VersionName(version), func(t *testing.T) {
			leakcheck.Test(t)
			p := start(t, command(t, "openssl", "s_server", "-accept", "127.0.0.1:0",
				"-www", "-status_file", ssltest.CertFile("server-ecdsa.ocsp"),
				"-cert", ssltest.CertFile("server-ecdsa.pem"), "-key", ssltest.CertFile("server-ecdsa.key")), "", nil)
			p.addr = p.await(t, regexp.MustCompile(`(?m)^ACCEPT (127\.0\.0\.1:\d+)$`))
			ca := ssltest.Roots(t, "ca")
			ctx, err := ssl.NewClientCtx(&ssl.Config{RootCAs: ca, ServerName: "localhost", MaxVersion: version,
				RequestOCSPStaple: true})
			if err != nil {
				t.Fatal(err)
			}
			defer ctx.Close()
			c, err := ssl.Dial("tcp", p.addr, ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			got := c.ConnectionState().OCSPResponse
			want, err := os.ReadFile(ssltest.CertFile("server-ecdsa.ocsp"))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != string(want) {
				t.Errorf("a staple of %d bytes, want %d", len(got), len(want))
			}
			c.Close()
			p.stop()
		})
	}
}
