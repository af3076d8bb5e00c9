package main

import (
	"bufio"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
	"sessl/starttls"
)

// A script is what a server says in the clear, after the text of its client that it waits for. Texts of a
// client end as its keys do.
type script struct {
	greeting string
	answers  [][2]string // what the client's text ends in, and what the server says then
}

const xmppStream = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>" +
	"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>"

var scripts = map[string]script{
	"smtp": {"220 mail\r\n", [][2]string{{"EHLO localhost\r\n", "250-mail\r\n250 STARTTLS\r\n"},
		{"STARTTLS\r\n", "220 go\r\n"}}},
	"imap":     {"* OK imap\r\n", [][2]string{{"STARTTLS\r\n", "a OK go\r\n"}}},
	"pop3":     {"+OK pop\r\n", [][2]string{{"STLS\r\n", "+OK go\r\n"}}},
	"ftp":      {"220 ftp\r\n", [][2]string{{"AUTH TLS\r\n", "234 go\r\n"}}},
	"postgres": {"", [][2]string{{"\x04\xd2\x16\x2f", "S"}}},
	"xmpp": {"", [][2]string{{"streams'>", xmppStream},
		{"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
			"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"}}},
}

// play says what the script has, and reports whether the client kept to it.
func (s script) play(c net.Conn) bool {
	io.WriteString(c, s.greeting)
	r := bufio.NewReader(c)
	for _, a := range s.answers {
		heard := ""
		for !strings.HasSuffix(heard, a[0]) {
			b, err := r.ReadByte()
			if err != nil {
				return false
			}
			heard += string([]byte{b})
		}
		io.WriteString(c, a[1])
	}
	return r.Buffered() == 0
}

// startScripted starts a server that speaks TLS behind a script.
func startScripted(t *testing.T, s script) (addr string) {
	t.Helper()
	cert := ssltest.KeyPair(t, "server-ecdsa")
	ctx := ssltest.NewServerCtx(t, &ssl.Config{Certificates: []ssl.Certificate{cert}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			if !s.play(raw) {
				raw.Close()
				continue
			}
			c, err := ssl.Server(raw, ctx)
			if err != nil {
				raw.Close()
				return
			}
			io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return "localhost:" + port
}

func TestProbeStartTLS(t *testing.T) {
	leakcheck.Test(t)
	for _, name := range starttls.Names() {
		t.Run(name, func(t *testing.T) {
			leakcheck.Test(t)
			r := probeJSON(t, exitOK, startScripted(t, scripts[name]), "-n", "1", "--starttls", name)
			if !r.Reuse || r.Resumed != 1 || !r.Verified {
				t.Errorf("%+v", r)
			}
		})
	}
}

// Plain text behind the answer is an error for each protocol, and so are refusals and talk without end;
// package starttls has these for each.
func TestProbeStartTLSHostile(t *testing.T) {
	leakcheck.Test(t)
	check := func(name, answer, says string) {
		t.Helper()
		bad := script{scripts[name].greeting, slices.Clone(scripts[name].answers)}
		bad.answers[len(bad.answers)-1][1] = answer
		r := sessl(t, "probe", startScripted(t, bad), "--ca", ssltest.CertFile("ca.pem"), "--starttls", name)
		r.want(t, exitError)
		if !strings.Contains(r.errOut, says) || len(r.errOut) > 600 {
			t.Errorf("%s: %.700q, want a line with %q", name, r.errOut, says)
		}
	}
	for _, name := range starttls.Names() {
		answers := scripts[name].answers
		last := answers[len(answers)-1][1]
		check(name, last+"250 more\r\n", "starttls: "+name+": the server, or someone on the way")
	}
	check("smtp", "454 not now\r\n", `STARTTLS: 454 "not now"`)
	check("imap", strings.Repeat("* a\r\n", 1<<16), "the server says too much in the clear")
}
