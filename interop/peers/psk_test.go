package peers

import (
	"encoding/hex"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

const (
	pskName = "Client_identity"
	pskHex  = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" // for tests
)

func psk(t *testing.T, key string) ssl.PSK {
	t.Helper()
	b, err := hex.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ssl.NewPSK(pskName, b, 0)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// pskSession returns the key in the form of openssl's -psk_session: a session in PEM.
func pskSession(t *testing.T) string {
	t.Helper()
	s, err := ssl.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	key, _ := hex.DecodeString(pskHex)
	for _, err := range []error{s.SetProtocolVersion(ssl.VersionTLS13),
		s.SetCipher(0x1301), s.SetSecretMasterKey(key)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	pem, err := s.MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "psk.pem")
	write(t, file, string(pem))
	return file
}

var pskVersions = []form{ticket12, ticket13}

// gnutlsPSK makes GnuTLS use keys of the version, and one suite of TLS 1.2.
func gnutlsPSK(f form) string {
	return "NORMAL:-VERS-ALL:+VERS-TLS" + f.number() +
		":-KX-ALL:+ECDHE-PSK:-CIPHER-ALL:+CHACHA20-POLY1305:+AES-128-GCM:-MAC-ALL:+AEAD"
}

// plainPSK is for gnutls-cli, which crashes with ECDHE-PSK after the key exchange of any
// server.
func plainPSK(f form) string {
	if f.version == ssl.VersionTLS12 {
		return strings.Replace(gnutlsPSK(f), "+ECDHE-PSK", "+PSK", 1)
	}
	return gnutlsPSK(f)
}

// pskServerConfig has the default PSK suites of TLS 1.2, or the one without ECDHE.
func pskServerConfig(t *testing.T, f form, peer string) *ssl.Config {
	cfg := &ssl.Config{PSKs: []ssl.PSK{psk(t, pskHex)}, MinVersion: f.version, MaxVersion: f.version,
		PSKIdentityHint: "hint"}
	if strings.HasPrefix(peer, "gnutls") && f.version == ssl.VersionTLS12 {
		cfg.CipherSuites = []uint16{0x00a8} // TLS_PSK_WITH_AES_128_GCM_SHA256
	}
	return cfg
}

// pskClients are the programs that connect to our server with a key; says matches their report.
var pskClients = []struct {
	name  string
	forms []form
	args  func(t *testing.T, port, key string, f form) []string
	says  *regexp.Regexp
}{
	{"openssl -psk", pskVersions, func(t *testing.T, port, key string, f form) []string {
		return []string{"s_client",
			"-connect", "127.0.0.1:" + port, "-tls" + strings.ReplaceAll(f.number(), ".", "_"),
			"-psk_identity", pskName, "-psk", key, "-cipher", "ECDHE-PSK-CHACHA20-POLY1305", "-ign_eof"}
	}, regexp.MustCompile(`(?m)^no peer certificate available$`)},
	{"openssl -psk_session", []form{ticket13}, func(t *testing.T, port, key string, f form) []string {
		return []string{"s_client", "-connect", "127.0.0.1:" + port, "-psk_identity", pskName,
			"-psk_session", pskSession(t), "-ign_eof"}
	}, regexp.MustCompile(`(?m)^no peer certificate available$`)},
	{"gnutls-cli", pskVersions, func(t *testing.T, port, key string, f form) []string {
		return []string{"--pskusername", pskName, "--pskkey", key, "--priority", plainPSK(f),
			"--port", port, "127.0.0.1"}
	}, regexp.MustCompile(`(?m)^- PSK authentication\. `)},
}

func TestPSKClients(t *testing.T) {
	for _, p := range pskClients {
		for _, f := range p.forms {
			t.Run(p.name+"/"+f.name, func(t *testing.T) {
				leakcheck.Test(t)
				var mu sync.Mutex
				var seen []string
				cfg := pskServerConfig(t, f, p.name)
				cfg.VerifyConnection = func(s ssl.ConnectionState) error {
					mu.Lock()
					defer mu.Unlock()
					seen = append(seen, s.PSKIdentity)
					return nil
				}
				s := startServerWith(t, cfg)
				name, _, _ := strings.Cut(p.name, " ")
				printed := run(t, request, name, p.args(t, s.port, pskHex, f)...)
				if !p.says.MatchString(printed) || !strings.Contains(printed, "resumed=false") {
					t.Errorf("it printed:\n%s", printed)
				}
				if reused := s.finish(t); !slices.Equal(reused, []bool{false}) || !slices.Equal(seen, []string{pskName}) {
					t.Errorf("our end: %v, %q", reused, seen)
				}
			})
		}
	}
}

// A client with another key gets an alert, and reports it.
func TestPSKClientsWithAnotherKey(t *testing.T) {
	other := strings.Repeat("5a", 32)
	for _, p := range pskClients {
		if strings.Contains(p.name, "session") {
			continue // the key is in its file
		}
		for _, f := range p.forms {
			t.Run(p.name+"/"+f.name, func(t *testing.T) {
				leakcheck.Test(t)
				s := startServerWith(t, pskServerConfig(t, f, p.name))
				name, _, _ := strings.Cut(p.name, " ")
				out, err := command(t, name, p.args(t, s.port, other, f)...).CombinedOutput()
				if _, failed := err.(*exec.ExitError); !failed || !regexp.MustCompile(`(?i)alert`).Match(out) {
					t.Errorf("%v\n%s", err, out)
				}
				s.http.Close()
			})
		}
	}
}

// pskServers are the programs that our client connects to with its key.
var pskServers = []struct {
	name  string
	start func(t *testing.T, f form) *process
}{
	{"openssl -psk", func(t *testing.T, f form) *process {
		p := start(t, command(t, "openssl", "s_server", "-accept", "127.0.0.1:0", "-www", "-nocert", "-psk", pskHex,
			"-psk_identity", pskName,
			"-tls"+strings.ReplaceAll(f.number(), ".", "_")), "", nil)
		p.addr = p.await(t, regexp.MustCompile(`(?m)^ACCEPT (127\.0\.0\.1:\d+)$`))
		return p
	}},
	{"gnutls-serv", func(t *testing.T, f form) *process {
		file := filepath.Join(t.TempDir(), "psk.txt")
		write(t, file, pskName+":"+pskHex+"\n")
		return gnutlsServWith(t, "--priority", gnutlsPSK(f), "--pskpasswd", file)
	}},
}

// The first connection uses the key, and the second resumes it. With another key there is no
// connection.
func TestPSKServers(t *testing.T) {
	for _, p := range pskServers {
		for _, f := range pskVersions {
			t.Run(p.name+"/"+f.name, func(t *testing.T) {
				leakcheck.Test(t)
				srv := p.start(t, f)
				client := func(key string, onNew func(*ssl.Conn, *ssl.Session)) *ssl.Ctx {
					ctx, err := ssl.NewClientCtx(&ssl.Config{PSKs: []ssl.PSK{psk(t, key)}, PSKOnly: true,
						OnNewSession: onNew})
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { ctx.Close() })
					return ctx
				}
				var session *ssl.Session
				defer func() { session.Close() }()
				ctx := client(pskHex, func(_ *ssl.Conn, s *ssl.Session) {
					session.Close()
					session = s
				})
				for _, resumed := range []bool{false, true} {
					answer, state := get(t, srv.addr, ctx, session)
					if state.Version != f.version || state.PSKIdentity != pskName || state.DidResume != resumed ||
						len(state.PeerCertificates) > 0 {
						t.Errorf("resumed %t: %+v\n%s", resumed, state, answer)
					}
				}
				c, err := ssl.Dial("tcp", srv.addr, client(strings.Repeat("5a", 32), nil))
				if err == nil {
					c.Close()
					t.Error("another key will do")
				}
			})
		}
	}
}
