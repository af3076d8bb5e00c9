package certs_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"sessl/internal/cshim"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// However a server gets its certificate, its signer is called once.
func TestSignerHoweverSet(t *testing.T) {
	forEachVersion(t, func(t *testing.T, version uint16) {
		s := &signer{Signer: p256(t)}
		cert, pool := signed(t, s)
		soft := ssltest.KeyPair(t, "server-ecdsa")
		rsaKey := ssltest.KeyPair(t, "server-rsa")
		reload, err := ssl.NewReloadableCertificates(rsaKey)
		if err != nil {
			t.Fatal(err)
		}
		cli := ssltest.NewClientCtx(t, &ssl.Config{RootCAs: pool, ServerName: "localhost"})
		other := ssltest.NewServerCtx(t, &ssl.Config{Certificates: []ssl.Certificate{cert}, MaxVersion: version})
		for what, cfg := range map[string]*ssl.Config{
			"GetCertificate": {Certificates: []ssl.Certificate{soft},
				GetCertificate: func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) { return &cert, nil }},
			"GetCertificateFromTLS": {GetCertificate: ssl.GetCertificateFromTLS(
				func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
					return &tls.Certificate{Certificate: [][]byte{cert.Leaf().Raw}, PrivateKey: s}, nil
				})},
			"GetConfigForClient": {Certificates: []ssl.Certificate{soft},
				GetConfigForClient: func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return other, nil }},
			"reloaded": {ReloadableCertificates: reload},
			"several":  {Certificates: []ssl.Certificate{cert, rsaKey}},
		} {
			s.calls.Store(0)
			cfg.MaxVersion = version
			ctx := ssltest.NewServerCtx(t, cfg)
			if what == "reloaded" {
				if err := reload.Replace(cert); err != nil {
					t.Fatal(err)
				}
			}
			p := ssltest.Meet(t, cli, ctx, nil)
			p.CloseBoth()
			if n := s.calls.Load(); n != 1 {
				t.Errorf("%s: %d signatures", what, n)
			}
		}
	})
}

// Beside a signer, certificates in software are shown, and the signer is not called; and a function's answer
// of none is none.
func TestSignerNotChosen(t *testing.T) {
	forEachVersion(t, func(t *testing.T, version uint16) {
		s := &signer{Signer: p256(t)}
		cert, _ := signed(t, s)
		rsaKey := ssltest.KeyPair(t, "server-rsa")
		srv := ssltest.NewServerCtx(t, &ssl.Config{Certificates: []ssl.Certificate{cert, rsaKey},
			MaxVersion: version, ClientAuth: ssl.RequestClientCert})
		cli := ssltest.NewClientCtx(t, &ssl.Config{InsecureSkipVerify: true, ServerName: "localhost",
			SignatureSchemes: []tls.SignatureScheme{tls.PSSWithSHA256, tls.PKCS1WithSHA256},
			GetClientCertificate: func(*ssl.CertificateRequestInfo) (*ssl.Certificate, error) {
				return &ssl.Certificate{}, nil
			}})
		p := ssltest.Meet(t, cli, srv, nil)
		if !p.Client.ConnectionState().PeerCertificates[0].Equal(rsaKey.Leaf()) {
			t.Error("another certificate was shown")
		}
		p.CloseBoth()
		if n := s.calls.Load(); n != 0 {
			t.Errorf("%d signatures", n)
		}
	})
}

// A signer cannot decrypt: suites with RSA as key exchange are not chosen.
func TestSignerRSAKeyExchange(t *testing.T) {
	leakcheck.Test(t)
	s := &signer{Signer: ssltest.Must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))}
	cert, _ := signed(t, s)
	srv := ssltest.NewServerCtx(t, &ssl.Config{Certificates: []ssl.Certificate{cert},
		MaxVersion:   ssl.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}})
	for _, both := range []bool{true, false} {
		suites := []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
		if both {
			suites = append(suites, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)
		}
		a, b := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, ssltest.NewClientCtx(t, &ssl.Config{InsecureSkipVerify: true, CipherSuites: suites,
			MaxVersion: ssl.VersionTLS12}), srv, a, b)
		cerr, serr := p.Shake()
		if both {
			if cerr != nil || serr != nil || p.Client.ConnectionState().CipherSuite != suites[1] {
				t.Errorf("client %v, server %v", cerr, serr)
			}
		} else if serr == nil || !strings.Contains(serr.Error(), "no shared cipher") {
			t.Errorf("server: %v", serr)
		}
		p.CloseBoth()
	}
}

