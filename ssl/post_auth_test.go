package ssl_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"sync/atomic"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// laterConfigs are for a server that asks after the handshake and a client that has a
// certificate for it.
func laterConfigs(t testing.TB) (srv, cli *ssl.Config) {
	srv, cli = serverConfig(t), clientConfig(t)
	srv.PostHandshakeAuth, cli.PostHandshakeAuth = true, true
	srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, roots(t, "ca")
	cli.Certificates = []ssl.Certificate{keyPair(t, "client")}
	return srv, cli
}

// forEachLater runs f for both kinds of ticket and both transports.
func forEachLater(t *testing.T, f func(t *testing.T, srv, cli *ssl.Config)) {
	defer func() { plainTCP = false }()
	for name, hide := range map[string]bool{"socket": false, "net.Conn": true} {
		for tickets, disabled := range map[string]bool{"stateless": false, "stateful": true} {
			plainTCP = hide
			t.Run(name+"/"+tickets, func(t *testing.T) {
				leakcheck.Test(t)
				srv, cli := laterConfigs(t)
				srv.SessionTicketsDisabled = disabled
				f(t, srv, cli)
			})
		}
	}
}

// request has the server ask, and the client read until the server has said "done".
func (p pair) request(t testing.TB) error {
	t.Helper()
	read := make(chan error, 1)
	go func() { read <- readUntil(p.client, "done") }()
	err := p.server.RequestClientCertificate(context.Background())
	if err == nil {
		_, err = p.server.Write([]byte("done"))
	}
	if rerr := <-read; err == nil && rerr != nil {
		t.Errorf("client: %v", rerr)
	}
	return err
}

// wantClient checks whom the server takes the client for; "" is nobody.
func wantClient(t testing.TB, c *ssl.Conn, name string) {
	t.Helper()
	s := c.ConnectionState()
	got := ""
	if len(s.PeerCertificates) > 0 {
		got = s.PeerCertificates[0].Subject.CommonName
	}
	if got != name || s.Verified != (name != "") || !s.DidResume && (len(s.VerifiedChain) > 0) != s.Verified {
		t.Errorf("the client is %q, verified %t by a chain of %d, want %q", got, s.Verified, len(s.VerifiedChain), name)
	}
}

const clientName = "sessl test client"

// A client is nobody until it is asked, and then somebody: on the connection, and on those
// that resume a session issued since; not on those that resume an earlier one. A resumed
// connection can be asked, too.
func TestPostHandshakeAuth(t *testing.T) {
	forEachLater(t, func(t *testing.T, srv, cli *ssl.Config) {
		got := newInbox(t, cli)
		var judged atomic.Int32
		if release() != "1.1.1" { // where no ticket could be issued after it
			srv.VerifyConnection = func(ssl.ConnectionState) error { judged.Add(1); return nil }
		}
		sctx, cctx := newServerCtx(t, srv), newClientCtx(t, cli)
		connect := func(offer *ssl.Session) pair {
			a, b := tcpPipe(t)
			p := newPair(t, cctx, sctx, a, b)
			if offer != nil {
				if err := p.client.SetSession(offer); err != nil {
					t.Fatal(err)
				}
			}
			p.mustShake(t)
			if offer != nil && !p.server.SessionReused() {
				t.Error("not resumed")
			}
			return p
		}
		ask := func(p pair) {
			t.Helper()
			before := judged.Load()
			if err := p.request(t); err != nil {
				t.Fatal(err)
			}
			wantClient(t, p.server, clientName)
			if srv.VerifyConnection != nil && judged.Load() != before+1 {
				t.Errorf("VerifyConnection was called %d times", judged.Load()-before)
			}
			p.echo(t)
		}
		p := connect(nil)
		wantClient(t, p.server, "")
		p.echo(t)
		early := dup(t, got.last(t))
		n := len(got.all())
		ask(p)
		if issued := len(got.all()) - n; issued != 2 {
			t.Errorf("%d tickets were issued after the authentication, want 2", issued)
		}
		late := dup(t, got.last(t))
		p.closeBoth()

		p = connect(early)
		wantClient(t, p.server, "")
		if release() == "1.1.1" {
			if err := p.request(t); err == nil {
				t.Error("a client with OpenSSL 1.1.1 has answered on a resumed connection: see RequestClientCertificate")
			}
			p.closeBoth()
			p = connect(late)
			wantClient(t, p.server, clientName)
			p.closeBoth()
			return
		}
		n = len(got.all())
		ask(p)
		if issued := len(got.all()) - n; issued != 2 { // that of the resumption, and one more
			t.Errorf("%d tickets were issued on a resumed connection, want 2", issued)
		}
		p.closeBoth()

		p = connect(late)
		wantClient(t, p.server, clientName)
		if n := len(p.server.ConnectionState().VerifiedChain); srv.SessionTicketsDisabled && n != 2 {
			t.Errorf("the session has a verified chain of %d, want 2", n)
		}
		ask(p)
		p.closeBoth()
	})
}

