package peers

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// gnutls-cli does not report early data, but it prints our server's answer, which does.
func TestEarlyDataOfGnuTLS(t *testing.T) {
	leakcheck.Test(t)
	addr := earlyServer(t, &ssl.Config{MaxEarlyData: 1000})
	_, port, _ := net.SplitHostPort(addr)
	data := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(data, []byte("which way?"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := command(t, "gnutls-cli", "--waitresumption", "--resume", "--earlydata", data,
		"--x509cafile", ssltest.CertFile("ca.pem"),
		"--sni-hostname", "localhost", "--verify-hostname", "localhost", "--port", port, "127.0.0.1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, cmd, "", nil)
	says := p.await(t, regexp.MustCompile(`(server says (?:accepted|rejected).*)\n`))
	if says != `server says accepted: "which way?"` {
		t.Error(says)
	}
	in.Close()
	p.stop()
	for _, want := range []string{"*** This is a resumed session", "at once"} {
		if !strings.Contains(p.printed(), want) {
			t.Errorf("no %q", want)
		}
	}
}

// earlyDialer returns a client of these servers.
func earlyDialer(t *testing.T) *ssl.Dialer {
	t.Helper()
	roots := ssltest.Roots(t, "ca")
	ctx, err := ssl.NewClientCtx(&ssl.Config{RootCAs: roots, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ctx.Close() })
	return &ssl.Dialer{Ctx: ctx}
}

// gnutls-serv reports the early data that it has decrypted, and discards it: it answers later
// data.
func TestEarlyDataForGnuTLS(t *testing.T) {
	leakcheck.Test(t)
	p := gnutlsServWith(t, "--disable-client-cert", "--x509certfile", ssltest.CertFile("server-ecdsa.pem"),
		"--x509keyfile", ssltest.CertFile("server-ecdsa.key"),
		"--earlydata", "--maxearlydata", "1000", "--debug", "5") // from 9 on it prints keys
	d := earlyDialer(t)
	for i, want := range []ssl.EarlyDataStatus{
		ssl.EarlyDataNotSent, ssl.EarlyDataAccepted, ssl.EarlyDataNotSent, ssl.EarlyDataAccepted,
	} {
		n := 100 + i
		if i == 2 {
			n = 1001 // more than the server allows
		}
		c, err := d.DialEarly(context.Background(), "tcp", p.addr, make([]byte, n))
		if err != nil {
			t.Fatal(err)
		}
		if s := c.EarlyDataStatus(); s != want || c.SessionReused() != (i > 0) {
			t.Errorf("connection %d: %v, resumed %t", i, s, c.SessionReused())
		}
		c.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(c); err != nil || !strings.Contains(string(answer), "200 OK") {
			t.Fatalf("connection %d: %q, %v", i, answer, err)
		}
		c.Close()
		if want == ssl.EarlyDataAccepted {
			p.await(t, regexp.MustCompile(fmt.Sprintf(`(decrypted early data with length: %d,)`, n)))
		}
	}
}

// nginxEarly accepts early data, reports for each request whether it was early, and answers an
// early request for /late with 425.
func nginxEarly(t *testing.T) *process {
	dir := t.TempDir()
	text := strings.NewReplacer("access_log off;",
		`log_format early "ssl_early_data=$ssl_early_data $status"; access_log /dev/stderr early;`,
		"default_type", `ssl_early_data on;
		add_header Early-Seen $ssl_early_data;
		location /late { if ($ssl_early_data) { return 425; } return 200 "late\n"; }
		default_type`).Replace(nginxConf(dir, "1.3", "on", "off"))
	return nginxOf(t, dir, text)
}

// nginx's report for a request whose client has not yet shown that it is there.
func TestEarlyDataForNginx(t *testing.T) {
	leakcheck.Test(t)
	p := nginxEarly(t)
	d := earlyDialer(t)
	for _, want := range []string{"ssl_session_reused=. ", "ssl_session_reused=r "} {
		c, err := d.Connect(context.Background(), "unix", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(patience))
		early := strings.Contains(want, "=r")
		if early {
			if _, err := c.WriteEarlyData([]byte(request)); err != nil {
				t.Fatal(err)
			}
			p.await(t, regexp.MustCompile("(ssl_early_data=1 200)"))
		} else if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if answer := string(b); !strings.Contains(answer, want) ||
			strings.Contains(answer, "Early-Seen: 1\r\n") != early {
			t.Errorf("%q", answer)
		}
		if s := c.EarlyDataStatus(); (s == ssl.EarlyDataAccepted) != early {
			t.Errorf("our end says %v", s)
		}
	}
}

// holdBack passes connections on to p. On the n-th, it holds back everything after the client's
// first application data, which is its early data, until letGo is closed.
func holdBack(t *testing.T, p *process, n int, letGo <-chan struct{}) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var busy sync.WaitGroup
	busy.Go(func() {
		for i := 1; ; i++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			busy.Go(func() {
				defer c.Close()
				s, err := net.Dial("unix", p.addr)
				if err != nil {
					return
				}
				defer s.Close()
				go io.Copy(c, s)
				in := bufio.NewReader(c)
				for early := i == n; early; {
					head, err := in.Peek(5)
					if err != nil {
						return
					}
					early = head[0] != 23
					if _, err := io.CopyN(s, in, 5+int64(head[3])<<8+int64(head[4])); err != nil {
						return
					}
					if !early {
						<-letGo
					}
				}
				io.Copy(s, in)
			})
		}
	})
	t.Cleanup(func() { l.Close(); busy.Wait() })
	return l.Addr().String()
}

// After a 425 of nginx to an early request, our http.RoundTripper sends the request again, and
// the caller does not see the 425.
func TestTooEarlyOfNginx(t *testing.T) {
	leakcheck.Test(t)
	p := nginxEarly(t)
	letGo := make(chan struct{})
	goOn := sync.OnceFunc(func() { close(letGo) })
	defer goOn()
	addr := holdBack(t, p, 2, letGo)
	tr, err := httpssl.NewTransport(earlyDialer(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.CloseIdleConnections()
	tr.EarlyData = func(*http.Request) bool { return true }
	c := &http.Client{Transport: tr, Timeout: patience}
	type result struct {
		text string
		err  error
	}
	get := func(path string) (r result) {
		resp, err := c.Get("https://" + addr + path)
		if err != nil {
			return result{err: err}
		}
		defer c.CloseIdleConnections()
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return result{fmt.Sprint(resp.StatusCode, " ", resp.TLS.DidResume, " ", string(b)), err}
	}
	if r := get("/late"); r.text != "200 false late\n" || r.err != nil {
		t.Fatalf("first: %+v", r)
	}
	got := make(chan result, 1)
	go func() { got <- get("/late") }()
	p.await(t, regexp.MustCompile(`(ssl_early_data=1 425)`))
	goOn()
	if r := <-got; r.text != "200 true late\n" || r.err != nil {
		t.Errorf("second: %+v", r)
	}
}
