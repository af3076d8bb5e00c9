package certs_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// signer is a key that does not come out, as one in hardware. It counts its signatures.
type signer struct {
	crypto.Signer
	calls atomic.Int32
	sign  func(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) // nil: the key does
}

func (s *signer) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.calls.Add(1)
	if s.sign != nil {
		return s.sign(rand, digest, opts)
	}
	return s.Signer.Sign(rand, digest, opts)
}

// needsProviders skips a test where TestSignerNeedsProviders has the answer.
func needsProviders(t testing.TB) {
	t.Helper()
	if ssltest.LibraryRelease() == "1.1.1" {
		t.Skip("a crypto.Signer needs OpenSSL 3.0")
	}
}

// signed is a certificate for localhost whose key is s.
func signed(t testing.TB, s *signer) (ssl.Certificate, *ssl.CertPool) {
	t.Helper()
	needsProviders(t)
	std, pool := stdSelfSigned(t, s.Signer)
	std.PrivateKey = s
	cert, err := ssl.CertificateFromTLS(std)
	if err != nil {
		t.Fatal(err)
	}
	return cert, pool
}

// With OpenSSL 1.1.1 the error says what to use.
func TestSignerNeedsProviders(t *testing.T) {
	leakcheck.Test(t)
	std, _ := stdSelfSigned(t, p256(t))
	std.PrivateKey = &signer{Signer: std.PrivateKey.(crypto.Signer)}
	_, err := ssl.CertificateFromTLS(std)
	if ssltest.LibraryRelease() != "1.1.1" {
		if err != nil {
			t.Error(err)
		}
	} else if !errors.Is(err, ssl.ErrUnsupported) || !strings.Contains(err.Error(), "LoadCertificateURI") {
		t.Error(err)
	}
}

func p256(t testing.TB) crypto.Signer {
	return ssltest.Must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
}

func signerKinds(t testing.TB) map[string]crypto.Signer {
	ec := ssltest.Must[*ecdsa.PrivateKey](t)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]crypto.Signer{
		"RSA":     ssltest.Must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048)),
		"P-256":   p256(t),
		"P-384":   ec(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		"P-521":   ec(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)),
		"Ed25519": ed,
	}
}

// forEachVersion runs f for both versions and both transports.
func forEachVersion(t *testing.T, f func(t *testing.T, version uint16)) {
	defer func() { ssltest.PlainTCP = false }()
	for name, hide := range map[string]bool{"socket": false, "net.Conn": true} {
		for _, version := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
			ssltest.PlainTCP = hide
			t.Run(ssl.VersionName(version)+" "+name, func(t *testing.T) {
				leakcheck.Test(t)
				f(t, version)
			})
		}
	}
}

// Each kind of key signs for a server and for a client, once in a handshake. The peer is ours.
func TestSignerKinds(t *testing.T) {
	kinds := signerKinds(t)
	forEachVersion(t, func(t *testing.T, version uint16) {
		for what, key := range kinds {
			server, client := &signer{Signer: key}, &signer{Signer: key}
			cert, pool := signed(t, server)
			shown, _ := signed(t, client)
			p := ssltest.NewTCPPair(t,
				&ssl.Config{RootCAs: pool, ServerName: "localhost", Certificates: []ssl.Certificate{shown}},
				&ssl.Config{Certificates: []ssl.Certificate{cert}, MaxVersion: version,
					ClientAuth: ssl.RequireAnyClientCert})
			p.MustShake(t)
			if got := p.Client.ConnectionState().Version; got != version {
				t.Errorf("%s: version %x", what, got)
			}
			if p.Server.ConnectionState().LocalCertificates[0] == nil {
				t.Errorf("%s: the server does not know what it has sent", what)
			}
			if a, b := server.calls.Load(), client.calls.Load(); a != 1 || b != 1 {
				t.Errorf("%s: the server signed %d times, the client %d times", what, a, b)
			}
			p.Echo(t)
			p.CloseBoth()
		}
	})
}

