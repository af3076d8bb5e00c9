package hostile_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// trickle is a net.Conn that brings no more than so many bytes at a time.
type trickle struct {
	net.Conn
	most int
}

func (c trickle) Read(b []byte) (int, error) { return c.Conn.Read(b[:min(len(b), c.most)]) }

// scene is a conversation: what both ends are told beforehand, and whether the client is asked
// for its certificate afterwards.
type scene struct {
	name    string
	set     func(t *testing.T, srv, cli *ssl.Config)
	resumes bool
	later   bool
	v13     bool // there is no such thing in TLS 1.2
}

// clientShows is a server's demand, and what the client has to show.
func clientShows(auth ssl.ClientAuthType, cert func(t *testing.T) ssl.Certificate) func(*testing.T,
	*ssl.Config, *ssl.Config) {
	return func(t *testing.T, srv, cli *ssl.Config) {
		srv.ClientAuth, srv.ClientCAs = auth, ssltest.Roots(t, "ca")
		if cert != nil {
			cli.Certificates = []ssl.Certificate{cert(t)}
		}
	}
}

func fromFile(name string) func(*testing.T) ssl.Certificate {
	return func(t *testing.T) ssl.Certificate { return ssltest.KeyPair(t, name) }
}

func serverShows(cert func(t *testing.T) ssl.Certificate) func(*testing.T, *ssl.Config, *ssl.Config) {
	return func(t *testing.T, srv, _ *ssl.Config) { srv.Certificates = []ssl.Certificate{cert(t)} }
}

var (
	forgedClient = func(t *testing.T) ssl.Certificate { return forged(t, x509.ExtKeyUsageClientAuth, true) }
	orphanClient = func(t *testing.T) ssl.Certificate { return forged(t, x509.ExtKeyUsageClientAuth, false) }
	forgedServer = func(t *testing.T) ssl.Certificate { return forged(t, x509.ExtKeyUsageServerAuth, true) }
	otherClient  = func(t *testing.T) ssl.Certificate {
		return ssltest.Issued(t, "other-ca", x509.ExtKeyUsageClientAuth, "other", nil, ssltest.FarFuture)
	}
)

// allOf is the one after the other.
func allOf(fs ...func(*testing.T, *ssl.Config, *ssl.Config)) func(*testing.T, *ssl.Config, *ssl.Config) {
	return func(t *testing.T, srv, cli *ssl.Config) {
		for _, f := range fs {
			f(t, srv, cli)
		}
	}
}

func skipping(_ *testing.T, _, cli *ssl.Config) { cli.InsecureSkipVerify = true }

func laterOn(_ *testing.T, srv, cli *ssl.Config) {
	srv.PostHandshakeAuth, cli.PostHandshakeAuth = true, true
}

