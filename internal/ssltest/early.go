package ssltest

import (
	"io"
	"net"
	"testing"

	"sessl/ssl"
)

// EarlyConfigs are for both ends of connections with early data.
func EarlyConfigs(t testing.TB) (srv, cli *ssl.Config) {
	srv, cli = ServerConfig(t), ClientConfig(t)
	srv.MaxEarlyData = 16 << 10
	return srv, cli
}

// EarlySession is a session of a connection between the two.
func EarlySession(t testing.TB, cctx, sctx *ssl.Ctx) *ssl.Session {
	t.Helper()
	p := Meet(t, cctx, sctx, nil)
	s := SessionOf(t, p.Client)
	p.CloseBoth()
	return s
}

// EarlyPair are two ends, of which the client offers s.
func EarlyPair(t testing.TB, cctx, sctx *ssl.Ctx, s *ssl.Session) Pair {
	t.Helper()
	a, b := TCPPipe(t)
	p := NewPair(t, cctx, sctx, a, b)
	if err := p.Client.SetSession(s); err != nil {
		t.Fatal(err)
	}
	return p
}

// WriteEarly sends text as early data, and completes the client's handshake.
func WriteEarly(c *ssl.Conn, text string) error {
	if _, err := c.WriteEarlyData([]byte(text)); err != nil {
		return err
	}
	return c.Handshake()
}

// EarlyFlight is the first flight of a client that sends text early with s; it is not sent.
func EarlyFlight(t testing.TB, cctx *ssl.Ctx, s *ssl.Session, text string) []byte {
	t.Helper()
	a, b := net.Pipe()
	defer b.Close()
	go io.Copy(io.Discard, b)
	r := &Recorder{Conn: a}
	c, err := ssl.Client(r, cctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetSession(s); err != nil {
		t.Fatal(err)
	}
	if _, err := c.WriteEarlyData([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return r.Sent
}

// EarlyReader reads early data.
type EarlyReader struct{ C *ssl.Conn }

// Read is Conn.ReadEarlyData.
func (r EarlyReader) Read(b []byte) (int, error) { return r.C.ReadEarlyData(b) }

// Recorder keeps what the client sends first.
type Recorder struct {
	net.Conn
	Sent []byte
}

// Write keeps b.
func (r *Recorder) Write(b []byte) (int, error) {
	r.Sent = append(r.Sent, b...)
	return r.Conn.Write(b)
}