// The same with peers of crypto/tls, which check the signatures by code of others.
func TestSignerForStdPeers(t *testing.T) {
	kinds := signerKinds(t)
	forEachVersion(t, func(t *testing.T, version uint16) {
		for what, key := range kinds {
			cert, _ := signed(t, &signer{Signer: key})
			roots := x509.NewCertPool()
			roots.AddCert(cert.Leaf())
			a, b := ssltest.TCPPipe(t)
			s, err := ssl.Server(b, ssltest.NewServerCtx(t, &ssl.Config{Certificates: []ssl.Certificate{cert}}))
			if err != nil {
				t.Fatal(err)
			}
			c := tls.Client(a, &tls.Config{RootCAs: roots, ServerName: "localhost", MaxVersion: version})
			if cerr, serr := ssltest.Both(c.Handshake, s.Handshake, b); cerr != nil || serr != nil {
				t.Errorf("%s, as a server: client %v, server %v", what, cerr, serr)
			}
			s.Close()
			c.Close()
			_, _, server, cerr, serr := ssltest.StdServer(t,
				&ssl.Config{InsecureSkipVerify: true, Certificates: []ssl.Certificate{cert}},
				&tls.Config{MaxVersion: version, ClientAuth: tls.RequireAnyClientCert})
			if cerr != nil || serr != nil {
				t.Errorf("%s, as a client: client %v, server %v", what, cerr, serr)
			}
			server.Close()
		}
	})
}

// A resumption needs no signature.
func TestSignerNotInResumption(t *testing.T) {
	forEachVersion(t, func(t *testing.T, version uint16) {
		s := &signer{Signer: p256(t)}
		cert, pool := signed(t, s)
		srv := ssltest.NewServerCtx(t, &ssl.Config{Certificates: []ssl.Certificate{cert}, MaxVersion: version})
		cli := ssltest.NewClientCtx(t, &ssl.Config{RootCAs: pool, ServerName: "localhost"})
		first := ssltest.Meet(t, cli, srv, nil)
		session, err := first.Client.Session()
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		first.CloseBoth()
		second := ssltest.Meet(t, cli, srv, session)
		if !second.Server.ConnectionState().DidResume {
			t.Error("not resumed")
		}
		second.CloseBoth()
		if n := s.calls.Load(); n != 1 {
			t.Errorf("%d signatures", n)
		}
	})
}

var errNoPIN = errors.New("the token wants a PIN")

// A signer that fails ends the handshake with its error, and tells the peer so; whatever it returns is
// checked before it is sent.
func TestSignerFails(t *testing.T) {
	key, other := p256(t), p256(t)
	type sign = func(io.Reader, []byte, crypto.SignerOpts) ([]byte, error)
	returns := func(sig []byte, err error) sign {
		return func(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return sig, err }
	}
	cases := map[string]struct {
		sign sign
		want string
	}{
		"an error":      {returns(nil, errNoPIN), "PIN"},
		"nothing":       {returns(nil, nil), "does not fit"},
		"garbage":       {returns(make([]byte, 5000), nil), "does not fit"},
		"another's key": {other.Sign, "does not fit"},
		"another digest": {func(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
			return key.Sign(r, make([]byte, len(digest)), o)
		}, "does not fit"},
		"its goroutine's end": {func(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
			runtime.Goexit()
			return nil, nil
		}, "ended its goroutine"},
	}
	forEachVersion(t, func(t *testing.T, version uint16) {
		for what, c := range cases {
			cert, pool := signed(t, &signer{Signer: key, sign: c.sign})
			p := ssltest.NewTCPPair(t, &ssl.Config{RootCAs: pool, ServerName: "localhost"},
				&ssl.Config{Certificates: []ssl.Certificate{cert}, MaxVersion: version})
			cerr, serr := p.Shake()
			if serr == nil || !strings.Contains(serr.Error(), c.want) {
				t.Errorf("%s: %v", what, serr)
			}
			if what == "an error" && !errors.Is(serr, errNoPIN) {
				t.Errorf("%s: %v does not wrap it", what, serr)
			}
			var e *ssl.Error
			if !errors.As(cerr, &e) {
				t.Errorf("%s: the client got %v", what, cerr)
			} else if a, ok := e.Alert(); !ok || a != 80 {
				t.Errorf("%s: the client got the alert %v: %v", what, a, cerr)
			}
			if again := p.Server.Handshake(); again == nil {
				t.Errorf("%s: the second Handshake has no error", what)
			}
			p.CloseBoth()
		}
	})
}

