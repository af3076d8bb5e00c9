package peers

import (
	"errors"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A TLS 1.2 client that asks our server for a second handshake is refused.
func TestRenegotiationByClient(t *testing.T) {
	leakcheck.Test(t)
	cert := ssltest.KeyPair(t, "server-ecdsa")
	ctx, err := ssl.NewServerCtx(&ssl.Config{Certificates: []ssl.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	defer ctx.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		defer l.Close()
		raw, err := l.Accept()
		if err != nil {
			ended <- err
			return
		}
		c, err := ssl.Server(raw, ctx)
		if err != nil {
			ended <- err
			return
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		_, err = io.Copy(io.Discard, c)
		ended <- err
	}()
	cmd := command(t, "openssl", "s_client", "-tls1_2", "-connect", l.Addr().String(),
		"-CAfile", ssltest.CertFile("ca.pem"))
	cmd.Stdin = strings.NewReader("R\n")
	out, _ := cmd.CombinedOutput() // it treats the refusal as fatal
	<-ended
	if said := string(out); !strings.Contains(said, "RENEGOTIATING") ||
		!strings.Contains(said, "no renegotiation") {
		t.Errorf("openssl s_client was not refused:\n%s", said)
	}
	stats, err := ctx.SessionStats()
	if err != nil || stats.AcceptGood != 1 {
		t.Errorf("%d handshakes; %v", stats.AcceptGood, err)
	}
}

// Our client does not do a second handshake either when its server asks for one.
func TestRenegotiationByServer(t *testing.T) {
	leakcheck.Test(t)
	cmd := command(t, "openssl", "s_server", "-tls1_2", "-accept", "127.0.0.1:0",
		"-cert", ssltest.CertFile("server-ecdsa.pem"), "-key", ssltest.CertFile("server-ecdsa.key"))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, cmd, "", nil)
	p.addr = p.await(t, regexp.MustCompile(`(?m)^ACCEPT (127\.0\.0\.1:\d+)$`))
	ca := ssltest.Roots(t, "ca")
	ctx, err := ssl.NewClientCtx(&ssl.Config{RootCAs: ca, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	defer ctx.Close()
	c, err := ssl.Dial("tcp", p.addr, ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	before := c.ConnectionState()
	if _, err := io.WriteString(stdin, "r\n"); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c) // the server treats the refusal as fatal
	if len(got) > 0 || !errors.Is(err, ssl.ErrRenegotiation) {
		t.Errorf("%q, %v", got, err)
	}
	p.await(t, regexp.MustCompile(`(no renegotiation)`))
	stats, err := ctx.SessionStats()
	if err != nil || stats.ConnectGood != 1 {
		t.Errorf("%d handshakes; %v", stats.ConnectGood, err)
	}
	if after := c.ConnectionState(); after.CipherSuite != before.CipherSuite || after.Version != before.Version {
		t.Errorf("the state is now %v", after)
	}
	c.Close()
	p.stop()
}
