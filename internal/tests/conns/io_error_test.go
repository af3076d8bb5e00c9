package conns_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// wantIO checks that err is an Error of op for want, and a net.Error that tells timeouts.
func wantIO(t *testing.T, what, op string, err, want error) {
	t.Helper()
	var e *ssl.Error
	n, ok := err.(net.Error)
	switch {
	case !errors.As(err, &e) || e.Op != op || !strings.HasPrefix(err.Error(), "ssl: "+op+": ") || !errors.Is(err,
		want):
		t.Errorf("%s: %v, want an error of %s for %v", what, err, op, want)
	case !ok || n.Timeout() != (want == os.ErrDeadlineExceeded):
		t.Errorf("%s: %v: Timeout is wrong, or missing", what, err)
	}
}

func readByte(c *ssl.Conn) error { _, err := c.Read(make([]byte, 1)); return err }

// writeMuch writes more than a socket takes while the peer does not read.
func writeMuch(c *ssl.Conn) error { _, err := c.Write(make([]byte, 32<<20)); return err }

// writeCalls have something to send, and the last of them ends that.
var writeCalls = []struct {
	op   string
	call func(c *ssl.Conn) error
}{
	{"write", writeMuch},
	{"Conn.KeyUpdate", func(c *ssl.Conn) error { return c.KeyUpdate(false) }},
	{"Conn.IssueTicket", (*ssl.Conn).IssueTicket},
	{"Conn.CloseWrite", (*ssl.Conn).CloseWrite},
}

// An error of the connection underneath says what it stopped, and stays what it is.
func TestIOErrorsNameTheCall(t *testing.T) {
	defer func() { ssltest.PlainTCP = false }()
	for name, hide := range map[string]bool{"socket": false, "net.Conn": true} {
		ssltest.PlainTCP = hide
		t.Run(name, func(t *testing.T) {
			leakcheck.Test(t)
			ctx := ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
			cctx := ssltest.NewClientCtx(t, ssltest.ClientConfig(t))
			connect := func() ssltest.Pair {
				a, b := ssltest.TCPPipe(t)
				p := ssltest.NewPair(t, cctx, ctx, a, b)
				p.MustShake(t)
				p.Echo(t)
				return p
			}
			p := connect()
			p.Server.SetReadDeadline(time.Unix(1, 0))
			wantIO(t, "deadline that has passed", "read", readByte(p.Server), os.ErrDeadlineExceeded)
			p.Server.SetReadDeadline(time.Now().Add(time.Millisecond))
			wantIO(t, "deadline", "read", readByte(p.Server), os.ErrDeadlineExceeded)
			p.Server.SetReadDeadline(time.Time{})
			p.Server.SetWriteDeadline(time.Unix(1, 0))
			_, err := p.Server.ReadFrom(strings.NewReader("x"))
			wantIO(t, "ReadFrom", "write", err, os.ErrDeadlineExceeded)
			p.Server.SetWriteDeadline(time.Now().Add(time.Millisecond))
			wantIO(t, "deadline", "write", writeMuch(p.Server), os.ErrDeadlineExceeded)
			p.Server.SetWriteDeadline(time.Unix(1, 0)) // which even a socket with room for more obeys
			for _, w := range writeCalls {
				if w.op != "Conn.IssueTicket" || ssltest.LibraryRelease() != "1.1.1" {
					wantIO(t, "deadline that has passed", w.op, w.call(p.Server), os.ErrDeadlineExceeded)
				}
			}
			p.Server.Close()
			wantIO(t, "closed", "read", readByte(p.Server), net.ErrClosed)
			wantIO(t, "closed", "write", writeMuch(p.Server), net.ErrClosed)
			p.Client.Close()

			p = connect()
			hangUp(t, p.Client.NetConn())
			wantIO(t, "reset", "read", readByte(p.Server), syscall.ECONNRESET)
			wantIO(t, "reset", "write", writeMuch(p.Server), syscall.EPIPE)
			if n, err := p.Server.Write([]byte("GET")); n != 0 || !errors.Is(err, syscall.EPIPE) {
				t.Errorf("of a Write after a reset %d bytes count: %v", n, err) // net/http would not repeat it
			}
			p.CloseBoth()

			p = connect()
			p.Client.NetConn().Close()
			if err := readByte(p.Server); err != io.ErrUnexpectedEOF {
				t.Errorf("cut off: %v", err)
			}
			p.CloseBoth()
			p = connect()
			p.Client.CloseWrite()
			if err := readByte(p.Server); err != io.EOF {
				t.Errorf("close_notify: %v", err)
			}
			p.CloseBoth()
		})
	}
}

// hangUp closes a socket as a crash would.
func hangUp(t *testing.T, conn net.Conn) {
	t.Helper()
	if p, ok := conn.(ssltest.Plain); ok {
		conn = p.Conn
	}
	tcp := conn.(*net.TCPConn)
	if err := tcp.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	tcp.Close()
}
