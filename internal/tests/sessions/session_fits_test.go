package sessions_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// opensslTool is the command of the library in use; make matrix names that of each version.
func opensslTool() string {
	if tool := os.Getenv("SESSL_OPENSSL"); tool != "" {
		return tool
	}
	return "openssl"
}

// toolSession is what s_client with those options gets from the server; nil where it knows no
// such option, or gets no connection.
func toolSession(t *testing.T, s *ssltest.Server, options ...string) *ssl.Session {
	t.Helper()
	file := filepath.Join(t.TempDir(), "session.pem")
	args := append([]string{"s_client", "-connect", s.Addr, "-sess_out", file}, options...)
	if !slices.Contains(options, "-noservername") {
		args = append(args, "-servername", "localhost")
	}
	cmd := exec.Command(opensslTool(), args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(ssltest.Timeout, func() { cmd.Process.Kill() })
	fmt.Fprintln(in, "ping") // its echo comes after the tickets
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "ping"; {
	}
	in.Close()
	for lines := bufio.NewScanner(out); lines.Scan(); { // or it may wait for room
	}
	cmd.Wait()
	kill.Stop()
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	got, err := ssl.ParseSessionPEM(pem)
	if err != nil {
		t.Fatalf("%v: %v", options, err)
	}
	t.Cleanup(func() { got.Close() })
	return got
}

// toolOptions are what changes a session, or the hello that it came from.
var toolOptions = []string{
	"", "-tls1_2", "-tls1_3", "-no_ticket", "-tls1_2 -no_ticket",
	"-tls1 -cipher ALL:@SECLEVEL=0", "-tls1_1 -cipher ALL:@SECLEVEL=0",
	"-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA", "-tls1_2 -cipher ECDHE-RSA-AES256-SHA384",
	"-tls1_2 -cipher AES128-SHA",
	"-tls1_2 -cipher AES256-GCM-SHA384", "-tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305",
	"-tls1_2 -cipher ECDHE-ECDSA-AES256-CCM8",
	"-tls1_2 -cipher NULL-SHA256:@SECLEVEL=0", "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA -no_etm",
	"-tls1_3 -ciphersuites TLS_AES_128_CCM_SHA256", "-tls1_3 -ciphersuites TLS_AES_256_GCM_SHA384",
	"-tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256",
	"-tls1_2 -maxfraglen 512", "-tls1_2 -maxfraglen 4096 -no_ticket", "-tls1_3 -maxfraglen 1024",
	"-maxfraglen 2048",
	"-alpn h2", "-tls1_2 -alpn h2", "-tls1_3 -alpn h2", "-noservername", "-tls1_2 -noservername",
	"-tls1_2 -no_ems", "-tls1_2 -no_ems -no_ticket", "-comp -tls1_2", "-status", "-enable_pha -tls1_3",
	"-allow_no_dhe_kex -tls1_3", "-prefer_no_dhe_kex -tls1_3", "-no_middlebox -tls1_3", "-tls1_2 -curves P-384",
	"-tls1_2 -sigalgs RSA+SHA256",
	"-max_send_frag 512", "-record_padding 64", "-tls1_2 -legacy_renegotiation", "-bugs", "-no_rx_cert_comp",
	"-psk_identity test -psk 31323334353637383930313233343536 -tls1_2 -cipher PSK-AES128-GCM-SHA256",
	"-psk_identity test -psk 31323334353637383930313233343536 -tls1_2 -cipher ECDHE-PSK-CHACHA20-POLY1305",
	"-psk_identity test -psk 31323334353637383930313233343536 -tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256",
}

// Where a connection without a session works, one that is given a session works, whatever
// client the session is from; and ReuseState has a reason where it is not offered.
func TestSessionsOfOtherClients(t *testing.T) {
	leakcheck.Test(t)
	srv := ssltest.ServerConfig(t)
	srv.Certificates = ssltest.KeyPairs(t, []string{"server-ecdsa", "server-rsa"})
	srv.MinVersion, srv.SecurityLevel = ssl.VersionTLS10, ssl.InsecureSecurityLevel0
	srv.NextProtos = []string{"h2", "http/1.1"}
	srv.PSKs = []ssl.PSK{ssltest.NewPSK(t, "test", []byte("1234567890123456"))}
	srv.CipherSuites = []uint16{
		0x1301, 0x1302, 0x1303, 0x1304, ssltest.SuitePSK, 0xCCAC,
		ssltest.SuiteECDSAAES128, ssltest.SuiteECDSAAES256, ssltest.SuiteRSAAES128, ssltest.SuiteECDSAChaCha,
		0xCCA8, 0xC0AF,
		ssltest.SuiteECDSACBC, 0xC028, 0x002F, 0x009D, ssltest.SuiteNULL,
	}
	s := ssltest.StartServer(t, srv)
	configs := map[string]func(*ssl.Config){
		"verifying":  func(*ssl.Config) {},
		"unverified": ssltest.Insecure,
		"TLS 1.2":    func(c *ssl.Config) { ssltest.Insecure(c); c.MaxVersion = ssl.VersionTLS12 },
		"TLS 1.3":    func(c *ssl.Config) { ssltest.Insecure(c); c.MinVersion = ssl.VersionTLS13 },
		"one suite": func(c *ssl.Config) {
			ssltest.Insecure(c)
			c.CipherSuites = []uint16{ssltest.SuiteAES128GCM13, ssltest.SuiteRSAAES128}
		},
		"SHA-384": func(c *ssl.Config) {
			ssltest.Insecure(c)
			c.CipherSuites = []uint16{ssltest.SuiteAES256GCM13, ssltest.SuiteECDSAAES256}
		},
		"no tickets": func(c *ssl.Config) { ssltest.Insecure(c); c.SessionTicketsDisabled = true },
		"high level": func(c *ssl.Config) { ssltest.Insecure(c); c.SecurityLevel = 3 },
		"ALPN":       func(c *ssl.Config) { ssltest.Insecure(c); c.NextProtos = []string{"http/1.1"} },
		"no name":    func(c *ssl.Config) { ssltest.Insecure(c); c.ServerName = "" },
		"all suites": func(c *ssl.Config) {
			ssltest.Insecure(c)
			c.CipherSuites = []uint16{0x1304, ssltest.SuiteECDSACBC, 0x002F, ssltest.SuiteECDSAAES128}
		},
		"old version": func(c *ssl.Config) {
			ssltest.Insecure(c)
			c.MinVersion, c.MaxVersion, c.SecurityLevel, c.CipherSuites = ssl.VersionTLS10, ssl.VersionTLS11,
				ssl.InsecureSecurityLevel0, []uint16{ssltest.SuiteECDSACBC, 0x002F}
		},
	}
	ctxs := map[string]*ssl.Ctx{}
	for name, change := range configs {
		ctxs[name] = ssltest.NewClientCtx(t, ssltest.CopyOf(ssltest.ClientConfig(t), change))
		if err := toolDial(s, ctxs[name], nil); err != nil {
			if name == "high level" { // of RSA keys with 2048 bits
				delete(ctxs, name)
				continue
			}
			t.Fatalf("%s, without a session: %v", name, err)
		}
	}
	made, states := 0, map[ssl.ReuseState]int{}
	for _, options := range toolOptions {
		sess := toolSession(t, s, strings.Fields(options)...)
		if sess == nil {
			t.Logf("s_client %s has no session", options)
			continue
		}
		made++
		for name, ctx := range ctxs {
			for range 2 { // a session that the first attempt has spoiled would show
				if err := toolDial(s, ctx, func(c *ssl.Conn) error { return c.SetSession(sess) }, states); err != nil {
					t.Errorf("a session of s_client %s, offered by the client %q: %v", options, name, err)
				}
			}
		}
	}
	t.Logf("%d sessions: %v", made, states)
	if made < len(toolOptions)*3/4 || states[ssl.ReuseOtherConfig] == 0 || states[ssl.ReusedTicket] == 0 {
		t.Errorf("%d sessions of %d, %v: too few", made, len(toolOptions), states)
	}
}

// toolDial does a round trip, and counts what became of the session.
func toolDial(s *ssltest.Server, ctx *ssl.Ctx, offer func(*ssl.Conn) error,
	states ...map[ssl.ReuseState]int) error {
	d := ssl.Dialer{Ctx: ctx, Sessions: ssl.NoSessionCache{}}
	c, err := d.Connect(context.Background(), "tcp", s.Addr)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(ssltest.Timeout))
	if offer != nil {
		if err := offer(c); err != nil {
			return fmt.Errorf("SetSession: %w", err)
		}
	}
	if _, err := c.Write([]byte("ping")); err != nil {
		return err
	}
	if _, err := c.Read(make([]byte, 4)); err != nil {
		return err
	}
	for _, m := range states {
		m[c.ReuseState()]++
	}
	if offer != nil && (c.ReuseState() <= ssl.ReuseNoSession || c.SessionOffered() != c.ReuseState().Offered()) {
		return fmt.Errorf("the state is %q, offered %t", c.ReuseState(), c.SessionOffered())
	}
	return nil
}

