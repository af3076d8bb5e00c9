package peers

import (
	"context"
	"io"
	"regexp"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

func laterConfig(t *testing.T, cert string) *ssl.Config {
	t.Helper()
	ca := ssltest.Roots(t, "ca")
	own, err := ssl.LoadX509KeyPair(ssltest.CertFile(cert+".pem"), ssltest.CertFile(cert+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return &ssl.Config{RootCAs: ca, ServerName: "localhost",
		Certificates: []ssl.Certificate{own}, PostHandshakeAuth: true}
}

// Our server asks openssl s_client for its certificate after the handshake.
func TestPostHandshakeAuthOfSClient(t *testing.T) {
	leakcheck.Test(t)
	cfg := laterConfig(t, "server-ecdsa")
	cfg.ClientAuth, cfg.ClientCAs, cfg.RootCAs = ssl.RequireAndVerifyClientCert, cfg.RootCAs, nil
	ctx, err := ssl.NewServerCtx(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer ctx.Close()
	l, err := ssl.Listen("tcp", "127.0.0.1:0", ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cmd := command(t, "openssl", "s_client", "-connect", l.Addr().String(), "-servername", "localhost",
		"-enable_pha", "-quiet", "-no_ign_eof",
		"-CAfile", ssltest.CertFile("ca.pem"), "-verify_return_error", "-cert", ssltest.CertFile("client.pem"),
		"-key", ssltest.CertFile("client.key"))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, cmd, "", nil)
	defer p.stop()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := conn.(*ssl.Conn)
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if n := len(c.ConnectionState().PeerCertificates); n != 0 {
		t.Errorf("%d certificates before it was asked", n)
	}
	if _, err := io.WriteString(in, "early\n"); err != nil {
		t.Fatal(err)
	}
	if err := c.RequestClientCertificate(context.Background()); err != nil {
		t.Fatal(err)
	}
	if s := c.ConnectionState(); !s.Verified || len(s.PeerCertificates) == 0 ||
		s.PeerCertificates[0].Subject.CommonName != "sessl test client" {
		t.Errorf("the client is %+v", s)
	}
	buf := make([]byte, len("early\n"))
	if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "early\n" {
		t.Errorf("read %q, %v", buf, err)
	}
}

// openssl s_server asks our client, and prints the subject that it has verified.
func TestPostHandshakeAuthForSServer(t *testing.T) {
	leakcheck.Test(t)
	cmd := command(t, "openssl", "s_server", "-accept", "127.0.0.1:0",
		"-CAfile", ssltest.CertFile("ca.pem"), "-verify_return_error",
		"-cert", ssltest.CertFile("server-ecdsa.pem"), "-key", ssltest.CertFile("server-ecdsa.key"))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, cmd, "", nil)
	defer p.stop()
	addr := p.await(t, regexp.MustCompile(`(?m)^ACCEPT (127\.0\.0\.1:\d+)$`))
	ctx, err := ssl.NewClientCtx(laterConfig(t, "client"))
	if err != nil {
		t.Fatal(err)
	}
	defer ctx.Close()
	c, err := ssl.Dial("tcp", addr, ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	read := make(chan struct{})
	go func() {
		defer close(read)
		io.Copy(io.Discard, c) // the client answers while it reads
	}()
	p.await(t, regexp.MustCompile(`(CIPHER is )`)) // it reads its terminal now
	if _, err := io.WriteString(in, "c\n"); err != nil {
		t.Fatal(err)
	}
	p.await(t, regexp.MustCompile(`depth=0 (?:.*)(sessl test client)\s+verify return:1`))
	c.Close()
	<-read
}
