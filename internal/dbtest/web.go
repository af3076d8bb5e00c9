package dbtest

import (
	"encoding/csv"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A Web is nginx or HAProxy as a server of TLS on loopback. Its answer to any request says whether the
// connection was resumed, with resumed=r or resumed=1.
type Web struct {
	Addr   string   // a path, for nginx
	Socket string   // the stats socket of HAProxy
	Reload []string // the command that has nginx read its files again

	t     testing.TB
	words []string
	probe string // takes connections when it is up
	run   *process
	count func() (full, resumed int)
}

// Suites are package ssl's of TLS 1.3, in its order. A ticket is tied to the hash of its suite, so servers
// that share tickets must prefer suites of the same hash, whatever the client prefers.
const Suites = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"

const nginxConf = `daemon off;
%[2]s
pid %[1]s/pid;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	server {
		%[3]s
	}
}
`

// NginxConf is a configuration of nginx that keeps all its files in dir, with those directives outside of
// all blocks and of its server.
func NginxConf(dir, main, server string) string { return fmt.Sprintf(nginxConf, dir, main, server) }

const nginxServer = `listen %[1]s ssl;
		ssl_certificate %[2]s.pem;
		ssl_certificate_key %[2]s.key;
		ssl_protocols TLSv1.2 TLSv1.3;
		ssl_session_cache off;
		ssl_prefer_server_ciphers on;
		ssl_conf_command Ciphersuites %[3]s;
		%[4]s
		default_type text/plain;
		%[5]s`

// NewNginx returns an nginx with that certificate, a path without .pem and .key, and those files of ticket
// keys. It is not started.
func NewNginx(t testing.TB, cert string, keys [3]string) *Web {
	t.Helper()
	dir := t.TempDir()
	return nginx(t, dir, filepath.Join(dir, "socket"), cert, keys,
		`location / { return 200 "resumed=$ssl_session_reused\n"; }`)
}

// nginx listens on addr, an address or a path; what is the rest of its server's configuration.
func nginx(t testing.TB, dir, addr, cert string, keys [3]string, what string) *Web {
	t.Helper()
	listen := addr
	if Network(addr) == "unix" {
		listen = "unix:" + addr
	}
	lines := ""
	for _, file := range keys {
		lines += "ssl_session_ticket_key " + file + "; "
	}
	conf := filepath.Join(dir, "nginx.conf")
	write(t, conf, NginxConf(dir, "worker_processes 1; error_log stderr notice;",
		fmt.Sprintf(nginxServer, listen, cert, Suites, lines, what)))
	words := []string{find("nginx"), "-c", conf}
	return &Web{Addr: addr, Reload: append(words[:3:3], "-s", "reload"), t: t, words: words, probe: addr}
}

const counted = `keepalive_timeout 0;
		location / {
			access_log %[1]s/full;
			if ($ssl_session_reused = r) {
				access_log %[1]s/resumed;
				return 200 "resumed=r\n";
			}
			return 200 "resumed=.\n";
		}`

// NewCountingNginx is NewNginx on an address of loopback, whose Handshakes are counted.
func NewCountingNginx(t testing.TB, cert string, keys [3]string) *Web {
	t.Helper()
	dir := t.TempDir()
	w := nginx(t, dir, FreeAddr(t), cert, keys, fmt.Sprintf(counted, dir))
	w.count = func() (full, resumed int) { return lineCount(dir + "/full"), lineCount(dir + "/resumed") }
	return w
}

// lineCount is how many lines a file has; none if it is not there.
func lineCount(name string) int {
	b, _ := os.ReadFile(name)
	return strings.Count(string(b), "\n")
}

// Handshakes is what a HAProxy or a counting nginx says that it has done.
func (w *Web) Handshakes() (full, resumed int) {
	w.t.Helper()
	return w.count()
}

const haproxyConf = `global
	stats socket %[1]s level operator
defaults
	mode http
	timeout client 1m
	timeout server 1m
	timeout connect 1m
frontend all
	bind %[2]s ssl crt %[3]s ssl-min-ver TLSv1.2 ciphersuites %[4]s tls-ticket-keys %[5]s
	http-request return status 200 content-type text/plain hdr Connection close` +
	` lf-string "resumed=%%[ssl_fc_is_resumed]\n"
`

// NewHAProxy is NewNginx for a HAProxy, with its file of ticket keys.
func NewHAProxy(t testing.TB, cert, keys string) *Web {
	t.Helper()
	dir := t.TempDir()
	both, conf := filepath.Join(dir, "both.pem"), filepath.Join(dir, "haproxy.cfg")
	text := ""
	for _, ext := range []string{".pem", ".key"} {
		b, err := os.ReadFile(cert + ext)
		if err != nil {
			t.Fatal(err)
		}
		text += string(b)
	}
	write(t, both, text)
	w := &Web{Addr: FreeAddr(t), Socket: filepath.Join(dir, "stats"), t: t,
		words: []string{find("haproxy"), "-db", "-f", conf}}
	w.probe = w.Addr
	write(t, conf, fmt.Sprintf(haproxyConf, w.Socket, w.Addr, both, Suites, keys))
	w.count = w.haproxyCount
	return w
}

// ask gives HAProxy's socket a command, and returns the answer.
func (w *Web) ask(command string) string {
	w.t.Helper()
	c, err := net.Dial("unix", w.Socket)
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintln(c, command)
	said, err := io.ReadAll(c)
	if err != nil {
		w.t.Fatalf("HAProxy says %q, %v", said, err)
	}
	return string(said)
}

// haproxyCount asks the stats socket.
func (w *Web) haproxyCount() (full, resumed int) {
	w.t.Helper()
	rows, err := csv.NewReader(strings.NewReader(w.ask("show stat -1 1 -1"))).ReadAll()
	if err != nil || len(rows) < 2 {
		w.t.Fatalf("HAProxy's figures: %q, %v", rows, err)
	}
	for i, name := range rows[0] {
		switch n, _ := strconv.Atoi(rows[1][i]); name {
		case "ssl_sess": // full ones, whatever its name
			full = n
		case "ssl_reused_sess":
			resumed = n
		}
	}
	return full, resumed
}

// find knows where Debian has servers, which is not in every PATH.
func find(name string) string {
	if _, err := os.Stat("/usr/sbin/" + name); err == nil {
		return "/usr/sbin/" + name
	}
	return name
}

// Start starts it, and returns when it takes connections.
func (w *Web) Start() {
	w.t.Helper()
	log := filepath.Join(w.t.TempDir(), "log")
	w.run = run(w.t, log, "TERM", w.words...)
	w.t.Cleanup(w.End)
	for end := time.Now().Add(patience); ; {
		if c, err := net.Dial(Network(w.probe), w.probe); err == nil {
			c.Close()
			return
		}
		select {
		case <-w.run.gone:
		case <-time.After(10 * time.Millisecond):
			if time.Now().Before(end) {
				continue
			}
		}
		text, _ := os.ReadFile(log)
		w.t.Fatalf("%s does not start; scripts/deps nginx haproxy installs both: %s", w.words[0], text)
	}
}

// End ends it.
func (w *Web) End() {
	if w.run != nil {
		w.run.end()
		w.run = nil
	}
}

// Network is that of an address or a path.
func Network(addr string) string {
	if strings.HasPrefix(addr, "/") {
		return "unix"
	}
	return "tcp"
}

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
