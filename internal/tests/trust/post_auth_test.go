package trust_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"sync/atomic"
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A client has no name until it is asked, and then has one: on the connection, and on those
// that resume a session issued since; not on those that resume an earlier one. A resumed
// connection can be asked, too.
func TestPostHandshakeAuth(t *testing.T) {
	ssltest.ForEachLater(t, func(t *testing.T, srv, cli *ssl.Config) {
		got := ssltest.NewInbox(t, cli)
		var judged atomic.Int32
		if ssltest.LibraryRelease() != "1.1.1" { // where no ticket could be issued after it
			srv.VerifyConnection = func(ssl.ConnectionState) error { judged.Add(1); return nil }
		}
		sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
		connect := func(offer *ssl.Session) ssltest.Pair {
			a, b := ssltest.TCPPipe(t)
			p := ssltest.NewPair(t, cctx, sctx, a, b)
			if offer != nil {
				if err := p.Client.SetSession(offer); err != nil {
					t.Fatal(err)
				}
			}
			p.MustShake(t)
			if offer != nil && !p.Server.SessionReused() {
				t.Error("not resumed")
			}
			return p
		}
		ask := func(p ssltest.Pair) {
			t.Helper()
			before := judged.Load()
			if err := p.Request(t); err != nil {
				t.Fatal(err)
			}
			ssltest.WantClient(t, p.Server, ssltest.ClientName)
			if srv.VerifyConnection != nil && judged.Load() != before+1 {
				t.Errorf("VerifyConnection was called %d times", judged.Load()-before)
			}
			p.Echo(t)
		}
		p := connect(nil)
		ssltest.WantClient(t, p.Server, "")
		p.Echo(t)
		early := ssltest.Dup(t, got.Last(t))
		n := len(got.All())
		ask(p)
		if issued := len(got.All()) - n; issued != 2 {
			t.Errorf("%d tickets were issued after the authentication, want 2", issued)
		}
		late := ssltest.Dup(t, got.Last(t))
		p.CloseBoth()

		p = connect(early)
		ssltest.WantClient(t, p.Server, "")
		if ssltest.LibraryRelease() == "1.1.1" {
			if err := p.Request(t); err == nil {
				t.Error("a client with OpenSSL 1.1.1 has answered on a resumed connection: see RequestClientCertificate")
			}
			p.CloseBoth()
			p = connect(late)
			ssltest.WantClient(t, p.Server, ssltest.ClientName)
			p.CloseBoth()
			return
		}
		n = len(got.All())
		ask(p)
		if issued := len(got.All()) - n; issued != 2 { // that of the resumption, and one more
			t.Errorf("%d tickets were issued on a resumed connection, want 2", issued)
		}
		p.CloseBoth()

		p = connect(late)
		ssltest.WantClient(t, p.Server, ssltest.ClientName)
		if n := len(p.Server.ConnectionState().VerifiedChain); srv.SessionTicketsDisabled && n != 2 {
			t.Errorf("the session has a verified chain of %d, want 2", n)
		}
		ask(p)
		p.CloseBoth()
	})
}