var scenes = []scene{
	{name: "plain", set: func(*testing.T, *ssl.Config, *ssl.Config) {}},
	{name: "RSA", set: serverShows(fromFile("server-rsa"))},
	{name: "chain", set: serverShows(fromFile("server-chain"))},
	{name: "resumed", set: func(*testing.T, *ssl.Config, *ssl.Config) {}, resumes: true},
	{name: "resumed by id", set: func(_ *testing.T, srv, _ *ssl.Config) { srv.SessionTicketsDisabled = true },
		resumes: true},
	{name: "resumed, with a client's chain", set: clientShows(ssl.RequireAndVerifyClientCert,
		fromFile("client-chain")), resumes: true},
	{name: "resumed, with a forged client", set: clientShows(ssl.RequireAnyClientCert, forgedClient),
		resumes: true},
	{name: "no client certificate", set: clientShows(ssl.RequireAnyClientCert, nil)},
	{name: "any client, none", set: clientShows(ssl.RequestClientCert, nil)},
	{name: "any client, forged", set: clientShows(ssl.RequestClientCert, forgedClient)},
	{name: "any client, orphan", set: clientShows(ssl.RequireAnyClientCert, orphanClient)},
	{name: "any client must, forged", set: clientShows(ssl.RequireAnyClientCert, forgedClient)},
	{name: "any client must, other", set: clientShows(ssl.RequireAnyClientCert, otherClient)},
	{name: "any client must, good", set: clientShows(ssl.RequireAnyClientCert, fromFile("client-chain"))},
	{name: "any client must, too big a key", set: clientShows(ssl.RequireAnyClientCert, bigClient)},
	{name: "known client", set: clientShows(ssl.RequireAndVerifyClientCert, fromFile("client-chain"))},
	{name: "known client, forged", set: clientShows(ssl.RequireAndVerifyClientCert, forgedClient)},
	{name: "known client, other", set: clientShows(ssl.VerifyClientCertIfGiven, otherClient)},
	{name: "known client, too big a key", set: clientShows(ssl.VerifyClientCertIfGiven, bigClient)},
	{name: "forged server", set: serverShows(forgedServer)},
	{name: "forged server, unseen", set: allOf(serverShows(forgedServer), skipping)},
	{name: "forged server, asked", set: allOf(serverShows(forgedServer), skipping,
		func(_ *testing.T, _, cli *ssl.Config) {
			cli.VerifyConnection = func(ssl.ConnectionState) error { return nil }
		})},
	{name: "expired server", set: serverShows(fromFile("expired"))},
	{name: "self-signed server", set: serverShows(fromFile("selfsigned"))},
	{name: "wrong name", set: func(_ *testing.T, _, cli *ssl.Config) { cli.ServerName = "elsewhere.test" }},
	{name: "no root", set: func(t *testing.T, _, cli *ssl.Config) {
		cli.RootCAs = ssltest.Roots(t,
			"other-ca")
	}},
	{name: "no protocol", set: func(_ *testing.T, srv, cli *ssl.Config) {
		srv.NextProtos, cli.NextProtos = []string{"a"}, []string{"b"}
	}},
	{name: "a certificate that is asked for", set: func(t *testing.T, srv, _ *ssl.Config) {
		cert := ssltest.KeyPair(t, "server-rsa")
		srv.GetCertificate = func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) { return &cert, nil }
	}},
	{name: "a virtual host", set: func(t *testing.T, srv, _ *ssl.Config) {
		host := *srv
		ctx := ssltest.NewServerCtx(t, &host)
		srv.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return ctx, nil }
	}},
	{name: "no virtual host", set: func(_ *testing.T, srv, _ *ssl.Config) {
		srv.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return nil, ssl.AlertError(112) }
	}},
	{name: "a client that refuses", set: func(_ *testing.T, _, cli *ssl.Config) {
		if ssltest.LibraryRelease() != "1.1.1" { // where it is asked too late to tell the server
			cli.VerifyConnection = func(ssl.ConnectionState) error { return ssltest.ErrRefused }
		} else {
			cli.ServerName = "elsewhere.test"
		}
	}},
	{name: "asked later", set: allOf(clientShows(ssl.RequireAndVerifyClientCert, fromFile("client-chain")),
		laterOn), later: true, v13: true},
	{name: "asked later, forged", set: allOf(clientShows(ssl.RequireAnyClientCert, forgedClient), laterOn),
		later: true, v13: true},
	{name: "asked later, orphan", set: allOf(clientShows(ssl.RequestClientCert, orphanClient), laterOn),
		later: true, v13: true},
	{name: "asked later, other", set: allOf(clientShows(ssl.RequireAndVerifyClientCert, otherClient), laterOn),
		later: true, v13: true},
	{name: "asked later, too big a key", set: allOf(clientShows(ssl.RequireAnyClientCert, bigClient), laterOn),
		later: true, v13: true},
}

