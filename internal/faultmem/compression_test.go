package faultmem_test

import (
	"bytes"
	"errors"
	"net"
	"testing"

	"sessl/internal/faultmem"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Without memory to compress a certificate it goes as it is; without memory to compress it with its staple
// there is no connection, rather than one without the staple. The certificate is another one each time.
func TestCompressionOutOfMemory(t *testing.T) {
	leakcheck.Test(t)
	var cert ssl.Certificate
	l := newLink(t, ssl.VersionTLS13, setup{staple: !decodesStaples})
	server, err := ssl.NewServerCtx(&ssl.Config{
		CertificateCompression: []ssl.CertificateCompressionAlgorithm{ssl.CertificateCompressionZlib},
		GetCertificate:         func(*ssl.ClientHelloInfo) (*ssl.Certificate, error) { return &cert, nil },
	})
	if errors.Is(err, ssl.ErrUnsupported) {
		return // as TestCompressionMistakes wants it of such a library
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	l.server = server
	staple := ssltest.ReadFile(t, "server-ecdsa.ocsp")
	renew := func() (err error) {
		if cert, err = ssl.LoadX509KeyPair(ssltest.CertFile("server-ecdsa.pem"),
			ssltest.CertFile("server-ecdsa.key")); err != nil {
			return err
		}
		return cert.SetOCSPStaple(staple)
	}
	client := func(st *ssl.ConnectionState) func(net.Conn) (err, wrong error) {
		return func(raw net.Conn) (err, wrong error) {
			c, err := ssl.Client(raw, l.client)
			if err != nil {
				return err, nil
			}
			defer c.Close()
			if err := offerNothing(c); err != nil {
				return nil, err
			}
			err = c.Handshake()
			*st = c.ConnectionState()
			return err, nil
		}
	}
	check := func(err error, st ssl.ConnectionState) error {
		if err == nil && (!st.Verified || !decodesStaples && !bytes.Equal(st.OCSPResponse, staple)) {
			return errors.New("the client has no certificate, or no staple")
		}
		return nil
	}
	for _, ours := range []func(*ssl.ConnectionState) (err, wrong error){
		func(st *ssl.ConnectionState) (err, wrong error) { return drive(client(st), serve(l)) },
		func(st *ssl.ConnectionState) (err, wrong error) { return drive(serve(l), client(st)) },
	} {
		perSite(t, func(op func(string)) (err, wrong error) {
			if err := faultmem.Aside(renew); err != nil {
				return nil, err
			}
			op("Conn.Handshake")
			var st ssl.ConnectionState
			err, wrong = ours(&st)
			faultmem.Aside(func() error {
				l.take().Close()
				cert = ssl.Certificate{} // with what was compressed
				ssltest.CollectGarbage()
				return nil
			})
			return err, errors.Join(wrong, check(err, st))
		})
	}
}
