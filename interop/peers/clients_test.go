package peers

import (
	"path/filepath"
	"regexp"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/interop/visits"
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

const request = visits.Request

func words(printed string, re *regexp.Regexp) []word { return visits.Words(printed, re) }

// host is s as programs visit it.
func (s *server) host() visits.Host { return visits.Host{Port: s.port, Limit: patience} }

// sClient uses a file, so the session also passes from process to process.
func sClient(t *testing.T, s *server, f form) []word { return visits.SClient(t, s.host(), 3) }

func sClientReconnect(t *testing.T, s *server, f form) []word {
	return words(run(t, "", "openssl", "s_client", "-connect", "127.0.0.1:"+s.port, "-servername", "localhost",
		"-CAfile", ssltest.CertFile("ca.pem"), "-verify_return_error", "-reconnect"), visits.SClientSays)
}

var sTimeSays = regexp.MustCompile(`(?m)^[rt*]+$`)

// sTime prints a letter for each connection: r if it was resumed. For the connection that gives
// it the session it prints nothing.
func sTime(t *testing.T, s *server, f form) []word {
	printed := run(t, "", "openssl", "s_time", "-connect", "127.0.0.1:"+s.port,
		"-CAfile", ssltest.CertFile("ca.pem"), "-reuse", "-time", "1", "-www", "/")
	all := []word{{Text: "(nothing)"}}
	for _, c := range sTimeSays.FindString(printed) {
		all = append(all, word{Resumed: c == 'r', Text: string(c)})
	}
	return all
}

func curl(t *testing.T, s *server, f form) []word {
	url := "https://localhost:" + s.port + "/"
	return visits.Curl(t, s.host(), url, url, url)
}

func gnutlsCLI(t *testing.T, s *server, f form) []word {
	if !f.resumes() { // gnutls-cli would wait for ever
		return visits.GnuTLS(t, s.host())
	}
	return visits.GnuTLS(t, s.host(), "--waitresumption")
}

func pythonClient(t *testing.T, s *server, f form) []word {
	return visits.Python(t, s.host(), "testdata", "3")
}

func nodeClient(t *testing.T, s *server, f form) []word {
	return visits.Node(t, s.host(), "testdata", "3")
}

var javaSays = regexp.MustCompile(`(?m)^resumed=(?:(true)|false) TLSv1\.\d$`)

func javaClient(t *testing.T, s *server, f form) []word {
	return words(run(t, "", "java", filepath.Join("testdata", "Client.java"), s.port, ssltest.CertFile("ca.pem"),
		"3"), javaSays)
}
