package resumption_test

import (
	"bufio"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// What a process of TestUnderPolicy does: the side, the version of TLS, its file, and for a
// client whom it calls.
const (
	policySide    = "SESSL_TEST_POLICY_SIDE"
	policyVersion = "SESSL_TEST_POLICY_VERSION"
	policyFile    = "SESSL_TEST_POLICY_FILE"
	policyAddr    = "SESSL_TEST_POLICY_ADDR"
)

// TestUnderPolicy is what TestPolicyHasChanged runs in processes of their own, for OpenSSL reads
// its configuration once.
func TestUnderPolicy(t *testing.T) {
	leakcheck.Test(t)
	version, _ := strconv.Atoi(os.Getenv(policyVersion))
	file := os.Getenv(policyFile)
	switch os.Getenv(policySide) {
	case "client":
		cfg := ssltest.ClientConfig(t)
		cfg.MaxVersion = uint16(version)
		cache, keys := ssltest.NewCache(t, 0), ssltest.NewSealKeys(t, 1)
		if _, err := cache.Load(file, keys); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		raw, err := net.Dial("tcp", os.Getenv(policyAddr))
		if err != nil {
			t.Fatal(err)
		}
		c, err := ssl.Client(raw, ssltest.NewClientCtx(t, cfg))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(ssltest.Timeout))
		if err := c.UseSessionCache(cache, ssltest.Here); err != nil {
			t.Fatal(err)
		}
		if err := c.Handshake(); err != nil {
			fmt.Println("says: refused", err)
			return
		}
		ssltest.RoundTrip(t, c)
		fmt.Println("says: resumed", c.SessionReused())
		if err := cache.Save(file, keys); err != nil {
			t.Fatal(err)
		}
	case "server":
		keys, err := ssl.LoadTicketKeys(file)
		if err != nil {
			t.Fatal(err)
		}
		defer keys.Close()
		cfg := ssltest.ServerConfig(t)
		cfg.MaxVersion, cfg.TicketKeys = uint16(version), keys
		cfg.ClientAuth, cfg.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
		s := ssltest.StartServer(t, cfg)
		fmt.Println("says:", s.Addr)
		io.Copy(io.Discard, os.Stdin)
	}
}