// A client may be asked again; each answer replaces the one before, also in its sessions.
func TestPostHandshakeAuthAgain(t *testing.T) {
	forEachLater(t, func(t *testing.T, srv, cli *ssl.Config) {
		certs := []ssl.Certificate{keyPair(t, "client"), keyPair(t, "client-chain"), {}}
		asked := 0
		cli.Certificates = nil
		cli.GetClientCertificate = func(r *ssl.CertificateRequestInfo) (*ssl.Certificate, error) {
			if len(r.AcceptableCAs) != 1 || len(r.SignatureSchemes) == 0 {
				t.Errorf("the request names %d CAs and %d schemes", len(r.AcceptableCAs), len(r.SignatureSchemes))
			}
			cert := certs[asked]
			asked++
			return &cert, nil
		}
		srv.ClientAuth = ssl.VerifyClientCertIfGiven
		got := newInbox(t, cli)
		sctx, cctx := newServerCtx(t, srv), newClientCtx(t, cli)
		a, b := tcpPipe(t)
		p := newPair(t, cctx, sctx, a, b)
		p.mustShake(t)
		p.echo(t)
		for _, cert := range certs {
			name, before := "", len(got.all())
			if leaf := cert.Leaf(); leaf != nil {
				name = leaf.Subject.CommonName
			}
			if err := p.request(t); err != nil {
				t.Fatal(err)
			}
			wantClient(t, p.server, name)
			p.echo(t)
			if issued := len(got.all()) - before; issued != 2 {
				t.Errorf("%d tickets were issued, want 2", issued)
			}
			offer := dup(t, got.last(t))
			a, b := tcpPipe(t)
			q := newPair(t, cctx, sctx, a, b)
			if err := q.client.SetSession(offer); err != nil {
				t.Fatal(err)
			}
			q.mustShake(t)
			if !q.server.SessionReused() {
				t.Error("not resumed")
			}
			wantClient(t, q.server, name)
			q.closeBoth()
		}
		p.closeBoth()
		if asked != len(certs) {
			t.Errorf("GetClientCertificate was called %d times, want %d", asked, len(certs))
		}
	})
}

// meets has a client signal each request that it meets. Its Writes from then on come after
// its answer.
func meets(cli *ssl.Config) <-chan struct{} {
	met := make(chan struct{}, 1)
	cert := cli.Certificates[0]
	cli.GetClientCertificate = func(*ssl.CertificateRequestInfo) (*ssl.Certificate, error) {
		met <- struct{}{}
		return &cert, nil
	}
	return met
}

