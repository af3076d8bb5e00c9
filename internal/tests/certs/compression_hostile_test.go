package certs_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"strings"
	"sync"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A chain that is small while it is compressed is held to the limit for certificates all the same.
func TestCompressedBomb(t *testing.T) {
	leakcheck.Test(t)
	list := compressing(t)
	if len(list) == 0 {
		return
	}
	for _, size := range []int{100 << 10, 300 << 10} {
		big := ssltest.IssuedAs(t, "ca", &x509.Certificate{Subject: pkix.Name{CommonName: "big"},
			DNSNames: []string{"localhost"}, NotAfter: ssltest.FarFuture,
			ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Value: make([]byte, size)}}})
		srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
		srv.Certificates, srv.CertificateCompression = []ssl.Certificate{big}, list
		p := ssltest.NewTCPPair(t, cli, srv)
		cerr, serr := p.Shake()
		if fits := size < 256<<10; fits != (cerr == nil) ||
			!fits && ssltest.AlertOf(serr) != ssltest.AlertBadCertificate {
			t.Errorf("%d bytes: client %v, server %v", size, cerr, serr)
		}
		if st := p.Client.ConnectionState(); cerr != nil && len(st.PeerCertificates) > 0 {
			t.Errorf("%d bytes: %d certificates", size, len(st.PeerCertificates))
		}
	}
}

// A server that lies about how much comes out of what it has compressed is refused.
func TestCompressedLies(t *testing.T) {
	leakcheck.Test(t)
	if !hasCompression() {
		return
	}
	cli := ssltest.ClientConfig(t)
	cli.CipherSuites = ssltest.RawSuites
	for name, c := range map[string]struct {
		whole func(int) int
		want  string
	}{
		"the truth":  {func(n int) int { return n }, "signature"},
		"more":       {func(n int) int { return n + 1 }, "bad decompression"},
		"less":       {func(n int) int { return n - 1 }, "bad decompression"},
		"nothing":    {func(int) int { return 0 }, "bad decompression"},
		"all 16 MiB": {func(int) int { return 1<<24 - 1 }, "excessive message size"},
	} {
		client, p := ssltest.RawFor(t, ssltest.NewClientCtx(t, cli), ssltest.StdConfig(t, tls.VersionTLS13))
		p.Compress(t, c.whole, nil, nil)
		go p.Handshake()
		if err := client.Handshake(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// A bad staple is the server's fault also in what was compressed.
func TestCompressedBadStaple(t *testing.T) {
	leakcheck.Test(t)
	if !hasCompression() {
		return
	}
	cli, good := ssltest.ClientConfig(t), ssltest.Staple(t, "server-ecdsa")
	cli.CipherSuites, cli.RequestOCSPStaple = ssltest.RawSuites, true
	for name, c := range map[string]struct {
		staple []byte
		bad    bool
	}{
		"good":  {good, false},
		"empty": {nil, true},
		"cut":   {good[:len(good)-1], !parsesNone()},
	} {
		std := ssltest.StdConfig(t, tls.VersionTLS13)
		std.Certificates[0].OCSPStaple = good
		client, p := ssltest.RawFor(t, ssltest.NewClientCtx(t, cli), std)
		p.Compress(t, func(n int) int { return n }, good, c.staple)
		go p.Handshake()
		if err := client.Handshake(); err == nil || c.bad != errors.Is(err, ssl.ErrMalformed) ||
			errors.Is(err, ssl.ErrNoMemory) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Certificates and staples are replaced while clients come: each gets a certificate that is one, compressed,
// with its own staple or none.
func TestCompressionUnderReload(t *testing.T) {
	leakcheck.Test(t)
	list := compressing(t)
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	r := ssltest.Reloadable(t, "server-ecdsa", "server-rsa")
	srv.Certificates, srv.ReloadableCertificates, srv.CertificateCompression = nil, r, list
	cli.RequestOCSPStaple = true
	sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
	want := ssltest.Staple(t, "server-ecdsa")
	stop := make(chan struct{})
	var replacing, clients sync.WaitGroup
	replacing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			name := []string{"server-chain", "server-ecdsa"}[i%2]
			cert, err := ssl.LoadX509KeyPair(ssltest.CertFile(name+".pem"), ssltest.CertFile(name+".key"))
			if err == nil {
				err = r.Replace(cert)
			}
			if err == nil && i%2 == 1 {
				err = cert.SetOCSPStaple(want)
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
	for range 4 {
		clients.Go(func() {
			for range 12 { // leakcheck bears with some two hundred functions of Cleanup
				a, b := ssltest.TCPPipe(t)
				p := ssltest.NewPair(t, cctx, sctx, a, b)
				c, s := p.Shake()
				st := p.Client.ConnectionState()
				if c != nil || s != nil || st.PeerCertificateCompressed != (len(list) > 0) ||
					st.OCSPResponse != nil && !bytes.Equal(st.OCSPResponse, want) {
					t.Errorf("client %v, server %v, compressed %t, a staple of %d bytes", c, s,
						st.PeerCertificateCompressed, len(st.OCSPResponse))
				}
				p.CloseBoth()
			}
		})
	}
	clients.Wait()
	close(stop)
	replacing.Wait()
}

// What is said of the client's certificate is said of the last one.
func TestCompressedThenNone(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.LaterConfigs(t)
	srv.ClientAuth = ssl.VerifyClientCertIfGiven
	cert := cli.Certificates[0]
	answers := []*ssl.Certificate{&cert, nil}
	cli.GetClientCertificate = func(*ssl.CertificateRequestInfo) (answer *ssl.Certificate, err error) {
		answer, answers = answers[0], answers[1:]
		return answer, nil
	}
	p := ssltest.NewTCPPair(t, cli, srv)
	p.MustShake(t)
	for _, name := range []string{ssltest.ClientName, ""} {
		if err := p.Request(t); err != nil {
			t.Fatal(err)
		}
		ssltest.WantClient(t, p.Server, name)
		want := name != "" && hasCompression()
		if got := p.Server.ConnectionState().PeerCertificateCompressed; got != want {
			t.Errorf("%q: compressed is %t", name, got)
		}
	}
}

// A raw public key goes as it is, and the certificate beside it is compressed for who wants that.
func TestCompressionBesideRawKeys(t *testing.T) {
	leakcheck.Test(t)
	list := compressing(t)
	if len(list) == 0 {
		return
	}
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.CertificateCompression = list
	srv.CertificateTypes = []ssl.CertificateType{ssl.CertificateTypeRawPublicKey, ssl.CertificateTypeX509}
	sctx := ssltest.NewServerCtx(t, srv)
	if _, number, _ := shake(t, cli, sctx, true); number != packed {
		t.Errorf("message %d for a client that wants a certificate", number)
	}
	key := srv.Certificates[0].Leaf().RawSubjectPublicKeyInfo
	cli.PeerCertificateTypes = []ssl.CertificateType{ssl.CertificateTypeRawPublicKey}
	cli.RootCAs, cli.PeerRawPublicKeys = nil, [][]byte{key}
	o, number, _ := shake(t, cli, sctx, true)
	if st := o.Client.ConnectionState(); number != plain || !bytes.Equal(st.PeerRawPublicKey, key) {
		t.Errorf("message %d, and a raw key of %d bytes", number, len(st.PeerRawPublicKey))
	}
}
