package peers

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/interop/visits"
	"sessl/ssl"
)

// servers are the peers that our client connects to. The report of a server about a connection
// is in its answer on that connection, or in its output when it ends; says finds it.
var servers = []struct {
	name, program string
	version       []string
	forms         []form
	start         func(t *testing.T, f form) *process
	says          *regexp.Regexp // the first group matches if it resumed
	prints        bool           // the report is in its output, not in its answers
}{
	{"openssl s_server", "openssl", []string{"version"},
		[]form{id12, ticket12, none12, stateful13, ticket13, none13},
		sServer, visits.SClientSays, false},
	{"nginx", "nginx", []string{"-v"}, []form{id12, ticket12, none12, stateful13, ticket13, none13},
		nginx, regexp.MustCompile(`ssl_session_reused=(?:(r)|\.) TLSv1\.\d`), false},
	{"haproxy", "haproxy", []string{"-v"}, []form{id12, ticket12, none12, stateful13, ticket13, none13},
		haproxy, regexp.MustCompile(`ssl_fc_is_resumed=(?:(1)|0) TLSv1\.\d`), false},
	{"gnutls-serv", "gnutls-serv", []string{"--version"}, []form{id12, ticket12, none12, ticket13, none13},
		gnutlsServ, regexp.MustCompile(`(?m)^(\*\*\* This is a resumed session\n)?- Description: .*$`), true},
	{"python ssl", "python3", []string{"--version"}, []form{id12, ticket12, stateful13, ticket13},
		pythonServer, visits.PythonSays, false},
	{"node tls", "node", []string{"--version"}, []form{id12, ticket12, none12, ticket13},
		nodeServer, visits.NodeSays, false},
	{"java SSLSocket", "java", []string{"-version"}, []form{id12, ticket12, stateful13, ticket13},
		javaServer, javaSays, false},
}

func TestServers(t *testing.T) {
	for _, p := range servers {
		for _, f := range p.forms {
			t.Run(p.name+"/"+f.name, func(t *testing.T) {
				leakcheck.Test(t)
				c := find("server", p.name, f)
				c.Version = version(program(t, p.program), p.version...)
				srv := p.start(t, f)
				answers, reused := connect(t, srv.addr, f, 4)
				srv.stop()
				if p.prints {
					answers = srv.printed()
				}
				c.judge(t, f, words(answers, p.says), reused)
			})
		}
	}
}