// What cannot be in a ClientHello is not offered; what nothing could resume is an error.
func TestSessionsThatDoNotFit(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		ssltest.Insecure(cli)
		sctx := ssltest.NewServerCtx(t, srv)
		good := ssltest.MadeWith(t, cli, sctx)
		change := func(f func(*ssl.Session) error) *ssl.Session {
			s := ssltest.Dup(t, good)
			if err := f(s); err != nil {
				t.Fatal(err)
			}
			return s
		}
		for what, test := range map[string]struct {
			s     *ssl.Session
			never bool
		}{
			"a server's context": {s: change(func(s *ssl.Session) error { return s.SetIDContext([]byte("server")) })},
			"another version": {s: change(func(s *ssl.Session) error {
				return s.SetProtocolVersion(ssl.VersionTLS13 + ssl.VersionTLS12 - fm.Version)
			}), never: fm.Version == ssl.VersionTLS13}, // its key is not one of TLS 1.2
			"another suite": {s: change(func(s *ssl.Session) error {
				if fm.Version == ssl.VersionTLS12 {
					return s.SetCipher(ssltest.SuiteECDSACBC)
				}
				return s.SetCipher(ssltest.SuiteECDSAAES128)
			})},
			"no id":  {s: change(func(s *ssl.Session) error { return s.SetID(nil) }), never: true},
			"no key": {s: change(func(s *ssl.Session) error { return s.SetSecretMasterKey(nil) }), never: true},
		} {
			a, b := ssltest.TCPPipe(t)
			cctx := ssltest.NewClientCtx(t, ssltest.CopyOf(cli, func(c *ssl.Config) {
				c.CipherSuites = []uint16{0x1301,
					ssltest.SuiteECDSAAES256}
			}))
			p := ssltest.NewPair(t, cctx, sctx, a, b)
			err := p.Client.SetSession(test.s)
			if test.never != errors.Is(err, ssl.ErrNotResumable) || !test.never && err != nil {
				t.Errorf("%s: SetSession: %v", what, err)
			}
			p.MustShake(t)
			want := ssl.ReuseOtherConfig
			if test.never {
				want = ssl.ReuseNotResumable
			}
			if got := p.Client.ReuseState(); got != want || p.Client.SessionOffered() {
				t.Errorf("%s: %q, offered %t, want %q", what, got, p.Client.SessionOffered(), want)
			}
			p.CloseBoth()
		}
	})
}

