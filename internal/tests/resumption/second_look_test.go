package resumption_test

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
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// What was resumed and then refused by the application is not resumed again, by whoever has it.
func TestRefusedSessionIsSpent(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.MaxVersion, srv.SessionTicketsDisabled = ssl.VersionTLS12, true
	refuse := false
	judge := func(ssl.ConnectionState) error {
		if refuse {
			return errors.New("not any more")
		}
		return nil
	}
	for _, side := range []string{"server", "client"} {
		srv, cli := ssltest.CopyOf(srv, func(*ssl.Config) {}), ssltest.CopyOf(cli, func(*ssl.Config) {})
		if side == "server" {
			srv.VerifyConnection = judge
		} else {
			cli.VerifyConnection = judge
		}
		sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
		first := ssltest.Meet(t, cctx, sctx, nil)
		s := ssltest.SessionOf(t, first.Client)
		first.CloseBoth()
		a, b := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, cctx, sctx, a, b)
		offered := s
		if side == "client" {
			if err := p.Client.SetSharedSession(s); err != nil {
				t.Fatal(err)
			}
			offered = ssltest.Dup(t, s)
		} else if err := p.Client.SetSession(s); err != nil {
			t.Fatal(err)
		}
		refuse = true
		if c, srv := p.Shake(); c == nil && srv == nil {
			t.Fatal("the application has refused nothing")
		}
		p.CloseBoth()
		refuse = false
		if side == "client" {
			if ssltest.Resumable(t, s) {
				t.Errorf("%s: the object is still resumable", side)
			}
			continue
		}
		if again := ssltest.Meet(t, cctx, sctx, offered); again.Server.SessionReused() {
			t.Errorf("%s: resumed after all", side)
		}
	}
}

// arrived reports whether the socket has something to read.
func arrived(t *testing.T, c *ssltest.HeldBack) (is bool) {
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
	for _, v := range ssltest.Versions {
		t.Run(ssl.VersionName(v), func(t *testing.T) {
			leakcheck.Test(t)
			srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
			srv.MaxVersion = v
			srv.SessionCache = ssltest.NewServerCache(t, nil)
			a, b := ssltest.TCPPipe(t)
			client := &ssltest.HeldBack{TCPConn: a.(*net.TCPConn), Let: make(chan struct{})}
			var once sync.Once
			srv.KeyLogWriter = lastStep(func() {
				once.Do(func() {
					if arrived(t, client) {
						t.Error("the client has the session, the cache does not")
					}
					close(client.Let)
				})
			})
			p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), client, b)
			p.MustShake(t)
			p.Echo(t)
			p.CloseBoth()
		})
	}
}

