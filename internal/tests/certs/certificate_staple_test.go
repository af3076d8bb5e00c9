package certs_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"slices"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// stapledWays are the ways by which a server comes to a certificate.
func stapledWays(t testing.TB, srv *ssl.Config) map[string]*ssl.Config {
	cert := ssltest.Stapled(t, "server-ecdsa")
	own, chosen, host := *srv, *srv, *srv
	own.Certificates = []ssl.Certificate{cert}
	chosen.Certificates = nil
	chosen.GetCertificate = func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) { return &cert, nil }
	ctx := ssltest.NewServerCtx(t, &own)
	host.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return ctx, nil }
	return map[string]*ssl.Config{"Certificates": &own, "GetCertificate": &chosen, "GetConfigForClient": &host}
}

// The client gets the staple in each full handshake, and none with a resumption.
func TestOCSPStaple(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		cli.RequestOCSPStaple = true
		want := ssltest.Staple(t, "server-ecdsa")
		for way, srv := range stapledWays(t, srv) {
			cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
			var offer *ssl.Session
			for _, resumed := range []bool{false, true} {
				p := ssltest.Meet(t, cctx, sctx, offer)
				got := p.Client.ConnectionState()
				if got.DidResume != resumed || !resumed && !bytes.Equal(got.OCSPResponse, want) || resumed &&
					got.OCSPResponse != nil {
					t.Errorf("%s, resumed %t (want %t): a staple of %d bytes, want %d", way, got.DidResume, resumed,
						len(got.OCSPResponse), len(want))
				}
				if std := got.TLS().OCSPResponse; !bytes.Equal(std, got.OCSPResponse) {
					t.Errorf("%s: crypto/tls's state has %d bytes", way, len(std))
				}
				if st := p.Server.ConnectionState(); st.OCSPResponse != nil {
					t.Errorf("%s: the server got a staple", way)
				}
				offer = ssltest.SessionOf(t, p.Client)
				p.CloseBoth()
			}
		}
	})
}

func TestOCSPStapleForCryptoTLS(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, _ *ssl.Config) {
		srv.Certificates = []ssl.Certificate{ssltest.Stapled(t, "server-ecdsa")}
		if st, _ := ssltest.StdClient(t, srv, &tls.Config{ServerName: "localhost"}); !bytes.Equal(st.OCSPResponse,
			ssltest.Staple(t, "server-ecdsa")) {
			t.Errorf("crypto/tls got a staple of %d bytes", len(st.OCSPResponse))
		}
		srv.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-ecdsa")}
		if st, _ := ssltest.StdClient(t, srv, &tls.Config{ServerName: "localhost"}); len(st.OCSPResponse) != 0 {
			t.Errorf("crypto/tls got a staple of %d bytes, there is none", len(st.OCSPResponse))
		}
	})
}

// stdCert is a certificate of crypto/tls with its staple.
func stdCert(t testing.TB, name string) tls.Certificate {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(ssltest.CertFile(name+".pem"), ssltest.CertFile(name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	cert.OCSPStaple = ssltest.Staple(t, name)
	return cert
}

func TestOCSPStapleOfCryptoTLS(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, _, cli *ssl.Config) {
		cli.RequestOCSPStaple = true
		a, b := ssltest.TCPPipe(t)
		s := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{stdCert(t, "server-ecdsa")}})
		s.SetDeadline(time.Now().Add(ssltest.Timeout))
		done := make(chan error, 1)
		go func() { done <- s.Handshake() }()
		c, err := ssl.Client(a, ssltest.NewClientCtx(t, cli))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := errors.Join(c.Handshake(), <-done); err != nil {
			t.Fatal(err)
		}
		if got := c.ConnectionState().OCSPResponse; !bytes.Equal(got, ssltest.Staple(t, "server-ecdsa")) {
			t.Errorf("a staple of %d bytes", len(got))
		}
	})
}

func TestCertificateFromTLSTakesTheStaple(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		std := stdCert(t, "server-rsa")
		cert, err := ssl.CertificateFromTLS(std)
		if err != nil {
			t.Fatal(err)
		}
		srv.Certificates = []ssl.Certificate{cert}
		cli.RequestOCSPStaple = true
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		if got := p.Client.ConnectionState().OCSPResponse; !bytes.Equal(got, std.OCSPStaple) {
			t.Errorf("a staple of %d bytes", len(got))
		}
		std.OCSPStaple = ssltest.Staple(t, "server-ecdsa")
		if _, err := ssl.CertificateFromTLS(std); !errors.Is(err, ssl.ErrConfig) {
			t.Errorf("another's staple: %v, want %v", err, ssl.ErrConfig)
		}
	})
}

