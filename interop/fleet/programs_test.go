package fleet

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sessl/internal/ssltest"
)

// A program is a client that comes back n times, a pause after the time before. back returns for each of its
// connections whether it says that it was resumed.
type program struct {
	name  string
	alone bool // each return has a first connection of its own
	ids   bool // in TLS 1.2 it knows only ids
	back  func(t *testing.T, port, version string, n int) []bool
}

var programs = []program{
	{name: "sessl", back: kindReturns(map[string]string{v12: ours12, v13: ours13})},
	{name: "crypto/tls", back: kindReturns(map[string]string{v12: theirs12, v13: theirs13})},
	{name: "openssl s_client", back: openssl},
	{name: "curl", ids: true, back: curl},
	{name: "gnutls-cli", alone: true, back: gnutls},
	{name: "python", back: script("python3", "client.py", `(?m)^session_reused=(True|False) `)},
	{name: "node", back: script("node", "client.js", `(?m)^isSessionReused=(true|false) `)},
}

// The versions of TLS.
const (
	v12 = "1.2"
	v13 = "1.3"
)

// between is the pause, so that some hundred returns see several keys.
const between = 25 * time.Millisecond

func kindReturns(kinds map[string]string) func(t *testing.T, port, version string, n int) []bool {
	return func(t *testing.T, port, version string, n int) (all []bool) {
		c := newClient(t, kinds[version], port)
		for range n + 1 {
			v := c.visit()
			if v.err != nil {
				t.Fatal(v.err)
			}
			all = append(all, !v.full)
			pass(between)
		}
		return all
	}
}

// runs runs a program to its end, and returns what it has printed.
func runs(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Env = append(os.Environ(), "LC_ALL=C", "HOME="+os.TempDir(), "OPENSSL_CONF=/dev/null", "SSLKEYLOGFILE=")
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}

// says returns for each match whether its first group is one of those words.
func says(text string, re *regexp.Regexp, words ...string) (all []bool) {
	for _, m := range re.FindAllStringSubmatch(text, -1) {
		resumed := false
		for _, w := range words {
			resumed = resumed || m[1] == w
		}
		all = append(all, resumed)
	}
	return all
}

var opensslSays = regexp.MustCompile(`(?m)^(New|Reused), TLSv1\.\d, Cipher is .*$`)

// openssl keeps the session in a file, from process to process.
func openssl(t *testing.T, port, version string, n int) (all []bool) {
	file := filepath.Join(t.TempDir(), "session.pem")
	for i := range n + 1 {
		args := []string{"s_client", "-connect", "127.0.0.1:" + port, "-servername", "localhost", "-CAfile",
			ssltest.CertFile("ca.pem"), "-verify_return_error", "-ign_eof", "-sess_out", file,
			"-tls" + strings.ReplaceAll(version, ".", "_")}
		if i > 0 {
			args = append(args, "-sess_in", file)
		}
		all = append(all, says(runs(t, request, "openssl", args...), opensslSays, "Reused")...)
	}
	return all
}

var (
	curlConnects = regexp.MustCompile(`(?m)^\* Connected to `)
	curlOffers   = regexp.MustCompile(`(?m)^\* SSL re-?using session`)
	curlGets     = regexp.MustCompile(`(?m)^\* TLSv1\.\d \(IN\), TLS handshake, Certificate \(11\)`)
)

// curl says that it offers a session, and shows the certificate unless the server resumes.
func curl(t *testing.T, port, version string, n int) (all []bool) {
	text := runs(t, "", "curl", "--disable", "--silent", "--show-error", "--verbose", "--http1.1", "--noproxy",
		"*", "--resolve", "localhost:"+port+":127.0.0.1", "--cacert", ssltest.CertFile("ca.pem"), "--header",
		"Connection: close", "--rate", fmt.Sprint(int(time.Second/between), "/s"), "--tls-max", version,
		"--tlsv"+version, fmt.Sprintf("https://localhost:%s/[0-%d]", port, n))
	for _, part := range curlConnects.Split(text, -1)[1:] {
		all = append(all, curlOffers.MatchString(part) && !curlGets.MatchString(part))
	}
	return all
}

var gnutlsSays = regexp.MustCompile(
	`(?m)^- (?:Resume )?Handshake was completed\n(\*\*\* This is a resumed session)?`)

// gnutls-cli returns once, so each return is one of another client.
func gnutls(t *testing.T, port, version string, n int) (all []bool) {
	for range n {
		text := runs(t, request, "gnutls-cli", "--waitresumption", "--resume", "--priority",
			"NORMAL:-VERS-ALL:+VERS-TLS"+version, "--x509cafile", ssltest.CertFile("ca.pem"), "--sni-hostname",
			"localhost", "--verify-hostname", "localhost", "--port", port, "127.0.0.1")
		all = append(all, says(text, gnutlsSays, "*** This is a resumed session")...)
	}
	return all
}

func script(name, file, word string) func(t *testing.T, port, version string, n int) []bool {
	re := regexp.MustCompile(word)
	return func(t *testing.T, port, version string, n int) []bool {
		path := filepath.Join("..", "peers", "testdata", file)
		pause := strconv.Itoa(int(between.Milliseconds()))
		return says(runs(t, "", name, path, port, ssltest.CertFile("ca.pem"), strconv.Itoa(n+1), "TLSv"+version,
			pause), re, "True", "true")
	}
}
