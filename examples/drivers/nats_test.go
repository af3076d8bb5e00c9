package drivers

import (
	"context"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

func TestNATS(t *testing.T) {
	leakcheck.Test(t)
	p := newProgram(t, false)
	config := p.write("nats.conf", "listen: %q\ntls { cert_file: %q, key_file: %q }\n", p.addr,
		p.file("server-ecdsa.pem"), p.file("server-ecdsa.key"))
	p.start(syscall.SIGTERM, "nats-server", "-c", config)
	client := clientCtx(t, "")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for range 3 {
		c, err := connectNATS(client, "tls://localhost:"+p.port())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		sub, err := c.SubscribeSync("subject")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Publish("subject", []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if m, err := sub.NextMsgWithContext(ctx); err != nil || string(m.Data) != "hello" {
			t.Fatal(m, err)
		}
	}
	wantResumed(t, client, 3)
}

// What comes before TLS must be one INFO, of some length.
func TestNATSInfo(t *testing.T) {
	for name, c := range map[string]struct{ says, want string }{
		"another protocol": {"220 mail\r\n", "not a server of NATS"},
		"no end":           {"INFO " + strings.Repeat("a", 64<<10), "too long"},
		"cut":              {"INFO", "EOF"},
		"injected":         {"INFO {}\r\nPING\r\n", "handshake"},
	} {
		t.Run(name, func(t *testing.T) {
			leakcheck.Test(t)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			done := make(chan struct{})
			go func() {
				defer close(done)
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				io.WriteString(conn, c.says)
				conn.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, conn)
			}()
			_, err = natsDialer{&ssl.Dialer{Ctx: clientCtx(t, "localhost")}}.Dial("tcp", l.Addr().String())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
			<-done
		})
	}
}