// Of several certificates each has its own staple.
func TestOCSPStaplePerCertificate(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.Certificates = []ssl.Certificate{ssltest.Stapled(t, "server-ecdsa"), ssltest.Stapled(t, "server-rsa")}
	cli.MaxVersion, cli.RequestOCSPStaple = ssl.VersionTLS12, true
	for name, suite := range map[string]uint16{"server-ecdsa": 0xC02B, "server-rsa": 0xC02F} {
		cli.CipherSuites = []uint16{suite}
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		if got := p.Client.ConnectionState().OCSPResponse; !bytes.Equal(got, ssltest.Staple(t, name)) {
			t.Errorf("%s: a staple of %d bytes", name, len(got))
		}
	}
}

// A staple is replaced under a Ctx in use, through any copy, while connections are made.
func TestOCSPStapleIsReplaced(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		cert, want := ssltest.Stapled(t, "server-ecdsa"), ssltest.Staple(t, "server-ecdsa")
		srv.Certificates = []ssl.Certificate{cert}
		cli.RequestOCSPStaple = true
		s, ctx := ssltest.StartServer(t, srv), ssltest.NewClientCtx(t, cli)
		stop, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				var b []byte
				if i%2 == 0 {
					b = want
				}
				if err := cert.SetOCSPStaple(b); err != nil {
					t.Error(err)
				}
			}
		}()
		for range 20 {
			if got := ssltest.Dial(t, s, ctx, nil).ConnectionState().OCSPResponse; got != nil && !bytes.Equal(got,
				want) {
				t.Fatalf("a staple of %d bytes", len(got))
			}
		}
		close(stop)
		<-done
		for _, b := range [][]byte{nil, want, nil} {
			if err := cert.SetOCSPStaple(b); err != nil {
				t.Fatal(err)
			}
			if got := ssltest.Dial(t, s, ctx, nil).ConnectionState().OCSPResponse; !bytes.Equal(got, b) {
				t.Errorf("a staple of %d bytes, want %d", len(got), len(b))
			}
		}
	})
}

// What VerifyConnection sees of it depends on when the staple comes.
func TestOCSPStapleInVerifyConnection(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.Certificates = []ssl.Certificate{ssltest.Stapled(t, "server-ecdsa")}
		cli.RequestOCSPStaple = true
		var seen []byte
		cli.VerifyConnection = func(st ssl.ConnectionState) error { seen = st.OCSPResponse; return nil }
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		if cli.MaxVersion == ssl.VersionTLS13 && !bytes.Equal(seen, ssltest.Staple(t, "server-ecdsa")) {
			t.Errorf("it saw %d bytes", len(seen))
		}
		if got := p.Client.ConnectionState().OCSPResponse; !bytes.Equal(got, ssltest.Staple(t, "server-ecdsa")) {
			t.Errorf("a staple of %d bytes after the handshake", len(got))
		}
	})
}

// What is not a staple for the certificate is refused, and the one it had stays.
func TestOCSPStapleRefused(t *testing.T) {
	leakcheck.Test(t)
	cert, good := ssltest.Stapled(t, "server-ecdsa"), ssltest.Staple(t, "server-ecdsa")
	for name, c := range map[string]struct {
		response []byte
		want     error
	}{
		"another's":   {ssltest.Staple(t, "server-rsa"), ssl.ErrConfig},
		"try later":   {[]byte{0x30, 3, 0x0a, 1, 3}, ssl.ErrConfig},
		"no answer":   {[]byte{0x30, 3, 0x0a, 1, 0}, ssl.ErrMalformed},
		"trailing":    {append(slices.Clone(good), 0), ssl.ErrTrailingData},
		"certificate": {cert.Leaf().Raw, ssl.ErrMalformed},
		"huge":        {make([]byte, 1<<20), ssl.ErrTooLarge},
		"one byte":    {[]byte{0}, ssl.ErrMalformed},
	} {
		if err := cert.SetOCSPStaple(c.response); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	for n := 1; n < len(good); n++ {
		if err := cert.SetOCSPStaple(good[:n]); !errors.Is(err, ssl.ErrMalformed) {
			t.Fatalf("the first %d bytes: %v, want %v", n, err, ssl.ErrMalformed)
		}
	}
	if err := (ssl.Certificate{}).SetOCSPStaple(good); !errors.Is(err, ssl.ErrClosed) {
		t.Errorf("the zero Certificate: %v, want %v", err, ssl.ErrClosed)
	}
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.Certificates, cli.RequestOCSPStaple = []ssl.Certificate{cert}, true
	p := ssltest.NewTCPPair(t, cli, srv)
	p.MustShake(t)
	if got := p.Client.ConnectionState().OCSPResponse; !bytes.Equal(got, good) {
		t.Errorf("a staple of %d bytes, want the one from before", len(got))
	}
}