// A server that asks for certificates later resumes for no client that has not shown one at a server
// that asks at once, whatever they share.
func TestLaterAuthIsAnotherContext(t *testing.T) {
	leakcheck.Test(t)
	keys, err := ssl.NewTicketKeys(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	later, cli := ssltest.LaterConfigs(t)
	later.TicketKeys = keys
	for _, id := range []string{"", "fleet"} {
		later.SessionIDContext = []byte(id)
		atOnce := ssltest.CopyOf(later, func(c *ssl.Config) { c.PostHandshakeAuth = false })
		cctx := ssltest.NewClientCtx(t, cli)
		p := ssltest.Meet(t, cctx, ssltest.NewServerCtx(t, later), nil)
		ssltest.WantClient(t, p.Server, "")
		s := ssltest.SessionOf(t, p.Client)
		p.CloseBoth()
		p = ssltest.Meet(t, cctx, ssltest.NewServerCtx(t, atOnce), s)
		if p.Server.SessionReused() {
			t.Errorf("context %q: resumed without a certificate", id)
		}
		ssltest.WantClient(t, p.Server, ssltest.ClientName)
		p.CloseBoth()
	}
}

// A client that does not verify has early data for the name that it asked for, and for no other:
// a server with several names would do as one what was meant for the other.
func TestUnverifiedEarlyDataKeepsItsName(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.MaxEarlyData, cli.InsecureSkipVerify = 1024, true
	p := ssltest.NewTCPPair(t, cli, srv)
	p.MustShake(t)
	p.Echo(t)
	s := ssltest.SessionOf(t, p.Client)
	p.CloseBoth()
	for name, want := range map[string]error{"localhost": nil, "elsewhere.test": ssl.ErrNoEarlyData,
		"": ssl.ErrNoEarlyData} {
		a, b := ssltest.TCPPipe(t)
		next := ssltest.NewPair(t, ssltest.NewClientCtx(t,
			ssltest.CopyOf(cli, func(c *ssl.Config) { c.ServerName = name })), ssltest.NewServerCtx(t, srv), a, b)
		if err := next.Client.SetSession(s); err != nil {
			t.Fatal(err)
		}
		if _, _, err := next.Client.EarlyDataTerms(); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%q: %v, want %v", name, err, want)
		}
		next.CloseBoth()
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
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		a, b := ssltest.TCPPipe(t)
		c := &clogged{Conn: a, inside: make(chan struct{}), kicked: make(chan struct{})}
		p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), c, b)
		p.MustShake(t)
		p.Echo(t)
		c.mu.Lock()
		c.armed = true
		c.mu.Unlock()
		wrote := make(chan error)
		go func() {
			_, err := p.Client.Write(make([]byte, 1<<20))
			wrote <- err
		}()
		<-c.inside
		got := make(chan error)
		go func() {
			_, err := io.Copy(io.Discard, p.Server)
			got <- err
		}()
		p.Client.Close()
		if err := <-wrote; !ssltest.IsClosed(err) {
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
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.MaxVersion, srv.SessionTicketsDisabled = ssl.VersionTLS12, true
	srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
	box := ssltest.NewInbox(t, srv)
	sctx := ssltest.NewServerCtx(t, srv)
	clock := ssltest.NewClock(t)
	cli.Certificates = []ssl.Certificate{ssltest.Issued(t, "ca", x509.ExtKeyUsageClientAuth, "brief", nil,
		clock.Now().Add(time.Minute))}
	cctx := ssltest.NewClientCtx(t, cli)
	first := ssltest.Meet(t, cctx, sctx, nil)
	offer, kept := ssltest.SessionOf(t, first.Client), ssltest.Dup(t, box.Last(t))
	first.CloseBoth()
	if _, err := sctx.RemoveSession(box.Last(t)); err != nil {
		t.Fatal(err)
	}
	if err := kept.SetTimeout(time.Hour); err != nil {
		t.Fatal(err)
	}
	if added, err := sctx.AddSession(kept); err != nil || !added {
		t.Fatal(added, err)
	}
	clock.Pass(time.Minute + 2*time.Second) // OpenSSL counts in seconds
	a, b := ssltest.TCPPipe(t)
	p := ssltest.NewPair(t, cctx, sctx, a, b)
	if err := p.Client.SetSession(offer); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Shake(); !errors.Is(err, ssl.ErrUnverified) {
		t.Errorf("%v, reused is %t", err, p.Server.SessionReused())
	}
	p.CloseBoth()
}

// A session does not outlive the certificate of its peer, also where that was not verified: the
// application may have.
func TestUnverifiedLeafEndsItsSession(t *testing.T) {
	for _, fm := range ssltest.AgingForms {
		t.Run(fm.Name, func(t *testing.T) {
			leakcheck.Test(t)
			srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
			srv.MaxVersion, srv.ClientAuth = fm.Version, ssl.RequireAnyClientCert
			srv.SessionTimeout, cli.SessionTimeout = 2*time.Hour, 2*time.Hour
			const left = time.Hour
			cli.Certificates = []ssl.Certificate{ssltest.Issued(t, "other-ca", x509.ExtKeyUsageClientAuth, "any", nil,
				time.Now().Add(left))}
			a := ssltest.NewAging(t, srv, fm.Setup(t, srv))
			p := ssltest.Meet(t, ssltest.NewClientCtx(t, cli), a.Next(), nil)
			defer p.CloseBoth()
			for _, s := range a.Made.All() {
				// C's clock may be a little behind Go's, and so a second earlier.
				if d, err := s.Timeout(); err != nil || d > left+time.Second || d < left-ssltest.Timeout {
					t.Errorf("timeout %v, %v; the certificate has %v", d, err, left)
				}
			}
			s := ssltest.SessionOf(t, p.Client)
			if d, err := s.TicketLifetimeHint(); err != nil || d > left+time.Second {
				t.Errorf("the client is told of %v, %v", d, err)
			} else if len(a.Made.All()) == 0 && d < left-ssltest.Timeout {
				t.Errorf("no session on the server, and a ticket of %v", d)
			}
		})
	}
}
