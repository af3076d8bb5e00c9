package peers

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// earlyServer answers each connection with the early and later data that it has read, in lines.
func earlyServer(t *testing.T, cfg *ssl.Config) (addr string) {
	t.Helper()
	cert := ssltest.KeyPair(t, "server-ecdsa")
	cfg.Certificates = []ssl.Certificate{cert}
	ctx, err := ssl.NewServerCtx(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := ssl.Listen("tcp", "127.0.0.1:0", ctx)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			answerEarly(c.(*ssl.Conn))
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		ctx.Close()
	})
	return l.Addr().String()
}

func answerEarly(c *ssl.Conn) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	b := make([]byte, 1024)
	n, err := c.ReadEarlyData(b)
	early := string(b[:n])
	for ; err == nil; n, err = c.ReadEarlyData(b) {
		c.WriteEarlyData([]byte("at once\n"))
	}
	if err != io.EOF {
		return
	}
	fmt.Fprintf(c, "server says %v: %q\n", c.EarlyDataStatus(), early)
	io.Copy(io.Discard, c)
}

// openssl s_client sends a file early, and reports the outcome. The second time with the same
// session, early data is rejected.
func TestEarlyDataOfSClient(t *testing.T) {
	leakcheck.Test(t)
	addr := earlyServer(t, &ssl.Config{MaxEarlyData: 1000})
	dir := t.TempDir()
	session, data := filepath.Join(dir, "session"), filepath.Join(dir, "data")
	if err := os.WriteFile(data, []byte("which way?"), 0o600); err != nil {
		t.Fatal(err)
	}
	client := func(more ...string) string {
		args := append([]string{"s_client", "-connect", addr, "-servername", "localhost",
			"-CAfile", ssltest.CertFile("ca.pem"), "-verify_return_error"}, more...)
		cmd := command(t, "openssl", args...)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		p := start(t, cmd, "", nil)
		p.await(t, regexp.MustCompile(`(server says .*)\n`)) // after the tickets
		in.Close()
		p.stop()
		return p.printed()
	}
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{[]string{"-sess_out", session}, []string{"Early data was not sent", `server says not sent: ""`}},
		{[]string{"-sess_in", session, "-early_data", data},
			[]string{"Early data was accepted", `server says accepted: "which way?"`, "at once"}},
		{[]string{"-sess_in", session, "-early_data", data},
			[]string{"Early data was rejected", `server says rejected: ""`}},
	} {
		said := client(tt.args...)
		for _, want := range tt.want {
			if !strings.Contains(said, want) {
				t.Errorf("%v: no %q in\n%s", tt.args, want, said)
			}
		}
	}
}

// openssl s_server reads our early data, and prints it as early data.
func TestEarlyDataForSServer(t *testing.T) {
	leakcheck.Test(t)
	cmd := command(t, "openssl", "s_server", "-accept", "127.0.0.1:0", "-early_data",
		"-cert", ssltest.CertFile("server-ecdsa.pem"), "-key", ssltest.CertFile("server-ecdsa.key"))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, cmd, "", nil)
	defer p.stop()
	_, port, err := net.SplitHostPort(p.await(t, regexp.MustCompile(`(?m)^ACCEPT (127\.0\.0\.1:\d+)$`)))
	if err != nil {
		t.Fatal(err)
	}
	ca := ssltest.Roots(t, "ca")
	ctx, err := ssl.NewClientCtx(&ssl.Config{RootCAs: ca})
	if err != nil {
		t.Fatal(err)
	}
	defer ctx.Close()
	d := &ssl.Dialer{Ctx: ctx}
	for i, want := range []ssl.EarlyDataStatus{
		ssl.EarlyDataNotSent, ssl.EarlyDataAccepted, ssl.EarlyDataAccepted,
	} {
		text := fmt.Sprintf("number %d\n", i)
		c, err := d.DialEarly(context.Background(), "tcp", "localhost:"+port, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(patience))
		if s := c.EarlyDataStatus(); s != want {
			t.Errorf("connection %d: %v, want %v", i, s, want)
		}
		if want == ssl.EarlyDataAccepted {
			p.await(t, regexp.MustCompile("("+text+")"))
		}
		later := fmt.Sprintf("later %d", i)
		if _, err := io.WriteString(c, later+"\n"); err != nil {
			t.Fatal(err)
		}
		p.await(t, regexp.MustCompile("("+later+")")) // it reads its terminal now
		if _, err := io.WriteString(in, "ok\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 3)); err != nil { // the tickets have been read too
			t.Fatal(err)
		}
		c.Close()
	}
	// its own output is buffered
	p.await(t, regexp.MustCompile(`(?s)(No early data received.*Early data received:.*Early data received:)`))
}
