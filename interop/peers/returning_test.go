package peers

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/interop/visits"
	"sessl/ssl"
)

// A guest is a peer that comes back again and again to a server with two lines of
// configuration. visit makes one connection and then the returns, and gets the peer's report of
// each. A peer that needs a process for every connection or two makes fewer returns.
type guest struct {
	name, program string
	version       []string // the arguments that ask for its version
	returns       int
	alone         bool // each return has a first connection of its own
	ticketsOnly   bool // in TLS 1.2 it supports tickets only
	visit         func(t *testing.T, s *server, v uint16, returns int) []word
}

// many is a little more than the smallest number that can tell more than 99 % from less.
const many = 110

var guests = []guest{
	{name: "sessl", returns: many, visit: oursReturns},
	{name: "crypto/tls", returns: many, ticketsOnly: true, visit: goReturns},
	{name: "openssl s_client", program: "openssl", version: []string{"version"}, returns: 20,
		visit: sClientReturns},
	{name: "curl", program: "curl", version: []string{"--version"}, returns: many, visit: curlReturns},
	{name: "gnutls-cli", program: "gnutls-cli", version: []string{"--version"}, returns: 5,
		alone: true, visit: gnutlsReturns},
	{name: "python ssl", program: "python3", version: []string{"--version"}, returns: many,
		visit: pythonReturns},
	{name: "node tls", program: "node", version: []string{"--version"}, returns: many, visit: nodeReturns},
	{name: "nginx proxy", program: "nginx", version: []string{"-v"}, returns: many, visit: nginxReturns},
	{name: "haproxy proxy", program: "haproxy", version: []string{"-v"}, returns: many, visit: haproxyReturns},
}

// A house is a service that guests come back to.
type house struct {
	name    string
	allIn12 bool // in TLS 1.2 also the guests that support tickets only
	start   func(t *testing.T, cert ssl.Certificate) *server
	returns int // at most; 0 is no limit
}

// Two servers with only the settings that a service needs, and two fleets that have both forms of
// session, where each connection is one to another machine than the connection before.
var houses = []house{
	{name: "TicketKeys", allIn12: true, start: oneServer(func(t *testing.T, cert ssl.Certificate) *ssl.Config {
		keys, err := ssl.NewTicketKeys(nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { keys.Close() })
		return &ssl.Config{
			Certificates: []ssl.Certificate{cert},
			TicketKeys:   keys,
		}
	})},
	{name: "SessionCache", start: oneServer(func(t *testing.T, cert ssl.Certificate) *ssl.Config {
		cache, err := ssl.NewServerSessionCache(nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cache.Close() })
		return &ssl.Config{
			Certificates: []ssl.Certificate{cert},
			SessionCache: cache,
		}
	})},
	{name: "both", allIn12: true, start: fleet(false), returns: 12},
	{name: "both, ids preferred", allIn12: true, start: fleet(true), returns: 12},
}

func oneServer(
	cfg func(t *testing.T, cert ssl.Certificate) *ssl.Config) func(*testing.T, ssl.Certificate) *server {
	return func(t *testing.T, cert ssl.Certificate) *server { return startServerWith(t, cfg(t, cert)) }
}

// fleet is two machines that share ticket keys and a store, and no memory, behind one port.
func fleet(ids bool) func(t *testing.T, cert ssl.Certificate) *server {
	return func(t *testing.T, cert ssl.Certificate) *server {
		set, store := ssl.TicketKeySet{Current: ssltest.NewTicketKey(t)}, ssltest.NewMemStore()
		machines := make([]*ssl.Ctx, 2)
		for i := range machines {
			cache := ssltest.NewServerCache(t, &ssl.ServerCacheOptions{Store: store, WriteThrough: patience,
				SealKeys: ssltest.NewSealKeys(t, 1), LookupTimeout: patience})
			machines[i] = ssltest.NewServerCtx(t, &ssl.Config{Certificates: []ssl.Certificate{cert},
				TicketKeys: ssltest.TicketKeys(t, set), SessionCache: cache, PreferSessionCache: ids})
		}
		var n atomic.Uint64
		s := startServerWith(t, &ssl.Config{GetConfigForClient: func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) {
			return machines[n.Add(1)%uint64(len(machines))], nil
		}})
		s.machines = machines
		return s
	}
}

var bothVersions = []uint16{ssl.VersionTLS12, ssl.VersionTLS13}

func returning(house string, v uint16) form {
	return form{name: "returns, " + ssl.VersionName(v) + " " + house, version: v, tickets: true}
}

