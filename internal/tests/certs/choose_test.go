package certs_test

import (
	"errors"
	"slices"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// The server's certificate is chosen by what the client supports, once a full handshake,
// and not at all in a resumption.
func TestGetCertificate(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		certs := []ssl.Certificate{ssltest.KeyPair(t, "b-test"), ssltest.KeyPair(t, "a-test")}
		srv.Certificates = nil
		asked := 0
		srv.GetCertificate = func(h *ssl.ClientHelloInfo) (*ssl.Certificate, error) {
			asked++
			for i := range certs {
				if h.SupportsCertificate(&certs[i]) == nil {
					return &certs[i], nil
				}
			}
			return nil, ssltest.ErrRefused
		}
		cli.ServerName = "a.test"
		got := ssltest.NewInbox(t, cli)
		s := ssltest.StartServer(t, srv)
		ctx := ssltest.NewClientCtx(t, cli)
		if names := ssltest.Dial(t, s, ctx,
			nil).ConnectionState().PeerCertificates[0].DNSNames; !slices.Equal(names, []string{"a.test"}) {
			t.Errorf("the certificate is for %v", names)
		}
		if c := ssltest.Dial(t, s, ctx, got.Last(t)); !c.SessionReused() || asked != 1 {
			t.Errorf("resumed: %t, asked %d times, want once", c.SessionReused(), asked)
		}
	})
}

// nil leaves the choice to OpenSSL; an error and a panic end the handshake.
func TestGetCertificateAnswers(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.GetCertificate = func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) { return nil, nil }
		ssltest.NewTCPPair(t, cli, srv).MustShake(t)

		srv.GetCertificate = func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) { return nil, ssltest.ErrRefused }
		if c, s := ssltest.NewTCPPair(t, cli, srv).Shake(); !errors.Is(s, ssltest.ErrRefused) ||
			ssltest.AlertOf(c) != 80 {
			t.Errorf("server: %v, client: %v; want %v and the alert internal_error", s, c, ssltest.ErrRefused)
		}

		srv.GetCertificate = func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) { panic("on purpose") }
		p := ssltest.NewTCPPair(t, cli, srv)
		done := make(chan error)
		go func() { done <- p.Client.Handshake() }()
		func() {
			defer func() {
				if r := recover(); r != "on purpose" {
					t.Errorf("recovered %v", r)
				}
			}()
			p.Server.Handshake()
		}()
		p.Server.Close()
		if err := <-done; err == nil {
			t.Error("the client's handshake succeeded")
		}
	})
}

// The client's certificate is chosen by what the server wants; the zero one is none, and
// then those of the Config are not shown either.
func TestGetClientCertificate(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.ClientAuth, srv.ClientCAs = ssl.RequestClientCert, ssltest.Roots(t, "ca")
		fits, other := ssltest.KeyPair(t, "client"), ssltest.KeyPair(t, "selfsigned")
		cli.Certificates = []ssl.Certificate{other}
		for _, answer := range []*ssl.Certificate{&fits, {}, nil} {
			cli.GetClientCertificate = func(r *ssl.CertificateRequestInfo) (*ssl.Certificate, error) {
				if len(r.AcceptableCAs) != 1 || len(r.SignatureSchemes) == 0 || r.Version != cli.MaxVersion ||
					r.Context() == nil {
					t.Errorf("the request is %+v", r)
				}
				if a, b := r.SupportsCertificate(&fits), r.SupportsCertificate(&other); a != nil || b == nil {
					t.Errorf("fits: %v, self-signed: %v", a, b)
				}
				return answer, nil
			}
			p := ssltest.NewTCPPair(t, cli, srv)
			p.MustShake(t)
			got := p.Server.ConnectionState().PeerCertificates
			if want := answer == &fits; (len(got) == 1) != want || want && !got[0].Equal(fits.Leaf()) {
				t.Errorf("the server got %d certificates for the answer %v", len(got), answer)
			}
		}
		cli.GetClientCertificate = func(*ssl.CertificateRequestInfo) (*ssl.Certificate, error) {
			return nil,
				ssltest.ErrRefused
		}
		if c, _ := ssltest.NewTCPPair(t, cli, srv).Shake(); !errors.Is(c, ssltest.ErrRefused) {
			t.Errorf("client: %v, want %v", c, ssltest.ErrRefused)
		}
	})
}

// The answer holds when the server asks for a second ClientHello.
func TestGetCertificateOnceWithARetry(t *testing.T) {
	leakcheck.Test(t)
	srv := ssltest.ServerConfig(t)
	asked := 0
	srv.GetCertificate = func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) { asked++; return nil, nil }
	client, done := ssltest.HelloServer(t, srv)
	client.Write(ssltest.RawHello{Host: "a.test", Protocol: "x", Share: false}.Record())
	ssltest.Record(t, client)
	client.Write(ssltest.RawHello{Host: "a.test", Protocol: "x", Share: true}.Record())
	kind, body := ssltest.Record(t, client)
	for kind == 20 {
		kind, body = ssltest.Record(t, client)
	}
	if kind != 22 || body[0] != 2 {
		t.Errorf("the server answers with record %d, want its hello", kind)
	}
	client.Close()
	<-done
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

// Nothing can be supported of no certificate.
func TestSupportsNoCertificate(t *testing.T) {
	leakcheck.Test(t)
	for _, cert := range []*ssl.Certificate{nil, {}} {
		if err := new(ssl.ClientHelloInfo).SupportsCertificate(cert); !errors.Is(err, ssl.ErrNil) {
			t.Errorf("ClientHelloInfo: %v", err)
		}
		if err := new(ssl.CertificateRequestInfo).SupportsCertificate(cert); !errors.Is(err, ssl.ErrNil) {
			t.Errorf("CertificateRequestInfo: %v", err)
		}
	}
}
