package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
)

// Every mistake is one line on the standard error, with the right exit status.
func TestErrors(t *testing.T) {
	leakcheck.Test(t)
	refused := dbtest.FreeAddr(t)
	missing := filepath.Join(t.TempDir(), "missing")
	good := func(more ...string) []string { return serverFlags(more...) }
	serve := func(cert, key string) []string { return []string{"serve", "--cert", cert, "--key", key} }
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"nonsense"}, exitUsage, `unknown command "nonsense"`},
		{[]string{"prob"}, exitUsage, "Did you mean this? probe"},
		{[]string{"--nonsense"}, exitUsage, "unknown flag: --nonsense"},
		{[]string{"completion"}, exitUsage, "bash, zsh, fish or powershell is missing"},
		{[]string{"completion", "nonsense"}, exitUsage, `unknown command "nonsense"`},

		{[]string{"serve"}, exitUsage, "[cert psk]"},
		{good("a:1"), exitUsage, `no argument is wanted, but "a:1" is there: --listen has the address`},
		{good("--close"), exitUsage, "--close needs --www"},
		{good("--www", "--alpn", "h2"), exitUsage, "--alpn"},
		{good("--tls", "1.1"), exitUsage, "only 1.2 and 1.3 are possible"},
		{good("--listen", "nowhere"), exitError, "missing port"},
		{good("--client-ca", missing), exitError, missing + ": no such file"},
		{good("--client-ca", ssltest.CertFile("ca.key")), exitError, "ca.key: no certificates in it"},
		{serve(missing, ssltest.CertFile("ca.key")), exitError, missing + ": no such file"},
		{serve(ssltest.CertFile("ca.pem"), missing), exitError, missing + ": no such file"},
		{serve(ssltest.CertFile("ca.pem"), ssltest.CertFile("client.key")), exitError, "mismatch"},
		{serve(ssltest.CertFile("server-ecdsa.pem"), ssltest.CertFile("server-ecdsa.enc.key")), exitError,
			"encrypted"},
		{serve(ssltest.CertFile("ca.key"), ssltest.CertFile("ca.key")), exitError, "ca.key"},

		{[]string{"probe"}, exitUsage, "HOST:PORT is missing"},
		{[]string{"probe", "a:1", "b:1"}, exitUsage, "one HOST:PORT is wanted, not 2"},
		{[]string{"probe", ":1"}, exitUsage, "empty"},
		{[]string{"probe", "::1"}, exitUsage, "not HOST:PORT"},
		{[]string{"probe", "a:1", "-n", "0"}, exitUsage, "at least one"},
		{[]string{"probe", "a:1", "-n", "x"}, exitUsage, "invalid"},
		{[]string{"probe", "a:1", "--timeout", "-1s"}, exitUsage, "positive"},
		{[]string{"probe", "a:1", "--send", `\q`}, exitUsage, "escapes"},
		{[]string{"probe", "a:1", "--starttls", "gopher"}, exitUsage, "only smtp, imap, pop3, ftp, postgres, xmpp"},
		{[]string{"probe", "a:1", "--starttls", "smtp", "--early-data"}, exitUsage, "needs --send"},
		{[]string{"probe", "a:1", "--early-data", "--send", ""}, exitUsage, "--early-data has nothing to send"},
		{[]string{"probe", "a:1", "--cert", "x"}, exitUsage, "key"},
		{[]string{"probe", "a:1", "--insecure-skip-verify", "--ca", "x"}, exitUsage, "contradict"},
		{[]string{"probe", refused}, exitError, "connection refused"},
		{[]string{"probe", "a b:1"}, exitError, "not a host name"},
		{[]string{"probe", refused, "--ca", missing}, exitError, missing + ": no such file"},
		{[]string{"probe", refused, "--session-in", missing}, exitError, missing + ": no such file"},
		{[]string{"probe", refused, "--session-in", ssltest.CertFile("ca.pem")}, exitError,
			`not a session: the PEM block is a "CERTIFICATE"`},

		{[]string{"inspect"}, exitUsage, "FILE is missing"},
		{[]string{"inspect", missing}, exitError, missing + ": no such file"},
		{[]string{"inspect", ssltest.CertFile("ca.pem")}, exitError,
			`not a session: the PEM block is a "CERTIFICATE"`},
		{[]string{"inspect", "main.go"}, exitError, "neither a session in PEM nor one in DER"},
		{[]string{"inspect", os.DevNull}, exitError, "empty"},
		{[]string{"inspect", "."}, exitError, "is a directory"},
		{[]string{"inspect", "/dev/zero"}, exitError, "too large"},
		{[]string{"inspect", "-"}, exitError, "standard input: the file is empty"},

		{[]string{"demo", "more"}, exitUsage, "more"},
		{[]string{"man"}, exitUsage, "DIR is missing"},
		{[]string{"man", "main.go"}, exitError, "main.go"},
	} {
		r := sessl(t, c.args...)
		line := strings.TrimSuffix(r.errOut, "\n")
		if r.code != c.code || r.out != "" || !strings.HasPrefix(line, "sessl") || strings.Contains(line, "\n") ||
			!strings.Contains(line, c.says) {
			t.Errorf("sessl %s: status %d, want %d and %q\nstdout: %s\nstderr: %s",
				strings.Join(c.args, " "), r.code, c.code, c.says, r.out, r.errOut)
		}
		if (c.code == exitUsage) != strings.Contains(line, "--help)") {
			t.Errorf("sessl %s: %s", strings.Join(c.args, " "), line)
		}
	}
}

