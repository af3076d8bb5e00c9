package visits

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sessl/internal/ssltest"
)

// A Word is a peer's report of one connection.
type Word struct {
	Resumed bool
	Text    string
}

// Words returns one word for each match of re in the output. It reports a resumed connection if
// the first group matched.
func Words(printed string, re *regexp.Regexp) []Word {
	var ws []Word
	for _, m := range re.FindAllStringSubmatch(printed, -1) {
		ws = append(ws, Word{m[1] != "", strings.ReplaceAll(strings.TrimSpace(m[0]), "\n", "; ")})
	}
	return ws
}

// Request is what the clients ask that do not speak HTTP by themselves.
const Request = "GET / HTTP/1.0\r\n\r\n"

// A Host is a server of localhost that programs visit, each for no longer than Limit.
type Host struct {
	Port  string
	Limit time.Duration
}

// SClientSays is a connection of openssl s_client.
var SClientSays = regexp.MustCompile(`(?m)^(?:New|(Reused)), TLSv1\.\d, Cipher is .*$`)

// SClient has openssl s_client come some times. It uses a file, so the session passes from process to
// process.
func SClient(t *testing.T, h Host, times int, more ...string) (all []Word) {
	file := filepath.Join(t.TempDir(), "session.pem")
	for range times {
		args := []string{"s_client", "-connect", "127.0.0.1:" + h.Port, "-servername", "localhost",
			"-CAfile", ssltest.CertFile("ca.pem"), "-verify_return_error", "-ign_eof", "-sess_out", file}
		args = append(args, more...)
		if _, err := os.Stat(file); err == nil { // without tickets TLS 1.3 has nothing to write
			args = append(args, "-sess_in", file)
		}
		all = append(all, Words(Run(t, h.Limit, Request, "openssl", args...), SClientSays)...)
	}
	return all
}

var (
	curlConnected = regexp.MustCompile(`(?m)^\* Connected to `)
	curlOffers    = regexp.MustCompile(`(?m)^\* (SSL re-?using session.*)$`)
	curlSees      = regexp.MustCompile(`(?m)^\* TLSv1\.\d \(IN\), TLS handshake, Certificate \(11\)`)
)

// Curl has curl get URLs of localhost. It reports that it offers a session, and shows the messages that it
// gets: the certificate is among them unless the server resumes.
func Curl(t *testing.T, h Host, more ...string) (all []Word) {
	args := []string{"--disable", "--silent", "--show-error", "--verbose", "--http1.1", "--noproxy", "*",
		"--resolve", "localhost:" + h.Port + ":127.0.0.1", "--cacert", ssltest.CertFile("ca.pem"),
		"--header", "Connection: close"}
	printed := Run(t, h.Limit, "", "curl", append(args, more...)...)
	for _, part := range curlConnected.Split(printed, -1)[1:] {
		w := Word{Text: "Certificate (11) received"}
		if !curlSees.MatchString(part) {
			w.Text = "no Certificate (11) received"
		}
		// The line about the offer follows the line that begins the part.
		if m := curlOffers.FindStringSubmatch(part); m != nil {
			w.Resumed = !curlSees.MatchString(part)
			w.Text = m[1] + ", " + w.Text
		}
		all = append(all, w)
	}
	return all
}

var gnutlsSays = regexp.MustCompile(
	`(?m)^- (?:Resume )?Handshake was completed\n(\*\*\* This is a resumed session)?`)

// GnuTLS has gnutls-cli connect, and return once.
func GnuTLS(t *testing.T, h Host, more ...string) []Word {
	args := append(more, "--resume", "--x509cafile", ssltest.CertFile("ca.pem"), "--sni-hostname", "localhost",
		"--verify-hostname", "localhost", "--port", h.Port, "127.0.0.1")
	return Words(Run(t, h.Limit, Request, "gnutls-cli", args...), gnutlsSays)
}

// PythonSays and NodeSays are a connection of the scripts for python and node.
var (
	PythonSays = regexp.MustCompile(`(?m)^session_reused=(?:(True)|False) TLSv1\.\d$`)
	NodeSays   = regexp.MustCompile(`(?m)^isSessionReused=(?:(true)|false) TLSv1\.\d$`)
)

// Python has client.py come, which is in dir, with further arguments.
func Python(t *testing.T, h Host, dir string, more ...string) []Word {
	return script(t, h, PythonSays, "python3", filepath.Join(dir, "client.py"), more)
}

// Node has client.js come, which is in dir, with further arguments.
func Node(t *testing.T, h Host, dir string, more ...string) []Word {
	return script(t, h, NodeSays, "node", filepath.Join(dir, "client.js"), more)
}

func script(t *testing.T, h Host, says *regexp.Regexp, name, file string, more []string) []Word {
	args := append([]string{file, h.Port, ssltest.CertFile("ca.pem")}, more...)
	return Words(Run(t, h.Limit, "", name, args...), says)
}
