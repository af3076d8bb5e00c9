package certs_test

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

type algorithm = ssl.CertificateCompressionAlgorithm

const (
	plain  = 11 // Certificate
	packed = 25 // CompressedCertificate
)

// compressing are the algorithms that the library is built with; it must say so of all others.
func compressing(t *testing.T) (have []algorithm) {
	t.Helper()
	srv := ssltest.ServerConfig(t)
	for _, a := range []algorithm{ssl.CertificateCompressionZstd, ssl.CertificateCompressionBrotli,
		ssl.CertificateCompressionZlib} {
		srv.CertificateCompression = []algorithm{a}
		switch err := srv.CheckServer(); {
		case err == nil:
			have = append(have, a)
		case !errors.Is(err, ssl.ErrUnsupported) || !strings.Contains(err.Error(), ssltest.If(hasCompression(),
			a.String(), "OpenSSL 3.2")):
			t.Errorf("%v: %v", a, err)
		}
	}
	if has := len(have) > 0; has != hasCompression() {
		t.Errorf("with %s there are the algorithms %v", ssltest.LibraryRelease(), have)
	}
	return have
}

// hasCompression tells the versions that can compress; all that the tests meet have zlib at least.
func hasCompression() bool { return ssltest.LibraryRelease() >= "3.2" }

// unpack is the Certificate message in a CompressedCertificate; nil if Go has no way to read it.
func unpack(t *testing.T, body []byte) (a algorithm, whole int, message []byte) {
	t.Helper()
	a = algorithm(body[0])<<8 | algorithm(body[1])
	whole = int(body[2])<<16 | int(body[3])<<8 | int(body[4])
	if n := int(body[5])<<16 | int(body[6])<<8 | int(body[7]); n != len(body)-8 {
		t.Fatalf("%d bytes of compressed data, and a length of %d", len(body)-8, n)
	}
	if a != ssl.CertificateCompressionZlib {
		return a, whole, nil
	}
	r, err := zlib.NewReader(bytes.NewReader(body[8:]))
	if err == nil {
		message, err = io.ReadAll(r)
	}
	if err != nil || len(message) != whole {
		t.Fatalf("%d bytes of %d, %v", len(message), whole, err)
	}
	return a, whole, message
}

// shake does a handshake, and returns the message with the certificate of the server, or the client.
func shake(t *testing.T, cli *ssl.Config, sctx *ssl.Ctx, ofServer bool) (o *ssltest.Overheard, number byte,
	body []byte) {
	t.Helper()
	o = ssltest.Overhear(t, cli, sctx)
	o.MustShake(t)
	number, body = o.Certificate(t, ofServer)
	c, s := o.Client.ConnectionState(), o.Server.ConnectionState()
	sent, got := c.LocalCertificateCompressed, s.PeerCertificateCompressed
	if ofServer {
		sent, got = s.LocalCertificateCompressed, c.PeerCertificateCompressed
	}
	if compressed := number == packed; sent != compressed || got != compressed {
		t.Errorf("message %d: sent compressed is %t, received compressed is %t", number, sent, got)
	}
	return o, number, body
}

// compressedWays are the ways by which a server comes to its certificate, with the name in it.
func compressedWays(t *testing.T, list []algorithm) map[string]func() *ssl.Config {
	chain := func() ssl.Certificate { return ssltest.KeyPair(t, "server-chain") }
	rsa := func() ssl.Certificate { return ssltest.KeyPair(t, "server-rsa") }
	way := func(change func(*ssl.Config)) func() *ssl.Config {
		return func() *ssl.Config {
			cfg := &ssl.Config{CertificateCompression: list}
			change(cfg)
			return cfg
		}
	}
	return map[string]func() *ssl.Config{
		"one":     way(func(c *ssl.Config) { c.Certificates = []ssl.Certificate{chain()} }),
		"several": way(func(c *ssl.Config) { c.Certificates = []ssl.Certificate{chain(), rsa()} }),
		"GetCertificate": way(func(c *ssl.Config) {
			cert := chain()
			c.GetCertificate = func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) { return &cert, nil }
		}),
		"GetCertificate has none": way(func(c *ssl.Config) {
			c.Certificates = []ssl.Certificate{chain()}
			c.GetCertificate = func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) { return nil, nil }
		}),
		"reloaded": way(func(c *ssl.Config) { c.ReloadableCertificates = ssltest.Reloadable(t, "server-chain") }),
		"several reloaded": way(func(c *ssl.Config) {
			c.ReloadableCertificates = ssltest.Reloadable(t, "server-chain", "server-rsa")
		}),
		"GetConfigForClient": way(func(c *ssl.Config) {
			host := ssltest.NewServerCtx(t, &ssl.Config{CertificateCompression: list,
				Certificates: []ssl.Certificate{chain()}})
			c.CertificateCompression, c.Certificates = nil, []ssl.Certificate{rsa()}
			c.GetConfigForClient = func(*ssl.ClientHelloInfo) (*ssl.Ctx, error) { return host, nil }
		}),
	}
}

