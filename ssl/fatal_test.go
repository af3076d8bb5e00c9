package ssl_test

import (
	"context"
	"errors"
	"net"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"sessl/internal/leakcheck"
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
	forEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := newTCPPair(t, cli, srv)
		p.mustShake(t)
		p.echo(t)
		forged := append([]byte{23, 3, 3, 0, 64}, make([]byte, 64)...)
		if _, err := p.client.NetConn().Write(forged); err != nil {
			t.Fatal(err)
		}
		_, serr := p.server.Read(make([]byte, 1))
		_, cerr := p.client.Read(make([]byte, 1))
		if alertOf(cerr) != alertBadRecordMAC || alertOf(serr) != -1 {
			t.Errorf("server: %v, client: %v", serr, cerr)
		}
		wantSameEnd(t, "server", p.server, serr)
		wantSameEnd(t, "client", p.client, cerr)
		if srv.MaxVersion == ssl.VersionTLS13 && release() != "1.1.1" {
			wantEnd(t, "server", "Conn.IssueTicket", p.server.IssueTicket(), serr)
		}
		p.closeBoth()
	})
}

// A client of TLS 1.3 is through with its handshake before its certificate is judged: the
// refusal comes with a Read, and whoever writes is told, too.
func TestWriteKnowsRefusal(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := serverConfig(t), clientConfig(t)
	srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, roots(t, "ca")
	p := newTCPPair(t, cli, srv)
	if _, serr := p.shake(); serr == nil {
		t.Fatal("the server accepts a client without a certificate")
	}
	_, err := p.client.Read(make([]byte, 1))
	if alertOf(err) != alertCertificateRequired {
		t.Errorf("Read: %v", err)
	}
	wantSameEnd(t, "client", p.client, err)
	p.closeBoth()
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
	srv, cli := serverConfig(t), clientConfig(t)
	cctx := newClientCtx(t, cli)
	for _, refused := range []bool{true, false} {
		if refused {
			srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, roots(t, "ca")
		} else {
			srv.ClientAuth, srv.ClientCAs = ssl.NoClientCert, nil
		}
		sctx := newServerCtx(t, srv)
		bubble(t, func(t *testing.T) {
			a, b := net.Pipe()
			m := &mute{Conn: a}
			p := newPair(t, cctx, sctx, m, b)
			if _, err := p.shake(); (err != nil) != refused {
				t.Fatal(err)
			}
			m.off.Store(true)
			n, err := p.client.Write([]byte("x"))
			if refused && alertOf(err) != alertCertificateRequired || !refused && !errors.Is(err, errMute) {
				t.Errorf("refused %t: %d, %v", refused, n, err)
			}
			p.closeBoth()
		})
	}
}

func TestWriteFindsRefusalOnSocket(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := serverConfig(t), clientConfig(t)
	srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, roots(t, "ca")
	p := newTCPPair(t, cli, srv)
	_, err := p.shake()
	if err == nil {
		t.Fatal("the server accepts a client without a certificate")
	}
	p.server.Close()
	err = nil
	for err == nil { // until the peer's kernel has answered that nobody is there
		_, err = p.client.Write([]byte("x"))
	}
	if alertOf(err) != alertCertificateRequired {
		t.Error(err)
	}
}

// What the application has against a server's request is the reason for both, not what
// libssl makes of it. The server knows no more than the alert.
func TestWriteKnowsClientsRefusal(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := laterConfigs(t)
	cli.GetClientCertificate = func(*ssl.CertificateRequestInfo) (*ssl.Certificate, error) { return nil, errNotHim }
	p := newTCPPair(t, cli, srv)
	p.mustShake(t)
	asked := make(chan error, 1)
	go func() { asked <- p.server.RequestClientCertificate(context.Background()) }()
	_, err := p.client.Read(make([]byte, 1))
	if !errors.Is(err, errNotHim) {
		t.Errorf("Read: %v", err)
	}
	wantSameEnd(t, "client", p.client, err)
	if err := <-asked; alertOf(err) != 80 {
		t.Errorf("server: %v", err)
	}
	_, err = p.server.Read(make([]byte, 1))
	wantSameEnd(t, "server", p.server, err)
	wantEnd(t, "server", "Conn.RequestClientCertificate", p.server.RequestClientCertificate(context.Background()), err)
	p.closeBoth()
}