// Errors of the connection say what was refused.
func TestErrorsOfConnections(t *testing.T) {
	leakcheck.Test(t)
	_, addr := startServe(t, "--alpn", "http/1.1")
	dir := t.TempDir()
	ca := []string{"--ca", ssltest.CertFile("ca.pem")}
	for says, flags := range map[string][]string{
		"issuer certificate":      {"--ca", ssltest.CertFile("other-ca.pem")},
		"hostname mismatch":       append(ca, "--server-name", "other.test"),
		"no application protocol": append(ca, "--alpn", "h2"),
		"no such file":            append(ca, "--session-out", filepath.Join(dir, "missing", "s.pem")),
		"is not a regular file":   append(ca, "--session-out", dir),
	} {
		r := sessl(t, append([]string{"probe", addr, "-n", "1"}, flags...)...).want(t, exitError)
		if !strings.Contains(r.errOut, says) || strings.Count(r.errOut, "\n") != 1 {
			t.Errorf("%v: no %q in %s", flags, says, r.errOut)
		}
	}
}

// The progress line is shown on terminals only, and is gone at the end.
func TestProgress(t *testing.T) {
	leakcheck.Test(t)
	_, addr := startServe(t)
	if r := sessl(t, "probe", addr, "--ca", ssltest.CertFile("ca.pem"), "-n", "2"); r.errOut != "" {
		t.Errorf("without a terminal: %q", r.errOut)
	}
	script, err := exec.LookPath("script")
	if err != nil {
		t.Fatal("script of util-linux is needed for a terminal: ", err)
	}
	inner := program(t, "probe", addr, "--ca", ssltest.CertFile("ca.pem"), "-n", "2")
	cmd := exec.Command(script, "-qec", strings.Join(inner.Args, " "), os.DevNull)
	for _, term := range []string{"xterm", "dumb"} {
		cmd := *cmd
		cmd.Env = append(inner.Env, "TERM="+term)
		r := finish(t, &cmd).want(t, exitOK)
		shown := strings.Contains(r.out,
			"\r\x1b[Kprobing "+addr+": handshake 1 of 4\r\x1b[Kprobing "+addr+": handshake 2 of 4")
		if shown != (term == "xterm") || !strings.Contains(r.out, "2 of 2 sessions were resumed") {
			t.Errorf("TERM=%s: %q", term, r.out)
		}
		if shown && !strings.Contains(r.out, "handshake 4 of 4\r\x1b[Kserver ") {
			t.Errorf("the line stays: %q", r.out)
		}
	}
}

func TestVersionAndHelp(t *testing.T) {
	leakcheck.Test(t)
	if r := sessl(t, "--version").want(t, exitOK); !strings.HasPrefix(r.out, "sessl ") ||
		!strings.Contains(r.out, ", OpenSSL ") {
		t.Errorf("%q", r.out)
	}
	for _, args := range [][]string{{}, {"--help"}, {"help"}} {
		r := sessl(t, args...).want(t, exitOK)
		for _, name := range []string{"serve", "probe", "inspect", "tickets", "fleet", "seal-key", "demo", "man",
			"completion"} {
			if !strings.Contains(r.out, "\n  "+name+" ") {
				t.Errorf("%v: no %s in\n%s", args, name, r.out)
			}
		}
		if !strings.Contains(r.out, "\nprobe ends with 3 ") {
			t.Errorf("%v: no exit status 3 in\n%s", args, r.out)
		}
	}
}

func TestManualPages(t *testing.T) {
	leakcheck.Test(t)
	dir := filepath.Join(t.TempDir(), "new", "man1")
	sessl(t, "man", dir).want(t, exitOK)
	for page, text := range map[string]string{
		"sessl.1":         "session files",
		"sessl-serve.1":   `--client-ca`,
		"sessl-probe.1":   "Exit status: 0 if every session",
		"sessl-inspect.1": "sess_id -text",
		"sessl-demo.1":    "s_server",

		"sessl-tickets.1":        "ssl_session_ticket_key",
		"sessl-tickets-rotate.1": "SIGHUP",
		"sessl-fleet-status.1":   "schedule of ticket keys",
		"sessl-seal-key.1":       "--overwrite",
	} {
		b, err := os.ReadFile(filepath.Join(dir, page))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(strings.ReplaceAll(string(b), `\-`, "-"), text) {
			t.Errorf("no %q in %s", text, page)
		}
		if strings.Contains(string(b), "resume") && page == "sessl-demo.1" &&
			strings.Contains(string(b), "--resume") {
			t.Error("the page shows the flags that are for the second process only")
		}
	}
}

func TestCompletion(t *testing.T) {
	leakcheck.Test(t)
	for shell, text := range map[string]string{"bash": "__start_sessl", "zsh": "#compdef sessl",
		"fish": "complete -c sessl"} {
		if r := sessl(t, "completion", shell).want(t, exitOK); !strings.Contains(r.out, text) {
			t.Errorf("no %q in the completion for %s", text, shell)
		}
	}
	for line, want := range map[string]string{
		"probe --tls ":   "1.2\n1.3\n:4\n",
		"serve --cert x": ":0\n", // files
		"probe ":         ":4\n", // nothing
		"man ":           ":16\n",
		"serve --share ": "keys\nsessions\nboth\n:4\n",
	} {
		r := sessl(t, append([]string{"__complete"}, strings.Split(line, " ")...)...)
		if r.code != 0 || r.out != want {
			t.Errorf("%q completes to %q, want %q", line, r.out, want)
		}
	}
}

func TestDemo(t *testing.T) {
	leakcheck.Test(t)
	r := sessl(t, "demo").want(t, exitOK)
	if n := strings.Count(r.out, "10/10 reused"); n != 6 ||
		!strings.Contains(r.out, "second process:   resumed TLS 1.3") {
		t.Errorf("%d lines of 10/10, want 6:\n%s", n, r.out)
	}
}
