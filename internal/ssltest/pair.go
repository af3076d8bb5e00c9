package ssltest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"sessl/ssl"
)

// Pair is both ends of one connection in the hands of the test, which decides who reads
// and writes when. Both end with the test.
type Pair struct {
	Client, Server *ssl.Conn
}

// Shake does both handshakes at once and returns what each end says.
func (p Pair) Shake() (client, server error) {
	done := make(chan error)
	go func() { done <- p.Server.Handshake() }()
	client = p.Client.Handshake()
	if client != nil {
		// The server may wait for a message that does not come; the alert comes first.
		p.Client.CloseWrite()
	}
	return client, <-done
}

// MustShake does both handshakes and wants no error.
func (p Pair) MustShake(t testing.TB) {
	t.Helper()
	if c, s := p.Shake(); c != nil || s != nil {
		t.Fatalf("handshake: client %v, server %v", c, s)
	}
}

// Echo does a round trip, after which the client has read the tickets.
func (p Pair) Echo(t testing.TB) {
	t.Helper()
	done := make(chan error)
	go func() { done <- EchoOnce(p.Server) }()
	RoundTrip(t, p.Client)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// CloseBoth closes both ends at once: over net.Pipe each waits for the other.
func (p Pair) CloseBoth() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Server.Close()
	}()
	p.Client.Close()
	<-done
}

// Meet makes a connection that offers a session, if one is given, and does an echo round
// trip, so that tickets have been read.
func Meet(t testing.TB, cctx, sctx *ssl.Ctx, offer *ssl.Session) Pair {
	t.Helper()
	a, b := TCPPipe(t)
	p := NewPair(t, cctx, sctx, a, b)
	if offer != nil {
		if err := p.Client.SetSession(offer); err != nil {
			t.Fatal(err)
		}
	}
	p.MustShake(t)
	p.Echo(t)
	return p
}

// BrokenByClient has the client send what is no TLS, so that the server's Read fails.
func BrokenByClient(t *testing.T, p Pair) {
	t.Helper()
	if _, err := p.Client.NetConn().Write([]byte{23, 3, 3, 0, 4, 1, 2, 3, 4}); err != nil {
		t.Fatal(err)
	}
	var e *ssl.Error
	if _, err := p.Server.Read(make([]byte, 1)); !errors.As(err, &e) || len(e.Entries) == 0 {
		t.Fatalf("Read of garbage: %v", err)
	}
}

// NewPair makes the Conns over a and b, without a handshake.
func NewPair(t testing.TB, cli, srv *ssl.Ctx, a, b net.Conn) Pair {
	t.Helper()
	c, err := ssl.Client(a, cli)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	OfferNothing(t, c)
	s, err := ssl.Server(b, srv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c.SetDeadline(time.Now().Add(Timeout))
	s.SetDeadline(time.Now().Add(Timeout))
	return Pair{c, s}
}

// NewTCPPair is NewPair over loopback, with the Ctxs made here.
func NewTCPPair(t testing.TB, cli, srv *ssl.Config) Pair {
	t.Helper()
	a, b := TCPPipe(t)
	return NewPair(t, NewClientCtx(t, cli), NewServerCtx(t, srv), a, b)
}

// NewPipePair is NewPair over net.Pipe, where a Write waits for its Read.
func NewPipePair(t testing.TB, cli, srv *ssl.Config) Pair {
	t.Helper()
	a, b := net.Pipe()
	return NewPair(t, NewClientCtx(t, cli), NewServerCtx(t, srv), a, b)
}

// EchoOnce answers one RoundTrip.
func EchoOnce(c *ssl.Conn) error {
	buf := make([]byte, len("ping"))
	if _, err := io.ReadFull(c, buf); err != nil {
		return err
	}
	_, err := c.Write(buf)
	return err
}

// Sending are the calls that make libssl send something, with what the peer hears then.
var Sending = []struct {
	Name, Hears string
	ServerOnly  bool
	Call        func(ctx context.Context, c *ssl.Conn) error
}{
	{"Write", "data", false, func(_ context.Context, c *ssl.Conn) error {
		_,
			err := c.Write([]byte("x"))
		return err
	}},
	{"CloseWrite", "alert 0", false, func(_ context.Context, c *ssl.Conn) error { return c.CloseWrite() }},
	{"Close", "alert 0", false, func(_ context.Context, c *ssl.Conn) error { return c.Close() }},
	{"KeyUpdate", "message 24", false, func(_ context.Context, c *ssl.Conn) error { return c.KeyUpdate(false) }},
	{"KeyUpdate asked back", "message 24", false,
		func(_ context.Context, c *ssl.Conn) error { return c.KeyUpdate(true) }},
	{"IssueTicket", "message 4", true, func(_ context.Context, c *ssl.Conn) error { return c.IssueTicket() }},
	{"RequestClientCertificate", "message 13", true, func(ctx context.Context, c *ssl.Conn) error {
		if err := c.RequestClientCertificate(ctx); !errors.Is(err, context.Canceled) {
			return fmt.Errorf("it ended before its context: %w", err)
		}
		return nil
	}},
}

// ExchangeEarly sends text early, and returns what the server has read of it. Both
// handshakes are complete then.
func (p Pair) ExchangeEarly(t testing.TB, text string) (read string) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- WriteEarly(p.Client, text) }()
	got, err := io.ReadAll(EarlyReader{p.Server})
	if err != nil {
		t.Fatalf("server: %v", err)
	}
	if err := p.Server.Handshake(); err != nil {
		t.Fatalf("server: %v", err)
	}
	if err := <-done; err != nil {
		t.Fatalf("client: %v", err)
	}
	return string(got)
}

// WantEarly is ExchangeEarly with a verdict that both ends agree on, and an echo afterwards.
func (p Pair) WantEarly(t testing.TB, want ssl.EarlyDataStatus) {
	t.Helper()
	const text = "early bird"
	got, read := p.ExchangeEarly(t, text), ""
	if want == ssl.EarlyDataAccepted {
		read = text
	}
	if got != read {
		t.Errorf("the server has read %q early, not %q", got, read)
	}
	if c, s := p.Client.EarlyDataStatus(), p.Server.EarlyDataStatus(); c != want || s != want {
		t.Errorf("the client says %v, the server %v, not %v", c, s, want)
	}
	p.Echo(t)
}

// ShakeUntilClosed is shake for a client that fails after its part is done: the server may
// be waiting for what does not come.
func (p Pair) ShakeUntilClosed() (client, server error) {
	done := make(chan error)
	go func() { done <- p.Server.Handshake() }()
	client = p.Client.Handshake()
	if client != nil {
		p.Client.NetConn().Close()
	}
	return client, <-done
}

// Request has the server ask, and the client read until the server has said "done".
func (p Pair) Request(t testing.TB) error {
	t.Helper()
	read := make(chan error, 1)
	go func() { read <- ReadUntil(p.Client, "done") }()
	err := p.Server.RequestClientCertificate(context.Background())
	if err == nil {
		_, err = p.Server.Write([]byte("done"))
	}
	if rerr := <-read; err == nil && rerr != nil {
		t.Errorf("client: %v", rerr)
	}
	return err
}