// eachReturn calls f for each combination to try.
func eachReturn(f func(house int, g guest, v uint16)) {
	for i, h := range houses {
		for _, g := range guests {
			for _, v := range bothVersions {
				if v == ssl.VersionTLS12 && g.ticketsOnly && !h.allIn12 {
					continue
				}
				if h.returns > 0 {
					g.returns = min(g.returns, h.returns)
				}
				f(i, g, v)
			}
		}
	}
}

// Of the connections of returning clients, more than 99 of 100 are resumed, by the peers'
// reports and by the server's Stats.
func TestReturningClients(t *testing.T) {
	leakcheck.Test(t)
	cert := ssltest.KeyPair(t, "server-ecdsa")
	servers := make([]*server, len(houses))
	for i, h := range houses {
		servers[i] = h.start(t, cert)
	}
	eachReturn(func(i int, g guest, v uint16) {
		f := returning(houses[i].name, v)
		t.Run(g.name+"/"+f.name, func(t *testing.T) {
			c := find("client", g.name, f)
			if g.program != "" {
				c.Version = version(program(t, g.program), g.version...)
			}
			before := stats(t, servers[i])
			words := g.visit(t, servers[i], v, g.returns)
			c.judgeReturns(t, g, words, servers[i].since(t, before))
		})
	})
	for _, s := range servers {
		s.finish(t)
	}
}

// judgeReturns counts the connections after the first one of each client.
func (c *cell) judgeReturns(t *testing.T, g guest, peer []word, ours map[ssl.ReuseState]uint64) {
	t.Helper()
	c.Result = "disagreed"
	first := 1
	if g.alone {
		first = g.returns
	}
	said := 0
	for _, w := range peer {
		if w.Resumed {
			said++
			c.Says = w.Text
		}
	}
	counted, all := 0, 0
	for state, n := range ours {
		all += int(n)
		if state.Resumed() {
			counted += int(n)
		}
	}
	c.Returns, c.Resumed = len(peer)-first, said
	if c.Returns != g.returns || len(peer) != all || said != counted {
		t.Errorf("the peer tells of %d connections, %d resumed; our end %v; want %d returns",
			len(peer), said, ours, g.returns)
	} else if 100*said <= 99*c.Returns {
		t.Errorf("%d of %d returns were resumed: %v", said, c.Returns, ours)
	} else {
		c.Result = c.Expected
	}
}

func stats(t *testing.T, s *server) map[ssl.ReuseState]uint64 {
	t.Helper()
	all := map[ssl.ReuseState]uint64{}
	for _, ctx := range append([]*ssl.Ctx{s.ctx}, s.machines...) {
		st, err := ctx.Stats()
		if err != nil {
			t.Fatal(err)
		}
		if st.Failed != 0 {
			t.Errorf("%d handshakes failed: %v", st.Failed, ctx.LastFailures())
		}
		for state, n := range st.Handshakes {
			all[state] += n
		}
	}
	return all
}

// since returns what has been counted after before. A connection that has got its answer has
// been counted.
func (s *server) since(t *testing.T, before map[ssl.ReuseState]uint64) map[ssl.ReuseState]uint64 {
	t.Helper()
	now := stats(t, s)
	for state, had := range before {
		now[state] -= had
	}
	return now
}

// oursReturns connects as a service does: with a Dialer, and without a word about sessions.
func oursReturns(t *testing.T, s *server, v uint16, returns int) (all []word) {
	roots := ssltest.Roots(t, "ca")
	ctx, err := ssl.NewClientCtx(&ssl.Config{RootCAs: roots, ServerName: "localhost", MaxVersion: v})
	if err != nil {
		t.Fatal(err)
	}
	defer ctx.Close()
	for range returns + 1 {
		conn, err := (&ssl.Dialer{Ctx: ctx}).Dial("tcp", "127.0.0.1:"+s.port)
		if err != nil {
			t.Fatal(err)
		}
		talk(t, conn)
		all = append(all, word{Resumed: conn.SessionReused(), Text: conn.ReuseState().String()})
		conn.Close()
	}
	return all
}

// goReturns does what every Go program with a cache does.
func goReturns(t *testing.T, s *server, v uint16, returns int) (all []word) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(read(t, "ca.pem")))
	cfg := &tls.Config{RootCAs: roots, ServerName: "localhost",
		MaxVersion: v, ClientSessionCache: tls.NewLRUClientSessionCache(0)}
	for range returns + 1 {
		conn, err := tls.Dial("tcp", "127.0.0.1:"+s.port, cfg)
		if err != nil {
			t.Fatal(err)
		}
		talk(t, conn)
		resumed := conn.ConnectionState().DidResume
		all = append(all, word{Resumed: resumed, Text: fmt.Sprintf("DidResume=%t", resumed)})
		conn.Close()
	}
	return all
}