// A second ClientHello, and a server that would have read early data.
func TestSignerRoundabout(t *testing.T) {
	leakcheck.Test(t)
	s := &signer{Signer: p256(t)}
	cert, pool := signed(t, s)
	cli := &ssl.Config{RootCAs: pool, ServerName: "localhost",
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP384}}
	srv := &ssl.Config{Certificates: []ssl.Certificate{cert}, CurvePreferences: []tls.CurveID{tls.CurveP384}}
	p := ssltest.NewTCPPair(t, cli, srv)
	p.MustShake(t)
	p.Echo(t)
	p.CloseBoth()
	cli.CurvePreferences = nil
	for _, version := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
		cli.MaxVersion = version
		p = ssltest.NewTCPPair(t, cli, &ssl.Config{Certificates: []ssl.Certificate{cert}, MaxEarlyData: 1000})
		done := make(chan error)
		go func() { done <- p.Client.Handshake() }()
		if n, err := p.Server.ReadEarlyData(make([]byte, 10)); n != 0 || err != io.EOF {
			t.Errorf("ReadEarlyData: %d, %v", n, err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := p.Server.Handshake(); err != nil {
			t.Error(err)
		}
		p.Echo(t)
		p.CloseBoth()
	}
	if n := s.calls.Load(); n != 3 {
		t.Errorf("%d signatures", n)
	}
}

// A client that is asked after the handshake signs while it reads, and does not keep its Close waiting.
func TestSignerAskedLater(t *testing.T) {
	needsProviders(t)
	ssltest.ForEachLater(t, func(t *testing.T, srv, cli *ssl.Config) {
		s := &signer{Signer: p256(t)}
		cert, pool := signed(t, s)
		cli.Certificates, srv.ClientCAs = []ssl.Certificate{cert}, pool
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		for range 2 {
			done := make(chan error)
			go func() { done <- p.Server.RequestClientCertificate(context.Background()) }()
			data := make(chan error)
			go func() {
				_, err := io.ReadFull(p.Client, make([]byte, 5))
				data <- err
			}()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if _, err := p.Server.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			if err := <-data; err != nil {
				t.Fatal(err)
			}
		}
		if n := s.calls.Load(); n != 2 {
			t.Errorf("%d signatures", n)
		}
		called := make(chan struct{}, 1)
		end := make(chan struct{})
		defer close(end)
		s.sign = func(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
			called <- struct{}{}
			<-end
			return nil, errNoPIN
		}
		go p.Server.RequestClientCertificate(context.Background())
		read := make(chan error)
		go func() {
			_, err := p.Client.Read(make([]byte, 1))
			read <- err
		}()
		<-called
		p.Client.Close()
		if err := <-read; !errors.Is(err, ssl.ErrClosed) {
			t.Errorf("Read: %v", err)
		}
		p.CloseBoth()
	})
}

// The limits of a handshake count for its signer too: a read deadline, and HandshakeTimeout.
func TestSignerIsLate(t *testing.T) {
	for what, wants := range map[string]error{
		"deadline": context.DeadlineExceeded, "HandshakeTimeout": ssl.ErrHandshakeTimeout,
	} {
		t.Run(what, func(t *testing.T) {
			leakcheck.Test(t)
			signer, called := stuck(t, p256(t))
			cert, pool := signed(t, signer)
			cfg := &ssl.Config{Certificates: []ssl.Certificate{cert}}
			if what == "HandshakeTimeout" {
				cfg.HandshakeTimeout = time.Second
			}
			p := ssltest.NewTCPPair(t, &ssl.Config{RootCAs: pool, ServerName: "localhost"}, cfg)
			if what == "deadline" {
				p.Server.SetReadDeadline(time.Now().Add(time.Second))
			}
			cerr, serr := p.Shake()
			<-called
			if cerr == nil || !errors.Is(serr, wants) {
				t.Errorf("client %v, server %v, want %v", cerr, serr, wants)
			}
			p.CloseBoth()
		})
	}
}

// Peers that come at once, while the signer does not come back, get no more than so many threads.
func TestSignerThreadsAreBounded(t *testing.T) {
	const limit, peers = 256, 300
	leakcheck.Test(t)
	s, called := stuck(t, p256(t))
	cert, _ := signed(t, s)
	srv := ssltest.NewServerCtx(t, &ssl.Config{Certificates: []ssl.Certificate{cert}})
	cli := ssltest.NewClientCtx(t, &ssl.Config{InsecureSkipVerify: true})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	for range peers {
		a, b := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, cli, srv, a, b)
		go p.Client.Handshake()
		go func() { done <- p.Server.HandshakeContext(ctx) }()
	}
	for range limit {
		<-called
	}
	if n := cshim.SigningThreads(); n != limit {
		t.Errorf("%d threads", n)
	}
	if n := s.calls.Load(); n != limit {
		t.Errorf("%d calls", n)
	}
	cancel()
	for range peers {
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if n := cshim.SigningThreads(); n > limit {
		t.Errorf("%d threads", n)
	}
}

