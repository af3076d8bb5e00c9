package faultmem_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"sessl/internal/faultmem"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// The memory that a server may hold for an unknown client, in addition to twice the bytes that
// the client has sent: an SSL, for which libssl needs 10 KB and more.
const stallLimit = 20 << 10

var stalls = map[string]string{
	"nothing":            "",
	"a byte":             "\x16",
	"a record's head":    "\x16\x03\x01\x40\x00",
	"a hello of 64 KB":   "\x16\x03\x01\x00\x04\x01\x01\x00\x00",
	"a hello of 16 KB":   "\x16\x03\x03\x00\x04\x01\x00\x40\x00",
	"and its first byte": "\x16\x03\x03\x00\x05\x01\x01\x00\x00\x03",
	"a record of 16 KB":  "\x16\x03\x03\x40\x00\x01\x01\x00\x00\x03",
	"the first KB of it": "\x16\x03\x03\x40\x00\x01\x01\x00\x00" + strings.Repeat("\x03", 1000),
	"empty records":      strings.Repeat("\x16\x03\x03\x00\x00", 10) + "\x16\x03\x01\x00\x04\x01\x01\x00\x00",
	"single bytes":       strings.Repeat("\x16\x03\x03\x00\x01\x01", 2) + "\x16\x03\x03\x00\x01\x00\x16",
	"an unknown record":  "\x63\x03\x03\x40\x00",
	"a high type":        "\x96\x03\x03\x40\x00",
	"application data":   "\x17\x03\x03\x40\x00\x01",
	"a hello of SSL 2":   "\xff\xff\x01\x03\x01\x00",
}

// stalled does a server's handshake on c as far as it goes, and returns how much memory the
// server then holds.
func stalled(t *testing.T, ctx *ssl.Ctx, c net.Conn, begin func(*ssl.Conn) error) int64 {
	t.Helper()
	before := faultmem.Live()
	s, err := ssl.Server(c, ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if err := begin(s); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
	return faultmem.Live() - before
}

// wrapped hides a socket.
type wrapped struct{ net.Conn }

func TestStalledClientHoldsLittle(t *testing.T) {
	leakcheck.Test(t)
	cfg := &ssl.Config{Certificates: []ssl.Certificate{ssltest.KeyPair(t, "server-ecdsa")}, MaxEarlyData: 100}
	plain := ssltest.NewServerCtx(t, cfg)
	cfg.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return nil, nil }
	asking := ssltest.NewServerCtx(t, cfg)
	for name, in := range stalls {
		for how, begin := range map[string]func(*ssl.Conn) error{
			"Handshake":     (*ssl.Conn).Handshake,
			"ReadEarlyData": func(c *ssl.Conn) error { _, err := c.ReadEarlyData(make([]byte, 1)); return err },
		} {
			for _, ctx := range []*ssl.Ctx{plain, asking} {
				for _, wrap := range []bool{false, true} {
					a, b := ssltest.TCPPipe(t)
					if wrap {
						b = wrapped{b}
					}
					a.Write([]byte(in))
					if held := stalled(t, ctx, b, begin); held > stallLimit+int64(2*len(in)) {
						t.Errorf("%s, %s, wrapped %v: %d bytes are held", name, how, wrap, held)
					}
				}
			}
		}
	}
}

// The second ClientHello, after a HelloRetryRequest, is held back like the first.
func TestStalledSecondHelloHoldsLittle(t *testing.T) {
	leakcheck.Test(t)
	cert := ssltest.KeyPair(t, "server-ecdsa")
	ctx := ssltest.NewServerCtx(t,
		&ssl.Config{Certificates: []ssl.Certificate{cert}, CurvePreferences: []tls.CurveID{tls.CurveP521}})
	hello := firstHello(t)
	held := func(more string) int64 {
		a, b := ssltest.TCPPipe(t)
		a.Write(append([]byte(nil), hello...))
		return stalled(t, ctx, b, func(c *ssl.Conn) error {
			err := c.Handshake()
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				return err
			}
			answer := make([]byte, 6)
			if _, err := io.ReadFull(a, answer); err != nil || answer[5] != 2 {
				t.Fatalf("answer %x: %v", answer, err)
			}
			a.Write([]byte(more))
			c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			return c.Handshake()
		})
	}
	none := held("")
	for _, more := range []string{"\x16\x03\x03\x00\x04\x01\x01\x00\x00",
		"\x14\x03\x03\x00\x01\x01\x16\x03\x03\x00\x04\x01\x01\x00\x00", "\x16"} {
		if n := held(more) - none; n > stallLimit { // it includes a record buffer of libssl
			t.Errorf("%x: %d bytes more are held", more, n)
		}
	}
	t.Logf("%d bytes are held for the second hello", none)
}

// firstHello is the ClientHello of a client that prefers X25519 and supports P-521.
func firstHello(t *testing.T) []byte {
	t.Helper()
	ctx, err := ssl.NewClientCtx(&ssl.Config{InsecureSkipVerify: true, MinVersion: ssl.VersionTLS13,
		CurvePreferences: []tls.CurveID{tls.CurveP256, tls.CurveP521}})
	if err != nil {
		t.Fatal(err)
	}
	defer ctx.Close()
	a, b := pipe()
	c, err := ssl.Client(a, ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	c.Handshake()
	hello := make([]byte, 1<<14)
	n, err := b.Read(hello)
	if err != nil {
		t.Fatal(err)
	}
	return hello[:n]
}
