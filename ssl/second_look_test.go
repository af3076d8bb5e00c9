package ssl_test

import (
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// What was resumed and then refused by the application is not resumed again, by whoever has it.
func TestRefusedSessionIsSpent(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := serverConfig(t), clientConfig(t)
	srv.MaxVersion, srv.SessionTicketsDisabled = ssl.VersionTLS12, true
	refuse := false
	judge := func(ssl.ConnectionState) error {
		if refuse {
			return errors.New("not any more")
		}
		return nil
	}
	for _, side := range []string{"server", "client"} {
		srv, cli := copyOf(srv, func(*ssl.Config) {}), copyOf(cli, func(*ssl.Config) {})
		if side == "server" {
			srv.VerifyConnection = judge
		} else {
			cli.VerifyConnection = judge
		}
		sctx, cctx := newServerCtx(t, srv), newClientCtx(t, cli)
		first := meet(t, cctx, sctx, nil)
		s := sessionOf(t, first.client)
		first.closeBoth()
		a, b := tcpPipe(t)
		p := newPair(t, cctx, sctx, a, b)
		offered := s
		if side == "client" {
			if err := p.client.SetSharedSession(s); err != nil {
				t.Fatal(err)
			}
			offered = dup(t, s)
		} else if err := p.client.SetSession(s); err != nil {
			t.Fatal(err)
		}
		refuse = true
		if c, srv := p.shake(); c == nil && srv == nil {
			t.Fatal("the application has refused nothing")
		}
		p.closeBoth()
		refuse = false
		if side == "client" {
			if resumable(t, s) {
				t.Errorf("%s: the object is still resumable", side)
			}
			continue
		}
		if again := meet(t, cctx, sctx, offered); again.server.SessionReused() {
			t.Errorf("%s: resumed after all", side)
		}
	}
}

// heldBack is a client's end of a TCP connection, which lets nothing in once the client has
// sent its second flight.
type heldBack struct {
	*net.TCPConn
	writes int
	let    chan struct{}
}

func (c *heldBack) Write(b []byte) (int, error) {
	c.writes++
	return c.TCPConn.Write(b)
}

func (c *heldBack) Read(b []byte) (int, error) {
	if c.writes >= 2 {
		<-c.let
	}
	return c.TCPConn.Read(b)
}

// arrived reports whether the socket has something to read.
func (c *heldBack) arrived(t *testing.T) (is bool) {
	rc, err := c.SyscallConn()
	if err != nil {
		t.Error(err)
		return false
	}
	rc.Control(func(fd uintptr) {
		n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		is = err == nil && n > 0
	})
	return is
}

// lastStep calls itself when the server's last step is done: its secrets are logged then, before
// the application's cache is told of sessions.
type lastStep func()

func (f lastStep) Write(b []byte) (int, error) { f(); return len(b), nil }

// Nothing of a server's last flight is in the socket before its cache has the session.
func TestSessionsAreKeptBeforeTheyAreSent(t *testing.T) {
	for _, v := range versions {
		t.Run(ssl.VersionName(v), func(t *testing.T) {
			leakcheck.Test(t)
			srv, cli := serverConfig(t), clientConfig(t)
			srv.MaxVersion = v
			srv.SessionCache = newServerCache(t, nil)
			a, b := tcpPipe(t)
			client := &heldBack{TCPConn: a.(*net.TCPConn), let: make(chan struct{})}
			var once sync.Once
			srv.KeyLogWriter = lastStep(func() {
				once.Do(func() {
					if client.arrived(t) {
						t.Error("the client has the session, the cache does not")
					}
					close(client.let)
				})
			})
			p := newPair(t, newClientCtx(t, cli), newServerCtx(t, srv), client, b)
			p.mustShake(t)
			p.echo(t)
			p.closeBoth()
		})
	}
}

// A server that asks for certificates later resumes for nobody who has not shown one at a server
// that asks at once, whatever they share.
func TestLaterAuthIsAnotherContext(t *testing.T) {
	leakcheck.Test(t)
	keys, err := ssl.NewTicketKeys(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	later, cli := laterConfigs(t)
	later.TicketKeys = keys
	for _, id := range []string{"", "fleet"} {
		later.SessionIDContext = []byte(id)
		atOnce := copyOf(later, func(c *ssl.Config) { c.PostHandshakeAuth = false })
		cctx := newClientCtx(t, cli)
		p := meet(t, cctx, newServerCtx(t, later), nil)
		wantClient(t, p.server, "")
		s := sessionOf(t, p.client)
		p.closeBoth()
		p = meet(t, cctx, newServerCtx(t, atOnce), s)
		if p.server.SessionReused() {
			t.Errorf("context %q: resumed without a certificate", id)
		}
		wantClient(t, p.server, clientName)
		p.closeBoth()
	}
}

// A client that does not verify has early data for the name that it asked for, and for no other:
// a server with several names would do as one what was meant for the other.
func TestUnverifiedEarlyDataKeepsItsName(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := serverConfig(t), clientConfig(t)
	srv.MaxEarlyData, cli.InsecureSkipVerify = 1024, true
	p := newTCPPair(t, cli, srv)
	p.mustShake(t)
	p.echo(t)
	s := sessionOf(t, p.client)
	p.closeBoth()
	for name, want := range map[string]error{"localhost": nil, "elsewhere.test": ssl.ErrNoEarlyData, "": ssl.ErrNoEarlyData} {
		a, b := tcpPipe(t)
		next := newPair(t, newClientCtx(t, copyOf(cli, func(c *ssl.Config) { c.ServerName = name })), newServerCtx(t, srv), a, b)
		if err := next.client.SetSession(s); err != nil {
			t.Fatal(err)
		}
		if _, _, err := next.client.EarlyDataTerms(); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%q: %v, want %v", name, err, want)
		}
		next.closeBoth()
	}
}

// clogged takes nothing until a deadline in the past is set, and everything from then on.
type clogged struct {
	net.Conn
	mu     sync.Mutex
	armed  bool
	inside chan struct{} // closed when a Write waits
	kicked chan struct{}
	once   sync.Once
}

func (c *clogged) Write(b []byte) (int, error) {
	c.mu.Lock()
	wait := c.armed
	c.mu.Unlock()
	if wait {
		select {
		case <-c.kicked:
		default:
			close(c.inside)
			<-c.kicked
			return 0, os.ErrDeadlineExceeded
		}
	}
	return c.Conn.Write(b)
}

func (c *clogged) SetDeadline(t time.Time) error {
	if t.Before(time.Now()) {
		c.once.Do(func() { close(c.kicked) })
	}
	return c.Conn.SetDeadline(t)
}

// A peer whose stream ends in the middle of a Write is not told that this was all of it, even
// when there is room again.
func TestCloseTellsNoEndBehindACutWrite(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		a, b := tcpPipe(t)
		c := &clogged{Conn: a, inside: make(chan struct{}), kicked: make(chan struct{})}
		p := newPair(t, newClientCtx(t, cli), newServerCtx(t, srv), c, b)
		p.mustShake(t)
		p.echo(t)
		c.mu.Lock()
		c.armed = true
		c.mu.Unlock()
		wrote := make(chan error)
		go func() {
			_, err := p.client.Write(make([]byte, 1<<20))
			wrote <- err
		}()
		<-c.inside
		got := make(chan error)
		go func() {
			_, err := io.Copy(io.Discard, p.server)
			got <- err
		}()
		p.client.Close()
		if err := <-wrote; !isClosed(err) {
			t.Errorf("Write: %v", err)
		}
		if err := <-got; err == nil {
			t.Error("the server takes a part of a Write for all of it")
		}
	})
}