// What no provider of OpenSSL has cannot come from one that the Config demands.
func TestSignerWithPropertyQuery(t *testing.T) {
	leakcheck.Test(t)
	cert, _ := signed(t, &signer{Signer: p256(t)})
	soft := ssltest.KeyPair(t, "server-ecdsa")
	certs := []ssl.Certificate{cert}
	_, err := ssl.NewServerCtx(&ssl.Config{Certificates: certs, PropertyQuery: "provider=default"})
	ssltest.Refuses(t, "NewServerCtx", err, ssl.ErrConfig)
	reload, err := ssl.NewReloadableCertificates(soft)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &ssl.Config{ReloadableCertificates: reload, PropertyQuery: "provider=default"}
	ctx := ssltest.NewServerCtx(t, cfg)
	ssltest.Refuses(t, "Replace", reload.Replace(cert), ssl.ErrConfig)
	ctx.Close()
	p := ssltest.NewTCPPair(t, &ssl.Config{InsecureSkipVerify: true},
		&ssl.Config{PropertyQuery: "provider=default",
			GetCertificate: func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) { return &cert, nil }})
	if _, err := p.Shake(); !errors.Is(err, ssl.ErrConfig) {
		t.Errorf("GetCertificate: %v", err)
	}
	p.CloseBoth()
	p = ssltest.NewTCPPair(t, &ssl.Config{InsecureSkipVerify: true},
		&ssl.Config{Certificates: certs, PropertyQuery: "?provider=default"})
	p.MustShake(t)
	p.CloseBoth()
}

// A function that comes back with another signer for the same leaf has that one called.
func TestSignerIsReplaced(t *testing.T) {
	leakcheck.Test(t)
	first, second := &signer{Signer: p256(t)}, &signer{}
	second.Signer = first.Signer
	cert, _ := signed(t, first)
	now := first
	cfg := &ssl.Config{GetCertificate: ssl.GetCertificateFromTLS(
		func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return &tls.Certificate{Certificate: [][]byte{cert.Leaf().Raw}, PrivateKey: now}, nil
		})}
	for _, now = range []*signer{first, first, second} {
		p := ssltest.NewTCPPair(t, &ssl.Config{InsecureSkipVerify: true}, cfg)
		p.MustShake(t)
		p.CloseBoth()
	}
	if a, b := first.calls.Load(), second.calls.Load(); a != 2 || b != 1 {
		t.Errorf("%d and %d signatures", a, b)
	}
}

// Handshakes one after the other and at once, with a signer as slow as one behind a network.
func TestSignerIsSlow(t *testing.T) {
	leakcheck.Test(t)
	const goroutines = 64
	key := ssltest.Must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	s := &signer{Signer: key, sign: func(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
		<-time.After(5 * time.Millisecond)
		return key.Sign(r, digest, o)
	}}
	cert, pool := signed(t, s)
	srv := ssltest.NewServerCtx(t, &ssl.Config{Certificates: []ssl.Certificate{cert}})
	cli := ssltest.NewClientCtx(t, &ssl.Config{RootCAs: pool, ServerName: "localhost"})
	rounds, before := ssltest.Rounds(256, 10000, 256), cshim.SigningThreads()
	left := make(chan struct{}, rounds)
	for range rounds {
		left <- struct{}{}
	}
	close(left)
	most := make(chan uint64)
	for range goroutines {
		go func() {
			var threads uint64
			for range left {
				p := ssltest.Meet(t, cli, srv, nil)
				threads = max(threads, cshim.SigningThreads())
				p.CloseBoth()
			}
			most <- threads
		}()
	}
	threads := uint64(0)
	for range goroutines {
		threads = max(threads, <-most)
	}
	if n := int(s.calls.Load()); n != rounds {
		t.Errorf("%d signatures in %d handshakes", n, rounds)
	}
	if threads > max(before, goroutines) {
		t.Errorf("%d threads for %d goroutines", threads, goroutines)
	}
	t.Logf("%d handshakes, at most %d threads", rounds, threads)
}

// The last reference on a key in C goes with the last Ctx and Certificate.
func TestSignerKeysAreFreed(t *testing.T) {
	cert, _ := signed(t, &signer{Signer: p256(t)})
	ctx := ssltest.NewServerCtx(t, &ssl.Config{Certificates: []ssl.Certificate{cert}})
	if made, freed := cshim.SignerCounts(); made == freed {
		t.Error("no key is there")
	}
	runtime.KeepAlive(cert)
	ctx.Close()
	for deadline := time.Now().Add(leakcheck.Patience); ; {
		leakcheck.Collect()
		made, freed := cshim.SignerCounts()
		if made == freed {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d keys were made, %d freed", made, freed)
		}
	}
}