// play is what comes of the conversation, in words: it does not depend on how its bytes are cut.
func (s scene) play(t *testing.T, p ssltest.Pair) string {
	told := make(chan error, 1)
	go func() { told <- s.serve(p.Server) }()
	client := func() error {
		if err := p.Client.Handshake(); err != nil {
			return err
		}
		if err := ssltest.ReadUntil(p.Client, "ping"); err != nil {
			return err
		}
		_, err := p.Client.Write([]byte("ping"))
		return err
	}()
	server := <-told
	c, v := p.Client.ConnectionState(), p.Server.ConnectionState()
	return fmt.Sprintf("client: %v, %t, %t, %d; server: %v, %t, %t, %d", client, c.DidResume, c.Verified,
		len(c.PeerCertificates),
		server, v.DidResume, v.Verified, len(v.PeerCertificates))
}

func (s scene) serve(c *ssl.Conn) error {
	if err := c.Handshake(); err != nil {
		return err
	}
	if s.later {
		read := make(chan error, 1)
		go func() { // the client's answer comes with a Read
			_, err := io.ReadFull(c, make([]byte, len("ping")))
			read <- err
		}()
		if err := c.RequestClientCertificate(context.Background()); err != nil {
			return errors.Join(err, <-read)
		}
		if _, err := c.Write([]byte("ping")); err != nil {
			return err
		}
		return <-read
	}
	if _, err := c.Write([]byte("ping")); err != nil {
		return err
	}
	return ssltest.ReadUntil(c, "ping")
}

// Whatever an exchange comes to, it comes to the same, with the same error, over a socket and in
// pieces of any size: what a callback leaves in OpenSSL's error queue is not the step's.
func TestPieces(t *testing.T) {
	for _, s := range scenes {
		t.Run(s.name, func(t *testing.T) {
			ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
				if s.v13 && srv.MaxVersion != ssl.VersionTLS13 {
					return
				}
				s.set(t, srv, cli)
				cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
				want := ""
				for _, cut := range []int{0, 1 << 20, 64, 7, 1} { // 0 is a socket
					got := s.over(t, cctx, sctx, cut)
					if want == "" {
						want = got
					} else if got != want {
						t.Errorf("in pieces of %d: %s\nin one: %s", cut, got, want)
					}
				}
				t.Log(want)
			})
		})
	}
}

func (s scene) over(t *testing.T, cctx, sctx *ssl.Ctx, most int) string {
	var offer *ssl.Session
	if s.resumes {
		first := ssltest.Meet(t, cctx, sctx, nil)
		offer = ssltest.SessionOf(t, first.Client)
		first.CloseBoth()
	}
	a, b := ssltest.TCPPipe(t)
	if most > 0 {
		a, b = trickle{a, most}, trickle{b, most}
	}
	p := ssltest.NewPair(t, cctx, sctx, a, b)
	defer p.CloseBoth()
	if offer != nil {
		if err := p.Client.SetSession(offer); err != nil {
			t.Fatal(err)
		}
	}
	return s.play(t, p)
}

// What is not verified is not computed, either: a session says that its peer is not verified,
// whether or not it could have been.
func TestNothingIsVerifiedForNothing(t *testing.T) {
	for name, set := range map[string]func(*testing.T, *ssl.Config, *ssl.Config){
		"client, good":   clientShows(ssl.RequireAnyClientCert, fromFile("client-chain")),
		"client, forged": clientShows(ssl.RequestClientCert, forgedClient),
		"client, other":  clientShows(ssl.RequestClientCert, otherClient),
		"server, good":   skipping,
		"server, forged": allOf(serverShows(forgedServer), skipping),
	} {
		t.Run(name, func(t *testing.T) {
			ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
				set(t, srv, cli)
				p := ssltest.NewTCPPair(t, cli, srv)
				p.MustShake(t)
				p.Echo(t)
				c := p.Server
				if cli.InsecureSkipVerify {
					c = p.Client
				}
				var text bytes.Buffer
				if err := ssltest.SessionOf(t, c).Print(&text); err != nil {
					t.Fatal(err)
				}
				if want := "Verify return code: 50 ("; !strings.Contains(text.String(), want) {
					t.Errorf("no %q in\n%s", want, &text)
				}
				if st := c.ConnectionState(); st.Verified || len(st.VerifiedChain) != 0 || len(st.PeerCertificates) == 0 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}