// talk sends a request, and reads the tickets and the answer.
func talk(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(c); err != nil {
		t.Fatal(err)
	}
}

// sClientReturns uses a file, from process to process.
func sClientReturns(t *testing.T, s *server, v uint16, returns int) (all []word) {
	return visits.SClient(t, s.host(), returns+1, "-tls"+strings.ReplaceAll(form{version: v}.number(), ".", "_"))
}

// number returns the version as curl, nginx and haproxy write it.
func number(v uint16) string { return "TLSv" + form{version: v}.number() }

func curlReturns(t *testing.T, s *server, v uint16, returns int) []word {
	urls := fmt.Sprintf("https://localhost:%s/[0-%d]", s.port, returns)
	return visits.Curl(t, s.host(), "--tls-max", form{version: v}.number(), urls)
}

// gnutlsReturns: gnutls-cli returns once, so each return is one of another client.
func gnutlsReturns(t *testing.T, s *server, v uint16, returns int) (all []word) {
	for range returns {
		all = append(all, visits.GnuTLS(t, s.host(),
			"--waitresumption", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS"+form{version: v}.number())...)
	}
	return all
}

func pythonReturns(t *testing.T, s *server, v uint16, returns int) []word {
	return visits.Python(t, s.host(), "testdata", strconv.Itoa(returns+1), number(v))
}

func nodeReturns(t *testing.T, s *server, v uint16, returns int) []word {
	return visits.Node(t, s.host(), "testdata", strconv.Itoa(returns+1), number(v))
}

const nginxProxyServer = `listen unix:%[1]s/socket;
		location / {
			proxy_pass https://127.0.0.1:%[2]s;
			proxy_ssl_protocols %[3]s;
			proxy_ssl_name localhost;
			proxy_ssl_server_name on;
			proxy_ssl_verify on;
			proxy_ssl_trusted_certificate %[4]s;
		}`

var nginxProxySays = regexp.MustCompile(`(?m)SSL: TLSv1\.\d, cipher: .*\n(?:.*(SSL reused session))?`)

// nginxReturns asks a proxy that opens a connection to our server for each request; nginx
// reports the resumption in its log.
func nginxReturns(t *testing.T, s *server, v uint16, returns int) []word {
	dir := t.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	write(t, conf, dbtest.NginxConf(dir, "master_process off; error_log stderr debug;",
		fmt.Sprintf(nginxProxyServer, dir, s.port, number(v), ssltest.CertFile("ca.pem"))))
	p := start(t, command(t, "nginx", "-p", dir, "-e", "stderr", "-c", conf), filepath.Join(dir, "socket"), nil)
	p.await(t, regexp.MustCompile(`(worker cycle)`))
	askProxy(t, "unix", p.addr, returns+1)
	p.stop()
	return words(p.printed(), nginxProxySays)
}

const haproxyProxyConf = `
defaults
	mode http
	timeout client 30s
	timeout server 30s
	timeout connect 30s
frontend f
	bind fd@3
	default_backend b
backend b
	http-reuse never
	http-response set-header Says "ssl_bc_is_resumed=%%[ssl_bc_is_resumed] %%[ssl_bc_protocol]"
	server s 127.0.0.1:%[1]s ssl sni str(localhost) verifyhost localhost verify required ca-file %[2]s` +
	` ssl-min-ver %[3]s ssl-max-ver %[3]s
`

var haproxyProxySays = regexp.MustCompile(`ssl_bc_is_resumed=(?:(1)|0) TLSv1\.\d`)

func haproxyReturns(t *testing.T, s *server, v uint16, returns int) []word {
	addr, socket := listen(t)
	conf := filepath.Join(t.TempDir(), "haproxy.cfg")
	write(t, conf, fmt.Sprintf(haproxyProxyConf, s.port, ssltest.CertFile("ca.pem"), number(v)))
	start(t, command(t, "haproxy", "-db", "-f", conf), addr, socket)
	return words(askProxy(t, "tcp", addr, returns+1), haproxyProxySays)
}

// askProxy makes n requests in sequence, and returns the Says headers of the answers.
func askProxy(t *testing.T, network, addr string, n int) (says string) {
	t.Helper()
	tr := &http.Transport{Dial: func(string, string) (net.Conn, error) { return net.Dial(network, addr) }}
	defer tr.CloseIdleConnections()
	for range n {
		r, err := (&http.Client{Transport: tr, Timeout: patience}).Get("http://localhost/")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("%s, %v: %s", r.Status, err, body)
		}
		says += r.Header.Get("Says") + "\n"
	}
	return says
}