// However a server comes to its certificate, each client that can decompress it gets it compressed, and
// nothing in it differs from what others get.
func TestCertificateCompression(t *testing.T) {
	leakcheck.Test(t)
	list := compressing(t)
	if len(list) == 0 {
		return
	}
	cli := ssltest.ClientConfig(t)
	for way, makeConfig := range compressedWays(t, list) {
		sctx := ssltest.NewServerCtx(t, makeConfig())
		other := ssltest.CopyOf(cli, func(c *ssl.Config) { c.NoCertificateCompression = true })
		_, number, want := shake(t, other, sctx, true)
		if number != plain {
			t.Fatalf("%s: message %d for a client that refuses", way, number)
		}
		for _, a := range list {
			own := ssltest.CopyOf(cli, func(c *ssl.Config) { c.CertificateCompression = []algorithm{a} })
			for range 2 {
				o, number, body := shake(t, own, sctx, true)
				if number != packed {
					t.Errorf("%s, %v: message %d", way, a, number)
					continue
				}
				got, whole, message := unpack(t, body)
				if got != a || len(body) >= len(want) || whole != len(want) ||
					message != nil && !bytes.Equal(message, want) {
					t.Errorf("%s, %v: compressed by %v, %d bytes for %d of %d", way, a, got, len(body), whole, len(want))
				}
				if st := o.Client.ConnectionState(); len(st.PeerCertificates) != 2 || !st.Verified {
					t.Errorf("%s, %v: %d certificates, verified %t", way, a, len(st.PeerCertificates), st.Verified)
				}
				o.CloseBoth()
			}
		}
	}
}

// The first algorithm of the client that the server has counts.
func TestCertificateCompressionPreference(t *testing.T) {
	leakcheck.Test(t)
	have := compressing(t)
	if len(have) < 2 {
		return
	}
	one, two := have[0], have[1]
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-chain")}
	for _, c := range []struct {
		server, client []algorithm
		want           algorithm
	}{
		{[]algorithm{one, two}, []algorithm{one, two}, one},
		{[]algorithm{one, two}, []algorithm{two, one}, two},
		{[]algorithm{one}, []algorithm{two, one}, one},
		{[]algorithm{one}, []algorithm{two}, 0},
	} {
		srv.CertificateCompression, cli.CertificateCompression = c.server, c.client
		_, number, body := shake(t, cli, ssltest.NewServerCtx(t, srv), true)
		got := algorithm(0)
		if number == packed {
			got, _, _ = unpack(t, body)
		}
		if got != c.want {
			t.Errorf("server %v, client %v: %v, want %v", c.server, c.client, got, c.want)
		}
	}
}

