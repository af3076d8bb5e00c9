package ssl_test

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// pair is both ends of one connection in the hands of the test, which decides who reads
// and writes when. Both end with the test.
type pair struct {
	client, server *ssl.Conn
}

// newPair makes the Conns over a and b, without a handshake.
func newPair(t testing.TB, cli, srv *ssl.Ctx, a, b net.Conn) pair {
	t.Helper()
	c, err := ssl.Client(a, cli)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	offerNothing(t, c)
	s, err := ssl.Server(b, srv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c.SetDeadline(time.Now().Add(ioTimeout))
	s.SetDeadline(time.Now().Add(ioTimeout))
	return pair{c, s}
}

// newTCPPair is newPair over loopback, with the Ctxs made here.
func newTCPPair(t testing.TB, cli, srv *ssl.Config) pair {
	t.Helper()
	a, b := tcpPipe(t)
	return newPair(t, newClientCtx(t, cli), newServerCtx(t, srv), a, b)
}

// newPipePair is newPair over net.Pipe, where a Write waits for its Read.
func newPipePair(t testing.TB, cli, srv *ssl.Config) pair {
	t.Helper()
	a, b := net.Pipe()
	return newPair(t, newClientCtx(t, cli), newServerCtx(t, srv), a, b)
}

// plain hides the type of a net.Conn, so that the Conn over it moves bytes through Read
// and Write; over a *net.TCPConn it uses the socket itself.
type plain struct{ net.Conn }

// plainTCP makes tcpPipe hide its sockets; see forEachTransport.
var plainTCP bool

// tcpPipe is a connection over loopback; both ends are closed with the test.
func tcpPipe(t testing.TB) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	if plainTCP {
		return plain{client}, plain{server}
	}
	return client, server
}

// shake does both handshakes at once and returns what each end says.
func (p pair) shake() (client, server error) {
	done := make(chan error)
	go func() { done <- p.server.Handshake() }()
	client = p.client.Handshake()
	if client != nil {
		// The server may wait for a message that does not come; the alert comes first.
		p.client.CloseWrite()
	}
	return client, <-done
}

func (p pair) mustShake(t testing.TB) {
	t.Helper()
	if c, s := p.shake(); c != nil || s != nil {
		t.Fatalf("handshake: client %v, server %v", c, s)
	}
}

// echo does a round trip, after which the client has read the tickets.
func (p pair) echo(t testing.TB) {
	t.Helper()
	done := make(chan error)
	go func() { done <- echoOnce(p.server) }()
	roundTrip(t, p.client)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// echoOnce answers one roundTrip.
func echoOnce(c *ssl.Conn) error {
	buf := make([]byte, len("ping"))
	if _, err := io.ReadFull(c, buf); err != nil {
		return err
	}
	_, err := c.Write(buf)
	return err
}

// closeBoth closes both ends at once: over net.Pipe each waits for the other.
func (p pair) closeBoth() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.server.Close()
	}()
	p.client.Close()
	<-done
}

var versions = []uint16{ssl.VersionTLS12, ssl.VersionTLS13}

// forEachVersion runs f with configurations for both ends of each version.
func forEachVersion(t *testing.T, f func(t *testing.T, srv, cli *ssl.Config)) {
	for _, v := range versions {
		t.Run(ssl.VersionName(v), func(t *testing.T) {
			leakcheck.Test(t)
			srv, cli := serverConfig(t), clientConfig(t)
			srv.MaxVersion, cli.MaxVersion = v, v
			f(t, srv, cli)
		})
	}
}

// forEachTransport is forEachVersion for both ways to a socket. No two tests run at the
// same time, so a variable will do.
func forEachTransport(t *testing.T, f func(t *testing.T, srv, cli *ssl.Config)) {
	defer func() { plainTCP = false }()
	for name, hide := range map[string]bool{"socket": false, "net.Conn": true} {
		plainTCP = hide
		t.Run(name, func(t *testing.T) { forEachVersion(t, f) })
	}
}

// meet makes a connection that offers a session, if one is given, and does an echo round
// trip, so that tickets have been read.
func meet(t testing.TB, cctx, sctx *ssl.Ctx, offer *ssl.Session) pair {
	t.Helper()
	a, b := tcpPipe(t)
	p := newPair(t, cctx, sctx, a, b)
	if offer != nil {
		if err := p.client.SetSession(offer); err != nil {
			t.Fatal(err)
		}
	}
	p.mustShake(t)
	p.echo(t)
	return p
}

// session makes a connection and returns the newest session that the client got.
func session(t testing.TB, cli, srv *ssl.Config) *ssl.Session {
	t.Helper()
	p := newTCPPair(t, cli, srv)
	p.mustShake(t)
	p.echo(t)
	s := sessionOf(t, p.client)
	p.client.Close()
	p.server.Close()
	return s
}

// sessionOf is c.Session, closed with the test.
func sessionOf(t testing.TB, c *ssl.Conn) *ssl.Session {
	t.Helper()
	s, err := c.Session()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func resumable(t testing.TB, s *ssl.Session) bool {
	t.Helper()
	ok, err := s.Resumable()
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func dup(t testing.TB, s *ssl.Session) *ssl.Session {
	t.Helper()
	d, err := s.Dup()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// reparsed is s after a way through DER, which carries no stamp and no chain.
func reparsed(t testing.TB, s *ssl.Session) *ssl.Session {
	t.Helper()
	der, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	d, err := ssl.ParseSession(der)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// verifyCode is the X509_V_ERR_* for which the peer was refused, 0 if that is not the error.
func verifyCode(err error) int {
	var v *ssl.VerificationError
	if errors.As(err, &v) {
		return v.Code
	}
	return 0
}

// alertOf is the alert that the peer sent, -1 if that is not the error.
func alertOf(err error) int {
	var e *ssl.Error
	if errors.As(err, &e) {
		if a, ok := e.Alert(); ok {
			return int(a)
		}
	}
	return -1
}
