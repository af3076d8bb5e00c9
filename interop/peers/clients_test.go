package peers

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
)

// clients are the peers that connect to our server. connect makes connections that try to
// resume, and returns the peer's report of each.
var clients = []struct {
	name, program string
	version       []string // the arguments that ask for its version
	forms         []form
	connect       func(t *testing.T, s *server, f form) []word
}{
	{"openssl s_client", "openssl", []string{"version"},
		[]form{id12, ticket12, stateful13, ticket13, none13}, sClient},
	{"openssl s_client -reconnect", "openssl", []string{"version"}, []form{id12, ticket12}, sClientReconnect},
	{"openssl s_time", "openssl", []string{"version"},
		[]form{id12, ticket12, stateful13, ticket13, none13}, sTime},
	{"curl", "curl", []string{"--version"}, []form{id12, ticket12, stateful13, ticket13, none13}, curl},
	{"gnutls-cli", "gnutls-cli", []string{"--version"}, []form{id12, ticket12, stateful13, ticket13, none13},
		gnutlsCLI},
	{"python ssl", "python3", []string{"--version"}, []form{id12, ticket12, stateful13, ticket13, none13},
		pythonClient},
	{"node tls", "node", []string{"--version"}, []form{id12, ticket12, stateful13, ticket13, none13},
		nodeClient},
	{"java SSLSocket", "java", []string{"-version"}, []form{id12, ticket12, stateful13, ticket13, none13},
		javaClient},
}

func TestClients(t *testing.T) {
	for _, p := range clients {
		for _, f := range p.forms {
			t.Run(p.name+"/"+f.name, func(t *testing.T) {
				leakcheck.Test(t)
				c := find("client", p.name, f)
				c.Version = version(program(t, p.program), p.version...)
				s := startServer(t, f)
				words := p.connect(t, s, f)
				c.judge(t, f, words, s.finish(t))
			})
		}
	}
}

const request = "GET / HTTP/1.0\r\n\r\n"

// words returns one word for each match of re in the output. It reports a resumed connection if
// the first group matched.
func words(printed string, re *regexp.Regexp) []word {
	var ws []word
	for _, m := range re.FindAllStringSubmatch(printed, -1) {
		ws = append(ws, word{m[1] != "", strings.ReplaceAll(strings.TrimSpace(m[0]), "\n", "; ")})
	}
	return ws
}

var sClientSays = regexp.MustCompile(`(?m)^(?:New|(Reused)), TLSv1\.\d, Cipher is .*$`)

// sClient uses a file, so the session also passes from process to process.
func sClient(t *testing.T, s *server, f form) []word { return sClientTimes(t, s, 3) }

func sClientTimes(t *testing.T, s *server, times int, more ...string) []word {
	file := filepath.Join(t.TempDir(), "session.pem")
	var all []word
	for range times {
		args := []string{"s_client", "-connect", "127.0.0.1:" + s.port, "-servername", "localhost",
			"-CAfile", ssltest.CertFile("ca.pem"), "-verify_return_error", "-ign_eof", "-sess_out", file}
		args = append(args, more...)
		if _, err := os.Stat(file); err == nil { // without tickets TLS 1.3 has nothing to write
			args = append(args, "-sess_in", file)
		}
		all = append(all, words(run(t, request, "openssl", args...), sClientSays)...)
	}
	return all
}

func sClientReconnect(t *testing.T, s *server, f form) []word {
	return words(run(t, "", "openssl", "s_client", "-connect", "127.0.0.1:"+s.port, "-servername", "localhost",
		"-CAfile", ssltest.CertFile("ca.pem"), "-verify_return_error", "-reconnect"), sClientSays)
}

var sTimeSays = regexp.MustCompile(`(?m)^[rt*]+$`)