// A server looks at the leaf of a session once more when libssl has resumed it: time passes, and
// whoever keeps sessions may have forgotten when this one was to end.
func TestServerLooksAtTheLeafAgain(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := serverConfig(t), clientConfig(t)
	srv.MaxVersion, srv.SessionTicketsDisabled = ssl.VersionTLS12, true
	srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, roots(t, "ca")
	box := newInbox(t, srv)
	sctx := newServerCtx(t, srv)
	var offer, kept *ssl.Session
	var cctx *ssl.Ctx
	var until time.Time
	for life := 2 * time.Second; offer == nil; life *= 2 {
		until = time.Now().Add(life).Truncate(time.Second)
		cctx = newClientCtx(t, copyOf(cli, func(c *ssl.Config) {
			c.Certificates = []ssl.Certificate{issued(t, "ca", x509.ExtKeyUsageClientAuth, "brief", nil, until)}
		}))
		a, b := tcpPipe(t)
		p := newPair(t, cctx, sctx, a, b)
		if c, s := p.shake(); c == nil && s == nil {
			p.echo(t)
			offer, kept = sessionOf(t, p.client), dup(t, box.last(t))
		}
		p.closeBoth()
	}
	if _, err := sctx.RemoveSession(box.last(t)); err != nil {
		t.Fatal(err)
	}
	if err := kept.SetTimeout(time.Hour); err != nil {
		t.Fatal(err)
	}
	if added, err := sctx.AddSession(kept); err != nil || !added {
		t.Fatal(added, err)
	}
	<-time.After(time.Until(until.Add(1100 * time.Millisecond))) // OpenSSL counts in seconds
	a, b := tcpPipe(t)
	p := newPair(t, cctx, sctx, a, b)
	if err := p.client.SetSession(offer); err != nil {
		t.Fatal(err)
	}
	if _, err := p.shake(); !errors.Is(err, ssl.ErrUnverified) {
		t.Errorf("%v, reused is %t", err, p.server.SessionReused())
	}
	p.closeBoth()
}

// A session does not outlive the certificate of its peer, also where that was not verified: the
// application may have.
func TestUnverifiedLeafEndsItsSession(t *testing.T) {
	for _, fm := range agingForms {
		t.Run(fm.name, func(t *testing.T) {
			leakcheck.Test(t)
			srv, cli := serverConfig(t), clientConfig(t)
			srv.MaxVersion, srv.ClientAuth = fm.version, ssl.RequireAnyClientCert
			srv.SessionTimeout, cli.SessionTimeout = 2*time.Hour, 2*time.Hour
			const left = time.Hour
			cli.Certificates = []ssl.Certificate{issued(t, "other-ca", x509.ExtKeyUsageClientAuth, "any", nil, time.Now().Add(left))}
			a := newAging(t, srv, fm.setup(t, srv))
			p := meet(t, newClientCtx(t, cli), a.next(), nil)
			defer p.closeBoth()
			for _, s := range a.made.all() {
				// C's clock may be a little behind Go's, and so a second earlier.
				if d, err := s.Timeout(); err != nil || d > left+time.Second || d < left-ioTimeout {
					t.Errorf("timeout %v, %v; the certificate has %v", d, err, left)
				}
			}
			s := sessionOf(t, p.client)
			if d, err := s.TicketLifetimeHint(); err != nil || d > left+time.Second {
				t.Errorf("the client is told of %v, %v", d, err)
			} else if len(a.made.all()) == 0 && d < left-ioTimeout {
				t.Errorf("no session on the server, and a ticket of %v", d)
			}
		})
	}
}