// A staple is compressed with its certificate for who asks, and who does not ask gets none; it changes
// with SetOCSPStaple.
func TestCompressedStaple(t *testing.T) {
	leakcheck.Test(t)
	list := compressing(t)
	if len(list) == 0 {
		return
	}
	want := ssltest.Staple(t, "server-ecdsa")
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.CertificateCompression = list
	for way, cfg := range stapledWays(t, srv) {
		sctx := ssltest.NewServerCtx(t, cfg)
		for _, asks := range []bool{true, false, true} {
			own := ssltest.CopyOf(cli, func(c *ssl.Config) { c.RequestOCSPStaple = asks })
			o, number, body := shake(t, own, sctx, true)
			refused := ssltest.CopyOf(own, func(c *ssl.Config) { c.NoCertificateCompression = true })
			_, _, bare := shake(t, refused, sctx, true)
			got := o.Client.ConnectionState().OCSPResponse
			if number != packed || !bytes.Equal(got, ssltest.If(asks, want, nil)) {
				t.Errorf("%s, asked for: %t: message %d with a staple of %d bytes", way, asks, number, len(got))
				continue
			}
			if _, whole, message := unpack(t, body); whole != len(bare) ||
				message != nil && !bytes.Equal(message, bare) {
				t.Errorf("%s, asked for: %t: %d bytes were compressed, want %d", way, asks, whole, len(bare))
			}
		}
	}
	cert, other := ssltest.Stapled(t, "server-ecdsa"), bytes.Clone(want)
	other[len(other)-1] ^= 1 // in a signature
	srv.Certificates, cli.RequestOCSPStaple = []ssl.Certificate{cert}, true
	sctx := ssltest.NewServerCtx(t, srv)
	for _, staple := range [][]byte{want, other, nil, want} {
		if err := cert.SetOCSPStaple(staple); err != nil {
			t.Fatal(err)
		}
		o, number, _ := shake(t, cli, sctx, true)
		if got := o.Client.ConnectionState().OCSPResponse; number != packed || !bytes.Equal(got, staple) {
			t.Errorf("message %d with a staple of %d bytes, want %d", number, len(got), len(staple))
		}
	}
}

// By default a server compresses nothing, and it is no error that there is nothing to compress.
func TestNoCertificateCompression(t *testing.T) {
	leakcheck.Test(t)
	list := compressing(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "server-chain")}
	for name, change := range map[string]func(srv, cli *ssl.Config){
		"default":        func(_, _ *ssl.Config) {},
		"server refuses": func(srv, _ *ssl.Config) { srv.NoCertificateCompression = true },
		"both refuse": func(srv, cli *ssl.Config) {
			srv.NoCertificateCompression, cli.NoCertificateCompression = true, true
		},
		"client refuses": func(srv, cli *ssl.Config) {
			srv.CertificateCompression, cli.NoCertificateCompression = list, true
		},
		"TLS 1.2": func(srv, cli *ssl.Config) {
			srv.CertificateCompression, cli.MaxVersion = list, ssl.VersionTLS12
		},
		"PSK": func(srv, cli *ssl.Config) {
			psk := []ssl.PSK{ssltest.NewPSK(t, "a", ssltest.PSKKey)}
			srv.CertificateCompression, srv.Certificates, srv.PSKs, cli.PSKs = list, nil, psk, psk
		},
	} {
		s, c := *srv, *cli
		change(&s, &c)
		o, number, _ := shake(t, &c, ssltest.NewServerCtx(t, &s), true)
		want := byte(plain)
		if name == "TLS 1.2" || name == "PSK" {
			want = 0
		}
		if st := o.Client.ConnectionState(); number != want || st.PeerCertificateCompressed {
			t.Errorf("%s: message %d, want %d; compressed %t", name, number, want, st.PeerCertificateCompressed)
		}
		o.CloseBoth()
	}
}

// A resumption shows no certificate, and what is said of one is of the connection itself.
func TestCompressionAndResumption(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.CertificateCompression = compressing(t)
	sctx := ssltest.NewServerCtx(t, srv)
	o, _, _ := shake(t, cli, sctx, true)
	o.Echo(t)
	p := ssltest.Meet(t, ssltest.NewClientCtx(t, cli), sctx, ssltest.SessionOf(t, o.Client))
	st := p.Client.ConnectionState()
	if !st.DidResume || st.PeerCertificateCompressed || len(st.PeerCertificates) == 0 {
		t.Errorf("resumed %t, compressed %t, %d certificates", st.DidResume, st.PeerCertificateCompressed,
			len(st.PeerCertificates))
	}
}

