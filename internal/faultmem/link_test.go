package faultmem_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

const message = "sixteen bytes or so"

// setup says how the two ends of a link differ from a client that verifies a server.
type setup struct {
	staple     bool   // the client asks for a staple
	mutual     bool   // the server demands a client's certificate
	clientCert string // the client's certificate; with mutual, "client" unless set
	clientRoot string // the root that the client trusts; "ca" unless set
	judge      bool   // the client's application judges the server's certificate, and chooses its own
	host       bool   // the listening Ctx chooses the server's Ctx
	later      bool   // the server asks for the client's certificate after the handshake
}

// link makes connections between two Ctxs.
type link struct {
	version        uint16
	mutual, later  bool
	client, server *ssl.Ctx

	mu     sync.Mutex
	newest *ssl.Session
}

func newLink(t *testing.T, version uint16, s setup) *link {
	t.Helper()
	l := &link{version: version, mutual: s.mutual, later: s.later}
	cli := &ssl.Config{RootCAs: ssltest.Roots(t, "ca"), ServerName: "localhost", MaxVersion: version,
		OnNewSession: l.keep, KeyLogWriter: io.Discard}
	srv := &ssl.Config{Certificates: []ssl.Certificate{ssltest.KeyPair(t, "server-ecdsa")}, MaxVersion: version,
		KeyLogWriter: io.Discard}
	if s.clientRoot != "" {
		cli.RootCAs = ssltest.Roots(t, s.clientRoot)
	}
	srv.PostHandshakeAuth, cli.PostHandshakeAuth = s.later, s.later
	cli.RequestOCSPStaple = s.staple
	if s.mutual || s.later {
		srv.ClientAuth, srv.ClientCAs = ssl.RequireAndVerifyClientCert, ssltest.Roots(t, "ca")
		if s.clientCert == "" {
			s.clientCert = "client"
		}
	}
	if s.clientCert != "" && s.clientCert != "none" {
		cli.Certificates = []ssl.Certificate{ssltest.KeyPair(t, s.clientCert)}
	}
	if s.judge {
		cli.VerifyConnection = judgeLeaf
		if len(cli.Certificates) > 0 {
			cert := cli.Certificates[0]
			cli.GetClientCertificate = func(*ssl.CertificateRequestInfo) (*ssl.Certificate, error) {
				return &cert, nil
			}
		}
	}
	var err error
	if l.client, err = ssl.NewClientCtx(cli); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.client.Close() })
	l.server = ssltest.NewServerCtx(t, srv)
	if s.host {
		cert := srv.Certificates[0]
		srv.GetCertificate = func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) { return &cert, nil }
		host := ssltest.NewServerCtx(t, srv)
		srv.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return host, nil }
		l.server = ssltest.NewServerCtx(t, srv)
	}
	return l
}

// judgeLeaf is the VerifyConnection function: no certificate may be missing, whatever
// allocation failed.
func judgeLeaf(st ssl.ConnectionState) error {
	if len(st.PeerCertificates) != 1 || len(st.VerifiedChain) != 2 {
		return fmt.Errorf("asked about %d certificates and a chain of %d",
			len(st.PeerCertificates), len(st.VerifiedChain))
	}
	return nil
}

// keep is the OnNewSession function.
func (l *link) keep(_ *ssl.Conn, s *ssl.Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.newest.Close()
	l.newest = s
}

// take returns the session that arrived last; the caller closes it.
func (l *link) take() *ssl.Session {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.newest
	l.newest = nil
	return s
}

// session makes a connection with all memory and returns its newest session.
func (l *link) session(t *testing.T) *ssl.Session {
	t.Helper()
	c := l.clientEnd(nil)
	c.keep = true
	if err, wrong := drive(c.run, l.serverEnd().run); err != nil || wrong != nil {
		t.Fatal(err, wrong)
	}
	return l.take()
}

// drive lets one end do its part while the other end runs in its own goroutine, and therefore
// on another thread.
func drive(side, peer func(net.Conn) (err, wrong error)) (err, wrong error) {
	a, b := pipe()
	done := make(chan error, 1)
	go func() {
		err, wrong := peer(b)
		b.Close()
		done <- errors.Join(err, wrong)
	}()
	err, wrong = side(a)
	a.Close()
	if other := <-done; err == nil && wrong == nil && other != nil {
		wrong = fmt.Errorf("the peer failed: %w", other)
	}
	return err, wrong
}
