package closing_test

import (
	"context"
	"errors"
	"net"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

const alertBadRecordMAC = 20

// fatalCalls are those that need a connection that works.
var fatalCalls = []struct {
	op   string
	call func(c *ssl.Conn) error
}{
	{"write", func(c *ssl.Conn) error {
		n, err := c.Write([]byte("x"))
		if n != 0 {
			return errors.Join(errors.New("bytes were written"), err)
		}
		return err
	}},
	{"write", func(c *ssl.Conn) error {
		r := strings.NewReader("x")
		n, err := c.ReadFrom(r)
		if n != 0 || r.Len() != 1 {
			return errors.Join(errors.New("ReadFrom has taken something"), err)
		}
		return err
	}},
	{"read", func(c *ssl.Conn) error { _, err := c.Read(make([]byte, 1)); return err }},
	{"Conn.KeyUpdate", func(c *ssl.Conn) error { return c.KeyUpdate(false) }},
	{"Conn.CloseWrite", (*ssl.Conn).CloseWrite},
}

// wantSameEnd checks that each call on c fails for the reason for which a Read has failed,
// under its own name, and again when it is repeated.
func wantSameEnd(t *testing.T, who string, c *ssl.Conn, read error) {
	t.Helper()
	for _, f := range append(fatalCalls, fatalCalls...) {
		wantEnd(t, who, f.op, f.call(c), read)
	}
}

// wantEnd checks that err, of op, has the reason for which a Read has failed.
func wantEnd(t *testing.T, who, op string, err, read error) {
	t.Helper()
	var first, e *ssl.Error
	if !errors.As(read, &first) || first.Op != "read" {
		t.Fatalf("%s: Read: %v", who, read)
	}
	if !errors.As(err, &e) || e.Op != op || !reflect.DeepEqual(e.Entries, first.Entries) || e.Err != first.Err {
		t.Errorf("%s: %s: %v, but the Read said %v", who, op, err, read)
	}
}

// A fatal error ends both directions: what comes after it says why, also on the goroutine
// that did not meet it, at the side that found the fault and at the one that was told.
func TestFatalErrorIsRemembered(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		p.Echo(t)
		forged := append([]byte{23, 3, 3, 0, 64}, make([]byte, 64)...)
		if _, err := p.Client.NetConn().Write(forged); err != nil {
			t.Fatal(err)
		}
		_, serr := p.Server.Read(make([]byte, 1))
		_, cerr := p.Client.Read(make([]byte, 1))
		if ssltest.AlertOf(cerr) != alertBadRecordMAC || ssltest.AlertOf(serr) != -1 {
			t.Errorf("server: %v, client: %v", serr, cerr)
		}
		wantSameEnd(t, "server", p.Server, serr)
		wantSameEnd(t, "client", p.Client, cerr)
		if srv.MaxVersion == ssl.VersionTLS13 && ssltest.LibraryRelease() != "1.1.1" {
			wantEnd(t, "server", "Conn.IssueTicket", p.Server.IssueTicket(), serr)
		}
		p.CloseBoth()
	})
}

// A client of TLS 1.3 is through with its handshake before its certificate is judged: the
// refusal comes with a Read, and whoever writes is told, too.
func TestWriteKnowsRefusal(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
	p := ssltest.NewTCPPair(t, cli, srv)
	if _, serr := p.Shake(); serr == nil {
		t.Fatal("the server accepts a client without a certificate")
	}
	_, err := p.Client.Read(make([]byte, 1))
	if ssltest.AlertOf(err) != ssltest.AlertCertificateRequired {
		t.Errorf("Read: %v", err)
	}
	wantSameEnd(t, "client", p.Client, err)
	p.CloseBoth()
}

// mute is a net.Conn that sends nothing any more, once it is switched off.
type mute struct {
	net.Conn
	off atomic.Bool
}

var errMute = errors.New("nobody listens")

func (m *mute) Write(b []byte) (int, error) {
	if m.off.Load() {
		return 0, errMute
	}
	return m.Conn.Write(b)
}

// Such a client may notice first that it cannot write any more: then it looks for the reason
// that waits to be read. Without one the Write says what it knows.
func TestWriteFindsRefusal(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	cctx := ssltest.NewClientCtx(t, cli)
	for _, refused := range []bool{true, false} {
		if refused {
			srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
		} else {
			srv.ClientAuth, srv.ClientCAs = ssl.NoClientCert, nil
		}
		sctx := ssltest.NewServerCtx(t, srv)
		ssltest.Bubble(t, func(t *testing.T) {
			a, b := net.Pipe()
			m := &mute{Conn: a}
			p := ssltest.NewPair(t, cctx, sctx, m, b)
			if _, err := p.Shake(); (err != nil) != refused {
				t.Fatal(err)
			}
			m.off.Store(true)
			n, err := p.Client.Write([]byte("x"))
			if refused && ssltest.AlertOf(err) != ssltest.AlertCertificateRequired || !refused && !errors.Is(err,
				errMute) {
				t.Errorf("refused %t: %d, %v", refused, n, err)
			}
			p.CloseBoth()
		})
	}
}

func TestWriteFindsRefusalOnSocket(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
	p := ssltest.NewTCPPair(t, cli, srv)
	_, err := p.Shake()
	if err == nil {
		t.Fatal("the server accepts a client without a certificate")
	}
	p.Server.Close()
	err = nil
	for err == nil { // until the peer's kernel has answered that the socket is closed
		_, err = p.Client.Write([]byte("x"))
	}
	if ssltest.AlertOf(err) != ssltest.AlertCertificateRequired {
		t.Error(err)
	}
}

// What the application has against a server's request is the reason for both, not what
// libssl makes of it. The server knows no more than the alert.
func TestWriteKnowsClientsRefusal(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.LaterConfigs(t)
	cli.GetClientCertificate = func(*ssl.CertificateRequestInfo) (*ssl.Certificate, error) {
		return nil,
			ssltest.ErrNotHim
	}
	p := ssltest.NewTCPPair(t, cli, srv)
	p.MustShake(t)
	asked := make(chan error, 1)
	go func() { asked <- p.Server.RequestClientCertificate(context.Background()) }()
	_, err := p.Client.Read(make([]byte, 1))
	if !errors.Is(err, ssltest.ErrNotHim) {
		t.Errorf("Read: %v", err)
	}
	wantSameEnd(t, "client", p.Client, err)
	if err := <-asked; ssltest.AlertOf(err) != 80 {
		t.Errorf("server: %v", err)
	}
	_, err = p.Server.Read(make([]byte, 1))
	wantSameEnd(t, "server", p.Server, err)
	wantEnd(t, "server", "Conn.RequestClientCertificate",
		p.Server.RequestClientCertificate(context.Background()), err)
	p.CloseBoth()
}