// underPolicy starts a process with an openssl.cnf and returns what it says, and how to end it.
func underPolicy(t *testing.T, conf string, env ...string) (said string, end func()) {
	t.Helper()
	args := []string{os.Args[0], "-test.run=^TestUnderPolicy$", "-test.v"}
	if with := os.Getenv("SESSL_EXEC"); with != "" {
		args = append([]string{with}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(append(os.Environ(), "OPENSSL_CONF="+conf), env...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var rest strings.Builder
	lines := bufio.NewScanner(out)
	for said == "" && lines.Scan() {
		if line, ok := strings.CutPrefix(lines.Text(), "says: "); ok {
			said = line
		} else {
			fmt.Fprintln(&rest, lines.Text())
		}
	}
	return said, func() {
		t.Helper()
		in.Close()
		more, _ := io.ReadAll(out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v\n%s%s", err, rest.String(), more)
		}
	}
}

// policies are configurations that differ in what they demand of a peer.
func policies(t *testing.T) (first string, others map[string]string) {
	dir := t.TempDir()
	n := 0
	conf := func(ssl, more string) string {
		n++
		file := filepath.Join(dir, fmt.Sprintf("%d.cnf", n))
		ssltest.PutFile(t, file, []byte("openssl_conf = init\n[init]\nssl_conf = ssl\n"+more+
			"[ssl]\nsystem_default = system\n[system]\n"+ssl))
		return file
	}
	return conf("CipherString = DEFAULT:@SECLEVEL=1\n", ""), map[string]string{
		"level":  conf("CipherString = DEFAULT:@SECLEVEL=2\n", ""),
		"groups": conf("CipherString = DEFAULT:@SECLEVEL=1\nGroups = P-384:P-256\n", ""),
		"algorithms": conf("CipherString = DEFAULT:@SECLEVEL=1\n"+
			"SignatureAlgorithms = ECDSA+SHA256:RSA+SHA256:RSA-PSS+SHA256\n", ""),
		"providers": conf("CipherString = DEFAULT:@SECLEVEL=1\n",
			"providers = prov\n[prov]\ndefault = def\nlegacy = leg\n[def]\nactivate = 1\n[leg]\nactivate = 1\n"),
		"refused": conf("CipherString = DEFAULT:@SECLEVEL=4\n", ""),
	}
}

// A file that OpenSSL cannot use is none: with it clients work, and resume in the next process.
func TestPolicyOfNoUse(t *testing.T) {
	leakcheck.Test(t)
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.cnf")
	ssltest.PutFile(t, broken, []byte("openssl_conf = init\n[init\nssl_conf = ssl\n"))
	endless := filepath.Join(dir, "endless.cnf")
	ssltest.PutFile(t, endless, []byte("openssl_conf = init\n[init]\nx_unknown = init\n"))
	s := ssltest.StartServer(t, ssltest.ServerConfig(t))
	for _, conf := range []string{broken, endless, dir, filepath.Join(dir, "missing"),
		filepath.Join(broken, "below"), ""} {
		file := filepath.Join(t.TempDir(), "sessions")
		for i := range 2 {
			said, end := underPolicy(t, conf, policySide+"=client", policyVersion+"=0", policyFile+"="+file,
				policyAddr+"="+s.Addr)
			end()
			if want := "resumed " + strconv.FormatBool(i == 1); said != want {
				t.Errorf("%q, run %d: %q", conf, i, said)
			}
		}
	}
}

// A pipe can be read once, and that is for OpenSSL to do: its policy is in force, and since it
// cannot be known, sessions do not outlive the process.
func TestPolicyFromPipe(t *testing.T) {
	leakcheck.Test(t)
	policy := []byte("openssl_conf = init\n[init]\nssl_conf = ssl\n" +
		"[ssl]\nsystem_default = here\n[here]\nMinProtocol = TLSv1.3\n")
	srv := ssltest.ServerConfig(t)
	srv.MaxVersion = ssl.VersionTLS12
	s := ssltest.StartServer(t, ssltest.ServerConfig(t))
	old := ssltest.StartServer(t, srv)
	file := filepath.Join(t.TempDir(), "sessions")
	for _, run := range []struct{ addr, want string }{{s.Addr, "resumed false"}, {s.Addr, "resumed false"},
		{old.Addr, "refused"}} {
		pipe := filepath.Join(t.TempDir(), "pipe.cnf")
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		written := make(chan error, 1)
		go func() { written <- os.WriteFile(pipe, policy, 0) }()
		said, end := underPolicy(t, pipe, policySide+"=client", policyVersion+"=0", policyFile+"="+file, policyAddr+
			"="+run.addr)
		end()
		if err := <-written; err != nil || !strings.HasPrefix(said, run.want) {
			t.Errorf("%q, %v, want %q", said, err, run.want)
		}
	}
}

// What openssl.cnf demands of a peer belongs to what a session was verified by: between two runs
// of a client with a cache file, and between two runs of a server whose clients have its
// tickets, a change of it costs a full handshake, or the refusal that it is for.
func TestAttackPolicyHasChanged(t *testing.T) {
	first, others := policies(t)
	for _, v := range ssltest.Versions {
		version := fmt.Sprintf("%s=%d", policyVersion, v)
		t.Run("client "+ssl.VersionName(v), func(t *testing.T) {
			leakcheck.Test(t)
			s := ssltest.StartServer(t, ssltest.ServerConfig(t))
			for what, other := range others {
				file := filepath.Join(t.TempDir(), "sessions")
				for i, conf := range []string{first, first, other} {
					said, end := underPolicy(t, conf, policySide+"=client", version, policyFile+"="+file, policyAddr+"="+
						s.Addr)
					end()
					switch want := "resumed " + strconv.FormatBool(i == 1); {
					case i == 2 && what == "refused" && strings.HasPrefix(said, "refused"):
					case said != want:
						t.Errorf("%s, run %d: %q, want %q", what, i, said, want)
					}
				}
			}
		})
		t.Run("server "+ssl.VersionName(v), func(t *testing.T) {
			leakcheck.Test(t)
			file := filepath.Join(t.TempDir(), "keys")
			key := make([]byte, 80)
			rand.Read(key)
			ssltest.PutFile(t, file, key)
			cli := ssltest.ClientConfig(t)
			cli.Certificates, cli.MaxVersion = []ssl.Certificate{ssltest.KeyPair(t, "client")}, v
			cctx := ssltest.NewClientCtx(t, cli)
			for what, other := range others {
				if what == "refused" {
					continue // so is the server's own certificate
				}
				cache := ssltest.NewCache(t, 0)
				for i, conf := range []string{first, first, other} {
					addr, end := underPolicy(t, conf, policySide+"=server", version, policyFile+"="+file)
					raw, err := net.Dial("tcp", addr)
					if err != nil {
						t.Fatal(err)
					}
					c, err := ssl.Client(raw, cctx)
					if err != nil {
						t.Fatal(err)
					}
					c.SetDeadline(time.Now().Add(ssltest.Timeout))
					if err := c.UseSessionCache(cache, ssltest.Here); err != nil {
						t.Fatal(err)
					}
					err = c.Handshake()
					if err == nil {
						_, err = c.Write([]byte("ping"))
					}
					if err == nil {
						_, err = io.ReadFull(c, make([]byte, 4))
					}
					if err != nil || c.SessionReused() != (i == 1) {
						t.Errorf("%s, run %d: resumed is %t, %v", what, i, c.SessionReused(), err)
					}
					c.Close()
					end()
				}
			}
		})
	}
}

// What a client's Config demands besides, and what a session without a stamp would slip by:
// verified again is what has no stamp, and that says nothing of curves and schemes.
func TestAttackGroupsHaveChanged(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t) // a key of P-256
	srv.MaxVersion, cli.MaxVersion = ssl.VersionTLS12, ssl.VersionTLS12
	sctx := ssltest.NewServerCtx(t, srv)
	s := ssltest.MadeWith(t, cli, sctx)
	for _, change := range []func(*ssl.Config){
		func(c *ssl.Config) { c.CurvePreferences = curvesWithoutP256 },
		func(c *ssl.Config) { c.SignatureSchemes = schemesWithoutECDSA },
	} {
		for _, s := range []*ssl.Session{s, ssltest.Reparsed(t, s)} {
			x, y := ssltest.TCPPipe(t)
			p := ssltest.NewPair(t, ssltest.NewClientCtx(t, ssltest.CopyOf(cli, change)), sctx, x, y)
			if err := p.Client.SetSession(s); err != nil {
				t.Fatal(err)
			}
			if c, s := p.Shake(); c == nil && s == nil {
				t.Errorf("passed, resumed is %t", p.Client.SessionReused())
			}
			p.CloseBoth()
		}
	}
	for _, s := range []*ssl.Session{s, ssltest.Reparsed(t, s)} {
		ssltest.WantResumed(t, ssltest.Try(t, ssltest.CopyOf(cli, func(c *ssl.Config) {}), sctx, s))
	}
}

var (
	curvesWithoutP256   = []tls.CurveID{tls.X25519, tls.CurveP384}
	schemesWithoutECDSA = []tls.SignatureScheme{tls.PSSWithSHA256, tls.PKCS1WithSHA256}
)
