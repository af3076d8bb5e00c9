package main

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// probeJSON probes with --json and decodes the answer strictly: an unknown field is an error.
func probeJSON(t testing.TB, code int, addr string, more ...string) report {
	t.Helper()
	args := append([]string{"probe", addr, "--ca", ssltest.CertFile("ca.pem"), "--json"}, more...)
	r := sessl(t, args...).want(t, code)
	d := json.NewDecoder(strings.NewReader(r.out))
	d.DisallowUnknownFields()
	var rep report
	if err := d.Decode(&rep); err != nil {
		t.Fatalf("%v in %s", err, r.out)
	}
	return rep
}

var forms = []struct {
	name, how string
	client    []string
	lifetime  bool // the server tells one
}{
	{"TLS1.2-id", howID, []string{"--tls", "1.2", "--no-tickets"}, false},
	{"TLS1.2-ticket", howTicket, []string{"--tls", "1.2"}, true},
	{"TLS1.3", howTicket, []string{"--tls", "1.3"}, true},
}

func (r *report) checkReuse(t testing.TB, n int, how string, lifetime bool) {
	t.Helper()
	if !r.Reuse || r.How != how || r.Offered != n || r.Resumed != n || !r.Verified {
		t.Errorf("reuse %t by %q, %d of %d, verified %t; want all %d by %q",
			r.Reuse, r.How, r.Resumed, r.Offered, r.Verified, n, how)
	}
	if r.FullMS == nil || r.FullMS.Count != n || r.ResumedMS == nil || r.ResumedMS.Count != n ||
		r.Speedup == nil {
		t.Errorf("times %+v and %+v, want %d of each", r.FullMS, r.ResumedMS, n)
	}
	if got := r.LifetimeSeconds != nil; got != lifetime || got && *r.LifetimeSeconds != 7200 {
		t.Errorf("lifetime %v, want one: %t", r.LifetimeSeconds, lifetime)
	}
}

// Against our own servers both sides report how, and how often.
func TestProbeServe(t *testing.T) {
	for _, fm := range forms {
		for mode, flags := range map[string][]string{"echo": nil, "www": {"--www"},
			"www-close": {"--www", "--close"}} {
			t.Run(fm.name+"/"+mode, func(t *testing.T) {
				leakcheck.Test(t)
				s, addr := startServe(t, flags...)
				r := probeJSON(t, exitOK, addr, append(fm.client, "-n", "3")...)
				r.checkReuse(t, 3, fm.how, fm.lifetime)
				if code, last := s.end(os.Interrupt); code != 0 || last != "ended after 6 handshakes, 3 of them resumed" {
					t.Errorf("the server ended with %d: %s", code, last)
				}
				if n := s.count(" resumed=" + fm.how + " "); n != 3 {
					t.Errorf("the server saw %d resumptions by %s, want 3:\n%s", n, fm.how, strings.Join(s.lines, "\n"))
				}
			})
		}
	}
}

// A server without tickets has a cache for all versions.
func TestProbeServeNoTickets(t *testing.T) {
	for version, how := range map[string]string{"1.2": howID, "1.3": howTicket} {
		t.Run(version, func(t *testing.T) {
			leakcheck.Test(t)
			s, addr := startServe(t, "--no-tickets", "--tls", version)
			r := probeJSON(t, exitOK, addr, "-n", "2")
			r.checkReuse(t, 2, how, version == "1.3")
			if r.Protocol != "TLS "+version {
				t.Errorf("protocol %s", r.Protocol)
			}
			s.await(2, " resumed="+how+" ")
		})
	}
}

// openssl s_server, as it reports itself.
func TestProbeOpenSSL(t *testing.T) {
	for _, fm := range forms {
		t.Run(fm.name, func(t *testing.T) {
			leakcheck.Test(t)
			s, addr := startOpenSSL(t)
			r := probeJSON(t, exitOK, addr, append(fm.client, "-n", "2")...)
			r.checkReuse(t, 2, fm.how, fm.lifetime)
			s.await(2, "Reused session-id")
			if n := s.count("Reused session-id"); n != 2 {
				t.Errorf("s_server resumed %d, want 2", n)
			}
		})
	}
}

// A server that gives no session, in each version.
func TestProbeNoSession(t *testing.T) {
	for version, flags := range map[string][]string{
		"1.2": {"-no_ticket", "-no_cache"},
		"1.3": {"-num_tickets", "0"},
	} {
		t.Run(version, func(t *testing.T) {
			leakcheck.Test(t)
			_, addr := startOpenSSL(t, append(flags, "-www")...)
			r := probeJSON(t, exitNoReuse, addr, "--tls", version)
			if r.Reuse || r.How != howNone || r.Offered != 0 || r.ResumedMS != nil || r.Speedup != nil || r.NeedsData {
				t.Errorf("%+v", r)
			}
			table := sessl(t, "probe", addr, "--ca", ssltest.CertFile("ca.pem"), "--tls", version).want(t, exitNoReuse)
			if !strings.Contains(table.out, "no: the server gave no session to offer") ||
				!strings.Contains(table.errOut, "gave no session to offer") {
				t.Errorf("%s\n%s", table.out, table.errOut)
			}
		})
	}
}

// A server that does not know the session of a file, because another process made it.
func TestProbeSessionRefused(t *testing.T) {
	for _, fm := range forms {
		t.Run(fm.name, func(t *testing.T) {
			leakcheck.Test(t)
			file := t.TempDir() + "/s.pem"
			_, first := startServe(t)
			probeJSON(t, exitOK, first, append(fm.client, "-n", "1", "--session-out", file)...)
			_, second := startServe(t)
			r := probeJSON(t, exitNoReuse, second, append(fm.client, "-n", "2", "--session-in", file)...)
			if r.SessionIn == nil || !r.SessionIn.Offered || r.SessionIn.Resumed || r.Offered != 2 || r.Resumed != 1 {
				t.Errorf("session %+v, %d of %d; want it offered, refused, and the next one resumed",
					r.SessionIn, r.Resumed, r.Offered)
			}
		})
	}
}

