package ssl_test

import (
	"errors"
	"slices"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// The server's certificate is chosen by what the client supports, once a full handshake,
// and not at all in a resumption.
func TestGetCertificate(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		certs := []ssl.Certificate{keyPair(t, "b-test"), keyPair(t, "a-test")}
		srv.Certificates = nil
		asked := 0
		srv.GetCertificate = func(h *ssl.ClientHelloInfo) (*ssl.Certificate, error) {
			asked++
			for i := range certs {
				if h.SupportsCertificate(&certs[i]) == nil {
					return &certs[i], nil
				}
			}
			return nil, errRefused
		}
		cli.ServerName = "a.test"
		got := newInbox(t, cli)
		s := startServer(t, srv)
		ctx := newClientCtx(t, cli)
		if names := dial(t, s, ctx, nil).ConnectionState().PeerCertificates[0].DNSNames; !slices.Equal(names, []string{"a.test"}) {
			t.Errorf("the certificate is for %v", names)
		}
		if c := dial(t, s, ctx, got.last(t)); !c.SessionReused() || asked != 1 {
			t.Errorf("resumed: %t, asked %d times, want once", c.SessionReused(), asked)
		}
	})
}

// nil leaves the choice to OpenSSL; an error and a panic end the handshake.
func TestGetCertificateAnswers(t *testing.T) {
	forEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.GetCertificate = func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) { return nil, nil }
		newTCPPair(t, cli, srv).mustShake(t)

		srv.GetCertificate = func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) { return nil, errRefused }
		if c, s := newTCPPair(t, cli, srv).shake(); !errors.Is(s, errRefused) || alertOf(c) != 80 {
			t.Errorf("server: %v, client: %v; want %v and the alert internal_error", s, c, errRefused)
		}

		srv.GetCertificate = func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) { panic("on purpose") }
		p := newTCPPair(t, cli, srv)
		done := make(chan error)
		go func() { done <- p.client.Handshake() }()
		func() {
			defer func() {
				if r := recover(); r != "on purpose" {
					t.Errorf("recovered %v", r)
				}
			}()
			p.server.Handshake()
		}()
		p.server.Close()
		if err := <-done; err == nil {
			t.Error("the client's handshake succeeded")
		}
	})
}

// The client's certificate is chosen by what the server wants; the zero one is none, and
// then those of the Config are not shown either.
func TestGetClientCertificate(t *testing.T) {
	forEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.ClientAuth, srv.ClientCAs = ssl.RequestClientCert, roots(t, "ca")
		fits, other := keyPair(t, "client"), keyPair(t, "selfsigned")
		cli.Certificates = []ssl.Certificate{other}
		for _, answer := range []*ssl.Certificate{&fits, {}, nil} {
			cli.GetClientCertificate = func(r *ssl.CertificateRequestInfo) (*ssl.Certificate, error) {
				if len(r.AcceptableCAs) != 1 || len(r.SignatureSchemes) == 0 || r.Version != cli.MaxVersion || r.Context() == nil {
					t.Errorf("the request is %+v", r)
				}
				if a, b := r.SupportsCertificate(&fits), r.SupportsCertificate(&other); a != nil || b == nil {
					t.Errorf("fits: %v, self-signed: %v", a, b)
				}
				return answer, nil
			}
			p := newTCPPair(t, cli, srv)
			p.mustShake(t)
			got := p.server.ConnectionState().PeerCertificates
			if want := answer == &fits; (len(got) == 1) != want || want && !got[0].Equal(fits.Leaf()) {
				t.Errorf("the server got %d certificates for the answer %v", len(got), answer)
			}
		}
		cli.GetClientCertificate = func(*ssl.CertificateRequestInfo) (*ssl.Certificate, error) { return nil, errRefused }
		if c, _ := newTCPPair(t, cli, srv).shake(); !errors.Is(c, errRefused) {
			t.Errorf("client: %v, want %v", c, errRefused)
		}
	})
}

// The answer holds when the server asks for a second ClientHello.
func TestGetCertificateOnceWithARetry(t *testing.T) {
	leakcheck.Test(t)
	srv := serverConfig(t)
	asked := 0
	srv.GetCertificate = func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) { asked++; return nil, nil }
	client, done := helloServer(t, srv)
	client.Write(rawHello{"a.test", "x", false}.record())
	record(t, client)
	client.Write(rawHello{"a.test", "x", true}.record())
	kind, body := record(t, client)
	for kind == 20 {
		kind, body = record(t, client)
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