// connect makes n connections, each of which offers the newest delivered session. It returns
// the server's answers and our end's report.
func connect(t *testing.T, addr string, f form, n int) (answers string, reused []bool) {
	t.Helper()
	roots := ssltest.Roots(t, "ca")
	var session *ssl.Session
	defer func() { session.Close() }()
	ctx, err := ssl.NewClientCtx(&ssl.Config{
		RootCAs: roots, ServerName: "localhost",
		OnNewSession: func(_ *ssl.Conn, s *ssl.Session) {
			session.Close()
			session = s
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer ctx.Close()
	for range n {
		answer, state := get(t, addr, ctx, session)
		if state.Version != f.version {
			t.Errorf("the version is %s", ssl.VersionName(state.Version))
		}
		if has, err := session.HasTicket(); f.version == ssl.VersionTLS12 && err == nil && has != f.tickets {
			t.Errorf("the session has a ticket: %t", has)
		}
		answers += answer + "\n"
		reused = append(reused, state.DidResume)
	}
	return answers, reused
}

func get(t *testing.T, addr string, ctx *ssl.Ctx, offer *ssl.Session) (string, ssl.ConnectionState) {
	t.Helper()
	network := "tcp"
	if strings.HasPrefix(addr, "/") {
		network = "unix"
	}
	raw, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	conn, err := ssl.Client(raw, ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience / 2))
	if offer == nil {
		err = conn.UseSessionCache(ssl.NoSessionCache{}, "")
	} else {
		err = conn.SetSession(offer)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatalf("after %q: %v", answer, err)
	}
	return string(answer), conn.ConnectionState()
}

// sServer cannot inherit a descriptor, but it chooses a port and prints it.
func sServer(t *testing.T, f form) *process {
	args := []string{"s_server", "-accept", "127.0.0.1:0",
		"-www", "-tls" + strings.ReplaceAll(f.number(), ".", "_"),
		"-cert", ssltest.CertFile("server-ecdsa.pem"), "-key", ssltest.CertFile("server-ecdsa.key")}
	if !f.tickets {
		args = append(args, "-no_ticket")
	}
	if !f.cache {
		args = append(args, "-no_cache")
	}
	p := start(t, command(t, "openssl", args...), "", nil)
	p.addr = p.await(t, regexp.MustCompile(`(?m)^ACCEPT (127\.0\.0\.1:\d+)$`))
	return p
}

const nginxServer = `listen unix:%[1]s/socket ssl;
		ssl_certificate %[2]s;
		ssl_certificate_key %[3]s;
		ssl_protocols TLSv%[4]s;
		ssl_session_tickets %[5]s;
		ssl_session_cache %[6]s;
		default_type text/plain;
		location / { return 200 "ssl_session_reused=$ssl_session_reused $ssl_protocol\n"; }`

// nginxConf is the configuration of an nginx in dir, with the certificate that the tests know.
func nginxConf(dir, version, tickets, cache string) string {
	return dbtest.NginxConf(dir, "master_process off; error_log stderr notice;",
		fmt.Sprintf(nginxServer, dir, ssltest.CertFile("server-ecdsa.pem"), ssltest.CertFile("server-ecdsa.key"),
			version, tickets, cache))
}

// nginx cannot be given a free port: as one process it crashes on a socket that it inherits,
// and as two the second would outlive the test. It gets a Unix socket.
func nginx(t *testing.T, f form) *process {
	dir := t.TempDir()
	cache := "off"
	if f.cache {
		cache = "shared:s:1m"
	}
	return nginxOf(t, dir, nginxConf(dir, f.number(), onOff(f.tickets), cache))
}

// nginxOf starts nginx in dir, with text as its configuration.
func nginxOf(t *testing.T, dir, text string) *process {
	conf := filepath.Join(dir, "nginx.conf")
	write(t, conf, text)
	p := start(t, command(t, "nginx", "-p", dir, "-e", "stderr", "-c", conf), filepath.Join(dir, "socket"), nil)
	p.await(t, regexp.MustCompile(`getrlimit\((RLIMIT_NOFILE)\)`)) // printed when it listens
	return p
}

const haproxyConf = `
global
	tune.ssl.cachesize %[1]d
defaults
	mode http
	timeout client 30s
	timeout server 30s
	timeout connect 30s
frontend f
	bind fd@3 ssl crt %[2]s ssl-min-ver TLSv%[3]s ssl-max-ver TLSv%[3]s %[4]s
	http-request return status 200 content-type text/plain hdr Connection close` +
	` lf-string "ssl_fc_is_resumed=%%[ssl_fc_is_resumed] %%[ssl_fc_protocol]\n"
`

func haproxy(t *testing.T, f form) *process {
	dir := t.TempDir()
	addr, socket := listen(t)
	cache, tickets := 0, "no-tls-tickets"
	if f.cache {
		cache = 1000
	}
	if f.tickets {
		tickets = ""
	}
	both := filepath.Join(dir, "both.pem")
	write(t, both, read(t, "server-ecdsa.pem")+read(t, "server-ecdsa.key"))
	conf := filepath.Join(dir, "haproxy.cfg")
	write(t, conf, fmt.Sprintf(haproxyConf, cache, both, f.number(), tickets))
	return start(t, command(t, "haproxy", "-db", "-f", conf), addr, socket)
}

func gnutlsServ(t *testing.T, f form) *process {
	args := []string{"--disable-client-cert", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS" + f.number(),
		"--x509certfile", ssltest.CertFile("server-ecdsa.pem"),
		"--x509keyfile", ssltest.CertFile("server-ecdsa.key")}
	if !f.tickets {
		args = append(args, "--noticket")
	}
	if !f.cache {
		args = append(args, "--nodb")
	}
	return gnutlsServWith(t, args...)
}

// gnutlsServWith: gnutls-serv listens on every address, unless it is made to inherit a socket.
func gnutlsServWith(t *testing.T, args ...string) *process {
	addr, socket := listen(t)
	inherit := filepath.Join(t.TempDir(), "inherit.so")
	run(t, "", "gcc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", inherit,
		filepath.Join("testdata", "inherit.c"))
	cmd := command(t, "gnutls-serv", append([]string{"--http", "--port", "0"}, args...)...)
	cmd.Env = append(cmd.Env, "LD_PRELOAD="+inherit)
	return start(t, cmd, addr, socket)
}

func pythonServer(t *testing.T, f form) *process {
	addr, socket := listen(t)
	return start(t, command(t, "python3", filepath.Join("testdata", "server.py"), f.number(), onOff(f.tickets),
		ssltest.CertFile("server-ecdsa.pem"), ssltest.CertFile("server-ecdsa.key")), addr, socket)
}

func nodeServer(t *testing.T, f form) *process {
	addr, socket := listen(t)
	return start(t,
		command(t, "node", filepath.Join("testdata", "server.js"), f.number(), onOff(f.tickets), onOff(f.cache),
			ssltest.CertFile("server-ecdsa.pem"), ssltest.CertFile("server-ecdsa.key")), addr, socket)
}

// javaServer cannot inherit a socket either.
func javaServer(t *testing.T, f form) *process {
	p := start(t, command(t, "java", fmt.Sprintf("-Djdk.tls.server.enableSessionTicketExtension=%t", f.tickets),
		filepath.Join("testdata", "Server.java"), f.number(),
		ssltest.CertFile("server-ecdsa.pem"), ssltest.CertFile("server-ecdsa.key")), "", nil)
	p.addr = p.await(t, regexp.MustCompile(`(?m)^ACCEPT (127\.0\.0\.1:\d+)$`))
	return p
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, cert string) string {
	t.Helper()
	b, err := os.ReadFile(ssltest.CertFile(cert))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