// A server must end a connection that offers a session with an extended master secret by a
// client that has no such thing any more: openssl.cnf can turn it off from OpenSSL 3.0 on.
func TestSessionWithExtendedSecret(t *testing.T) {
	leakcheck.Test(t)
	if dir := os.Getenv(ssltest.CnfEnv); dir != "" {
		withoutExtendedSecret(t, dir)
		return
	}
	cfg := ssltest.ServerConfig(t)
	cfg.MaxVersion = ssl.VersionTLS12
	s := ssltest.StartServer(t, cfg)
	pem, err := toolSession(t, s, "-tls1_2").MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{"session": pem, "addr": []byte(s.Addr)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ssltest.UnderConf(t, "TestSessionWithExtendedSecret", "Options = -ExtendedMasterSecret", dir)
}

func withoutExtendedSecret(t *testing.T, dir string) {
	pem, err := os.ReadFile(filepath.Join(dir, "session"))
	if err != nil {
		t.Fatal(err)
	}
	addr, err := os.ReadFile(filepath.Join(dir, "addr"))
	if err != nil {
		t.Fatal(err)
	}
	sess, err := ssl.ParseSessionPEM(pem)
	if err != nil {
		t.Fatal(err)
	}
	defer sess.Close()
	s := &ssltest.Server{Addr: string(addr)}
	ctx := ssltest.NewClientCtx(t, ssltest.ClientConfig(t))
	if err := toolDial(s, ctx, func(c *ssl.Conn) error { return c.SetSession(sess) }); err != nil {
		t.Error(err)
	}
}