// A panic goes on in the goroutine of the handshake, and leaves nothing behind: more of them than can sign at
// once do not stand in each other's way.
func TestSignerPanics(t *testing.T) {
	leakcheck.Test(t)
	s := &signer{Signer: p256(t)}
	s.sign = func(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { panic(errNoPIN) }
	cert, _ := signed(t, s)
	srv := ssltest.NewServerCtx(t, &ssl.Config{Certificates: []ssl.Certificate{cert}})
	cli := ssltest.NewClientCtx(t, &ssl.Config{InsecureSkipVerify: true})
	for range 257 {
		a, b := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, cli, srv, a, b)
		got := make(chan any)
		go func() {
			defer func() { got <- recover() }()
			p.Server.Handshake()
		}()
		if err := p.Client.Handshake(); err == nil {
			t.Error("the client has no error")
		}
		if v := <-got; v != errNoPIN {
			t.Fatalf("recovered %v", v)
		}
		if p.Server.Handshake() == nil {
			t.Error("the second Handshake has no error")
		}
		p.CloseBoth()
	}
}

// stuck is a signer that says when it is called, and then waits for the end of the test.
func stuck(t *testing.T, key crypto.Signer) (s *signer, called <-chan struct{}) {
	calls, end := make(chan struct{}, 1000), make(chan struct{})
	t.Cleanup(func() { close(end) })
	return &signer{Signer: key, sign: func(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
		calls <- struct{}{}
		<-end
		return nil, errNoPIN
	}}, calls
}

// Whatever ends a handshake also ends its wait for a signer that does not come back.
func TestSignerThatBlocks(t *testing.T) {
	cause := errors.New("had enough")
	for what, c := range map[string]struct {
		end   func(s *ssl.Conn, cancel context.CancelCauseFunc)
		wants error
	}{
		"the context": {func(_ *ssl.Conn, cancel context.CancelCauseFunc) { cancel(cause) }, cause},
		"Close":       {func(s *ssl.Conn, _ context.CancelCauseFunc) { s.Close() }, ssl.ErrClosed},
	} {
		t.Run(what, func(t *testing.T) {
			forEachVersion(t, func(t *testing.T, version uint16) {
				signer, called := stuck(t, p256(t))
				cert, pool := signed(t, signer)
				p := ssltest.NewTCPPair(t, &ssl.Config{RootCAs: pool, ServerName: "localhost"},
					&ssl.Config{Certificates: []ssl.Certificate{cert}, MaxVersion: version})
				ctx, cancel := context.WithCancelCause(context.Background())
				defer cancel(nil)
				go func() {
					<-called
					c.end(p.Server, cancel)
				}()
				done := make(chan error)
				go func() { done <- p.Client.Handshake() }()
				served := make(chan error, 1)
				go func() { served <- p.Server.HandshakeContext(ctx) }()
				select {
				case err := <-served:
					if !errors.Is(err, c.wants) {
						t.Errorf("%v, want %v", err, c.wants)
					}
				case <-time.After(20 * time.Second):
					t.Fatal("the server waits for its Signer")
				}
				if err := <-done; err == nil {
					t.Error("the client has no error")
				}
				p.CloseBoth()
			})
		})
	}
}