// A client compresses its certificate for a server that says that it wants it, in the handshake and after
// it, and never for one that refuses.
func TestClientCertificateCompression(t *testing.T) {
	leakcheck.Test(t)
	list := compressing(t)
	for _, later := range []bool{false, true} {
		srv, cli := ssltest.LaterConfigs(t)
		srv.PostHandshakeAuth = later
		for name, c := range map[string]struct {
			change func(srv, cli *ssl.Config)
			want   bool
		}{
			"default":        {func(_, _ *ssl.Config) {}, true},
			"listed":         {func(srv, _ *ssl.Config) { srv.CertificateCompression = list }, true},
			"server refuses": {func(srv, _ *ssl.Config) { srv.NoCertificateCompression = true }, false},
			"client refuses": {func(_, cli *ssl.Config) { cli.NoCertificateCompression = true }, false},
		} {
			s, cl := *srv, *cli
			c.change(&s, &cl)
			want := c.want && hasCompression()
			var p ssltest.Pair
			if later {
				p = ssltest.NewTCPPair(t, &cl, &s)
				p.MustShake(t)
				if err := p.Request(t); err != nil {
					t.Fatal(err)
				}
			} else {
				o, number, _ := shake(t, &cl, ssltest.NewServerCtx(t, &s), false)
				p = o.Pair
				if (number == packed) != want {
					t.Errorf("%s: message %d", name, number)
				}
			}
			ssltest.WantClient(t, p.Server, ssltest.ClientName)
			if got := p.Server.ConnectionState().PeerCertificateCompressed; got != want {
				t.Errorf("%s, later %t: compressed is %t", name, later, got)
			}
			p.CloseBoth()
		}
	}
}

// openssl.cnf may refuse compression, and a list in a Config comes before it.
func TestCompressionUnderOpenSSLConf(t *testing.T) {
	if !hasCompression() {
		return // the file's options are not known
	}
	if os.Getenv(ssltest.CnfEnv) == "" {
		ssltest.UnderConf(t, t.Name(), "Options = -TxCertificateCompression,-RxCertificateCompression", "yes")
		return
	}
	list := compressing(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.Certificates, srv.CertificateCompression = []ssl.Certificate{ssltest.KeyPair(t, "server-chain")}, list
	sctx := ssltest.NewServerCtx(t, srv)
	for _, want := range []byte{plain, packed} {
		if want == packed {
			cli.CertificateCompression = list
		}
		if _, number, _ := shake(t, cli, sctx, true); number != want {
			t.Errorf("message %d, want %d", number, want)
		}
	}
}

func TestCompressionMistakes(t *testing.T) {
	leakcheck.Test(t)
	zlib, zstd := ssl.CertificateCompressionZlib, ssl.CertificateCompressionZstd
	for _, c := range []struct {
		what   string
		change func(*ssl.Config)
		want   error
	}{
		{"twice", func(c *ssl.Config) { c.CertificateCompression = []algorithm{zlib, zstd, zlib} }, ssl.ErrConfig},
		{"0", func(c *ssl.Config) { c.CertificateCompression = []algorithm{0} }, ssl.ErrUnsupported},
		{"4", func(c *ssl.Config) { c.CertificateCompression = []algorithm{4} }, ssl.ErrUnsupported},
		{"and none", func(c *ssl.Config) {
			c.CertificateCompression, c.NoCertificateCompression = []algorithm{zlib}, true
		}, ssl.ErrConfig},
		{"TLS 1.2", func(c *ssl.Config) {
			c.CertificateCompression, c.MaxVersion = []algorithm{zlib}, ssl.VersionTLS12
		}, ssl.ErrConfig},
		{"an empty list", func(c *ssl.Config) { c.CertificateCompression = []algorithm{} }, nil},
		{"none", func(c *ssl.Config) { c.NoCertificateCompression = true }, nil},
	} {
		srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
		c.change(srv)
		c.change(cli)
		for side, err := range map[string]error{"server": srv.CheckServer(), "client": cli.CheckClient()} {
			if !errors.Is(err, c.want) {
				t.Errorf("%s, %s: %v, want %v", c.what, side, err, c.want)
			}
		}
	}
	for a, want := range map[algorithm]string{1: "zlib", 2: "brotli", 3: "zstd",
		0: "CertificateCompressionAlgorithm(0)", 70: "CertificateCompressionAlgorithm(70)"} {
		if a.String() != want {
			t.Errorf("%q, want %q", a, want)
		}
	}
}