// lateServer gives its TLS 1.3 tickets only after data, and records the data.
func lateServer(t testing.TB, change ...func(*ssl.Config)) (addr string, got <-chan string) {
	t.Helper()
	c, err := ssl.LoadX509KeyPair(ssltest.CertFile("server-ecdsa.pem"), ssltest.CertFile("server-ecdsa.key"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := &ssl.Config{Certificates: []ssl.Certificate{c}, NumTickets: -1}
	for _, f := range change {
		f(cfg)
	}
	ctx, err := ssl.NewServerCtx(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := ssl.Listen("tcp", "127.0.0.1:0", ctx)
	if err != nil {
		t.Fatal(err)
	}
	data := make(chan string, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			late(c.(*ssl.Conn), data)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		ctx.Close()
	})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return "localhost:" + port, data
}

func late(c *ssl.Conn, data chan<- string) {
	defer c.Close()
	buf := make([]byte, 1000)
	n, err := c.Read(buf)
	if err != nil {
		return
	}
	data <- string(buf[:n])
	if c.IssueTicket() == nil {
		io.WriteString(c, "answer")
	}
	c.Read(buf)
}

func TestProbeSendsDataForTickets(t *testing.T) {
	leakcheck.Test(t)
	addr, got := lateServer(t)
	r := probeJSON(t, exitOK, addr, "-n", "2")
	if !r.NeedsData || !r.Reuse || r.Resumed != 2 || r.How != howTicket {
		t.Errorf("%+v", r)
	}
	if s := <-got; s != "HEAD / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: sessl\r\nConnection: close\r\n\r\n" {
		t.Errorf("it sent %q", s)
	}
}

func TestProbeSendsWhatItIsTold(t *testing.T) {
	leakcheck.Test(t)
	addr, got := lateServer(t)
	r := probeJSON(t, exitOK, addr, "-n", "1", "--send", `say "hi"\r\n\x00`)
	if r.NeedsData || !r.Reuse {
		t.Errorf("%+v", r)
	}
	for range 2 {
		if s := <-got; s != "say \"hi\"\r\n\x00" {
			t.Errorf("it sent %q", s)
		}
	}
	r = probeJSON(t, exitNoReuse, addr, "-n", "1", "--send", "")
	if r.Offered != 0 {
		t.Errorf("%+v", r)
	}
	select {
	case s := <-got:
		t.Errorf("--send '' sent %q", s)
	default:
	}
}

func TestProbeTable(t *testing.T) {
	leakcheck.Test(t)
	_, addr := startServe(t, "--alpn", "http/1.1", "--www")
	r := sessl(t, "probe", addr, "--ca", ssltest.CertFile("ca.pem"), "-n", "2", "--alpn", "h2,http/1.1").want(t,
		exitOK)
	for _, want := range []string{
		"server           " + addr + " (127.0.0.1:", "certificate verified\n",
		"protocol         TLS 1.3, TLS_AES_128_GCM_SHA256", ", http/1.1\n",
		"reuse            yes: 2 of 2 sessions were resumed by ticket\n",
		"ticket lifetime  2h0m0s\n",
		"handshake  count  ", "full      2  ", "resumed      2  ", " % of the time of a full one\n",
	} {
		if !strings.Contains(r.out, want) {
			t.Errorf("no %q in\n%s", want, r.out)
		}
	}
	r = sessl(t, "probe", addr, "--insecure-skip-verify", "-n", "1").want(t, exitOK)
	if !strings.Contains(r.out, "certificate NOT verified") {
		t.Error(r.out)
	}
}

// With a client certificate a connection is resumed like any other. Without one the server's
// refusal is an error in both versions, although TLS 1.3 reports it late.
func TestProbeClientCertificate(t *testing.T) {
	for _, version := range tlsVersions {
		t.Run(version, func(t *testing.T) {
			leakcheck.Test(t)
			s, addr := startServe(t, "--client-ca", ssltest.CertFile("ca.pem"), "--tls", version)
			r := probeJSON(t, exitOK, addr, "-n", "2", "--cert", ssltest.CertFile("client.pem"),
				"--key", ssltest.CertFile("client.key"))
			if !r.Reuse || r.Resumed != 2 {
				t.Errorf("%+v", r)
			}
			refused := sessl(t, "probe", addr, "--ca", ssltest.CertFile("ca.pem")).want(t, exitError)
			if !strings.Contains(refused.errOut, "alert") {
				t.Errorf("stderr: %s", refused.errOut)
			}
			s.await(1, " failed: ")
		})
	}
}

// A peer that does not answer is given up, and an impatient user can leave.
func TestProbeOfAStallingServer(t *testing.T) {
	leakcheck.Test(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := sessl(t, "probe", l.Addr().String(), "--timeout", "50ms").want(t, exitError)
	if r.errOut != "sessl probe: handshake: it did not end within 50ms\n" {
		t.Errorf("stderr: %s", r.errOut)
	}
	c, err := l.Accept() // that connection, given up
	if err != nil {
		t.Fatal(err)
	}
	c.Close()

	b := start(t, program(t, "probe", l.Addr().String()))
	c, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := b.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	<-b.ended
	if code := b.cmd.ProcessState.ExitCode(); code != exitError ||
		b.err.String() != "sessl probe: interrupted\n" {
		t.Errorf("exit status %d, stderr %q", code, b.err.String())
	}
}