// A client may be asked again; each answer replaces the one before, also in its sessions.
func TestPostHandshakeAuthAgain(t *testing.T) {
	ssltest.ForEachLater(t, func(t *testing.T, srv, cli *ssl.Config) {
		certs := []ssl.Certificate{ssltest.KeyPair(t, "client"), ssltest.KeyPair(t, "client-chain"), {}}
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
		got := ssltest.NewInbox(t, cli)
		sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
		a, b := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, cctx, sctx, a, b)
		p.MustShake(t)
		p.Echo(t)
		for _, cert := range certs {
			name, before := "", len(got.All())
			if leaf := cert.Leaf(); leaf != nil {
				name = leaf.Subject.CommonName
			}
			if err := p.Request(t); err != nil {
				t.Fatal(err)
			}
			ssltest.WantClient(t, p.Server, name)
			p.Echo(t)
			if issued := len(got.All()) - before; issued != 2 {
				t.Errorf("%d tickets were issued, want 2", issued)
			}
			offer := ssltest.Dup(t, got.Last(t))
			a, b := ssltest.TCPPipe(t)
			q := ssltest.NewPair(t, cctx, sctx, a, b)
			if err := q.Client.SetSession(offer); err != nil {
				t.Fatal(err)
			}
			q.MustShake(t)
			if !q.Server.SessionReused() {
				t.Error("not resumed")
			}
			ssltest.WantClient(t, q.Server, name)
			q.CloseBoth()
		}
		p.CloseBoth()
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

// What the client sends before its answer waits for Read as long as there is none, in order with
// what comes after it; and VerifyConnection comes before a Read has what came after it.
func TestPostHandshakeAuthKeepsData(t *testing.T) {
	ssltest.ForEachLater(t, func(t *testing.T, srv, cli *ssl.Config) {
		met := meets(cli)
		var judged atomic.Bool
		srv.VerifyConnection = func(s ssl.ConnectionState) error { judged.Store(s.Verified); return nil }
		for _, reads := range []bool{false, true} {
			p := ssltest.NewTCPPair(t, cli, srv)
			p.MustShake(t)
			const before, after = 40 << 10, 100 << 10
			sent, heard, read := make(chan error, 1), make(chan error, 1), make(chan error, 1)
			go func() { heard <- ssltest.ReadUntil(p.Client, "done") }()
			go func() {
				_, err := p.Client.Write(make([]byte, before))
				if err == nil {
					<-met
					_, err = p.Client.Write(append(make([]byte, after), "end"...))
				}
				sent <- err
			}()
			take := func() {
				data, err := io.ReadAll(io.LimitReader(p.Server, before+after+3))
				if err == nil && (len(data) != before+after+3 || string(data[len(data)-3:]) != "end" || !judged.Load()) {
					err = errors.New("lost or out of order")
				}
				read <- err
			}
			if reads {
				go take()
			}
			if err := p.Server.KeyUpdate(true); err != nil {
				t.Error(err)
			}
			if err := p.Server.RequestClientCertificate(context.Background()); err != nil {
				t.Error(err)
			}
			ssltest.WantClient(t, p.Server, ssltest.ClientName)
			if !reads {
				go take()
			}
			if _, err := p.Server.Write([]byte("done")); err != nil {
				t.Error(err)
			}
			for _, ch := range []chan error{sent, heard, read} {
				if err := <-ch; err != nil {
					t.Error(err)
				}
			}
			p.CloseBoth()
		}
	})
}

// Pending counts what is kept for Read.
func TestPostHandshakeAuthPending(t *testing.T) {
	ssltest.ForEachLater(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		const words = "before the answer"
		if _, err := p.Client.Write([]byte(words)); err != nil {
			t.Fatal(err)
		}
		if err := p.Request(t); err != nil {
			t.Fatal(err)
		}
		for left := len(words); ; left-- {
			if n := p.Server.Pending(); n != left {
				t.Errorf("%d bytes are pending, want %d", n, left)
			}
			if left == 0 {
				break
			}
			if n, err := p.Server.Read(make([]byte, 1)); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}
		p.CloseBoth()
	})
}

// Each level of ClientAuth decides as it does in a handshake.
func TestPostHandshakeAuthLevels(t *testing.T) {
	ssltest.ForEachLater(t, func(t *testing.T, srv, cli *ssl.Config) {
		other := ssltest.Issued(t, "other-ca", x509.ExtKeyUsageClientAuth, "other", nil, ssltest.FarFuture)
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
			{"none for any", ssl.RequireAnyClientCert, nil, 0, ssltest.AlertCertificateRequired},
			{"none to verify", ssl.RequireAndVerifyClientCert, nil, 0, ssltest.AlertCertificateRequired},
			{"other CA", ssl.RequireAndVerifyClientCert, &other, ssltest.NoIssuer, ssltest.AlertUnknownCA},
		} {
			srv.ClientAuth, cli.Certificates = c.auth, nil
			if c.cert != nil {
				cli.Certificates = []ssl.Certificate{*c.cert}
			}
			p := ssltest.NewTCPPair(t, cli, srv)
			p.MustShake(t)
			heard := make(chan error, 1)
			go func() { heard <- ssltest.ReadUntil(p.Client, "done") }()
			err := p.Server.RequestClientCertificate(context.Background())
			if err == nil {
				p.Server.Write([]byte("done"))
			}
			cerr := <-heard
			if c.alert == 0 {
				if err != nil || cerr != nil ||
					(len(p.Server.ConnectionState().PeerCertificates) > 0) != (c.cert != nil) ||
					p.Server.ConnectionState().Verified {
					t.Errorf("%s: server %v, client %v, %+v", c.name, err, cerr, p.Server.ConnectionState())
				}
				p.CloseBoth()
				continue
			}
			if err == nil || ssltest.VerifyCode(err) != c.code || ssltest.AlertOf(cerr) != c.alert {
				t.Errorf("%s: server: code %d, want %d: %v; client: alert %d, want %d: %v", c.name,
					ssltest.VerifyCode(err), c.code, err, ssltest.AlertOf(cerr), c.alert, cerr)
			}
			ssltest.WantClient(t, p.Server, "")
			if _, err := p.Server.Read(make([]byte, 1)); err == nil || ssltest.VerifyCode(err) != c.code {
				t.Errorf("%s: a Read afterwards: %v", c.name, err)
			}
			if _, err := p.Server.Write([]byte("x")); err == nil {
				t.Errorf("%s: a Write afterwards works", c.name)
			}
			p.CloseBoth()
		}
	})
}