// sTime prints a letter for each connection: r if it was resumed. For the connection that gives
// it the session it prints nothing.
func sTime(t *testing.T, s *server, f form) []word {
	printed := run(t, "", "openssl", "s_time", "-connect", "127.0.0.1:"+s.port,
		"-CAfile", ssltest.CertFile("ca.pem"), "-reuse", "-time", "1", "-www", "/")
	all := []word{{false, "(nothing)"}}
	for _, c := range sTimeSays.FindString(printed) {
		all = append(all, word{c == 'r', string(c)})
	}
	return all
}

var (
	curlConnected = regexp.MustCompile(`(?m)^\* Connected to `)
	curlOffers    = regexp.MustCompile(`(?m)^\* (SSL re-?using session.*)$`)
	curlSees      = regexp.MustCompile(`(?m)^\* TLSv1\.\d \(IN\), TLS handshake, Certificate \(11\)`)
)

// curl reports that it offers a session, and shows the messages that it gets: the certificate
// is among them unless the server resumes.
func curl(t *testing.T, s *server, f form) []word {
	url := "https://localhost:" + s.port + "/"
	return curlVisits(t, s, url, url, url)
}

func curlVisits(t *testing.T, s *server, more ...string) []word {
	args := []string{"--disable", "--silent", "--show-error", "--verbose", "--http1.1", "--noproxy", "*",
		"--resolve", "localhost:" + s.port + ":127.0.0.1", "--cacert", ssltest.CertFile("ca.pem"),
		"--header", "Connection: close"}
	printed := run(t, "", "curl", append(args, more...)...)
	var all []word
	for _, part := range curlConnected.Split(printed, -1)[1:] {
		w := word{text: "Certificate (11) received"}
		if !curlSees.MatchString(part) {
			w.text = "no Certificate (11) received"
		}
		// The line about the offer follows the line that begins the part.
		if m := curlOffers.FindStringSubmatch(part); m != nil {
			w.resumed = !curlSees.MatchString(part)
			w.text = m[1] + ", " + w.text
		}
		all = append(all, w)
	}
	return all
}

var gnutlsSays = regexp.MustCompile(
	`(?m)^- (?:Resume )?Handshake was completed\n(\*\*\* This is a resumed session)?`)

func gnutlsCLI(t *testing.T, s *server, f form) []word {
	if !f.resumes() { // gnutls-cli would wait for ever
		return gnutlsVisits(t, s)
	}
	return gnutlsVisits(t, s, "--waitresumption")
}

func gnutlsVisits(t *testing.T, s *server, more ...string) []word {
	args := append(more, "--resume", "--x509cafile", ssltest.CertFile("ca.pem"), "--sni-hostname", "localhost",
		"--verify-hostname", "localhost", "--port", s.port, "127.0.0.1")
	return words(run(t, request, "gnutls-cli", args...), gnutlsSays)
}

var pythonSays = regexp.MustCompile(`(?m)^session_reused=(?:(True)|False) TLSv1\.\d$`)

func pythonClient(t *testing.T, s *server, f form) []word { return pythonVisits(t, s, "3") }

func pythonVisits(t *testing.T, s *server, more ...string) []word {
	args := append([]string{filepath.Join("testdata", "client.py"), s.port, ssltest.CertFile("ca.pem")}, more...)
	return words(run(t, "", "python3", args...), pythonSays)
}

var nodeSays = regexp.MustCompile(`(?m)^isSessionReused=(?:(true)|false) TLSv1\.\d$`)

func nodeClient(t *testing.T, s *server, f form) []word { return nodeVisits(t, s, "3") }

func nodeVisits(t *testing.T, s *server, more ...string) []word {
	args := append([]string{filepath.Join("testdata", "client.js"), s.port, ssltest.CertFile("ca.pem")}, more...)
	return words(run(t, "", "node", args...), nodeSays)
}

var javaSays = regexp.MustCompile(`(?m)^resumed=(?:(true)|false) TLSv1\.\d$`)

func javaClient(t *testing.T, s *server, f form) []word {
	return words(run(t, "", "java", filepath.Join("testdata", "Client.java"), s.port, ssltest.CertFile("ca.pem"),
		"3"), javaSays)
}
