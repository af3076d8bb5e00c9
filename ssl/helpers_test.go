package ssl_test

import (
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// ioTimeout bounds every wait of a test; it is never waited for.
const ioTimeout = 30 * time.Second

func certFile(name string) string { return filepath.Join("..", "testdata", "certs", name) }

// keyPair loads testdata/certs/NAME.pem and NAME.key.
func keyPair(t testing.TB, name string) ssl.Certificate {
	t.Helper()
	c, err := ssl.LoadX509KeyPair(certFile(name+".pem"), certFile(name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func keyPairs(t testing.TB, names []string) (certs []ssl.Certificate) {
	t.Helper()
	for _, name := range names {
		certs = append(certs, keyPair(t, name))
	}
	return certs
}

// roots loads testdata/certs/NAME.pem as trusted roots.
func roots(t testing.TB, name string) *ssl.CertPool {
	t.Helper()
	p, err := ssl.LoadCertPool(certFile(name + ".pem"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// clientConfig trusts the test CA and expects "localhost".
func clientConfig(t testing.TB) *ssl.Config {
	return &ssl.Config{RootCAs: roots(t, "ca"), ServerName: "localhost"}
}

// serverConfig has a certificate for localhost.
func serverConfig(t testing.TB) *ssl.Config {
	return &ssl.Config{Certificates: []ssl.Certificate{keyPair(t, "server-ecdsa")}}
}

func newClientCtx(t testing.TB, cfg *ssl.Config) *ssl.Ctx {
	t.Helper()
	ctx, err := ssl.NewClientCtx(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ctx.Close() })
	return ctx
}

func newServerCtx(t testing.TB, cfg *ssl.Config) *ssl.Ctx {
	t.Helper()
	ctx, err := ssl.NewServerCtx(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ctx.Close() })
	return ctx
}

// server is an echo server on loopback that dies with its test.
type server struct {
	Addr string
	Ctx  *ssl.Ctx

	l      net.Listener
	wg     sync.WaitGroup
	mu     sync.Mutex
	reused []bool  // one a completed handshake, in order
	errs   []error // of failed handshakes
}

func startServer(t testing.TB, cfg *ssl.Config) *server {
	t.Helper()
	ctx := newServerCtx(t, cfg)
	l, err := ssl.Listen("tcp", "127.0.0.1:0", ctx)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Addr: l.Addr().String(), Ctx: ctx, l: l}
	s.wg.Add(1)
	go s.accept()
	t.Cleanup(s.stop)
	return s
}

func (s *server) stop() {
	s.l.Close()
	s.wg.Wait()
}

func (s *server) accept() {
	defer s.wg.Done()
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		s.wg.Add(1)
		go s.serve(c.(*ssl.Conn))
	}
}

func (s *server) serve(c *ssl.Conn) {
	defer s.wg.Done()
	defer c.Close()
	c.SetDeadline(time.Now().Add(ioTimeout))
	err := c.Handshake()
	s.mu.Lock()
	if err != nil {
		s.errs = append(s.errs, err)
	} else {
		s.reused = append(s.reused, c.SessionReused())
	}
	s.mu.Unlock()
	if err == nil {
		io.Copy(c, c)
	}
}

// lastReused is what the server says of its last completed handshake.
func (s *server) lastReused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reused[len(s.reused)-1]
}

// dial connects with the session, if one is given, and does an echo round trip, so that
// tickets have been read. The caller closes the Conn.
func dial(t testing.TB, s *server, ctx *ssl.Ctx, offer *ssl.Session) *ssl.Conn {
	t.Helper()
	c := clientConn(t, s, ctx)
	if offer != nil {
		if err := c.SetSession(offer); err != nil {
			t.Fatal(err)
		}
	}
	roundTrip(t, c)
	return c
}

// clientConn connects without a handshake.
func clientConn(t testing.TB, s *server, ctx *ssl.Ctx) *ssl.Conn {
	t.Helper()
	raw, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ssl.Client(raw, ctx)
	if err != nil {
		raw.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(ioTimeout))
	offerNothing(t, c)
	return c
}

// offerNothing keeps a client from the cache of its Ctx: the test says what is offered.
func offerNothing(t testing.TB, c *ssl.Conn) {
	t.Helper()
	if err := c.UseSessionCache(ssl.NoSessionCache{}, ""); err != nil {
		t.Fatal(err)
	}
}

func roundTrip(t testing.TB, c *ssl.Conn) {
	t.Helper()
	const ping = "ping"
	if _, err := c.Write([]byte(ping)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, len(ping))
	if _, err := io.ReadFull(c, buf); err != nil {
		t.Fatal(err)
	}
	if string(buf) != ping {
		t.Fatalf("echo of %q is %q", ping, buf)
	}
}

// inbox collects what OnNewSession delivers, and closes it with the test.
type inbox struct {
	mu sync.Mutex
	ss []*ssl.Session
}

func newInbox(t testing.TB, cfg *ssl.Config) *inbox {
	b := &inbox{}
	cfg.OnNewSession = func(_ *ssl.Conn, s *ssl.Session) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.ss = append(b.ss, s)
	}
	t.Cleanup(func() {
		for _, s := range b.all() {
			s.Close()
		}
	})
	return b
}

func (b *inbox) all() []*ssl.Session {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]*ssl.Session(nil), b.ss...)
}

// last is the newest session.
func (b *inbox) last(t testing.TB) *ssl.Session {
	t.Helper()
	all := b.all()
	if len(all) == 0 {
		t.Fatal("no session was delivered")
	}
	return all[len(all)-1]
}

// form is one way of resumption; most tests run for each.
type form struct {
	name    string
	version uint16
	tickets bool
}

var forms = []form{
	{"TLS1.2-id", ssl.VersionTLS12, false},
	{"TLS1.2-ticket", ssl.VersionTLS12, true},
	{"TLS1.3-stateful", ssl.VersionTLS13, false},
	{"TLS1.3-stateless", ssl.VersionTLS13, true},
}

// forEachForm runs f with configurations for both ends of each form.
func forEachForm(t *testing.T, f func(t *testing.T, fm form, srv, cli *ssl.Config)) {
	for _, fm := range forms {
		t.Run(fm.name, func(t *testing.T) {
			leakcheck.Test(t)
			srv, cli := serverConfig(t), clientConfig(t)
			srv.SessionTicketsDisabled = !fm.tickets
			cli.MaxVersion, srv.MaxVersion = fm.version, fm.version
			f(t, fm, srv, cli)
		})
	}
}