// What the client sends before its answer waits for Read while nobody reads, in order with
// what comes after it; and VerifyConnection comes before a Read has what came after it.
func TestPostHandshakeAuthKeepsData(t *testing.T) {
	forEachLater(t, func(t *testing.T, srv, cli *ssl.Config) {
		met := meets(cli)
		var judged atomic.Bool
		srv.VerifyConnection = func(s ssl.ConnectionState) error { judged.Store(s.Verified); return nil }
		for _, reads := range []bool{false, true} {
			p := newTCPPair(t, cli, srv)
			p.mustShake(t)
			const before, after = 40 << 10, 100 << 10
			sent, heard, read := make(chan error, 1), make(chan error, 1), make(chan error, 1)
			go func() { heard <- readUntil(p.client, "done") }()
			go func() {
				_, err := p.client.Write(make([]byte, before))
				if err == nil {
					<-met
					_, err = p.client.Write(append(make([]byte, after), "end"...))
				}
				sent <- err
			}()
			take := func() {
				data, err := io.ReadAll(io.LimitReader(p.server, before+after+3))
				if err == nil && (len(data) != before+after+3 || string(data[len(data)-3:]) != "end" || !judged.Load()) {
					err = errors.New("lost or out of order")
				}
				read <- err
			}
			if reads {
				go take()
			}
			if err := p.server.KeyUpdate(true); err != nil {
				t.Error(err)
			}
			if err := p.server.RequestClientCertificate(context.Background()); err != nil {
				t.Error(err)
			}
			wantClient(t, p.server, clientName)
			if !reads {
				go take()
			}
			if _, err := p.server.Write([]byte("done")); err != nil {
				t.Error(err)
			}
			for _, ch := range []chan error{sent, heard, read} {
				if err := <-ch; err != nil {
					t.Error(err)
				}
			}
			p.closeBoth()
		}
	})
}

// Each level of ClientAuth decides as it does in a handshake.
func TestPostHandshakeAuthLevels(t *testing.T) {
	forEachLater(t, func(t *testing.T, srv, cli *ssl.Config) {
		other := issued(t, "other-ca", x509.ExtKeyUsageClientAuth, "other", nil, farFuture)
		for _, c := range []struct {
			name  string
			auth  ssl.ClientAuthType
			cert  *ssl.Certificate
			code  int
			alert int
		}{
			{"nothing to request", ssl.RequestClientCert, nil, 0, 0},
			{"nothing if given", ssl.VerifyClientCertIfGiven, nil, 0, 0},
			{"any", ssl.RequireAnyClientCert, &other, 0, 0},
			{"none for any", ssl.RequireAnyClientCert, nil, 0, alertCertificateRequired},
			{"none to verify", ssl.RequireAndVerifyClientCert, nil, 0, alertCertificateRequired},
			{"other CA", ssl.RequireAndVerifyClientCert, &other, noIssuer, alertUnknownCA},
		} {
			srv.ClientAuth, cli.Certificates = c.auth, nil
			if c.cert != nil {
				cli.Certificates = []ssl.Certificate{*c.cert}
			}
			p := newTCPPair(t, cli, srv)
			p.mustShake(t)
			heard := make(chan error, 1)
			go func() { heard <- readUntil(p.client, "done") }()
			err := p.server.RequestClientCertificate(context.Background())
			if err == nil {
				p.server.Write([]byte("done"))
			}
			cerr := <-heard
			if c.alert == 0 {
				if err != nil || cerr != nil || (len(p.server.ConnectionState().PeerCertificates) > 0) != (c.cert != nil) || p.server.ConnectionState().Verified {
					t.Errorf("%s: server %v, client %v, %+v", c.name, err, cerr, p.server.ConnectionState())
				}
				p.closeBoth()
				continue
			}
			if err == nil || verifyCode(err) != c.code || alertOf(cerr) != c.alert {
				t.Errorf("%s: server: code %d, want %d: %v; client: alert %d, want %d: %v", c.name, verifyCode(err), c.code, err, alertOf(cerr), c.alert, cerr)
			}
			wantClient(t, p.server, "")
			if _, err := p.server.Read(make([]byte, 1)); err == nil || verifyCode(err) != c.code {
				t.Errorf("%s: a Read afterwards: %v", c.name, err)
			}
			if _, err := p.server.Write([]byte("x")); err == nil {
				t.Errorf("%s: a Write afterwards works", c.name)
			}
			p.closeBoth()
		}
	})
}
